"""Prediction from an ONNX file: the same masks as from the checkpoint, without PyTorch."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from exporting import checkpoint, export
from wsfcn.config import preset_settings
from wsfcn.deploy.load import open_network
from wsfcn.deploy.onnx import OnnxNetwork
from wsfcn.errors import CheckpointError
from wsfcn.inference.predictor import Predictor
from wsfcn.inference.pytorch import TorchNetwork


@pytest.fixture(scope="module")
def made():
    return checkpoint(weights="imagenet")


@pytest.fixture(scope="module")
def file(made, tmp_path_factory):
    return export(tmp_path_factory.mktemp("onnx") / "m.onnx", made)


def picture(size: tuple[int, int] = (100, 70)) -> Image.Image:
    """Coloured blobs."""
    noise = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("fast", {}),
        ("accurate", {}),
        ("published", {"refine": "none"}),
        ("fast", {"refine": "pamr", "flip": True}),
        ("fast", {"max_side": 0, "tile": 288}),
    ],
    ids=["fast", "accurate", "published", "pamr", "tiles"],
)
def test_masks_are_those_of_the_checkpoint(made, file, preset, changes):
    settings = preset_settings(preset, class_cut=0.0, **changes)
    size = (416, 288) if "tile" in changes else (40, 130)
    one = Predictor(TorchNetwork(made, "cpu"), settings).predict(picture(size))
    other = Predictor(OnnxNetwork(file), settings).predict(picture(size))
    assert one.tags == pytest.approx(other.tags, abs=1e-4)
    assert list(one.probabilities) == list(other.probabilities)
    for name, soft in one.probabilities.items():
        assert np.abs(soft.astype(float) - other.probabilities[name]).max() < 5e-3, name
    assert (one.mask == other.mask).mean() > 0.999
    assert settings.refine == "crf" or len(np.unique(one.mask)) > 1


def test_tiles_of_gci_know_the_whole(tmp_path):
    made = checkpoint(context="aspp", fusion="gci")
    settings = preset_settings("fast", class_cut=0.0, max_side=0, tile=288)
    one = Predictor(TorchNetwork(made, "cpu"), settings).predict(picture((416, 288)))
    file = export(tmp_path / "m.onnx", made)
    other = Predictor(OnnxNetwork(file), settings).predict(picture((416, 288)))
    assert (one.mask == other.mask).mean() > 0.999


def test_neither_pytorch_nor_timm_is_imported(file, tmp_path):
    picture().save(tmp_path / "p.png")
    code = f"""
import sys
from wsfcn.cli import main
try:
    main(["predict", {str(file)!r}, {str(tmp_path / "p.png")!r}, "-o", {str(tmp_path / "out")!r}])
except SystemExit as exit:
    assert not exit.code
heavy = {{"torch", "timm", "torchvision", "lightning", "numba", "scipy", "onnx"}}
print(*heavy & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (tmp_path / "out" / "p.png").exists()
    assert done.stdout.splitlines()[-1] == ""


def test_a_file_that_cannot_be_used_is_one_line(file, tmp_path):
    content = file.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.onnx").write_text("no model")
    for name in ("cut", "text"):
        with pytest.raises(
            CheckpointError, match="not an ONNX file of `wsfcn export`, cut off"
        ) as e:
            open_network(tmp_path / f"{name}.onnx")
        assert "\n" not in str(e.value)
    with pytest.raises(CheckpointError, match=r"gone.onnx: no such file"):
        open_network(tmp_path / "gone.onnx")


def test_a_file_of_another_program_or_time_is_refused(file, tmp_path):
    import onnx

    model = onnx.load(file)
    for item in model.metadata_props:
        if item.key == "wsfcn.format":
            item.value = "2"
    onnx.save(model, tmp_path / "new.onnx")
    with pytest.raises(CheckpointError, match="format '2', but this version reads format 1"):
        open_network(tmp_path / "new.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(CheckpointError, match="but not one of `wsfcn export`"):
        open_network(tmp_path / "other.onnx")
    model = onnx.load(file)
    model.opset_import[0].version = 99
    onnx.save(model, tmp_path / "opset.onnx")
    with pytest.raises(CheckpointError, match="too new"):
        open_network(tmp_path / "opset.onnx")
