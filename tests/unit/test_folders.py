"""Folders that name classes, at any depth, with splits, good ones, and masks beside pictures."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.config import DataSettings
from wsfcn.data.dataset import TaggedPicture, open_data
from wsfcn.data.forms import read_tags
from wsfcn.errors import DataError, TagError
from wsfcn.evaluation import evaluate_folder, evaluate_truths
from wsfcn.images import write_mask


def draw(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L" if path.suffix == ".png" else "RGB", (8, 6)).save(path)


def tags_in(pictures: tuple[TaggedPicture, ...]) -> dict[str, tuple[str, ...]]:
    return {picture.name: picture.tags for picture in pictures}


def test_equal_file_names_in_different_folders(tmp_path):
    draw(tmp_path, "cat/001.jpg", "dog/001.jpg", "dog/002.jpg")
    data = open_data(DataSettings(root=tmp_path))
    expected = {"cat/001": ("cat",), "dog/001": ("dog",), "dog/002": ("dog",)}
    assert tags_in((*data.train, *data.val)) == expected
    assert len(data.val) == 1


def test_split_files_take_whole_names_or_bare_ones(tmp_path):
    draw(tmp_path, "cat/001.jpg", "dog/001.jpg", "dog/002.jpg")
    (tmp_path / "train.txt").write_text("dog/001\n002\n")
    (tmp_path / "val.txt").write_text("cat/001.jpg\n")
    data = open_data(DataSettings(root=tmp_path))
    assert [*tags_in(data.train)] == ["dog/001", "dog/002"]
    (tmp_path / "train.txt").write_text("001\n")
    with pytest.raises(DataError, match="line 1: '001' may be cat/001 or dog/001"):
        open_data(DataSettings(root=tmp_path))


@pytest.mark.parametrize(
    "names", [("train", "val"), ("training", "Validation"), ("Train", "valid")]
)
def test_splits_above_the_classes(tmp_path, names):
    train, val = names
    draw(tmp_path, f"{train}/cat/1.jpg", f"{train}/dog/1.jpg", f"{val}/cat/1.jpg", "test/dog/9.jpg")
    data = open_data(DataSettings(root=tmp_path))
    assert tags_in(data.train) == {f"{train}/cat/1": ("cat",), f"{train}/dog/1": ("dog",)}
    assert tags_in(data.val) == {f"{val}/cat/1": ("cat",)}
    test = open_data(DataSettings(root=tmp_path, val="test"))
    assert tags_in(test.val) == {"test/dog/9": ("dog",)}


def test_any_depth_and_splits_below_the_class(tmp_path):
    draw(tmp_path, "pets/2024/cat/train/1.jpg", "pets/2024/dog/val/1.jpg", "pets/old/cat/2.jpg")
    data = open_data(DataSettings(root=tmp_path))
    assert data.classes.objects == ("cat", "dog")
    assert [*tags_in(data.val)] == ["pets/2024/dog/val/1"]


def test_below_images_names_begin_there(tmp_path):
    draw(tmp_path, "images/cat/1.jpg", "images/dog/1.jpg", "masks/cat/1.png", "masks/dog/1.png")
    data = open_data(DataSettings(root=tmp_path))
    assert {*tags_in(data.val), *tags_in(data.train)} == {"cat/1", "dog/1"}
    truth = data.truth("dog/1")
    assert truth
    assert truth.path == tmp_path / "masks/dog/1.png"


@pytest.mark.parametrize("name", ["good", "OK", "Normal", "healthy", "none", "background"])
def test_good_folders_need_no_setting(tmp_path, name):
    draw(tmp_path, f"{name}/1.jpg", f"{name}/2.jpg", "scratch/1.jpg", "scratch/2.jpg")
    data = open_data(DataSettings(root=tmp_path))
    assert data.classes.objects == ("scratch",)
    assert tags_in((*data.val, *data.train))[f"{name}/1"] == ()
    (tmp_path / "classes.txt").write_text(f"background\nscratch\n{name}\n")
    if name != "background":
        listed = open_data(DataSettings(root=tmp_path))
        assert tags_in((*listed.val, *listed.train))[f"{name}/1"] == (name,)


def test_other_names_for_good(tmp_path):
    draw(tmp_path, "intact/1.jpg", "intact/2.jpg", "scratch/1.jpg")
    assert open_data(DataSettings(root=tmp_path)).classes.objects == ("intact", "scratch")
    settings = DataSettings(root=tmp_path, normal=("intact",))
    assert open_data(settings).classes.objects == ("scratch",)


def test_the_magnetic_tiles_of_the_source(tmp_path):
    for kind in ("Blowhole", "Crack", "Free"):
        for n in range(3):
            draw(tmp_path, f"MT_{kind}/Imgs/exp1_{n}.jpg", f"MT_{kind}/Imgs/exp1_{n}.png")
    mask = np.zeros((6, 8), np.uint8)
    mask[:2] = 255
    Image.fromarray(mask).save(tmp_path / "MT_Crack/Imgs/exp1_0.png")
    data = open_data(DataSettings(root=tmp_path))
    assert data.classes.objects == ("MT_Blowhole", "MT_Crack")
    assert len(data.train) + len(data.val) == 9
    assert tags_in((*data.train, *data.val))["MT_Free/Imgs/exp1_0"] == ()
    truth = data.truth("MT_Crack/Imgs/exp1_0")
    assert truth
    assert np.unique(truth.read()).tolist() == [0, 2]
    assert any("'MT_Free'" in note for note in data.notes)
    assert any("9 PNGs beside JPEGs" in note for note in data.notes)


def test_the_layout_of_mvtec(tmp_path):
    draw(tmp_path, *(f"train/good/{n:03}.png" for n in range(4)))
    draw(tmp_path, *(f"test/{kind}/{n:03}.png" for kind in ("good", "hole") for n in range(6)))
    for n in range(6):
        path = tmp_path / f"ground_truth/hole/{n:03}_mask.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 8), 255, np.uint8)).save(path)
    data = open_data(DataSettings(root=tmp_path))
    assert data.form == "the layout of MVTec AD"
    assert data.classes.names == ("background", "hole")
    assert {name: tags for name, tags in tags_in(data.val).items() if tags} == {
        "test/hole/002": ("hole",),
        "test/hole/005": ("hole",),
    }
    assert sum(bool(picture.tags) for picture in data.train) == 4
    assert len(data.train) == 4 + 4 + 4
    truth = data.truth("test/hole/002")
    assert truth
    assert truth.read().tolist() == np.ones((6, 8)).tolist()
    truths = data.val_truths()
    assert [*truths] == ["test/hole/002", "test/hole/005"]
    for name in truths:
        write_mask(tmp_path / "masks" / f"{name}.png", np.eye(6, 8, dtype=np.uint8))
    found = evaluate_truths(tmp_path / "masks", truths, data.classes)
    assert found.iou["hole"] == pytest.approx(100 / 8)
    assert "held out to validate on" in " ".join(data.notes)


def test_pictures_nobody_looked_at_are_left_out(tmp_path):
    draw(tmp_path, "cat/1.jpg", "cat/2.jpg", "_unlabeled/1.jpg", "stray.jpg")
    tags = read_tags(tmp_path)
    assert len(tags.pictures) == 2
    assert "'_unlabeled'" in " ".join(tags.notes)
    assert "'stray.jpg'" in " ".join(tags.notes)


def test_pictures_without_any_tag_are_told_how(tmp_path):
    draw(tmp_path, "images/1.jpg", "images/2.jpg")
    with pytest.raises(TagError, match=r"its 2 pictures have none, such as images/1.jpg; write a"):
        read_tags(tmp_path)


def test_links_are_followed_once(tmp_path):
    draw(tmp_path / "far", "cat/1.jpg", "dog/1.jpg")
    root = tmp_path / "root"
    root.mkdir()
    (root / "images").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "cat" / "again").symlink_to(root)
    data = open_data(DataSettings(root=root))
    assert {*tags_in(data.train), *tags_in(data.val)} == {"cat/1", "dog/1"}


def test_names_in_either_form_of_unicode(tmp_path):
    apart = unicodedata.normalize("NFD", "Käfer")
    draw(tmp_path, f"images/{apart}.png", "images/b.png")
    (tmp_path / "tags.csv").write_text("image,tags\nKäfer.png,bug\nb.png,\n")
    (tmp_path / "val.txt").write_text("Käfer\n")
    write_mask(tmp_path / "masks" / f"{apart}.png", np.eye(6, 8, dtype=np.uint8))
    data = open_data(DataSettings(root=tmp_path))
    assert [*data.val_truths()] == ["Käfer"]
    assert not data.stray_masks()
    write_mask(tmp_path / "out" / "Käfer.png", np.eye(6, 8, dtype=np.uint8))
    for found in (
        evaluate_truths(tmp_path / "out", data.val_truths(), data.classes),
        evaluate_folder(tmp_path / "out", tmp_path / "masks", data.classes),
    ):
        assert found.miou == 100
