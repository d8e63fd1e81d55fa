"""A training that was cut off goes on as if it had not been."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from wsfcn.config import (
    DataSettings,
    ModelSettings,
    OptimSettings,
    RunSettings,
    TrainSettings,
)
from wsfcn.data.scenes import write_scenes
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.run import train

EPOCHS, STEPS = 3, 4


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    scenes = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(scenes, train=8 * STEPS, val=4, size=64)
    return scenes


def settings(root: Path, out: Path, **run) -> TrainSettings:
    return TrainSettings(
        data=DataSettings(root=root, crop=64),
        model=ModelSettings(width=8, weights="none"),
        optim=OptimSettings(epochs=EPOCHS, warmup=0.5, batch=8),
        run=RunSettings(out=out, workers=0, log_every=1, device="cpu", **run),
    )


def losses(out: Path) -> dict[int, float]:
    """The loss of each step in a run's table."""
    with (out / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["loss/total"]]
    return {int(row["step"]): float(row["loss/total"]) for row in rows}


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory) -> dict[int, float]:
    """The losses of the training that was never cut off."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(settings(root, out))
    found = losses(out)
    assert sorted(found) == list(range(EPOCHS * STEPS))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, STEPS, STEPS + 1, 2 * STEPS + 3])
def test_interrupted_at_a_step(root, whole, tmp_path, monkeypatch, step):
    original = SegmentationTraining.training_step

    def interrupted(self, batch, index):
        if self.global_step == step:
            raise KeyboardInterrupt
        return original(self, batch, index)

    monkeypatch.setattr(SegmentationTraining, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(settings(root, tmp_path / "run"))
    monkeypatch.setattr(SegmentationTraining, "training_step", original)
    torch.manual_seed(99)  # whatever the new process starts with
    train(settings(root, tmp_path / "run"), resume=tmp_path / "run")
    assert losses(tmp_path / "run") == pytest.approx(whole, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_mid_epoch(root, whole, tmp_path, kill):
    out = tmp_path / "run"
    code = (
        "import sys, torch; torch.set_num_threads(1); sys.path.insert(0, sys.argv[1]);"
        "import test_resume as t; from pathlib import Path;"
        "t.train(t.settings(Path(sys.argv[2]), Path(sys.argv[3]), save_every=1))"
    )
    here = str(Path(__file__).parent)
    process = subprocess.Popen([sys.executable, "-c", code, here, str(root), str(out)])
    table = out / "metrics.csv"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if table.exists() and len(table.read_text().splitlines()) > STEPS + 2:
            os.kill(process.pid, kill)
            break
        time.sleep(0.01)
    assert process.wait(60) != 0, "it was killed, not finished"
    train(settings(root, out), resume=out)
    assert losses(out) == pytest.approx(whole, rel=1e-5)
