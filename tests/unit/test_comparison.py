"""Runs beside each other: what differs is shown, what is the same is not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.cli import main
from wsfcn.comparison import find_runs, names_of, write_comparison
from wsfcn.errors import DataError, SettingError
from wsfcn.evaluation import ConfusionMatrix, write_metrics
from wsfcn.types import Classes

CLASSES = Classes(("background", "cat", "<dog>"))


def run(folder: Path, epochs: int, last: float, metrics: bool = False) -> Path:
    """A run folder with few things in it."""
    (folder / "snapshots").mkdir(parents=True)
    (folder / "settings.yaml").write_text(
        f"seed: 0\noptim:\n  epochs: {epochs}\n  batch: 8\nrun:\n  workers: {epochs}\n"
    )
    (folder / "metrics.csv").write_text(f"step,loss/tags\n9,0.5\n19,{last}\n")
    Image.new("RGB", (8, 8)).save(folder / "snapshots/epoch-001.jpg")
    if metrics:
        counts = ConfusionMatrix(CLASSES)
        counts.update(np.eye(3, dtype=np.uint8), np.eye(3, dtype=np.uint8))
        write_metrics(folder / "metrics.json", counts.compute())
    return folder


def test_what_differs_is_shown(tmp_path):
    one, two = run(tmp_path / "one", 3, 0.25, metrics=True), run(tmp_path / "two", 5, 0.125)
    write_comparison([one, two], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<td>optim.epochs<td>3<td>5</tr>" in page
    assert "optim.batch" not in page
    assert "run.workers" not in page  # it cannot change results
    assert "<td>tag loss<td>0.25<td>0.125</tr>" in page
    assert page.count("<polyline") == 2
    assert "IoU of cat<td>100.0<td>–</tr>" in page
    assert "IoU of &lt;dog&gt;<td>–<td>–</tr>" in page
    assert page.count("data:image/jpeg") == 2
    assert "http" not in page


def test_the_same_settings_are_told(tmp_path):
    runs = [run(tmp_path / name, 3, 0.25) for name in ("a", "b")]
    write_comparison(runs, tmp_path / "page.html")
    assert "The settings are the same" in (tmp_path / "page.html").read_text()


def test_what_is_no_run_is_told(tmp_path):
    one = run(tmp_path / "one", 3, 0.25)
    (tmp_path / "two").mkdir()
    with pytest.raises(DataError, match="is it the folder of a run"):
        write_comparison([one, tmp_path / "two"], tmp_path / "page.html")
    with pytest.raises(SettingError, match="named twice"):
        write_comparison([one, one], tmp_path / "page.html")
    with pytest.raises(SettingError, match=r"call it page.html"):
        write_comparison([one, one], tmp_path / "page.txt")
    assert not (tmp_path / "page.html").exists()


def test_runs_are_found(tmp_path):
    for name in ("a", "b/c", "b/c/inside", "1/2/3/4"):
        run(tmp_path / name, 1, 0.5)
    found = {str(path.relative_to(tmp_path)) for path in find_runs(tmp_path)}
    assert found == {"a", "b/c"}
    assert find_runs(tmp_path / "nowhere") == []


def test_names_tell_runs_apart():
    assert names_of([Path("/x/one"), Path("/x/two")]) == ["one", "two"]
    assert names_of([Path("/x/a/run"), Path("/x/b/run")]) == ["a/run", "b/run"]


def test_the_command_compares_runs(tmp_path, capsys):
    one, two = (str(run(tmp_path / name, 3, 0.25)) for name in ("one", "two"))
    page = tmp_path / "page.html"
    with pytest.raises(SystemExit) as ended:
        main(["report", one, two, "-o", str(page)])
    assert ended.value.code == 0
    assert "2 runs" in page.read_text()
    with pytest.raises(SystemExit) as ended:
        main(["report", one, "-o", str(page)])
    assert ended.value.code == 2
    assert "--out is for several runs" in capsys.readouterr().err
