"""A training that was cut off goes on as if it had not been."""

import csv
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import tiny
from wsfcn.checkpoint import read_checkpoint
from wsfcn.cli import main
from wsfcn.errors import SettingError
from wsfcn.training.checkpoints import KeepCheckpoints
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.run import train

EPOCHS, STEPS = 2, 4


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tiny.scenes(tmp_path_factory.mktemp("data") / "scenes", STEPS)


def losses(out: Path) -> dict[int, float]:
    """The loss of each step in a run's table."""
    with (out / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["loss/total"]]
    return {int(row["step"]): float(row["loss/total"]) for row in rows}


def weights(out: Path) -> dict[str, torch.Tensor]:
    """The moving averages that a run's last checkpoint holds."""
    content = read_checkpoint(out / "checkpoints" / "last.ckpt")
    assert "current_model_state" in content
    return content["state_dict"]


def start(
    root: Path, out: Path, resume: bool = False, *, every: int = 1, workers: int = 0
) -> subprocess.Popen:
    """The training in a process of its own, saving after so many steps and each epoch."""
    code = (
        "import sys, torch; torch.set_num_threads(1); sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; import tiny; from wsfcn.training.run import train\n"
        "root, out = Path(sys.argv[2]), Path(sys.argv[3])\n"
        "run = {'save_every': int(sys.argv[4]), 'workers': int(sys.argv[5])}\n"
        "train(tiny.settings(root, out, run=run), out if sys.argv[6:] else None)"
    )
    here = str(Path(__file__).parents[1])
    arguments = [sys.executable, "-c", code, here, str(root), str(out), str(every), str(workers)]
    arguments += ["resume"] if resume else []
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory) -> Path:
    """The training that was never cut off."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert start(root, out).wait(300) == 0
    assert sorted(losses(out)) == list(range(EPOCHS * STEPS))
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cut", "every", "workers"),
    [
        (signal.SIGKILL, 1, 0),
        (signal.SIGTERM, 1, 0),
        # From the end of the first epoch, with workers that draw the order in advance.
        (signal.SIGKILL, 1000, 1),
    ],
)
def test_a_training_that_is_cut_off_goes_on_exactly(root, whole, tmp_path, cut, every, workers):
    out = tmp_path / "run"
    process = start(root, out, every=every, workers=workers)
    table = out / "metrics.csv"
    while process.poll() is None:
        # The second epoch has begun.
        if table.exists() and len(table.read_text().splitlines()) > STEPS + 2:
            process.send_signal(cut)
            break
        time.sleep(0.01)
    assert process.wait(300) != 0, "it was cut off, not finished"
    assert start(root, out, resume=True, every=every, workers=workers).wait(300) == 0
    assert losses(out) == pytest.approx(losses(whole), rel=1e-5)
    expected = weights(whole)
    for name, value in weights(out).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


def test_after_a_last_step_the_next_epoch_follows_whole(root, whole, tmp_path, monkeypatch):
    """A run that ends between an epoch's last step and its validation."""
    out = tmp_path / "run"
    save = KeepCheckpoints.on_train_batch_end

    def save_and_stop(self, trainer, *arguments):
        save(self, trainer, *arguments)
        if trainer.global_step == STEPS:
            raise KeyboardInterrupt

    monkeypatch.setattr(KeepCheckpoints, "on_train_batch_end", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train(tiny.settings(root, out, run={"save_every": 1}))
    monkeypatch.undo()
    train(tiny.settings(root, out, run={"save_every": 1, "workers": 1}), out)
    second = range(STEPS, EPOCHS * STEPS)
    found, expected = losses(out), losses(whole)
    assert [found[n] for n in second] == pytest.approx([expected[n] for n in second], rel=1e-3)


def test_a_validation_that_is_cut_off_leaves_the_average_in_its_place(root, tmp_path, monkeypatch):
    averages: dict[str, torch.Tensor] = {}

    def stop(self, batch, index):
        averages.update({name: value.clone() for name, value in self.model.state_dict().items()})
        raise KeyboardInterrupt

    monkeypatch.setattr(SegmentationTraining, "validation_step", stop)
    with pytest.raises(KeyboardInterrupt):
        train(tiny.settings(root, tmp_path / "run"))
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    name = "head.4.weight"
    assert torch.equal(saved["state_dict"][name], averages[name])
    assert not torch.equal(saved["current_model_state"][f"model.{name}"], averages[name])


@pytest.fixture(scope="module")
def short(root, tmp_path_factory) -> Path:
    """A finished training of one epoch."""
    return train(tiny.settings(root, tmp_path_factory.mktemp("short") / "run", optim={"epochs": 1}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"width": 12}}, "model.width: 12, but .* was trained with 8"),
        ({"optim": {"epochs": 1, "warmup": 0}, "names": "kite"}, "knows the classes"),
    ],
)
def test_what_does_not_fit_the_checkpoint_is_refused(root, short, tmp_path, change, message):
    if name := change.pop("names", None):
        classes = (root / "classes.txt").read_text().splitlines()
        copy = tmp_path / "scenes"
        shutil.copytree(root, copy)
        (copy / "classes.txt").write_text("\n".join([*classes, f"{name}-like"]))
        root = copy
    with pytest.raises(SettingError, match=message):
        train(tiny.settings(root, short, **change), short)


def test_a_used_folder_is_not_overwritten_unasked(root, short):
    before = (short / "checkpoints" / "last.ckpt").read_bytes()
    with pytest.raises(SettingError, match="holds a training; go on with --resume"):
        train(tiny.settings(root, short))
    assert (short / "checkpoints" / "last.ckpt").read_bytes() == before


def test_the_folder_that_is_resumed_is_the_one_that_is_written(root, short, tmp_path, monkeypatch):
    moved = tmp_path / "elsewhere"
    shutil.copytree(short, moved)
    shutil.rmtree(short)
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--resume", str(moved), "--optim.epochs", "2"])
    assert not exit_.value.code
    assert not short.exists()
    assert sorted(losses(moved)) == list(range(2 * STEPS))
