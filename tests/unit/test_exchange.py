"""What people's tools export, made by hand: read as they mean it, refused where it cannot be."""

import base64
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.config import ExchangeSettings
from wsfcn.errors import DataError, MaskError, PictureError, TagError, WsfcnError
from wsfcn.exchange.convert import FORMS, convert
from wsfcn.exchange.geo import georeference
from wsfcn.exchange.jsonstream import read_items
from wsfcn.exchange.labelled import Wanted
from wsfcn.exchange.outlines import drawn_polygon, filled, outlines, seamed
from wsfcn.exchange.pictures import Pictures, upright_size
from wsfcn.exchange.rle import decode_brush, encode_brush
from wsfcn.images import read_mask, write_mask
from wsfcn.types import Classes

PETS = Classes(("background", "cat", "dog"))


def labels_of(form: str, path: Path, **wanted) -> dict[str, np.ndarray]:
    found = FORMS[form].read(path, Wanted(PETS, **wanted))
    return {picture.name: picture.labels for picture in found.pictures}


def area(labels: np.ndarray, k: int) -> int:
    return int((labels == k).sum())


# Outlines.


@pytest.mark.parametrize("tolerance", [0.0, 0.4, 1.0, 2.5])
def test_outlines_stay_within_the_tolerance(tolerance):
    rows, columns = np.indices((80, 90))
    distance = np.hypot(rows - 40, columns - 45)
    region = (distance < 30) & (distance > 11)
    for drawn in (False, True):
        (outline,) = outlines(region, tolerance, drawn=drawn)
        assert len(outline.holes) == 1
        for ring, radius in ((outline.outer, 30), (outline.holes[0], 11)):
            middle = np.array([45, 40]) + (0 if drawn else 0.5)
            assert np.abs(np.hypot(*(ring - middle).T) - radius).max() <= tolerance + 1
        ring = seamed(outline)
        found = drawn_polygon(ring, 80, 90) if drawn else filled([ring], 80, 90)
        if tolerance == 0:
            assert (found == region).all()
        # What differs lies along the edge.
        wrong = np.abs(distance[found != region][:, None] - [30, 11]).min(axis=1)
        assert wrong.max(initial=0) <= tolerance + 1


def test_fewer_points_with_more_tolerance():
    rows, columns = np.indices((200, 200))
    region = np.hypot(rows - 99, columns - 99) < 80
    counts = [len(outlines(region, t)[0].outer) for t in (0, 0.4, 1, 4)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < counts[0] / 10


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 3)])
def test_small_regions_keep_their_pixels(shape):
    region = np.zeros((9, 9), bool)
    region[1 : 1 + shape[0], 1 : 1 + shape[1]] = True
    (outline,) = outlines(region, 0)
    assert (filled([seamed(outline)], 9, 9) == region).all()
    (outline,) = outlines(region, 0.4, drawn=True)
    assert (drawn_polygon(seamed(outline), 9, 9) == region).all()


def test_an_outline_far_outside_is_refused():
    far = np.array([[0.0, 0], [1e9, 0], [1e9, 1e9]])
    for draw in (lambda: filled([far], 9, 9), lambda: drawn_polygon(far, 9, 9)):
        with pytest.raises(ValueError, match="leaves the picture"):
            draw()


def test_brushes_by_chance():
    rng = np.random.default_rng(0)
    for share in (0.0, 0.02, 0.5, 1.0):
        region = rng.random((37, 61)) < share
        assert (decode_brush(encode_brush(region), 37, 61) == region).all()
    long = np.zeros((300, 300), bool)  # runs longer than a length can say
    long[-1, -1] = True
    assert (decode_brush(encode_brush(long), 300, 300) == long).all()


# Label Studio.


def task(*results: dict, number: int = 1, **more) -> dict:
    made = {"id": 7, "result": list(results), "updated_at": "2026-01-02"}
    return {"id": number, "data": {"image": "/data/upload/3/0123abcd-tom.jpg"}} | (
        {"annotations": [made]} | more
    )


