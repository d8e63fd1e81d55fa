"""The report: what a run folder holds is shown, what it lacks is left out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.errors import DataError
from wsfcn.evaluation import ConfusionMatrix, write_metrics
from wsfcn.report import Example, read_curves, write_report
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
    page = write_report(run, [Example("one", Image.new("RGB", (8, 8)), mask, mask)]).read_text()
    assert "tag loss" in page
    assert "100.0" in page
    assert "&lt;dog&gt;" in page
    assert page.count("data:image/jpeg") == 1
    assert "http" not in page


def test_curves_need_two_points(run):
    (run / "metrics.csv").write_text("step,loss/tags,val/miou\n9,0.5,\n19,0.25,\n20,,41.5\n")
    assert read_curves(run / "metrics.csv") == [("tag loss", [(9.0, 0.5), (19.0, 0.25)])]


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is it the folder of a run"):
        write_report(tmp_path)
