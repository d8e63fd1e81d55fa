"""The benchmark of corrections: what it draws is true, and it trains and measures with it."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import tiny
from wsfcn.cli import main
from wsfcn.images import read_mask, write_mask
from wsfcn.types import IGNORE

FILE = Path(__file__).parents[2] / "benchmarks" / "corrections.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("corrections", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TRUTH = np.zeros((40, 60), np.uint8)
TRUTH[5:35, 10:20] = 1
TRUTH[10:14, 30:58] = 2
TRUTH[0] = IGNORE


@pytest.mark.parametrize(("kind", "most"), [("whole", 40 * 60), ("scribble", 300), ("point", 42)])
def test_each_kind_says_something_true_of_each_class(benchmark, kind, most):
    drawn = benchmark.KINDS[kind](TRUTH)
    said = drawn != IGNORE
    assert (drawn[said] == TRUTH[said]).all()
    assert np.unique(drawn[said]).tolist() == [0, 1, 2]
    assert 0 < said.sum() <= most
    if kind == "scribble":
        assert np.ptp(np.nonzero(drawn == 1)[0]) > 18  # tall, and along it
        assert np.ptp(np.nonzero(drawn == 2)[1]) > 16


def here(*arguments: object) -> None:
    """A command in this process, which has imported everything already."""
    with pytest.raises(SystemExit) as ending:
        main([str(argument) for argument in arguments])
    assert not ending.value.code


def test_it_trains_and_measures_with_some_and_none(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "wsfcn", here)
    root, out = tiny.scenes(tmp_path / "scenes", steps=1), tmp_path / "out"
    mask = np.zeros((tiny.SIZE, tiny.SIZE), np.uint8)
    mask[20:40, 20:40] = 1
    names = (root / "train.txt").read_text().split()
    for name in names[:4]:
        write_mask(root / "masks" / f"{name}.png", mask)
    quick = "--optim.epochs 1 --optim.warmup 0 --optim.pictures 8 --optim.batch 8 --data.crop 64"
    quick += " --model.backbone test_resnet --model.weights none --model.width 8 --run.workers 0"
    arguments = [str(root), "-o", str(out), "--counts", "0", "2", "--kinds", "point", "--"]
    arguments += quick.split()
    benchmark.main(arguments)
    with (out / "corrections.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["kind"], row["pictures"]) for row in rows] == [("none", "0"), ("point", "2")]
    assert all(0 <= float(row["miou"]) <= 100 for row in rows)
    folder = out / "corrected" / "point-random-2-0"
    assert (folder / benchmark.MARK).exists()
    masks = sorted(folder.glob("*.png"))
    assert len(masks) == 2
    assert {path.stem for path in masks} <= {*names[:4]}
    assert np.unique(read_mask(masks[0])).tolist() == [0, 1, IGNORE]
    benchmark.main(arguments)  # what is done is not done again, nor listed twice
    assert len((out / "corrections.csv").read_text().splitlines()) == 3
