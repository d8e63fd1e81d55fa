"""COCO annotations in JSON: one file, one a split, or Roboflow's in the folder of each split."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from wsfcn.data.forms.finding import SPLITS, DataFolder, first_sign
from wsfcn.data.forms.names import clean, unique
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import TagError
from wsfcn.files import read_bytes

INSTANCES = ("instances*.json", "annotations/instances*.json")
"""Files of objects; those of captions and keypoints lie beside them."""

ROBOFLOW = "_annotations.coco.json"

Identity = int | str


class Category(msgspec.Struct):
    """A class."""

    id: Identity
    name: str
    supercategory: str | None = None


class Picture(msgspec.Struct):
    """A picture."""

    id: Identity
    file_name: str


class Thing(msgspec.Struct):
    """An object of a picture, of which only the category counts."""

    image_id: Identity
    category_id: Identity


class Annotations(msgspec.Struct):
    """A file's content, without what nobody asks for."""

    categories: list[Category]
    images: list[Picture]
    annotations: list[Thing]


def find_coco(folder: DataFolder) -> list[Path]:
    """The files of annotations in a data folder."""
    root = folder.root
    for pattern in INSTANCES:
        if files := sorted(root.glob(pattern)):
            return files if all(split_of(path) for path in files) else files[:1]
    if files := [path for path in sorted(root.glob(f"*/{ROBOFLOW}")) if split_of(path)]:
        return files
    if files := sorted(root.glob("annotations/*.json")):
        return files[:1]
    return [path for path in sorted(root.glob("*.json")) if first_sign(path) == b"{"][:1]


def split_of(path: Path) -> str:
    """The split that a file of annotations is named after, or nothing.

    >>> split_of(Path("annotations/instances_train2017.json")), split_of(Path("valid/x.coco.json"))
    ('train', 'val')
    """
    name = path.stem.removeprefix("instances_") if path.name != ROBOFLOW else path.parent.name
    found = re.match("[a-z]+", name.lower())
    return SPLITS.get(found.group() if found else "", SPLITS.get(path.parent.name.lower(), ""))


def coco_json(folder: DataFolder, paths: list[Path]) -> Tags:
    """The categories of each picture's objects, without their masks and boxes."""
    pictures: list[Tagged] = []
    objects: list[str] = []
    notes: list[str] = []
    for path in paths:
        content = read_annotations(path)
        split = split_of(path) if len(paths) > 1 else ""
        near = path.parent.relative_to(folder.root).as_posix()
        if path.name != ROBOFLOW:
            near = path.stem.removeprefix("instances_")
        categories = {
            item.id: clean(item.name, f"{path}, categories") for item in content.categories
        }
        for kind, listed in (("categories", content.categories), ("images", content.images)):
            counts = Counter(item.id for item in listed)
            for key, count in counts.items():
                if count > 1:
                    raise TagError(f"{path}, {kind}: {key!r} is the id of {count} of them")
        present: dict[Identity, set[Identity]] = {item.id: set() for item in content.images}
        for number, item in enumerate(content.annotations, start=1):
            if item.image_id not in present or item.category_id not in categories:
                raise TagError(
                    f"{path}, annotation {number}: no COCO annotations (nothing for image "
                    f"{item.image_id} or category {item.category_id})"
                )
            present[item.image_id].add(item.category_id)
        if pictures and content.images and missing(folder, content.images[0].file_name, near):
            notes.append(f"{path} is left out, as its pictures are not here")
            continue
        order = sorted(categories, key=lambda k: (isinstance(k, str), k))
        for item in content.images:
            where = f"{path}, image {item.id}"
            tags = unique(categories[k] for k in order if k in present[item.id])
            pictures.append(Tagged(folder.find(item.file_name, where, near), tags, where, split))
        used = {k for found in present.values() for k in found}
        parents = {item.supercategory for item in content.categories}
        objects += [categories[k] for k in order if k in used or categories[k] not in parents]
    return Tags(pictures, unique(objects), notes=tuple(notes))


def missing(folder: DataFolder, name: str, near: str) -> bool:
    """Whether a picture is not there."""
    try:
        folder.find(name, "", near)
    except TagError:
        return True
    return False


def read_annotations(path: Path) -> Annotations:
    """A file's content in its types. Raises TagError for what is of another form."""
    try:
        found: Any = msgspec.json.decode(read_bytes(path), type=Annotations)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise TagError(f"{path}: no COCO annotations ({reason})") from None
    return found
