"""Two processes learn what one learns."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tiny
from wsfcn.checkpoint import read_checkpoint

CODE = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import tiny
from wsfcn.training import relabel
from wsfcn.training.run import train
relabel.RIPE = 0  # a second round after a few steps
changes = {"rate": 1e-3, "optimizer": "sgd", "average": 0, "epochs": int(sys.argv[5])}
# Of timm's smallest network a label turns on how a processor rounds.
quiet = {"backbone": "efficientnet_lite0", "gate": 0.0, "dropout": 0.0, "drop_path": 0.0}
run = {"devices": int(sys.argv[4])}
second = {"relabel_after": 0.6}
root, out = map(Path, sys.argv[2:4])
train(tiny.settings(root, out, model=quiet, optim=changes, run=run, pseudo=second))
"""


def start(root: Path, out: Path, devices: int, epochs: int = 2) -> None:
    here = str(Path(__file__).parents[1])
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    script = out.with_suffix(".py")
    script.write_text(CODE)
    subprocess.run(
        [sys.executable, script, here, str(root), str(out), str(devices), str(epochs)],
        check=True,
        timeout=300,
        env=os.environ | {"MASTER_PORT": port},
    )


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(tmp_path):
    root = tiny.scenes(tmp_path / "scenes", steps=5)
    for devices in (1, 2):
        start(root, tmp_path / f"run{devices}", devices)
    one, two = (read_checkpoint(tmp_path / f"run{n}" / "checkpoints" / "last.ckpt") for n in (1, 2))
    assert one["global_step"] == two["global_step"] == 10
    moved = 0.0
    for name, value in one["state_dict"].items():
        torch.testing.assert_close(value, two["state_dict"][name], rtol=1e-5, atol=1e-5)
        moved += float(value.float().abs().sum())
    assert moved > 0
    # Validation over both processes counts each picture once.
    tables = [(tmp_path / f"run{n}" / "metrics.csv").read_text().splitlines() for n in (1, 2)]
    assert len(tables[0]) == len(tables[1])
    assert tables[0][0] == tables[1][0]


@pytest.mark.slow
def test_two_processes_share_the_labels_of_a_second_round(tmp_path):
    root = tiny.scenes(tmp_path / "scenes", steps=1)
    start(root, tmp_path / "run", 2, epochs=5)
    labels = tmp_path / "run" / "second-round"
    assert {path.stem for path in labels.glob("*.png")} == set(
        (root / "train.txt").read_text().split()
    )
    assert (labels / "made.txt").exists()
