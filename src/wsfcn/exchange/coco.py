"""``coco``: one JSON file of annotations, with run-length codes or polygons.

Format: https://cocodataset.org/#format-data. The score of an annotation is where COCO has it in
results. Where objects of another file lie over each other, smaller ones lie on top and crowd
regions, which COCO's evaluation leaves out, become 255 where nothing else lies.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from wsfcn.checked import shortened
from wsfcn.data.annotations import Identity, Object, Picture, read_annotations, region
from wsfcn.errors import DataError
from wsfcn.exchange.jsonstream import ListWriter
from wsfcn.exchange.labelled import Collection, Given, Labelled, Wanted, index_of, mean_scores
from wsfcn.exchange.outlines import filled, seamed
from wsfcn.exchange.rle import encode_coco
from wsfcn.exchange.shapes import Shape, shapes_of
from wsfcn.types import IGNORE

PARTS = ("images", "annotations", "categories")


def fits(source: Path) -> bool:
    """A JSON file that begins with an object and soon names a part of COCO's."""
    return file_of(source) is not None


def file_of(source: Path) -> Path | None:
    """The file of annotations: the source, or the only one in it or its folder annotations."""
    if source.is_dir():
        found = [p for f in (source, source / "annotations") for p in sorted(f.glob("*.json"))]
        found = [path for path in found if file_of(path)]
        return found[0] if len(found) == 1 else None
    if source.suffix.lower() != ".json":
        return None
    with source.open("rb") as file:
        start = file.read(65536).lstrip(b"\xef\xbb\xbf \t\r\n")
    known = any(b'"%s"' % part.encode() in start for part in PARTS[:2])
    return source if start[:1] == b"{" and known else None


class Scored(Object):
    """An object with its outline, and a score as in results."""

    score: float | None = None


def read(source: Path, wanted: Wanted) -> Collection:
    """A file of annotations. The file is held in memory, masks are drawn one by one."""
    path = file_of(source) or source
    content = read_annotations(path, Scored)
    names = {category.id: category.name for category in content.categories}
    classes = wanted.classes_of(names.values(), path)
    numbers = {identity: index_of(name, classes) for identity, name in names.items()}
    found: dict[Identity, list[Scored]] = {}
    for item in content.annotations:
        found.setdefault(item.image_id, []).append(item)
    return Collection(classes, read_pictures(content.images, found, numbers, path, wanted))


def read_pictures(
    images: list[Picture],
    found: dict[Identity, list[Scored]],
    numbers: dict[Identity, int],
    path: Path,
    wanted: Wanted,
) -> Iterator[Labelled]:
    """Draw the annotations of each picture. Raises DataError."""
    for image in images:
        where = f"{path}, image {image.id}"
        size = (image.width, image.height) if image.width and image.height else None
        place = wanted.place(image.file_name, size, where)
        labels = wanted.blank(place.size)
        crowds = np.zeros(labels.shape, bool)
        drawn = np.zeros(labels.shape, bool)
        scores = []
        for item, pixels in largest_first(found.pop(image.id, []), place.size, where):
            if item.iscrowd:
                crowds |= pixels
                continue
            k = numbers[item.category_id]
            labels[pixels] = k
            drawn |= pixels
            if item.score is not None:
                scores.append((k, item.score, float(pixels.sum())))
        labels[crowds & ~drawn] = IGNORE
        yield Labelled(
            name=place.name,
            labels=labels,
            file=place.file,
            picture=place.picture,
            scores=mean_scores(scores),
        )


def largest_first(
    items: list[Scored], size: tuple[int, int], where: str
) -> list[tuple[Scored, Bool[np.ndarray, "h w"]]]:
    """Annotations with their regions, the largest first. Raises DataError."""
    width, height = size
    drawn = []
    for number, item in enumerate(items, start=1):
        pixels = region(item.segmentation, height, width)
        if pixels is None:
            raise DataError(
                f"{where}, its annotation {number}: no mask or outline in a picture of {width} x "
                f"{height}, but {shortened(bytes(item.segmentation).decode())}"
            )
        drawn.append((item, pixels))
    return sorted(drawn, key=lambda pair: -pair[1].sum())


def write(out: Path, collection: Collection, given: Given) -> None:
    """Write all pictures; annotations wait in a second file, as images stand before them."""
    count = 0
    with out.open("w", encoding="utf-8") as file, waiting(out).open("w+", encoding="utf-8") as rest:
        waiting(out).unlink()
        file.write('{"images": ')
        images, annotations = ListWriter(file), ListWriter(rest)
        for count, picture in enumerate(collection.pictures, start=1):
            width, height = picture.size
            images.add({"id": count, "file_name": picture.file, "width": width, "height": height})
            for shape in shapes_of(picture, collection, given):
                identity = {"id": annotations.count + 1, "image_id": count}
                annotations.add(identity | annotation(shape, picture))
        images.close()
        annotations.close()
        objects = enumerate(collection.classes.objects, start=1)
        categories = [{"id": k, "name": name} for k, name in objects]
        file.write(f',\n"categories": {json.dumps(categories, ensure_ascii=False)}')
        file.write(',\n"annotations": ')
        rest.seek(0)
        shutil.copyfileobj(rest, file)
        file.write("}\n")


def waiting(out: Path) -> Path:
    """The second file, beside the first."""
    return out.with_name(f"{out.name}.annotations")


def annotation(shape: Shape, picture: Labelled) -> dict[str, Any]:
    """One object: category (the index in the mask), outline, area, box, perhaps a score."""
    segmentation: Any
    if shape.outlines:
        rings = [seamed(outline) for outline in shape.outlines]
        segmentation = [ring.ravel().round(2).tolist() for ring in rings]
        points = np.concatenate(rings)
        low, high = points.min(axis=0), points.max(axis=0)
        area = int(filled(rings, *shape.region.shape).sum())
    else:
        segmentation = encode_coco(shape.region)
        rows = np.flatnonzero(shape.region.any(axis=1))
        columns = np.flatnonzero(shape.region.any(axis=0))
        low = np.array([columns[0], rows[0]])
        high = np.array([columns[-1], rows[-1]]) + 1
        area = int(shape.region.sum())
    item = {
        "category_id": shape.label,
        "segmentation": segmentation,
        "area": area,
        "bbox": [float(v) for v in (*low, *(high - low))],
        "iscrowd": 0,
    }
    if shape.label in picture.scores:
        item["score"] = picture.scores[shape.label]
    return item
