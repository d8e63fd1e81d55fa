"""Each tool's own reader reads what we write, and we read what each tool writes.

Runs where the tools are installed: ``make test-tools``.
"""

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from scenes import CLASSES, make_folder
from wsfcn.config import ExchangeSettings
from wsfcn.exchange.convert import convert
from wsfcn.images import read_mask

os.environ["QT_QPA_PLATFORM"] = "offscreen"
logging.disable(logging.WARNING)

CLOSE = 0.98
"""IoU that polygons keep at the default tolerance, in each picture with the class's pixels
of all its parts; parts smaller than --smallest are measured with it."""

POLYGONS = ExchangeSettings(shapes="polygons")
MASKS = ExchangeSettings(shapes="masks")


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("scenes")


@pytest.fixture(scope="session")
def masks(folder) -> Path:
    return make_folder(folder)[0]


@pytest.fixture(scope="session")
def pictures(folder, masks) -> Path:
    return folder / "pictures"


@pytest.fixture(scope="session")
def truth(masks) -> dict[str, np.ndarray]:
    paths = sorted(masks.rglob("*.png"))
    return {p.relative_to(masks).with_suffix("").as_posix(): read_mask(p) for p in paths}


def assert_same(found: dict[str, np.ndarray], truth: dict[str, np.ndarray], at_least: float):
    """Every picture is there, and each class's IoU in each is at least so much."""
    assert found.keys() == truth.keys()
    for name, mask in truth.items():
        assert found[name].shape == mask.shape, name
        for k in np.union1d(mask, found[name]):
            a, b = mask == k, found[name] == k
            assert (a & b).sum() / (a | b).sum() >= at_least, (name, CLASSES[k])


def back(source: Path, out: Path, masks: Path, pictures: Path) -> dict[str, np.ndarray]:
    """What we read from a tool's export."""
    convert(source, "masks", out, pictures=pictures, classes=masks / "classes.txt")
    paths = sorted(out.rglob("*.png"))
    return {p.relative_to(out).with_suffix("").as_posix(): read_mask(p) for p in paths}


def by_name(pictures: Path) -> dict[str, str]:
    """Names with their folders by those without, which some tools write."""
    names = [p.relative_to(pictures).with_suffix("") for p in pictures.rglob("*.png")]
    return {path.name: path.as_posix() for path in names}


# COCO: pycocotools, datumaro and Label Studio's importer.


def read_with_pycocotools(path: Path) -> dict[str, np.ndarray]:
    from pycocotools.coco import COCO

    coco = COCO(str(path))
    found = {}
    for image in coco.loadImgs(coco.getImgIds()):
        mask = np.zeros((image["height"], image["width"]), np.uint8)
        for item in coco.loadAnns(coco.getAnnIds(image["id"])):
            name = coco.loadCats(item["category_id"])[0]["name"]
            mask[coco.annToMask(item).astype(bool)] = CLASSES.index(name)
        found[image["file_name"].rpartition(".")[0]] = mask
    return found


@pytest.mark.parametrize(("settings", "at_least"), [(MASKS, 1), (POLYGONS, CLOSE)])
def test_coco_by_pycocotools(masks, pictures, truth, tmp_path, settings, at_least):
    convert(masks, "coco", tmp_path / "all.json", pictures=pictures, settings=settings)
    assert_same(read_with_pycocotools(tmp_path / "all.json"), truth, at_least)


def read_with_datumaro(path: Path, form: str) -> dict[str, np.ndarray]:
    import datumaro

    dataset = datumaro.Dataset.import_from(str(path), form)
    labels = dataset.categories()[datumaro.AnnotationType.label]
    found = {}
    for item in dataset:
        mask = np.zeros(item.media.size, np.uint8)
        for shape in item.annotations:
            if shape.type == datumaro.AnnotationType.mask:
                region = shape.image.astype(bool)
            elif shape.type == datumaro.AnnotationType.polygon:
                from pycocotools import mask as rle

                region = rle.decode(rle.merge(rle.frPyObjects([shape.points], *mask.shape))) > 0
            else:
                continue
            name = labels[shape.label].name
            mask[region] = 255 if name == "ignored" else CLASSES.index(name)
        found[item.id] = mask
    return found


