"""Published checkpoints, imported, give the published networks' outputs."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from wsfcn.checkpoint import Checkpoint, load_checkpoint
from wsfcn.cli import main
from wsfcn.config import PseudoSettings
from wsfcn.data.classes import VOC
from wsfcn.errors import CheckpointError
from wsfcn.maps import resize, size_of
from wsfcn.method.losses import complete, mask_loss
from wsfcn.method.step import make_labels
from wsfcn.published import AE, WSFCN, import_file
from wsfcn.refine.pamr import pamr
from wsfcn.types import Batch, Prediction

HERE = Path(__file__).parent
GAINS = {"last_conv.8.weight": 60.0, "align1.flow_make.weight": 30.0}
"""Variances that keep the masks neither flat nor saturated, and the flow large enough to matter."""


def regenerated(name: str, shape: list[int]) -> torch.Tensor:
    """The values of a published tensor, drawn from its name."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_mean"):
        noise *= 0.1
    elif name.endswith("running_var"):
        noise = np.exp(0.2 * noise)
    elif len(shape) == 1:
        noise = 0.1 * noise + name.endswith("weight")
    else:
        noise *= np.sqrt(GAINS.get(name, 1.0) / np.prod(shape[1:]))
    return torch.from_numpy(noise.astype(np.float32))


def import_regenerated(method: str, prefix: str, folder: Path) -> Checkpoint:
    """Write the published file as its training does, take it in by the command, and load it."""
    shapes = json.loads((HERE / f"keys-{method}.json").read_text())
    state = {
        prefix + name: regenerated(name, shape)
        for name, shape in shapes.items()
        if not name.startswith("_aff.")
    }
    torch.save(state, folder / "published.pth")
    with pytest.raises(SystemExit) as exit_:
        main(["import", str(folder / "published.pth"), "-o", str(folder / "ours.ckpt")])
    assert exit_.value.code in (None, 0)
    return load_checkpoint(folder / "ours.ckpt")


def agree(found: torch.Tensor, expected: np.ndarray, error: float = 1e-4) -> None:
    """Greatest difference, relative to the greatest value."""
    assert found.shape == expected.shape
    assert np.abs(found.numpy() - expected).max() < error * np.abs(expected).max()


@pytest.mark.parametrize(("method", "prefix"), [("wsfcn", ""), ("ae", "module.")])
def test_outputs_agree(method, prefix, tmp_path, capsys):
    checkpoint = import_regenerated(method, prefix, tmp_path)
    assert "missed: 0" in capsys.readouterr().out
    assert checkpoint.classes == VOC
    assert checkpoint.settings.model == {"wsfcn": WSFCN, "ae": AE}[method]
    expected = np.load(HERE / f"{method}-129x161.npz")
    model = checkpoint.model
    image = torch.from_numpy(expected["image"]).float() / 255
    halves = []
    model.fusion.gate.register_forward_hook(lambda _module, paths, _output: halves.extend(paths))
    with torch.inference_mode():
        shallow, deep = model.features(image)
        context = model.context(deep)
        gated = model.fusion(shallow, context)
        logits, scores, *_ = model(image)
        masks = logits.softmax(1)
        large = resize(masks, (129, 161), align_corners=True)
    agree(shallow[:, ::32], expected["shallow"])
    agree(deep[:, ::512], expected["deep"])
    agree(context[:, ::32], expected["context"])
    agree(halves[0][:, ::32], expected["fused_high"])
    agree(halves[1][:, ::32], expected["fused_low"])
    agree(gated[:, ::32], expected["gated"])
    agree(logits, expected["logits"])
    agree(scores, expected["scores"], 1e-5)
    agree(large[..., ::4, ::4], expected["masks"])
    if method == "ae":
        return
    with torch.inference_mode():
        agree(model.fusion.align(context, shallow)[:, ::32], expected["aligned"])
    agree(pamr(resize(image, size_of(logits), align_corners=True), masks), expected["refined"])
    batch = Batch(image, torch.from_numpy(expected["tags"]), ["picture"])
    labels = make_labels(batch, Prediction(logits, scores), PseudoSettings())
    assert (labels[0].numpy() == expected["pseudo"]).mean() >= 0.999
    # A tagged class got no pixel.
    full = resize(logits, size_of(labels), align_corners=True)
    loss = mask_loss(full, labels) * complete(labels, batch.tags)
    assert loss.item() == expected["mask_loss"].item() == 0


def test_a_file_is_whole_and_of_a_known_method(tmp_path, capsys):
    shapes = json.loads((HERE / "keys-wsfcn.json").read_text())
    # Shapes alone, without memory behind them.
    state = {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}

    def refusal(broken: dict[str, torch.Tensor], *arguments: str) -> str:
        torch.save(broken, tmp_path / "published.pth")
        with pytest.raises(SystemExit) as exit_:
            main(
                [
                    "import",
                    str(tmp_path / "published.pth"),
                    "-o",
                    str(tmp_path / "o.ckpt"),
                    *arguments,
                ]
            )
        assert exit_.value.code == 2
        assert not (tmp_path / "o.ckpt").exists()
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    without = {name: value for name, value in state.items() if name != "align1.down_h.weight"}
    assert "fusion.align.reduce_deep.weight" in refusal(without)
    assert "'fc.weight'" in refusal({"fc.weight": torch.zeros(3)})
    (tmp_path / "classes.txt").write_text("background\ncat\n")
    classes = ["--classes", str(tmp_path / "classes.txt")]
    assert "made for 21 classes, but 2 are named" in refusal(state, *classes)
    other = state | {"last_conv.8.bias": torch.zeros(7)}
    assert "made for 8 classes" in refusal(other)
    torch.save(state["conv1a.weight"].clone(), tmp_path / "whole.pth")
    half = (tmp_path / "whole.pth").read_bytes()[:800]
    (tmp_path / "published.pth").write_bytes(half)
    with pytest.raises(CheckpointError, match="truncated"):
        import_file(tmp_path / "published.pth", tmp_path / "o.ckpt")