def result(kind: str, label: str, **value) -> dict:
    return {
        "id": "a",
        "type": kind,
        "from_name": "x",
        "to_name": "image",
        "original_width": 200,
        "original_height": 100,
        "image_rotation": 0,
        "value": value | {kind: [label]},
    }


def write_tasks(folder: Path, *tasks: dict) -> Path:
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return path


def test_label_studios_shapes(tmp_path):
    box = {"x": 10, "y": 20, "width": 25, "height": 50}
    path = write_tasks(
        tmp_path,
        task(
            result("rectanglelabels", "cat", **box),
            result("ellipselabels", "dog", x=75, y=50, radiusX=10, radiusY=20),
            result("keypointlabels", "dog", x=5, y=90, width=2),
        ),
    )
    (labels,) = labels_of("labelstudio", path).values()
    assert labels.shape == (100, 200)
    assert area(labels, 1) == 50 * 50
    assert (labels[20:70, 20:70] == 1).all()
    assert labels[50, 150] == labels[90, 10] == 2
    # Two radii of 20 pixels, and a point 4 pixels wide.
    assert area(labels, 2) == pytest.approx(np.pi * (20 * 20 + 2 * 2), rel=0.03)


def test_a_turned_rectangle(tmp_path):
    # A quarter turn about the upper left corner, in a picture that is twice as wide as high.
    turned = result("rectanglelabels", "cat", x=50, y=20, width=20, height=10, rotation=90)
    (labels,) = labels_of("labelstudio", write_tasks(tmp_path, task(turned))).values()
    assert area(labels, 1) == 40 * 10
    assert (labels[20:60, 90:100] == 1).all()


def test_the_last_annotation_counts(tmp_path):
    box = {"y": 0, "width": 10, "height": 10}
    made = [
        {"result": [result("rectanglelabels", "cat", x=0, **box)], "updated_at": "2026-01-01"},
        {"result": [result("rectanglelabels", "dog", x=0, **box)], "updated_at": "2026-02-01"},
        {
            "result": [result("rectanglelabels", "cat", x=0, **box)],
            "updated_at": "2026-03-01",
            "was_cancelled": True,
        },
    ]
    (labels,) = labels_of("labelstudio", write_tasks(tmp_path, task(annotations=made))).values()
    assert set(np.unique(labels)) == {0, 2}


def test_tasks_that_nobody_annotated_are_left_out_and_told(tmp_path):
    first = task(result("rectanglelabels", "cat", x=0, y=0, width=10, height=10))
    other = {"id": 2, "data": {"image": "b.jpg"}, "annotations": [], "predictions": []}
    path = write_tasks(tmp_path, first, other)
    done = convert(path, "masks", tmp_path / "out")
    assert (done.count, done.notes) == (1, ["tasks without an annotation, left out: 1"])
    assert (tmp_path / "out" / "tom.png").exists()


def test_an_empty_annotation_needs_the_picture(tmp_path):
    path = write_tasks(tmp_path, task())
    with pytest.raises(MaskError, match=r"task 1: does not tell the size of tom\.jpg"):
        labels_of("labelstudio", path)
    Image.new("RGB", (30, 20)).save(tmp_path / "tom.jpg")
    (labels,) = labels_of("labelstudio", path, pictures=Pictures(tmp_path)).values()
    assert labels.shape == (20, 30)
    assert not labels.any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"id": 1, "image": "a.jpg", "tag": []}], "JSON-MIN"),
        ([{"id": 1, "data": {"image": "a"}, "completions": []}], "before version 1.0"),
        ([{"id": 1, "data": {"image": "a"}, "annotations": [3]}], "numbers of annotations"),
        ([], "no task"),
        ([task(result("videorectangle", "cat", sequence=[]))], "is of the kind 'videorectangle'"),
        ([task(result("brushlabels", "cat", rle=[0, 0, 1], format="rle"))], "cannot be read"),
        ([task(result("rectanglelabels", "cow", x=0, y=0, width=1, height=1))], "class 'cow'"),
        (
            [
                task(
                    result("rectanglelabels", "cat", x=0, y=0, width=1, height=1)
                    | {"image_rotation": 90}
                )
            ],
            "turned picture",
        ),
    ],
)
def test_label_studios_other_files_are_told(tmp_path, content, message):
    with pytest.raises(WsfcnError, match=message):
        labels_of("labelstudio", write_tasks(tmp_path, *content))


