"""``labelme``: one JSON file a picture, with polygons or masks.

Format: as labelme 5 and 6 write and read it. Polygons are filled as labelme fills them, line
included. Later shapes lie over earlier ones. A shape's score is a field that labelme keeps.
"""

import base64
import io
import json
from collections.abc import Iterator
from math import hypot
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from wsfcn.errors import DataError
from wsfcn.exchange.labelled import (
    Collection,
    Given,
    Labelled,
    Wanted,
    index_of,
    mean_scores,
)
from wsfcn.exchange.masks import files_in
from wsfcn.exchange.outlines import check_ring, drawn_polygon, seamed
from wsfcn.exchange.shapes import Shape, shapes_of
from wsfcn.files import read_text
from wsfcn.images import SUFFIXES
from wsfcn.types import Classes

VERSION = "5.0.0"
"""The version of labelme whose fields are written; later ones read them."""
LINE, POINT = 10, 5
"""Width of a line and radius of a point, in pixels, as labelme draws them."""


def fits(source: Path) -> bool:
    """A JSON file with shapes, or a folder whose first JSON file is one."""
    if source.is_dir():
        first = next(files_in(source, ".json"), None)
        return first is not None and fits(first)
    if source.suffix.lower() != ".json":
        return False
    try:
        return isinstance(json.loads(read_text(source)).get("shapes"), list)
    except (ValueError, AttributeError, DataError, RecursionError):
        return False


def read(source: Path, wanted: Wanted) -> Collection:
    """A file, or a folder of files, read twice: for their labels, then one by one."""
    names = {shape["label"] for path in files_of(source) for shape in read_file(path)["shapes"]}
    classes = wanted.classes_of(sorted(names), source)
    return Collection(classes, read_files(source, classes, wanted))


def files_of(source: Path) -> Iterator[Path]:
    """The files of a folder, or the one file."""
    if source.is_dir():
        yield from files_in(source, ".json")
    else:
        yield source


def read_file(path: Path) -> dict[str, Any]:
    """A file's content, its shapes checked. Raises DataError."""
    try:
        content = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from None
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        raise DataError(f"{path}: has no 'shapes'; expected a file of labelme")
    for shape in shapes:
        if not (isinstance(shape, dict) and isinstance(shape.get("label"), str)):
            raise DataError(f"{path}: holds a shape without a label")
    return content


def read_files(source: Path, classes: Classes, wanted: Wanted) -> Iterator[Labelled]:
    """Draw the shapes of each file. Raises DataError."""
    folder = source if source.is_dir() else source.parent
    for path in files_of(source):
        content = read_file(path)
        # By the file's own place, as the picture's is told from there: ../pictures/001.jpg.
        suffix = Path(str(content.get("imagePath", "")).replace("\\", "/")).suffix.lower()
        suffix = suffix if suffix in SUFFIXES else ".jpg"
        file = path.relative_to(folder).with_suffix(suffix).as_posix()
        width, height = content.get("imageWidth"), content.get("imageHeight")
        size = (width, height) if isinstance(width, int) and isinstance(height, int) else None
        place = wanted.place(file, size, path)
        labels = wanted.blank(place.size)
        scores = []
        for shape in content["shapes"]:
            try:
                region = region_of(shape, *labels.shape)
                k = index_of(shape["label"], classes)
                if "score" in shape:
                    scores.append((k, float(shape["score"]), float(region.sum())))
            except (KeyError, TypeError, ValueError, OSError) as error:
                raise DataError(
                    f"{path}: a {shape.get('shape_type')} '{shape['label']}' cannot be read "
                    f"({error})"
                ) from None
            labels[region] = k
        yield Labelled(
            name=place.name,
            labels=labels,
            file=place.file,
            picture=place.picture,
            scores=mean_scores(scores),
        )


def region_of(shape: dict[str, Any], height: int, width: int) -> Bool[np.ndarray, "h w"]:
    """The pixels of a shape, as labelme draws them. Raises ValueError."""
    kind = shape.get("shape_type") or "polygon"
    points = np.array(shape["points"], float).reshape(-1, 2)
    check_ring(points, height, width)
    if kind in ("polygon", "oriented_rectangle") and len(points) > 2:
        return drawn_polygon(points, height, width)
    if kind == "mask":
        return region_of_mask(shape["mask"], points, height, width)
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    pairs = [(x, y) for x, y in points.tolist()]
    if kind == "rectangle" and len(pairs) == 2:
        (x0, y0), (x1, y1) = pairs
        draw.rectangle([min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)], fill=1)
    elif kind == "circle" and len(pairs) == 2:
        (x, y), edge = pairs
        radius = hypot(edge[0] - x, edge[1] - y)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1)
    elif kind in ("line", "linestrip") and len(pairs) > 1:
        draw.line(pairs, fill=1, width=LINE)
    elif kind in ("point", "points") and pairs:
        for x, y in pairs:
            draw.ellipse([x - POINT, y - POINT, x + POINT, y + POINT], fill=1)
    else:
        raise ValueError(f"{len(pairs)} points")
    return np.array(canvas, dtype=bool)


def region_of_mask(
    code: str, points: np.ndarray, height: int, width: int
) -> Bool[np.ndarray, "h w"]:
    """The pixels of a PNG that lies at two corners. Raises ValueError."""
    with Image.open(io.BytesIO(base64.b64decode(code, validate=True)), formats=["PNG"]) as mask:
        part = np.array(mask.convert("L")) > 0
    (x0, y0), (x1, y1) = points.astype(int).tolist()
    if part.shape != (y1 - y0 + 1, x1 - x0 + 1) or min(x0, y0) < 0 or x1 >= width or y1 >= height:
        raise ValueError("it does not lie within its corners, or they leave the picture")
    region = np.zeros((height, width), bool)
    region[y0 : y1 + 1, x0 : x1 + 1] = part
    return region


def write(out: Path, collection: Collection, given: Given) -> None:
    """Write ``NAME.json`` a picture, which leads to the picture, or expects it beside itself."""
    for picture in collection.pictures:
        width, height = picture.size
        target = given.out / f"{picture.name}.json"
        beside = Path(picture.file).name
        content = {
            "version": VERSION,
            "flags": {},
            "shapes": [
                item
                for shape in shapes_of(picture, collection, given, drawn=True)
                for item in items_of(shape, collection.classes, picture)
            ],
            "imagePath": relpath(picture.picture, target.parent) if picture.picture else beside,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        path = out / f"{picture.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def items_of(shape: Shape, classes: Classes, picture: Labelled) -> Iterator[dict[str, Any]]:
    """One object as a mask within its box, or as polygons."""
    common = {"label": classes.names[shape.label], "group_id": None, "description": "", "flags": {}}
    if shape.label in picture.scores:
        common["score"] = picture.scores[shape.label]
    for outline in shape.outlines:
        points = seamed(outline).round(2).tolist()
        yield common | {"points": points, "shape_type": "polygon"}
    if not shape.outlines:
        rows = np.flatnonzero(shape.region.any(axis=1))
        columns = np.flatnonzero(shape.region.any(axis=0))
        part = shape.region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        buffer = io.BytesIO()
        Image.fromarray(part).save(buffer, "PNG")
        yield common | {
            "points": [
                [float(columns[0]), float(rows[0])],
                [float(columns[-1]), float(rows[-1])],
            ],
            "shape_type": "mask",
            "mask": base64.b64encode(buffer.getvalue()).decode("ascii"),
        }
