"""Inspection says what a data set holds and what would stop a training; submissions are whole."""

import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.config import DataSettings
from wsfcn.data.benchmarks.submission import FOLDER, write_submission
from wsfcn.data.inspect import inspect_data, print_inspection, write_json
from wsfcn.errors import MaskError, SettingError
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
    notes = " ".join(found.notes)
    assert "'cat' and 'dog' always come together" in notes
    assert "on less than 10 training pictures: 'cow' 1; tag more" in notes
    assert "'cat' is on all training pictures but 1: add more without it" in notes
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


def draw(root: Path, name: str, seed: int, turn: int = 0, size: int = 48) -> None:
    """A picture of soft colours; the same seed is the same picture, in another file."""
    soft = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    picture = Image.fromarray(soft).resize((size, size), Image.Resampling.BICUBIC)
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.rotate(turn).save(path, quality=80)


def write_set(root: Path, tags: dict[str, str], val: list[str]) -> None:
    lines = [f"{name},{tag}" for name, tag in tags.items()]
    (root / "tags.csv").write_text("\n".join(["image,tags", *lines]))
    (root / "val.txt").write_text("\n".join(val))


def test_turned_training_pictures_in_val_are_told(tmp_path):
    for n in range(24):
        draw(tmp_path, f"images/{n:02}.jpg", n)
    for name, seed, turn, size in (("a", 1, 0, 40), ("b", 2, 90, 48), ("c", 3, 180, 64)):
        draw(tmp_path, f"images/{name}.jpg", seed, turn, size)
    draw(tmp_path, "images/d.jpg", 99)
    names = [path.name for path in sorted((tmp_path / "images").iterdir())]
    write_set(tmp_path, {n: "cat" if n < "12" else "" for n in names}, ["a", "b", "c", "d"])
    found = inspect_data(DataSettings(root=tmp_path))
    pairs = [(twin.one.stem, twin.other.stem, twin.how) for twin in found.twins]
    assert [pair[:2] for pair in pairs] == [("a", "01"), ("b", "02"), ("c", "03")]
    assert [pair[2] for pair in pairs[::2]] == ["the same", "turned by 180 degrees"]
    assert pairs[1][2] in ("turned by 90 degrees", "turned by 270 degrees")
    assert any("3 of 4 validation pictures are nearly the same" in note for note in found.notes)
    write_inspection(tmp_path / "page.html", found)
    assert "nearly the same</h2>" in (tmp_path / "page.html").read_text()


def test_what_goes_with_a_tag_beside_what_it_shows_is_told(tmp_path):
    tags = {}
    for n in range(30):
        sick = n % 2 == 0
        name = f"{'ward' if sick else 'home'}/{'b' if n % 3 else 'a'}/{n}.jpg"
        draw(tmp_path / "images", name, n, size=48 if sick else 40)
        tags[name] = "lesion" if sick else ""
    write_set(tmp_path, tags, ["ward/a/0"])
    notes = inspect_data(DataSettings(root=tmp_path)).notes
    assert any("'lesion' goes with the size 48 x 48: 14 of 14 pictures with it" in n for n in notes)
    assert not any("goes with the folder" in note for note in notes)  # two folders a side


def test_no_shortcut_where_folders_are_the_tags(tmp_path):
    for n in range(24):
        draw(tmp_path, f"{'MT_Crack' if n % 2 else 'MT_Free'}/Imgs/{n}.jpg", n)
    notes = inspect_data(DataSettings(root=tmp_path)).notes
    assert not any("goes with" in note for note in notes)


def test_narrow_pictures_of_which_crops_show_little_are_named(root):
    narrow = re.compile("11 of 11 training pictures are more than 3 times as long as wide, such as")
    assert not any(narrow.match(note) for note in inspect_data(DataSettings(root=root)).notes)
    for path in (root / "images").iterdir():
        with Image.open(path) as picture:
            picture.resize((160, 20)).save(path)
    assert any(narrow.match(note) for note in inspect_data(DataSettings(root=root)).notes)


def test_flat_pictures_and_stray_masks_are_named(root):
    Image.new("L", (20, 10), 7).save(root / "images" / "05.png")
    write_mask(root / "masks" / "06.png", np.zeros((16, 20), np.uint8))
    write_mask(root / "masks" / "6_mask.png", np.zeros((16, 20), np.uint8))
    notes = inspect_data(DataSettings(root=root)).notes
    assert any("1 pictures are nearly constant" in n and "05.png" in n for n in notes)
    assert any("1 masks belong to no picture" in n and "6_mask.png" in n for n in notes)


def test_for_programs(root, tmp_path):
    write_json(tmp_path / "found.json", inspect_data(DataSettings(root=root)))
    found = json.loads((tmp_path / "found.json").read_text())
    assert [*found] == ["form", "classes", "pictures", "tags", "notes", "errors"]
    assert found["form"] == "a table"
    assert found["tags"]["train"] == {"cat": 10, "cow": 1, "dog": 10}
    with pytest.raises(SettingError, match=r"found\.json"):
        write_json(tmp_path / "found.txt", inspect_data(DataSettings(root=root)))


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