def test_long_items_and_chunks_of_json(tmp_path, monkeypatch):
    monkeypatch.setattr("wsfcn.exchange.jsonstream.CHUNK", 7)
    items = [{"a": [1.5, "ä]{", {"b": []}]}, 12345678901234, "x" * 100, []]
    (tmp_path / "a.json").write_text(f"\ufeff {json.dumps(items, indent=3)} \n", encoding="utf-8")
    assert list(read_items(tmp_path / "a.json")) == items


def test_what_nothing_lies_on_may_be_left_unsaid(tmp_path):
    """Scribbles: a stroke for the background, one for the cat, nothing said of the rest."""
    box = {"y": 0, "width": 10, "height": 100}
    path = write_tasks(
        tmp_path,
        task(
            result("rectanglelabels", "cat", x=0, **box),
            result("rectanglelabels", "background", x=50, **box),
        ),
    )
    convert(path, "masks", tmp_path / "out", unlabelled="ignore")
    labels = read_mask(tmp_path / "out" / "tom.png")
    assert [area(labels, k) for k in (0, 1, 255)] == [2000, 2000, 16000]


# COCO.


def coco(folder: Path, *annotations: dict) -> Path:
    content = {
        "info": {},
        "images": [{"id": 5, "file_name": "in/tom.jpg", "width": 12, "height": 10}],
        "categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}],
        "annotations": [{"id": n, "image_id": 5} | item for n, item in enumerate(annotations)],
    }
    path = folder / "coco.json"
    path.write_text(json.dumps(content))
    return path


def square(left: int, top: int, side: int) -> list[list[int]]:
    right, bottom = left + side, top + side
    return [[left, top, right, top, right, bottom, left, bottom]]


def test_cocos_objects_over_each_other(tmp_path):
    crowd = {"size": [10, 12], "counts": [0, 30, 90]}  # the first three columns
    path = coco(
        tmp_path,
        {"category_id": 9, "segmentation": square(3, 3, 2)},
        {"category_id": 4, "segmentation": square(2, 2, 6), "score": 0.5},
        {"category_id": 4, "segmentation": crowd, "iscrowd": 1},
    )
    (labels,) = labels_of("coco", path).values()
    assert labels[4, 4] == 2, "the smaller one lies on top"
    assert labels[6, 6] == labels[4, 2] == 1
    assert labels[0, 0] == 255, "a crowd is left out"
    classes = FORMS["coco"].read(path, Wanted()).classes
    assert classes.names == ("background", "cat", "dog"), "by id"


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"category_id": 4, "segmentation": []}, "no mask or outline"),
        ({"category_id": 4, "segmentation": {"size": [9, 9], "counts": [81]}}, "of 12 x 10"),
        ({"category_id": 4, "segmentation": {"size": [10, 12], "counts": [3]}}, "of 12 x 10"),
        ({"category_id": 4, "segmentation": {"size": [10, 12], "counts": "~~"}}, "of 12 x 10"),
        ({"category_id": 4, "segmentation": [[0, 0, 1e12, 0, 1e12, 1e12]]}, "of 12 x 10"),
        ({"category_id": 1, "segmentation": square(0, 0, 2)}, "no category has the id 1"),
        (
            {"category_id": 4, "image_id": 3, "segmentation": square(0, 0, 2)},
            "no image has the id 3",
        ),
    ],
)
def test_coco_that_does_not_fit_is_told(tmp_path, annotation, message):
    with pytest.raises(DataError, match=message):
        labels_of("coco", coco(tmp_path, annotation))


