"""Inspection says what a data set holds and what would stop a training; submissions are whole."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.config import DataSettings
from wsfcn.data.benchmarks.submission import FOLDER, write_submission
from wsfcn.data.inspect import inspect_data, print_inspection
from wsfcn.errors import MaskError
from wsfcn.images import write_mask
from wsfcn.report import write_inspection


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve pictures of noise: cats and dogs always together, and cows."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    lines = ["image,tags"]
    for n in range(12):
        noise = rng.integers(0, 255, (10 + n, 20, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "images" / f"{n:02}.png")
        lines.append(f"images/{n:02}.png,{'cow' if n < 1 else 'cat dog'}")
    (tmp_path / "tags.csv").write_text("\n".join(lines))
    (tmp_path / "val.txt").write_text("11\n")
    return tmp_path


def test_counts_pairs_and_sizes(root, capsys):
    found = inspect_data(DataSettings(root=root))
    assert not found.errors
    assert found.pictures == {"train": 11, "val": 1}
    assert found.counts["train"] == {"cat": 10, "dog": 10, "cow": 1}
    assert found.together == {("cat", "dog"): 10}
    assert sorted(found.sizes)[0] == (20, 10)
    hints = " ".join(found.hints)
    assert "'cat' and 'dog' always come together" in hints
    assert "'cow' is on 1 training pictures" in hints
    print_inspection(found)
    assert "cow" in capsys.readouterr().out


def test_the_page_shows_it_all_and_needs_no_other_file(root, tmp_path):
    (root / "images" / "03.png").write_bytes(b"broken")
    page = tmp_path / "out" / "page.html"
    write_inspection(page, inspect_data(DataSettings(root=root)))
    html = page.read_text()
    for text in ("11 pictures", "always come together", "03.png: cannot"):
        assert text in html
    # Six pictures each of cat and dog, one of cow.
    assert html.count("data:image/jpeg") == 13
    assert html.count("<svg") == 2
    assert "http" not in html.replace("http://www.w3.org", "")


def test_a_page_about_nothing(tmp_path):
    write_inspection(tmp_path / "page.html", inspect_data(DataSettings(root=tmp_path / "nowhere")))
    assert "no such folder" in (tmp_path / "page.html").read_text()


def test_broken_unlisted_and_duplicate_pictures_are_named(root):
    (root / "images" / "03.png").write_bytes(b"broken")
    (root / "images" / "05.png").write_bytes((root / "images" / "04.png").read_bytes())
    Image.new("RGB", (4, 4)).save(root / "images" / "new.png")
    found = inspect_data(DataSettings(root=root))
    assert len(found.errors) == 1
    assert "03.png" in found.errors[0]
    assert [path.name for path in found.unlisted] == ["new.png"]
    assert [(one.name, other.name) for one, other in found.duplicates] == [("04.png", "05.png")]


def test_what_would_stop_a_training_is_an_error(root):
    (root / "tags.csv").write_text("image,tags\nimages/00.png,\nimages/01.png,cat\n")
    found = inspect_data(DataSettings(root=root))
    assert "line 1: '11' has no tags" in found.errors[0]
    assert found.untagged == 1
    assert inspect_data(DataSettings(root=root / "nowhere")).errors


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    voc = tmp_path / "VOCdevkit" / "VOC2012"
    (voc / "ImageSets" / "Segmentation").mkdir(parents=True)
    (voc / "ImageSets" / "Segmentation" / "test.txt").write_text("a\nb\n")
    (voc / "JPEGImages").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (8, 6)).save(voc / "JPEGImages" / f"{name}.jpg")
        write_mask(tmp_path / "masks" / f"{name}.png", np.full((6, 8), 20, np.uint8))
    return tmp_path


def test_a_submission_holds_every_test_mask(devkit):
    assert write_submission(devkit / "masks", devkit, devkit / "results.tgz") == 2
    with tarfile.open(devkit / "results.tgz") as archive:
        assert archive.getnames() == [f"{FOLDER}/a.png", f"{FOLDER}/b.png"]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (None, "1 of 2 test masks are missing"),
        (np.full((6, 8), 21, np.uint8), "value 21"),
        (np.zeros((3, 4), np.uint8), "keep the original size"),
    ],
)
def test_an_incomplete_submission_is_refused(devkit, mask, message):
    (devkit / "masks" / "b.png").unlink()
    if mask is not None:
        write_mask(devkit / "masks" / "b.png", mask)
    with pytest.raises(MaskError, match=message):
        write_submission(devkit / "masks", devkit, devkit / "results.tgz")
    assert not (devkit / "results.tgz").exists()


def test_a_grey_mask_is_no_submission(devkit):
    Image.new("L", (8, 6)).save(devkit / "masks" / "b.png")
    with pytest.raises(MaskError, match="indexed"):
        write_submission(devkit / "masks", devkit, devkit / "results.tgz")
