"""COCO's files: what is of the form is read in bounded memory, anything else is one line."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from wsfcn.config import DataSettings
from wsfcn.data.annotations import Runs, lengths, of_runs, read_annotations, region
from wsfcn.data.benchmarks.coco import prepare_coco
from wsfcn.data.dataset import open_data
from wsfcn.errors import DataError
from wsfcn.images import read_mask

GOOD = [[1, 1, 5, 1, 5, 5, 1, 5]]


def content(**changes) -> dict:
    """Two pictures of 12 x 10 with an object each."""
    whole = {
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "images": [{"id": n, "file_name": f"{n}.jpg", "height": 10, "width": 12} for n in (1, 2)],
        "annotations": [
            {"image_id": n, "category_id": n, "area": 16, "segmentation": GOOD} for n in (1, 2)
        ],
    }
    return whole | changes


def named(*names: str) -> dict:
    return {"categories": [{"id": n, "name": name} for n, name in enumerate(names, start=1)]}


@pytest.fixture
def prepare(tmp_path):
    def run(found: dict):
        (tmp_path / "annotations").mkdir(exist_ok=True)
        path = tmp_path / "annotations" / "instances_train2014.json"
        path.write_text(json.dumps(found))
        (tmp_path / "train2014").mkdir(exist_ok=True)
        for n in (1, 2):
            Image.new("RGB", (12, 10)).save(tmp_path / "train2014" / f"{n}.jpg")
        return prepare_coco(tmp_path, tmp_path / "out", "14", workers=0)

    return run


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_as_pycocotools_writes_them(seed):
    pixels = np.random.default_rng(seed).random((37, 53)) < 0.3 + 0.1 * seed
    code = rle.encode(np.asfortranarray(pixels, np.uint8))
    found = of_runs(Runs((37, 53), code["counts"].decode()), 37, 53)
    assert (found == pixels).all()
    assert (of_runs(Runs((37, 53), lengths(code["counts"].decode())), 37, 53) == pixels).all()


@pytest.mark.parametrize(
    "outline",
    [
        None, [], [[]], [[1, 1]], [[1, 1, 4, 4]], [[1, 1, 4, 4, 2]], [[1e9, 1, 4, 4, 2, 2]],
        [[1, 1, 1e300, 1, 4, 4]], "text", 5, {}, {"size": [10, 12]},
        {"size": [12, 10], "counts": [120]}, {"size": [10, 12], "counts": [100]},
        {"size": [10, 12], "counts": [10**12]}, {"size": [10, 12], "counts": [-5, 125]},
        {"size": [10, 12], "counts": "~~~~"}, {"size": [10, 12], "counts": "oooooooooooooooooooo"},
        {"size": [10, 12], "counts": ""}, [["a"]], [[None]], [[[1]]],
    ],
)  # fmt: skip
def test_a_broken_outline_costs_its_mask_alone_and_is_told(prepare, tmp_path, outline):
    found = content()
    found["annotations"][0]["segmentation"] = outline
    assert region(json.dumps(outline).encode(), 10, 12) is None
    prepared = prepare(found)
    assert prepared.counts == {"train": 2}
    assert any("1 outlines of train2014" in line and "1.jpg" in line for line in prepared.missing)
    assert not read_mask(tmp_path / "out/masks/1.png").any()
    assert read_mask(tmp_path / "out/masks/2.png").any()
    data = open_data(DataSettings(root=tmp_path / "out"))
    assert {p.name: p.tags for p in (*data.train, *data.val)} == {"1": ("cat",), "2": ("dog",)}


def test_a_missing_outline_area_or_size_is_no_fault(prepare, tmp_path):
    found = content(images=[{"id": n, "file_name": f"{n}.jpg"} for n in (1, 2)])
    del found["annotations"][0]["area"], found["annotations"][1]["segmentation"]
    prepare(found)
    assert read_mask(tmp_path / "out/masks/1.png").shape == (10, 12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"annotations": [{"image_id": 9, "category_id": 1}]},
            "annotation 0: no image has the id 9",
        ),
        ({"annotations": [{"image_id": 1, "category_id": 7}]}, "0: no category has the id 7"),
        ({"annotations": [{"image_id": [], "category_id": 7}]}, "no COCO annotations"),
        ({"annotations": None}, "no COCO annotations"),
        ({"images": {}}, "no COCO annotations"),
        ({"images": [{"id": 1, "file_name": "1.jpg"}] * 2}, "two images have the id 1"),
        ({"images": [{"id": 1, "file_name": "1.jpg", "height": 0}]}, "no COCO annotations"),
        ({"images": [{"id": 1, "file_name": "1.jpg", "height": 10**9}]}, "no COCO annotations"),
        ({"categories": [{"id": 1, "name": None}]}, "no COCO annotations"),
        (
            {"categories": [{"id": n, "name": "cat"} for n in (1, 2)]},
            "2 categories are named 'cat'",
        ),
        (named(*map(str, range(300))), "300 categories, but"),
        (
            {"categories": [{"id": 1, "name": "a\nb"}, {"id": 2, "name": "c"}]},
            "cannot stand in a list",
        ),
        (named("a;b", "c"), "cannot be a class"),
        (named("", "c"), "cannot stand in a list"),
    ],
)
def test_what_is_not_understood_is_one_line_with_its_file(prepare, tmp_path, change, message):
    with pytest.raises(DataError, match=message) as caught:
        prepare(content(**change))
    assert "instances_train2014.json" in str(caught.value)
    assert not (tmp_path / "out" / "tags.csv").exists()


@pytest.mark.parametrize("name", ["a, b", 'say "a"', "Käse", "[/]", "hot dog", "a'b", "#1"])
def test_an_odd_category_makes_a_data_set_that_can_be_read(prepare, tmp_path, name):
    prepare(content(**named(name, "dog")))
    data = open_data(DataSettings(root=tmp_path / "out"))
    assert data.classes.names == ("background", name, "dog")
    assert {p.name: p.tags for p in (*data.train, *data.val)} == {"1": (name,), "2": ("dog",)}


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 10**5, b"{}", b"null", b'{"images": 1e999}'])
def test_what_is_no_json_of_the_form_is_one_line(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(DataError, match=r"a\.json: no COCO annotations"):
        read_annotations(tmp_path / "a.json")
