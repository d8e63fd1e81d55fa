"""A training that cannot go on says why in one line, and leaves a whole checkpoint."""

import io
import os
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tiny
from wsfcn.checkpoint import load_checkpoint, read_checkpoint
from wsfcn.config import DataSettings, TrainSettings, from_dict
from wsfcn.data.inspect import inspect_data
from wsfcn.errors import MaskError, PictureError, PictureWarning, SettingError, TrainingError
from wsfcn.figures import read_figures
from wsfcn.training import module
from wsfcn.training.averaging import MovingAverage
from wsfcn.training.failures import explained
from wsfcn.training.guard import Guard
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.run import train
from wsfcn.types import Losses


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tiny.scenes(tmp_path_factory.mktemp("data") / "scenes", steps=3)


def breaks_at(step: int, error: BaseException | None = None):
    """The losses, but at a step they raise ``error`` or are not a number."""
    honest = module.training_losses
    count = 0

    def losses(*arguments, **options) -> Losses:
        nonlocal count
        count += 1
        found = honest(*arguments, **options)
        if count != step + 1:
            return found
        if error:
            raise error
        return found._replace(total=found.total * torch.nan)

    return losses


def test_a_loss_that_is_not_finite_stops_the_run(monkeypatch, root, tmp_path):
    monkeypatch.setattr(module, "training_losses", breaks_at(4))
    with pytest.raises(TrainingError) as error:
        train(tiny.settings(root, tmp_path / "run"))
    text = str(error.value)
    assert text.startswith("step 4: the loss is nan with the pictures ")
    assert "lower optim.rate" in text
    assert "last.ckpt" in text
    weights = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt").model.state_dict()
    assert all(value.isfinite().all() for value in weights.values())
    # What it names is what went in.
    named = text.split("pictures ")[1].split(":")[0].split(", ")
    assert len(named) == tiny.BATCH
    assert all((root / "images" / f"{name}.jpg").exists() for name in named)


def test_or_passes_over_the_step_on_request(monkeypatch, root, tmp_path):
    monkeypatch.setattr(module, "training_losses", breaks_at(1))
    changes = {"skip_nonfinite": True, "epochs": 1}
    out = train(tiny.settings(root, tmp_path / "run", optim=changes))
    weights = load_checkpoint(out).model.state_dict()
    assert all(value.isfinite().all() for value in weights.values())


def test_a_step_that_is_passed_over_leaves_nothing_behind():
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters())
    guard = Guard(net, skip=True)
    guard.before_step()
    net(torch.full((4, 2), torch.inf)).sum().backward()
    guard.after_backward(0)
    optimizer.step()
    assert guard.passed_over
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_gradients_that_are_not_finite_stop_the_run(monkeypatch, root, tmp_path):
    honest = module.training_losses

    def losses(model, *arguments, **options) -> Losses:
        found = honest(model, *arguments, **options)
        # A finite loss: the root of nought is nought, and its slope infinite.
        nothing = 0 * next(p for p in model.parameters() if p.requires_grad).sum()
        return found._replace(total=found.total + nothing.sqrt())

    monkeypatch.setattr(module, "training_losses", losses)
    with pytest.raises(TrainingError, match="the loss is finite, but its gradients are not"):
        train(tiny.settings(root, tmp_path / "run"))


@pytest.mark.parametrize("best", ["score", "miou"])
def test_a_rate_that_breaks_the_network_ends_the_run(root, tmp_path, best):
    changes = {"rate": 1000.0, "epochs": 20, "ramp": 1, "skip_nonfinite": True, "best": best}
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match=r"not finite|is (nan|inf)"):
        train(tiny.settings(root, out, model={"backbone": "efficientnet_lite0"}, optim=changes))
    for path in (out / "checkpoints").glob("*.ckpt"):
        weights = load_checkpoint(path).model.state_dict()
        assert all(value.isfinite().all() for value in weights.values())
    for row in read_figures(out / "metrics.csv").rows:
        assert row.get("val/score", 0) < 100


def test_masks_that_are_not_numbers_have_no_score_and_are_never_the_best(
    monkeypatch, root, tmp_path
):
    honest = SegmentationTraining.validation_step

    def broken(self, batch, index):
        kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        if self.current_epoch == 0 and index == 2:
            self.model.head[-1].weight.data.fill_(torch.nan)
        honest(self, batch, index)
        self.model.load_state_dict(kept)

    monkeypatch.setattr(SegmentationTraining, "validation_step", broken)
    out = train(tiny.settings(root, tmp_path / "run"))
    scores = [row for row in read_figures(out / "metrics.csv").rows if "loss/total" not in row]
    assert [sorted(row) for row in scores] == [
        ["step"],
        ["step", "val/coverage", "val/miou", "val/score", "val/tag_map"],
    ]
    assert read_checkpoint(out / "checkpoints" / "best.ckpt")["epoch"] == 1


def test_the_average_takes_in_nothing_that_is_not_finite():
    average = MovingAverage(0.9)
    values = torch.tensor([1.0, torch.nan, torch.inf])
    averages = torch.zeros(3)
    average.update([averages], [values], 1000)
    assert averages.tolist() == [pytest.approx(0.1), 0, 0]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "lower optim.batch or data.crop"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "lower optim.batch"),
    ],
)
def test_out_of_memory(monkeypatch, root, tmp_path, error, message):
    monkeypatch.setattr(module, "training_losses", breaks_at(0, error))
    with pytest.raises(TrainingError, match=message):
        train(tiny.settings(root, tmp_path / "run"))


