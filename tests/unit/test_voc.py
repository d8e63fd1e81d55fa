"""PASCAL VOC and SBD from their official folders to the native layout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from wsfcn.config import DataSettings
from wsfcn.data.benchmarks.voc import prepare_voc12
from wsfcn.data.dataset import open_data
from wsfcn.errors import DataError, MaskError
from wsfcn.images import read_mask, write_mask

MINI = Path(__file__).parents[3] / "shared/data/voc-devkit-mini"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A devkit of three pictures and an SBD of two, one of which VOC validates on."""
    devkit = tmp_path / "VOCdevkit" / "VOC2012"
    lists = devkit / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("b\n")
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 2:4] = 8
    mask[0] = 255
    for name, tags in (("a", ["dog", "cat", "dog"]), ("b", ["person"]), ("c", ["cat"])):
        (devkit / "JPEGImages").mkdir(exist_ok=True)
        Image.new("RGB", (8, 6)).save(devkit / "JPEGImages" / f"{name}.jpg")
        (devkit / "Annotations").mkdir(exist_ok=True)
        boxes = "".join(f"<object><name>{tag}</name></object>" for tag in tags)
        (devkit / "Annotations" / f"{name}.xml").write_text(f"<annotation>{boxes}</annotation>")
    for name in ("a", "b"):
        write_mask(devkit / "SegmentationClass" / f"{name}.png", mask)
    sbd = tmp_path / "sbd" / "benchmark_RELEASE" / "dataset"
    (sbd / "cls").mkdir(parents=True)
    (sbd / "train.txt").write_text("c\n")
    (sbd / "val.txt").write_text("b\n")
    savemat(sbd / "cls" / "c.mat", {"GTcls": {"Segmentation": mask}})
    return tmp_path


def test_the_splits_tags_and_masks(root):
    prepared = prepare_voc12(root, root / "voc12")
    assert prepared.counts == {"train": 2, "val": 1, "test": 0}
    assert prepared.from_masks == 0
    data = open_data(DataSettings(root=root / "voc12"))
    assert {picture.name: picture.tags for picture in data.train} == {
        "a": ("cat", "dog"),
        "c": ("cat",),
    }
    assert [picture.name for picture in data.val] == ["b"]
    assert data.train[0].path.resolve().parent.name == "JPEGImages", "no picture is copied"
    for name in ("a", "b", "c"):
        assert set(np.unique(read_mask(root / "voc12" / "masks" / f"{name}.png"))) == {0, 8, 255}


def test_a_second_run_goes_on(root):
    prepare_voc12(root, root / "voc12")
    kept = root / "voc12" / "masks" / "c.png"
    before = kept.stat().st_mtime_ns
    (root / "voc12" / "masks" / "a.png").unlink()
    prepare_voc12(root, root / "voc12")
    assert kept.stat().st_mtime_ns == before
    assert (root / "voc12" / "masks" / "a.png").exists()


def test_without_an_annotation_tags_are_read_off_the_mask(root):
    (root / "VOCdevkit/VOC2012/Annotations/a.xml").unlink()
    prepared = prepare_voc12(root, root / "voc12")
    assert prepared.from_masks == 1
    assert "a.jpg,cat\n" in (root / "voc12" / "tags.csv").read_text()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("VOCdevkit/VOC2012/JPEGImages/c.jpg", "1 listed pictures are missing"),
        (
            "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt",
            "no such file; is the download",
        ),
        ("sbd/benchmark_RELEASE/dataset/cls/c.mat", "no mask of c"),
    ],
)
def test_what_is_missing_is_named(root, broken, message):
    (root / broken).unlink()
    with pytest.raises(DataError, match=message):
        prepare_voc12(root, root / "voc12")
    assert not (root / "voc12" / "tags.csv").exists()


@pytest.mark.parametrize(
    "content",
    [
        {"GTcls": {"Segmentation": np.zeros((6, 8))}},
        {"GTcls": {"Segmentation": np.zeros((6, 8, 3), np.uint8)}},
        {"GTcls": 3},
        {"other": 3},
    ],
)
def test_a_mat_file_of_another_kind_is_one_line(root, content):
    savemat(root / "sbd/benchmark_RELEASE/dataset/cls/c.mat", content)
    with pytest.raises(MaskError, match=r"c\.mat: no GTcls\.Segmentation"):
        prepare_voc12(root, root / "voc12")


def test_a_compressed_mat_file_is_read(root):
    mask = np.arange(48, dtype=np.uint8).reshape(6, 8) % 21
    path = root / "sbd/benchmark_RELEASE/dataset/cls/c.mat"
    more = {"Boundaries": np.zeros((20, 1), object), "Segmentation": mask, "CategoriesPresent": 8}
    savemat(path, {"other": 3, "GTcls": more}, do_compression=True)
    prepare_voc12(root, root / "voc12")
    assert (read_mask(root / "voc12" / "masks" / "c.png") == mask).all()


def test_a_small_mat_file_cannot_become_large(root):
    path = root / "sbd/benchmark_RELEASE/dataset/cls/c.mat"
    mask = np.zeros((2**14, 2**13), np.uint8)
    savemat(path, {"GTcls": {"Segmentation": mask}}, do_compression=True)
    assert path.stat().st_size < 2**20
    with pytest.raises(MaskError, match="compressed to a small part"):
        prepare_voc12(root, root / "voc12")


def test_a_folder_without_a_devkit_is_refused(tmp_path):
    with pytest.raises(DataError, match="VOCdevkit/VOC2012"):
        prepare_voc12(tmp_path, tmp_path / "out")


@pytest.mark.skipif(not MINI.exists(), reason="needs the small devkit of real pictures")
def test_a_devkit_with_augmented_masks(tmp_path):
    prepared = prepare_voc12(MINI, tmp_path / "voc12")
    assert prepared.counts == {"train": 44, "val": 16, "test": 0}
    data = open_data(DataSettings(root=tmp_path / "voc12"))
    assert len(data.classes) == 21
    assert all(picture.tags for picture in data.train)
