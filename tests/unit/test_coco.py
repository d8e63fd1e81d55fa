"""COCO from its official folders to the native layout."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.config import DataSettings
from wsfcn.data.benchmarks.coco import prepare_coco
from wsfcn.data.dataset import open_data
from wsfcn.errors import DataError
from wsfcn.images import read_mask

COCO128 = Path(__file__).parents[3] / "shared/data/coco128"


def square(left: int, top: int, side: int) -> list[list[int]]:
    right, bottom = left + side, top + side
    return [[left, top, right, top, right, bottom, left, bottom]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three pictures of 12 x 10: two objects over each other and a crowd, one object, none."""
    categories = [{"id": 3, "name": "car"}, {"id": 10, "name": "traffic light"}]
    crowd = {"size": [10, 12], "counts": [0, 30, 90]}  # the first three columns
    annotations = [
        {"image_id": 7, "category_id": 10, "area": 4, "segmentation": square(3, 3, 2)},
        {"image_id": 7, "category_id": 3, "area": 36, "segmentation": square(2, 2, 6)},
        {"image_id": 7, "category_id": 3, "area": 1, "segmentation": crowd, "iscrowd": 1},
        {"image_id": 8, "category_id": 10, "area": 4, "segmentation": square(0, 0, 2)},
    ]
    images = [{"id": n, "file_name": f"{n}.jpg", "height": 10, "width": 12} for n in (7, 8, 9)]
    content = {"categories": categories, "images": images, "annotations": annotations}
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train2014.json").write_text(json.dumps(content))
    (tmp_path / "train2014").mkdir()
    for n in (7, 8, 9):
        Image.new("RGB", (12, 10)).save(tmp_path / "train2014" / f"{n}.jpg")
    return tmp_path


def test_tags_and_masks(root):
    prepared = prepare_coco(root, root / "coco14", "14", workers=0)
    assert prepared.counts == {"train": 2}
    assert prepared.missing == ["instances_val2014.json, the val split"]
    data = open_data(DataSettings(root=root / "coco14"))
    assert data.classes.names == ("background", "car", "traffic light")
    tags = {p.name: p.tags for p in (*data.train, *data.val)}
    assert tags == {"7": ("car", "traffic light"), "8": ("traffic light",)}
    mask = read_mask(root / "coco14" / "masks" / "7.png")
    assert mask.shape == (10, 12)
    assert mask[4, 4] == 2, "the smaller object lies over the larger one"
    assert mask[6, 6] == 1
    assert mask[4, 2] == 1, "an object lies over the crowd"
    assert mask[0, 0] == 255, "the crowd is left out"
    assert mask[9, 11] == 0


def test_a_second_run_keeps_what_is_there(root):
    prepare_coco(root, root / "coco14", "14", workers=0)
    kept = root / "coco14" / "masks" / "7.png"
    before = kept.stat().st_mtime_ns
    (root / "coco14" / "masks" / "8.png").unlink()
    prepare_coco(root, root / "coco14", "14", workers=0)
    assert kept.stat().st_mtime_ns == before
    assert (root / "coco14" / "masks" / "8.png").exists()


def test_missing_pictures_are_told(root):
    (root / "train2014" / "8.jpg").unlink()
    prepared = prepare_coco(root, root / "coco14", "14", workers=0)
    assert prepared.counts == {"train": 1}
    assert "1 pictures of train2014, the first is 8.jpg" in prepared.missing


def test_what_is_no_coco_is_refused(root, tmp_path):
    with pytest.raises(DataError, match="instances_train2017"):
        prepare_coco(root, root / "out", "17")
    (root / "annotations" / "instances_train2014.json").write_text("{}")
    with pytest.raises(DataError, match="no COCO annotations"):
        prepare_coco(root, root / "out", "14")


@pytest.mark.skipif(not COCO128.exists(), reason="needs the 128 COCO pictures")
def test_real_annotations(tmp_path):
    prepared = prepare_coco(COCO128, tmp_path / "coco17", "17", workers=2)
    assert prepared.counts == {"train": 126}
    data = open_data(DataSettings(root=tmp_path / "coco17"))
    assert len(data.classes) == 81
    for picture in data.train[:20]:
        mask = read_mask(tmp_path / "coco17" / "masks" / f"{picture.name}.png")
        assert mask.shape == Image.open(picture.path).size[::-1]
        shown = {data.classes.names[k] for k in np.unique(mask) if k not in (0, 255)}
        assert shown <= set(picture.tags)