def test_an_error_of_ours_is_not_hidden(tmp_path):
    assert explained(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), tmp_path) is None


def test_a_dead_worker_is_named(monkeypatch, root, tmp_path):
    here = os.getpid()

    def die(*arguments):
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("the loader reads in a process of its own")

    monkeypatch.setattr("wsfcn.data.dataset.read_picture", die)
    with pytest.raises(TrainingError, match=r"decodes pictures died.*lower run\.workers"):
        train(tiny.settings(root, tmp_path / "run", run={"workers": 1}))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_full_disk_leaves_the_last_checkpoint_whole(root, tmp_path):
    out = tmp_path / "run"
    train(tiny.settings(root, out, optim={"epochs": 1}))
    kept = [out / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
    before = [path.read_bytes() for path in kept]
    told = tmp_path / "told.txt"
    process = os.fork()
    if not process:
        # No file may grow beyond a megabyte: the checkpoint cannot be written.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
        try:
            train(tiny.settings(root, out), out)
        except TrainingError as error:
            told.write_text(str(error))
        finally:
            os._exit(0)
    os.waitpid(process, 0)
    assert "File too large: make room; the last good checkpoint is" in told.read_text()
    assert told.read_text().startswith(tuple(map(str, kept)))
    assert [path.read_bytes() for path in kept] == before
    assert not [path for path in kept[0].parent.iterdir() if path.suffix != ".ckpt"]


def test_a_workers_broken_picture_is_one_line():
    sent = "Caught PictureError in DataLoader worker process 0.\nOriginal Traceback ...\n"
    error = PictureError(f"{sent}wsfcn.errors.PictureError: a.jpg: cannot be read as a picture (x)")
    assert str(explained(error, Path("run"))) == "a.jpg: cannot be read as a picture (x)"


def test_gpus_that_are_not_there_are_refused(root, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SettingError, match=r"run\.device: PyTorch finds no GPU"):
        train(tiny.settings(root, tmp_path / "run", run={"device": "gpu"}))


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("data", "scale", (0.0, 1.0)),
        ("data", "scale", (1.0, 0.4)),
        ("data", "crop", 8),
        ("model", "gate", 1.0),
        ("pseudo", "pamr_dilations", ()),
        ("optim", "epochs", 0),
        ("optim", "ramp", 0),
        ("optim", "batch", 1),
        ("optim", "average", 1.0),
        ("run", "save_every", 0),
        ("run", "devices", 0),
    ],
)
def test_settings_that_cannot_work_are_refused(group, name, value):
    with pytest.raises(SettingError, match=f"{group}.{name.replace('_', '-')}: "):
        from_dict(TrainSettings, {group: {name: value}})


def test_batches_that_processes_cannot_share_are_refused(root, tmp_path):
    with pytest.raises(SettingError, match="cannot be shared evenly by 3 processes"):
        train(tiny.settings(root, tmp_path / "run", run={"devices": 3}))


def test_a_logger_that_is_not_installed(root, tmp_path):
    with pytest.raises(SettingError, match=r"pip install 'wsfcn\[mlflow\]'"):
        train(tiny.settings(root, tmp_path / "run", run={"logger": "mlflow"}))


def replaced(root: Path, tmp_path: Path, name: str, content: bytes) -> Path:
    """A copy of the scenes in which the files of one validation picture are others."""
    copy = tmp_path / "scenes"
    shutil.copytree(root, copy)
    (copy / name).write_bytes(content)
    return copy


def png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def test_a_truth_mask_of_another_size_is_named_before_the_training(root, tmp_path):
    name = (root / "val.txt").read_text().split()[0]
    small = png(np.zeros((3, 5), np.uint8))
    copy = replaced(root, tmp_path, f"masks/{name}.png", small)
    with pytest.raises(MaskError, match=rf"{name}\.png: 5 x 3, its picture 64 x 64"):
        train(tiny.settings(copy, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    found = inspect_data(DataSettings(root=copy)).errors
    assert [f"{name}.png: 5 x 3" in error for error in found] == [True]


def test_a_truth_mask_of_unknown_values_is_named_and_left_out(root, tmp_path):
    name = (root / "val.txt").read_text().split()[0]
    copy = replaced(root, tmp_path, f"masks/{name}.png", png(np.full((64, 64), 77, np.uint8)))
    with pytest.warns(PictureWarning, match=rf"not in val/miou: .*{name}\.png: .* 77"):
        out = train(tiny.settings(copy, tmp_path / "run", optim={"epochs": 1}))
    assert "val/miou" in (out / "metrics.csv").read_text()
    found = inspect_data(DataSettings(root=copy)).errors
    assert [f"{name}.png: value 77, but there are" in error for error in found] == [True]


def test_validation_pictures_that_are_all_broken_end_it_in_one_line(root, tmp_path):
    copy = tmp_path / "scenes"
    shutil.copytree(root, copy)
    for name in (copy / "val.txt").read_text().split():
        (copy / "images" / f"{name}.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match="none of 4 validation pictures can be read: "):
        train(tiny.settings(copy, tmp_path / "run"))
