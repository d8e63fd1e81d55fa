"""Twenty losses of a small training, as they were. Whoever changes them says so, and why.

    python tests/unit/test_golden.py

writes them anew.
"""

import json
import sys
import tempfile
from csv import DictReader
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1]))
import tiny
from wsfcn.training.run import train

FILE = Path(__file__).parents[1] / "golden" / "losses.json"
STEPS = 20


def losses(folder: Path) -> dict[str, list[float]]:
    """Losses of tags and masks of each step; the masks' set in after five."""
    root = tiny.scenes(folder / "scenes", steps=STEPS // 2)
    model = {"backbone": "efficientnet_lite0", "weights": "imagenet", "middle": False}
    out = train(tiny.settings(root, folder / "run", model=model))
    with (out / "metrics.csv").open(newline="") as file:
        rows = [row for row in DictReader(file) if row["loss/total"]]
    return {name: [float(row[f"loss/{name}"]) for row in rows] for name in ("tags", "masks")}


def test_the_first_losses_are_what_they_were(tmp_path):
    torch.set_num_threads(1)
    expected, found = json.loads(FILE.read_text()), losses(tmp_path)
    assert len(found["tags"]) == STEPS
    assert found["masks"][4] == 0 < found["masks"][5]
    # Processors round differently, and a pixel's label may turn on it.
    assert found["tags"] == pytest.approx(expected["tags"], rel=1e-3)
    assert found["masks"] == pytest.approx(expected["masks"], rel=1e-2)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(json.dumps(losses(Path(name)), indent=1) + "\n")
