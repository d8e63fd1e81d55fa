"""A training that was cut off goes on as if it had not been."""

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import tiny
from wsfcn.checkpoint import read_checkpoint

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


def start(root: Path, out: Path, resume: bool = False) -> subprocess.Popen:
    """The training in a process of its own, saving after each step."""
    code = (
        "import sys, torch; torch.set_num_threads(1); sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; import tiny; from wsfcn.training.run import train\n"
        "root, out = Path(sys.argv[2]), Path(sys.argv[3])\n"
        "train(tiny.settings(root, out, run={'save_every': 1}), out if sys.argv[4:] else None)"
    )
    here = str(Path(__file__).parents[1])
    arguments = [sys.executable, "-c", code, here, str(root), str(out), *["resume"][: int(resume)]]
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory) -> Path:
    """The training that was never cut off."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert start(root, out).wait(300) == 0
    assert sorted(losses(out)) == list(range(EPOCHS * STEPS))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("cut", [signal.SIGKILL, signal.SIGTERM])
def test_a_training_that_is_cut_off_in_an_epoch_goes_on_exactly(root, whole, tmp_path, cut):
    out = tmp_path / "run"
    process = start(root, out)
    table = out / "metrics.csv"
    while process.poll() is None:
        # The second epoch has begun.
        if table.exists() and len(table.read_text().splitlines()) > STEPS + 2:
            process.send_signal(cut)
            break
        time.sleep(0.01)
    assert process.wait(300) != 0, "it was cut off, not finished"
    assert start(root, out, resume=True).wait(300) == 0
    assert losses(out) == pytest.approx(losses(whole), rel=1e-5)
    expected = weights(whole)
    for name, value in weights(out).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
