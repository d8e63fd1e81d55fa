"""The report: what a run folder holds is shown, what it lacks is left out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.errors import DataError
from wsfcn.evaluation import ConfusionMatrix, write_metrics
from wsfcn.images import write_mask
from wsfcn.report import Example, read_curves, worst_and_best, write_report
from wsfcn.types import Classes


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "settings.yaml").write_text("seed: 0\n")
    return tmp_path


def test_a_fresh_run_shows_its_settings(run):
    page = write_report(run).read_text()
    assert "seed: 0" in page
    assert "Quality per class" not in page
    assert "<h2>Training" not in page


def test_a_finished_run_shows_everything_in_one_file(run):
    (run / "metrics.csv").write_text("step,loss/tags,val/miou\n9,0.5,\n19,0.25,\n20,,41.5\n")
    counts = ConfusionMatrix(Classes(("background", "cat", "<dog>")))
    counts.update(np.eye(3, dtype=np.uint8), np.eye(3, dtype=np.uint8))
    write_metrics(run / "metrics.json", counts.compute())
    mask = np.zeros((8, 8), np.uint8)
    (run / "snapshots").mkdir()
    Image.new("RGB", (8, 8)).save(run / "snapshots" / "epoch-001.jpg")
    page = write_report(
        run, {"Pictures": [Example("one", Image.new("RGB", (8, 8)), mask, mask)]}
    ).read_text()
    assert "tag loss" in page
    assert "100.0" in page
    assert "&lt;dog&gt;" in page
    assert page.count("data:image/jpeg") == 2
    assert "<h2>Confusion" in page
    assert "http" not in page


def test_curves_need_two_points(run):
    (run / "metrics.csv").write_text("step,loss/tags,val/miou\n9,0.5,\n19,0.25,\n20,,41.5\n")
    assert read_curves(run / "metrics.csv") == [("tag loss", [(9.0, 0.5), (19.0, 0.25)])]


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is it the folder of a run"):
        write_report(tmp_path)


def test_worst_and_best_pictures(tmp_path):
    classes = Classes(("background", "cat"))
    truth = np.zeros((4, 4), np.uint8)
    truth[:2] = 1
    pictures = {}
    for n in range(3):
        guess = truth.copy()
        guess[: n + 1, :2] = 0
        pictures[tmp_path / f"p{n}.png"] = f"p{n}"
        Image.new("RGB", (4, 4)).save(tmp_path / f"p{n}.png")
        write_mask(tmp_path / "truth" / f"p{n}.png", truth)
        write_mask(tmp_path / "masks" / f"p{n}.png", guess if n < 2 else truth)
    groups = worst_and_best(pictures, tmp_path / "masks", tmp_path / "truth", classes, count=1)
    (worst,), (best,) = groups.values()
    assert worst.name.startswith("p1, mIoU")
    assert best.name == "p2, mIoU 100"
