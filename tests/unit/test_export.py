"""An exported network gives what PyTorch gives, whatever its parts and the picture's size."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import wsfcn
from exporting import CLASSES, checkpoint, export
from wsfcn.deploy.export import OPSET
from wsfcn.deploy.onnx import OnnxNetwork
from wsfcn.errors import SettingError
from wsfcn.images import voc_palette
from wsfcn.inference.pytorch import TorchNetwork
from wsfcn.maps import resize

SIZES = [(1, 3), (33, 161), (64, 64), (97, 130), (255, 199), (320, 240), (17, 40)]


def disagreement(path: Path, net: torch.nn.Module, size: tuple[int, int], batch: int) -> float:
    """Largest difference of probabilities and tags between the file and PyTorch."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    generator = torch.Generator().manual_seed(size[0])
    image = torch.rand(batch, 3, *size, generator=generator)
    with torch.inference_mode():
        prediction = net(image)
    expected = (
        resize(prediction.logits.softmax(1), size, align_corners=True),
        prediction.scores.sigmoid(),
    )
    found = session.run(None, {"image": image.numpy()})
    assert [value.shape for value in found] == [tuple(value.shape) for value in expected]
    pairs = zip(found, expected, strict=True)
    return max(float(np.abs(value - other.numpy()).max()) for value, other in pairs)


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"stride": 8, "scoring": "masks"},
        {"context": "aspp", "fusion": "gci", "context_norm": "idle"},
        {"context": "none", "fusion": "none"},
        {"align": False, "frozen_stride": 0, "gate": 0.0},
    ],
    ids=["default", "masks", "gci", "none", "plain"],
)
def test_each_method_agrees_on_every_size(model, tmp_path):
    made = checkpoint(**model)
    export(tmp_path / "m.onnx", made)
    for size in SIZES:
        for batch in (1, 3):
            assert disagreement(tmp_path / "m.onnx", made.model, size, batch) < 1e-4, (size, batch)


BACKBONES = [
    ("resnet18", 8),
    ("vgg16_bn", 16),
    ("mobilenetv3_small_050", 16),
    ("convnext_atto", 16),
    ("swin_tiny_patch4_window7_224", 16),
    ("vit_tiny_patch16_224", 16),
    ("eva02_tiny_patch14_224", 16),
]


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "stride"), BACKBONES)
def test_each_backbone_agrees(backbone, stride, tmp_path):
    made = checkpoint(backbone=backbone, stride=stride)
    export(tmp_path / "m.onnx", made)
    for size in [(75, 96), (130, 61), (64, 64), (224, 224)]:
        assert disagreement(tmp_path / "m.onnx", made.model, size, 2) < 1e-4, size


def test_the_file_says_what_it_is(tmp_path):
    export(tmp_path / "m.onnx", checkpoint())
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", OPSET)]
    assert [value.name for value in model.graph.input] == ["image"]
    assert [value.name for value in model.graph.output] == ["probabilities", "tags"]
    about = {item.key: json.loads(item.value) for item in model.metadata_props}
    assert about["classes"] == list(CLASSES.names)
    assert about["palette"] == voc_palette()[:4].tolist()
    assert about["training_size"] == 64


def test_parts_are_cut_where_pytorchs_are(tmp_path):
    for model in ({}, {"context": "aspp", "fusion": "gci"}):
        made = checkpoint(**model)
        export(tmp_path / "m.onnx", made)
        image = torch.rand(1, 3, 64, 96)
        ours, theirs = TorchNetwork(made, "cpu").parts(), OnnxNetwork(tmp_path / "m.onnx").parts()
        expected, found = ours.features(image), theirs.features(image.numpy())
        contexts = ours.context(expected[1]), theirs.context(found[1])
        cues = ours.cues(expected[0], contexts[0]), theirs.cues(found[0], contexts[1])
        if cues[0] is not None:
            cues = cues[0].amax((2, 3), keepdim=True), cues[1].max((2, 3), keepdims=True)
        logits = (
            ours.logits(expected[0], contexts[0], cues[0]),
            theirs.logits(found[0], contexts[1], cues[1]),
        )
        seen = ours.seen(expected[1], logits[0]), theirs.seen(found[1], logits[1])
        for one, other in zip(seen[0], seen[1], strict=True):
            assert np.allclose(one.numpy(), other, atol=1e-4)


