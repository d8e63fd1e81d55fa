"""``coco``: one JSON file of annotations, with run-length codes or polygons.

Format: https://cocodataset.org/#format-data. The score of an annotation is where COCO has it in
results. Where objects of another file lie over each other, smaller ones lie on top and crowd
regions, which COCO's evaluation leaves out, become 255 where nothing else lies.
"""

import json
import shutil
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from wsfcn.errors import DataError
from wsfcn.exchange.jsonstream import ListWriter
from wsfcn.exchange.labelled import Collection, Given, Labelled, Wanted, index_of, mean_scores
from wsfcn.exchange.outlines import filled, seamed
from wsfcn.exchange.rle import decode_coco, encode_coco
from wsfcn.exchange.shapes import Shape, shapes_of
from wsfcn.files import read_text
from wsfcn.types import IGNORE, Classes

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


def read(source: Path, wanted: Wanted) -> Collection:
    """A file of annotations. The file is held in memory, masks are drawn one by one."""
    path = file_of(source) or source
    try:
        content = json.loads(read_text(path), object_hook=packed)
        missing = [part for part in PARTS if not isinstance(content.get(part), list)]
        if missing:
            raise DataError(f"{path}: has no list of {missing[0]}; expected {', '.join(PARTS)}")
        categories = {item["id"]: str(item["name"]) for item in content["categories"]}
        images = {item["id"]: item for item in content["images"]}
        found: dict[int, list[dict[str, Any]]] = {}
        for item in content["annotations"]:
            if item["image_id"] not in images:
                raise DataError(
                    f"{path}: annotation of image {item['image_id']}, which is not listed"
                )
            if item["category_id"] not in categories:
                raise DataError(
                    f"{path}: annotation of category {item['category_id']}, which is not listed"
                )
            found.setdefault(item["image_id"], []).append(item)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: no COCO annotations (nothing for {error})") from None
    names = [categories[identity] for identity in sorted(categories)]
    classes = wanted.classes_of(names, path)
    return Collection(classes, read_pictures(images, found, categories, classes, path, wanted))


def packed(item: dict[str, Any]) -> dict[str, Any]:
    """An object of the file with its outlines in arrays, which take a quarter of the memory."""
    outlines = item.get("segmentation")
    if isinstance(outlines, list):
        item["segmentation"] = [array("d", outline) for outline in outlines]
    return item


def read_pictures(
    images: dict[int, dict[str, Any]],
    found: dict[int, list[dict[str, Any]]],
    categories: dict[int, str],
    classes: Classes,
    path: Path,
    wanted: Wanted,
) -> Iterator[Labelled]:
    """Draw the annotations of each picture."""
    for identity, image in images.items():
        where = f"{path}, image {identity}"
        try:
            size = (int(image["width"]), int(image["height"]))
            file = str(image["file_name"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{where}: expected file_name, width and height ({error})") from None
        place = wanted.place(file, size, where)
        labels = wanted.blank(place.size)
        crowds = np.zeros(labels.shape, bool)
        drawn = np.zeros(labels.shape, bool)
        scores = []
        for item, region in largest_first(found.pop(identity, []), labels.shape, where):
            if item.get("iscrowd"):
                crowds |= region
                continue
            k = index_of(categories[item["category_id"]], classes)
            labels[region] = k
            drawn |= region
            if "score" in item:
                scores.append((k, float(item["score"]), float(region.sum())))
        labels[crowds & ~drawn] = IGNORE
        yield Labelled(
            name=place.name,
            labels=labels,
            file=place.file,
            picture=place.picture,
            scores=mean_scores(scores),
        )


def largest_first(
    items: list[dict[str, Any]], shape: tuple[int, ...], where: str
) -> list[tuple[dict[str, Any], Bool[np.ndarray, "h w"]]]:
    """Annotations with their regions, the largest first. Raises DataError."""
    drawn = []
    for item in items:
        try:
            drawn.append((item, region_of(item.get("segmentation"), *shape)))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{where}, annotation {item.get('id')}: no outline in a picture of "
                f"{shape[1]} x {shape[0]} ({error})"
            ) from None
    return sorted(drawn, key=lambda pair: -pair[1].sum())


def region_of(segmentation: Any, height: int, width: int) -> Bool[np.ndarray, "h w"]:
    """The pixels of a run-length code or of polygons. Raises ValueError."""
    if isinstance(segmentation, dict):
        return decode_coco(segmentation, height, width)
    if not segmentation:
        raise ValueError("a box alone does not say which pixels; draw masks or polygons")
    return filled([np.asarray(ring).reshape(-1, 2) for ring in segmentation], height, width)


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