@pytest.mark.parametrize(("settings", "at_least"), [(MASKS, 1), (POLYGONS, CLOSE)])
def test_coco_by_datumaro(masks, pictures, truth, tmp_path, settings, at_least):
    path = tmp_path / "annotations" / "instances_all.json"
    convert(masks, "coco", path, pictures=pictures, settings=settings)
    (tmp_path / "images").symlink_to(pictures)
    assert_same(read_with_datumaro(tmp_path, "coco_instances"), truth, at_least)


def test_coco_by_label_studios_importer(masks, pictures, truth, tmp_path):
    from label_studio_sdk.converter.imports.coco import convert_coco_to_ls

    convert(masks, "coco", tmp_path / "all.json", pictures=pictures, settings=POLYGONS)
    convert_coco_to_ls(str(tmp_path / "all.json"), str(tmp_path / "tasks.json"))
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    for task in tasks:  # it adds each object's box as a rectangle
        (made,) = task["annotations"]
        made["result"] = [r for r in made["result"] if r["type"] == "polygonlabels"]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    assert_same(back(tmp_path / "tasks.json", tmp_path / "back", masks, pictures), truth, CLOSE)


# Label Studio: its converter and its check of predictions; its exports.


def annotated(tasks: list[dict]) -> list[dict]:
    """Tasks as Label Studio exports them once a person has accepted each prediction."""
    for task in tasks:
        (made,) = task.pop("predictions")
        task["annotations"] = [{"id": task["id"], "completed_by": 1, "result": made["result"]}]
    return tasks


@pytest.mark.parametrize("settings", [MASKS, POLYGONS])
def test_label_studio_takes_the_predictions(masks, pictures, tmp_path, settings):
    from label_studio_sdk.label_interface import LabelInterface

    convert(masks, "labelstudio", tmp_path / "tasks.json", pictures=pictures, settings=settings)
    interface = LabelInterface((tmp_path / "tasks.xml").read_text())
    interface.validate()
    for task in json.loads((tmp_path / "tasks.json").read_text()):
        for prediction in task["predictions"]:
            assert interface.validate_prediction(prediction, return_errors=True) == []


def export(masks, pictures, tmp_path, settings):
    """Label Studio's converter on our tasks."""
    from label_studio_sdk.converter import Converter

    convert(masks, "labelstudio", tmp_path / "tasks.json", pictures=pictures, settings=settings)
    tasks = annotated(json.loads((tmp_path / "tasks.json").read_text()))
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    config = (tmp_path / "tasks.xml").read_text()
    return Converter(config, str(tmp_path), download_resources=False), tasks


def test_label_studio_brushes(masks, pictures, truth, tmp_path):
    converter, tasks = export(masks, pictures, tmp_path, MASKS)
    (tmp_path / "arrays").mkdir()
    converter.convert(
        str(tmp_path / "export.json"), str(tmp_path / "arrays"), "BRUSH_TO_NUMPY", is_dir=False
    )
    found = {}
    for task in tasks:
        data = task["data"]
        mask = np.zeros((data["height"], data["width"]), np.uint8)
        for path in (tmp_path / "arrays").glob(f"task-{task['id']}-*.npy"):
            name = path.stem.split("-brush-")[1].rpartition("-")[0]
            mask[np.load(path) > 0] = CLASSES.index(name)
        found[data["file"].rpartition(".")[0]] = mask
    assert_same(found, truth, 1)


def test_label_studio_polygons(masks, pictures, truth, tmp_path):
    converter, tasks = export(masks, pictures, tmp_path, POLYGONS)
    converter.convert(str(tmp_path / "export.json"), str(tmp_path / "coco"), "COCO", is_dir=False)
    content = json.loads((tmp_path / "coco" / "result.json").read_text())
    for image in content["images"]:
        data = tasks[image["id"]]["data"]
        # It cannot fetch pictures from a server that does not run, nor then tell their sizes.
        image |= {"file_name": data["file"], "width": data["width"], "height": data["height"]}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    assert_same(read_with_pycocotools(tmp_path / "coco.json"), truth, CLOSE)
    assert_same(back(tmp_path / "coco.json", tmp_path / "back", masks, pictures), truth, CLOSE)


@pytest.mark.parametrize(("settings", "at_least"), [(MASKS, 1), (POLYGONS, CLOSE)])
def test_label_studios_export(masks, pictures, truth, tmp_path, settings, at_least):
    export(masks, pictures, tmp_path, settings)
    found = back(tmp_path / "export.json", tmp_path / "back", masks, pictures)
    assert_same(found, truth, at_least)