# CVAT.


def cvat(folder: Path, shapes: str, version: str = "1.1", more: str = "") -> Path:
    path = folder / "annotations.xml"
    path.write_text(
        f"<annotations><version>{version}</version>{more}"
        f'<image id="0" name="tom.jpg" width="20" height="10">{shapes}</image></annotations>'
    )
    return path


def test_cvats_shapes(tmp_path):
    path = cvat(
        tmp_path,
        '<box label="cat" xtl="2" ytl="2" xbr="8" ybr="8" z_order="1"/>'
        '<polygon label="dog" points="0,0;20,0;20,5;0,5" z_order="0"/>'
        '<mask label="dog" rle="1, 2, 1" left="10" top="8" width="2" height="2" z_order="0"/>'
        '<tag label="cat"/>',
    )
    (labels,) = labels_of("cvat", path).values()
    assert area(labels, 1) == 36, "the box lies over the polygon"
    assert area(labels, 2) == 100 - 18 + 2
    assert labels[8, 11] == labels[9, 10] == 2


def test_cvats_turned_box_and_points(tmp_path):
    box = '<box label="cat" xtl="6" ytl="4" xbr="14" ybr="6" rotation="90"/>'
    points = '<points label="dog" points="2.5,2.5;17.5,7.5"/>'
    (labels,) = labels_of("cvat", cvat(tmp_path, box + points)).values()
    assert (labels[1:9, 9:11] == 1).all()
    assert area(labels, 1) == 16
    assert labels[2, 2] == labels[7, 17] == 2


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"shapes": "", "version": "2.0"}, "version 2.0; expected 1.1"),
        ({"shapes": "", "more": "<track/>"}, "tracks of a video"),
        ({"shapes": '<cuboid label="cat"/>'}, "<cuboid> cannot be read"),
        ({"shapes": '<polygon label="cow" points="0,0;1,0;1,1"/>'}, "unknown class 'cow'"),
        (
            {"shapes": '<mask label="cat" rle="4" left="19" top="0" width="2" height="2"/>'},
            "leaves the picture",
        ),
    ],
)
def test_cvats_other_files_are_told(tmp_path, parts, message):
    with pytest.raises(WsfcnError, match=message):
        labels_of("cvat", cvat(tmp_path, **parts))


# labelme.


def labelme(folder: Path, *shapes: dict) -> Path:
    content = {"version": "5.4.1", "imagePath": "../tom.png", "imageWidth": 30, "imageHeight": 20}
    path = folder / "tom.json"
    path.write_text(json.dumps(content | {"shapes": list(shapes)}))
    return path


def test_labelmes_shapes(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(np.eye(3) > 0).save(buffer, "PNG")
    path = labelme(
        tmp_path,
        {"label": "dog", "shape_type": "rectangle", "points": [[4, 3], [1, 1]]},
        {"label": "cat", "shape_type": "circle", "points": [[20, 10], [20, 14]]},
        {
            "label": "dog",
            "shape_type": "mask",
            "points": [[5, 15], [7, 17]],
            "mask": base64.b64encode(buffer.getvalue()).decode(),
        },
    )
    (labels,) = labels_of("labelme", path).values()
    assert (labels[1:4, 1:5] == 2).all()
    assert labels[15, 5] == labels[17, 7] == 2
    assert labels[15, 6] == 0
    assert area(labels, 1) == pytest.approx(np.pi * 4.5**2, rel=0.2)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"label": "cat", "points": [[1, 1]]}, "cannot be read"),
        ({"label": "cat", "points": [[1, 1], [2, 2]], "shape_type": "mask"}, "cannot be read"),
        ({"label": "cow", "points": [[1, 1], [2, 2], [3, 1]]}, "unknown class 'cow'"),
        ({"points": [[1, 1], [2, 2], [3, 1]]}, "without a label"),
    ],
)
def test_labelme_that_does_not_fit_is_told(tmp_path, shape, message):
    with pytest.raises(WsfcnError, match=message):
        labels_of("labelme", labelme(tmp_path, shape))