def test_bytes_as_input(tmp_path):
    made = checkpoint()
    export(tmp_path / "float.onnx", made)
    export(tmp_path / "bytes.onnx", made, input="uint8")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    networks = [OnnxNetwork(tmp_path / f"{name}.onnx") for name in ("float", "bytes")]
    one, other = (network(network.image(pixels)) for network in networks)
    assert np.allclose(one.masks, other.masks, atol=1e-5)


def saturates() -> bool:
    """Whether this processor adds products of 8-bit integers in 16 bits: x86 without VNNI."""
    about = Path("/proc/cpuinfo")
    flags = about.read_text() if about.exists() else ""
    return "avx2" in flags and "vnni" not in flags


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_smaller_files_see_nearly_the_same(precision, tmp_path, monkeypatch):
    import onnxruntime

    made = checkpoint(weights="imagenet")
    noise = np.random.default_rng(0)
    for n in range(4):
        blobs = Image.fromarray(noise.integers(0, 255, (6, 8, 3), np.uint8))
        blobs.resize((80, 60), Image.Resampling.BICUBIC).save(tmp_path / f"{n}.png")
    pictures = sorted(tmp_path.glob("*.png"))
    whole = export(tmp_path / "whole.onnx", made)
    small = export(tmp_path / "small.onnx", made, precision=precision, calibrate=pictures)
    assert small.stat().st_size < {"fp16": 0.6, "int8": 0.5}[precision] * whole.stat().st_size
    if saturates():  # the file's own arithmetic, not that of the processor's kernels
        session = onnxruntime.InferenceSession

        def exact(content, options, providers):
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            return session(content, options, providers=providers)

        monkeypatch.setattr(onnxruntime, "InferenceSession", exact)
    networks = OnnxNetwork(whole), OnnxNetwork(small)
    image = networks[0].image(np.asarray(Image.open(pictures[0])))
    one, other = (network(image) for network in networks)
    assert other.masks.dtype == np.float32
    assert np.abs(one.masks - other.masks).mean() < {"fp16": 0.001, "int8": 0.02}[precision]
    # Its head is random, and the classes close to each other.
    same = (one.masks.argmax(1) == other.masks.argmax(1)).mean()
    assert same > {"fp16": 0.95, "int8": 0.93}[precision]
    assert networks[1].classes == CLASSES


def test_integers_need_pictures(tmp_path):
    with pytest.raises(SettingError, match="--calibrate"):
        export(tmp_path / "m.onnx", checkpoint(), precision="int8")
    assert not list(tmp_path.iterdir())


HIDDEN = """
import runpy, sys
sys.modules |= dict.fromkeys(("torch", "timm", "wsfcn", "onnx"))  # importing these is an error
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("size", [(90, 60), (400, 40)])
def test_the_example_needs_no_more_than_it_says(tmp_path, size):
    made = checkpoint()
    file = export(tmp_path / "m.onnx", made)
    noise = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    Image.fromarray(noise).resize(size).save(tmp_path / "p.jpg")
    example = Path(__file__).parents[2] / "examples" / "onnx_predict.py"
    arguments = [example, file, tmp_path / "p.jpg", tmp_path / "mask.png"]
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("cat ")
    with Image.open(tmp_path / "mask.png") as mask:
        assert mask.size == size
        expected = wsfcn.load(file).predict(tmp_path / "p.jpg").mask
        assert (np.asarray(mask) == expected).mean() > 0.95