def test_label_studios_own_brushes(truth):
    from label_studio_sdk.converter.brush import decode_rle, encode_rle, mask2rle

    from wsfcn.exchange.rle import decode_brush, encode_brush

    for mask in truth.values():
        region = mask == 1
        ours = encode_brush(region)
        assert ours == mask2rle(region.astype(np.uint8) * 255)
        assert (decode_rle(ours).reshape(*mask.shape, 4)[..., 3] > 0).tolist() == region.tolist()
        # As its editor writes them, in the label's colour.
        colours = np.array([31, 119, 180, 255], np.uint8) * region[..., None]
        assert (decode_brush(encode_rle(colours.ravel()), *mask.shape) == region).all()


def test_label_studios_yolo_export(masks, pictures, truth, tmp_path):
    converter, _ = export(masks, pictures, tmp_path, POLYGONS)
    converter.convert(str(tmp_path / "export.json"), str(tmp_path / "yolo"), "YOLO", is_dir=False)
    for path in (tmp_path / "yolo/labels").iterdir():
        # It cannot fetch pictures from a server that does not run, and takes their whole address.
        path.rename(path.with_name(path.name.removeprefix("?d=")))
    found = back(tmp_path / "yolo", tmp_path / "back", masks, pictures)
    # Its lines lie in the plane, where ours and Ultralytics' run through pixels.
    assert_same(found, truth, 0.8)


# CVAT: datumaro, which it imports and exports with.


@pytest.mark.parametrize(("settings", "at_least"), [(MASKS, 1), (POLYGONS, CLOSE)])
def test_cvat_by_datumaro(masks, pictures, truth, tmp_path, settings, at_least):
    convert(masks, "cvat", tmp_path / "annotations.xml", pictures=pictures, settings=settings)
    (tmp_path / "images").symlink_to(pictures)
    found = read_with_datumaro(tmp_path, "cvat")
    assert_same(found, truth, at_least)


@pytest.mark.parametrize(("settings", "at_least"), [(MASKS, 1), (POLYGONS, CLOSE)])
def test_datumaros_cvat(masks, pictures, truth, tmp_path, settings, at_least):
    import datumaro

    convert(masks, "cvat", tmp_path / "one/annotations.xml", pictures=pictures, settings=settings)
    (tmp_path / "one/images").symlink_to(pictures)
    datumaro.Dataset.import_from(str(tmp_path / "one"), "cvat").export(
        str(tmp_path / "two"), "cvat"
    )
    (path,) = (tmp_path / "two").rglob("*.xml")
    assert_same(back(path, tmp_path / "back", masks, pictures), truth, at_least)


@pytest.mark.parametrize("form", ["cvat-masks", "voc"])
def test_voc_by_datumaro(masks, pictures, truth, tmp_path, form):
    convert(masks, form, tmp_path / "one", pictures=pictures)
    (tmp_path / "one/JPEGImages").symlink_to(pictures)
    assert_same(read_with_datumaro(tmp_path / "one", "voc_segmentation"), truth, 1)


@pytest.mark.parametrize("form", ["cvat-masks", "voc"])
def test_datumaros_voc(masks, pictures, truth, tmp_path, form):
    import datumaro

    convert(masks, form, tmp_path / "one", pictures=pictures)
    (tmp_path / "one/JPEGImages").symlink_to(pictures)
    datumaro.Dataset.import_from(str(tmp_path / "one"), "voc_segmentation").export(
        str(tmp_path / "two"), "voc_segmentation", label_map="source"
    )
    assert_same(back(tmp_path / "two", tmp_path / "back", masks, pictures), truth, 1)


# labelme: its file and the function that draws it.


@pytest.mark.parametrize(("settings", "at_least"), [(MASKS, 1), (POLYGONS, CLOSE)])
def test_labelme(masks, pictures, truth, tmp_path, settings, at_least):
    from labelme import LabelFile
    from labelme.utils.shape import shapes_to_label

    out = tmp_path / "one"
    convert(masks, "labelme", out, pictures=pictures, settings=settings)
    numbers = {name: k for k, name in enumerate(CLASSES)}
    found = {}
    for path in out.rglob("*.json"):
        name = path.relative_to(out).with_suffix("").as_posix()
        file = LabelFile(str(path))  # which opens the picture, and compares the size
        found[name] = shapes_to_label(truth[name].shape, file.shapes, numbers)[0]
        shapes = json.loads(path.read_text())["shapes"]
        target = tmp_path / "two" / f"{name}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        height, width = truth[name].shape
        file.save(str(target), shapes, file.image_path, height, width)
    assert_same(found, truth, at_least)
    assert_same(back(tmp_path / "two", tmp_path / "back", masks, pictures), truth, at_least)