# YOLO.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1 0.1", "line 1: holds a box"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "7 numbers"),
        ("2 0.1 0.1 0.2 0.2 0.3 0.1", "class 2, but 2 are named"),
        ("0 0.1 0.1 0.2 0.2 0.3 1.1", "between 0 and 1"),
        ("cat 0.1 0.1 0.2 0.2 0.3 0.1", "not a number"),
    ],
)
def test_yolo_that_does_not_fit_is_told(tmp_path, line, message):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "tom.txt").write_text(line)
    (tmp_path / "data.yaml").write_text("names: [cat, dog]")
    with pytest.raises(PictureError, match="--pictures DIR"):
        labels_of("yolo", tmp_path)
    (tmp_path / "images").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "tom.jpg")
    with pytest.raises(DataError, match=message):
        labels_of("yolo", tmp_path)


# VOC, masks, archives, names.


def test_voc_as_it_came(tmp_path):
    mask = np.array([[0, 1, 20, 255]], np.uint8)
    write_mask(tmp_path / "SegmentationClass" / "tom.png", mask)
    done = convert(tmp_path, "masks", tmp_path / "out")
    assert (done.form, done.count) == ("voc", 1)
    assert (read_mask(tmp_path / "out" / "tom.png") == mask).all()


def test_colours_pixel_by_pixel_and_unknown_ones(tmp_path):
    (tmp_path / "labelmap.txt").write_text("# label\nbackground:0,0,0::\ndog:1,2,3::\n")
    (tmp_path / "SegmentationClass").mkdir()
    path = tmp_path / "SegmentationClass" / "tom.png"
    Image.fromarray(np.array([[[0, 0, 0], [1, 2, 3]]], np.uint8)).save(path)
    assert labels_of("cvat-masks", tmp_path)["tom"].tolist() == [[0, 2]]
    Image.fromarray(np.array([[[9, 9, 9]]], np.uint8)).save(path)
    with pytest.raises(MaskError, match=r"colour \(9, 9, 9\)"):
        labels_of("cvat-masks", tmp_path)


def test_masks_need_their_classes(tmp_path):
    write_mask(tmp_path / "in" / "tom.png", np.array([[3]], np.uint8))
    with pytest.raises(TagError, match="--classes FILE"):
        convert(tmp_path / "in", "coco", tmp_path / "out.json")
    (tmp_path / "classes.txt").write_text("background\ncat\n")
    with pytest.raises(MaskError, match="value 3, but there are 2 classes: background, cat"):
        convert(tmp_path / "in", "coco", tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_an_archive_as_tools_pack_it(tmp_path):
    path = coco(tmp_path, {"category_id": 9, "segmentation": square(3, 3, 2)})
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(path, "annotations/instances_default.json")
        archive.writestr("images/tom.jpg", b"")
    assert convert(tmp_path / "export.zip", "masks", tmp_path / "out").form == "coco"
    assert (tmp_path / "out" / "in" / "tom.png").exists()
    (tmp_path / "broken.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="cannot be unpacked"):
        convert(tmp_path / "broken.zip", "masks", tmp_path / "out")


@pytest.mark.parametrize("name", ["/etc/tom.jpg", "../../tom.jpg", "..\\tom.jpg", "C:\\x\\tom.jpg"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    path = coco(tmp_path, {"category_id": 9, "segmentation": square(3, 3, 2)})
    path.write_text(path.read_text().replace('"in/tom.jpg"', json.dumps(name)))
    convert(path, "masks", tmp_path / "out" / "in")
    assert [p.name for p in tmp_path.rglob("*.png")] == ["tom.png"]
    assert (tmp_path / "out" / "in" / "tom.png").exists()


def test_a_picture_labelled_twice_is_told(tmp_path):
    shape = result("rectanglelabels", "cat", x=0, y=0, width=10, height=10)
    path = write_tasks(tmp_path, task(shape), task(shape, number=2))
    with pytest.raises(DataError, match="'tom' is labelled twice"):
        convert(path, "masks", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_by_the_end_of_their_path(tmp_path):
    for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (3, 2)).save(tmp_path / name)
    pictures = Pictures(tmp_path)
    assert pictures.find("/home/me/photos/b/1.png", "x") == tmp_path / "b/1.jpg"
    assert pictures.find("2", "x") == tmp_path / "b/2.jpg"
    with pytest.raises(PictureError, match="may be"):
        pictures.find("1.jpg", "x")


def test_a_picture_is_as_large_as_people_see_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert upright_size(tmp_path / "a.jpg") == (20, 30)


# Maps.


def test_world_files_and_tags_agree(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "a.png")
    (tmp_path / "a.pgw").write_text("2\n0\n0\n-2\n101\n49\n")
    # The upper left corner of pixel (0, 0), whose middle lies at (101, 49).
    assert georeference(tmp_path / "a.png").matrix.tolist() == [[2, 0, 100], [0, -2, 50]]
    info = Image.Exif()
    info[33550], info[33922] = (2.0, 2.0, 0.0), (0.0, 0.0, 0.0, 100.0, 50.0, 0.0)
    info[34735] = (1, 1, 0, 1, 3072, 0, 1, 32633)
    Image.new("L", (4, 3)).save(tmp_path / "b.tif", exif=info)
    found = georeference(tmp_path / "b.tif")
    assert found.epsg == 32633
    assert found.matrix.tolist() == [[2, 0, 100], [0, -2, 50]]
    ring = np.array([[0.0, 0], [4, 3]])
    assert np.allclose(found.to_pixels(found.to_map(ring)), ring)
    Image.new("L", (4, 3)).save(tmp_path / "c.png")
    with pytest.raises(PictureError, match=r"world file such as c\.pgw"):
        georeference(tmp_path / "c.png")


def test_an_object_drawn_by_hand_over_two_pictures(tmp_path):
    for n in range(2):
        path = tmp_path / "maps" / f"{n}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (10, 10)).save(path)
        path.with_suffix(".pgw").write_text(f"1\n0\n0\n-1\n{10 * n + 0.5}\n9.5\n")
    ring = [[5, 2], [1000, 2], [1000, 4], [5, 4], [5, 2]]
    feature = {
        "type": "Feature",
        "properties": {"class": "dog"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    labels = labels_of("geojson", path, pictures=Pictures(tmp_path / "maps"))
    assert (labels["0"][6:8, 5:] == 2).all()
    assert (labels["1"][6:8] == 2).all()
    assert [area(labels[n], 2) for n in "01"] == [10, 20]


def test_neither_torch_nor_timm_is_needed():
    code = (
        "import sys; sys.modules['torch'] = sys.modules['timm'] = None; "
        "import wsfcn.exchange.convert"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_specks_are_dropped_from_polygons_and_told(tmp_path):
    mask = np.zeros((30, 30), np.uint8)
    mask[5:25, 5:25] = 1
    mask[10, 10] = 0
    mask[0, 0] = 1
    write_mask(tmp_path / "in" / "tom.png", mask)
    (tmp_path / "classes.txt").write_text("background\ncat\n")
    polygons = ExchangeSettings(shapes="polygons")
    done = convert(tmp_path / "in", "coco", tmp_path / "out.json", settings=polygons)
    assert done.notes == [
        "specks dropped, smaller than --smallest: 1",
        "holes filled, smaller than --smallest: 1",
    ]
    (labels,) = labels_of("coco", tmp_path / "out.json").values()
    assert area(labels, 1) == 400