# YOLO: supervision.


def test_yolo_by_supervision(masks, pictures, truth, tmp_path):
    import supervision

    convert(masks, "yolo", tmp_path / "one", pictures=pictures)
    found = {}
    for folder in {Path(name).parent for name in truth}:
        dataset = supervision.DetectionDataset.from_yolo(
            str(tmp_path / "one/images" / folder),
            str(tmp_path / "one/labels" / folder),
            str(tmp_path / "one/data.yaml"),
            force_masks=True,
        )
        assert dataset.classes == list(CLASSES[1:])
        for path, _, detections in dataset:
            name = (folder / Path(path).stem).as_posix()
            mask = np.zeros(truth[name].shape, np.uint8)
            for n, k in enumerate(detections.class_id):
                mask[np.asarray(detections.mask[n], bool)] = k + 1
            found[name] = mask
    assert_same(found, truth, CLOSE)


def test_supervisions_yolo(masks, pictures, truth, tmp_path):
    import supervision

    convert(masks, "yolo", tmp_path / "one", pictures=pictures)
    supervision.DetectionDataset.from_yolo(
        str(tmp_path / "one/images/day 0"),
        str(tmp_path / "one/labels/day 0"),
        str(tmp_path / "one/data.yaml"),
        force_masks=True,
    ).as_yolo(
        annotations_directory_path=str(tmp_path / "two/labels"),
        data_yaml_path=str(tmp_path / "two/data.yaml"),
        approximation_percentage=0,
    )
    names = by_name(pictures)
    found = back(tmp_path / "two", tmp_path / "back", masks, pictures)
    found = {names[Path(name).name]: mask for name, mask in found.items()}
    assert_same(found, {n: m for n, m in truth.items() if n.startswith("day 0/")}, CLOSE)


# Maps: GDAL, in rasterio and pyogrio.


@pytest.fixture
def maps(masks, truth, tmp_path) -> Path:
    """The pictures as GeoTIFFs that lie beside each other."""
    import rasterio

    left = 400_000.0
    for name, mask in truth.items():
        path = tmp_path / "maps" / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = mask.shape
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=width,
            height=height,
            count=1,
            dtype="uint8",
            crs="EPSG:32633",
            transform=rasterio.Affine(0.25, 0, left, 0, -0.25, 5_800_000),
        ) as file:
            file.write(mask, 1)
        left += 0.25 * width
    return tmp_path / "maps"


def test_geojson_by_gdal(masks, maps, truth, tmp_path):
    import pyogrio
    import rasterio.features
    import shapely

    convert(masks, "geojson", tmp_path / "all.geojson", pictures=maps)
    meta, _, geometries, fields = pyogrio.raw.read(str(tmp_path / "all.geojson"))
    assert meta["crs"] == "EPSG:32633"
    columns = dict(zip(meta["fields"], fields, strict=True))
    shapes = shapely.from_wkb(geometries)
    found = {}
    for name, mask in truth.items():
        with rasterio.open(maps / f"{name}.tif") as file:
            transform = file.transform
        mine = columns["picture"] == f"{name}.tif"
        numbers = [CLASSES.index(label) for label in columns["class"][mine]]
        pairs = list(zip(shapes[mine], numbers, strict=True))
        found[name] = (
            rasterio.features.rasterize(pairs, mask.shape, transform=transform, dtype="uint8")
            if pairs
            else np.zeros_like(mask)
        )
    assert_same(found, truth, CLOSE)


def test_gdals_geojson(masks, maps, truth, tmp_path):
    import rasterio.features

    features = []
    for name in truth:
        with rasterio.open(maps / f"{name}.tif") as file:
            for geometry, k in rasterio.features.shapes(file.read(1), transform=file.transform):
                if k:
                    properties = {"class": CLASSES[int(k)]}
                    features.append(
                        {"type": "Feature", "properties": properties, "geometry": geometry}
                    )
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    content = {"type": "FeatureCollection", "crs": crs, "features": features}
    (tmp_path / "drawn.geojson").write_text(json.dumps(content))
    found = back(tmp_path / "drawn.geojson", tmp_path / "back", masks, maps)
    assert_same(found, truth, 1)
