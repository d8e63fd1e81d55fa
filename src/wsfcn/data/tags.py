"""Tags: which classes a picture contains, from whatever form they come in.

A reader is a function from a data folder to a list of pictures with their tags, and a line in
`READERS`; which one fits is recognised by the file it reads. None of them opens a mask.
"""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wsfcn.data.classes import BACKGROUND, COCO, VOC, read_classes
from wsfcn.data.pickled import read_pickled
from wsfcn.errors import TagError
from wsfcn.files import read_text
from wsfcn.images import pictures_in
from wsfcn.markup import read_xml

HEADER = ["image", "tags"]


class Tagged(NamedTuple):
    """A picture file, its tags, and where that was written, for messages."""

    path: Path
    tags: tuple[str, ...]
    where: str


class Tags(NamedTuple):
    """All pictures of a data set, and the class list where the form brings one."""

    pictures: list[Tagged]
    objects: tuple[str, ...] | None = None


class Reader(NamedTuple):
    """One form of tags."""

    find: Callable[[Path], Path | None]
    """The file or folder that shows a data folder to be of this form."""
    read: Callable[[Path, Path], Tags]
    """The tags, from the data folder and what ``find`` found."""


def read_tags(root: Path, form: str = "auto") -> Tags:
    """The pictures in a data folder with their tags, in the given form or the first that fits.

    Raises TagError, with file and line, for what cannot be read.
    """
    for name, reader in READERS.items():
        if form not in ("auto", name):
            continue
        if found := reader.find(root):
            tags = reader.read(root, found)
            if not tags.pictures:
                raise TagError(f"{found}: no picture is listed")
            return tags
    forms = "tags" if form == "auto" else f"tags in the form '{form}'"
    raise TagError(f"{root}: no {forms}; write a tags.csv with one line `image,tags` a picture")


def tags_csv(root: Path, path: Path) -> Tags:
    """A header ``image,tags``, then a picture's path and its tags a line.

    Paths are relative to the file's folder. Tags are separated by spaces or, in a file that has a
    semicolon anywhere among its tags, by semicolons, so that a name may hold spaces.
    """
    lines = read_text(path).splitlines()
    rows = csv.reader(lines)
    header = [cell.strip() for cell in next(rows, [])]
    if header != HEADER:
        raise TagError(f"{path}, line 1: the header must be `image,tags`, not `{','.join(header)}`")
    listed: dict[str, tuple[str, str]] = {}
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        if not row:
            continue
        if len(row) != 2:
            raise TagError(
                f"{where}: expected 2 columns (image,tags), found {len(row)}; "
                "separate the tags by spaces"
            )
        if row[0].strip() in listed:
            raise TagError(f"{where}: '{row[0].strip()}' is listed twice")
        listed[row[0].strip()] = row[1], where
    by_semicolon = any(";" in cell for cell, _ in listed.values())
    return Tags(
        [
            Tagged(root / image, split_tags(cell, ";" if by_semicolon else None), where)
            for image, (cell, where) in listed.items()
        ]
    )


def split_tags(cell: str, separator: str | None = None) -> tuple[str, ...]:
    """The names in a cell.

    >>> split_tags("dog  cat"), split_tags("traffic light;", ";")
    (('dog', 'cat'), ('traffic light',))
    """
    return tuple(tag.strip() for tag in cell.split(separator) if tag.strip())


def join_tags(tags: Sequence[str], separator: str = " ") -> str:
    """The inverse of `split_tags`; a lone name before a semicolon keeps one.

    >>> join_tags(["dog", "cat"]), join_tags(["traffic light"], ";")
    ('dog cat', 'traffic light;')
    """
    return separator.join(tags) + (separator if separator == ";" and len(tags) == 1 else "")


def metadata_jsonl(root: Path, path: Path) -> Tags:
    """JSON lines with ``file_name`` and ``tags``: a list of names, or names separated by spaces."""
    pictures = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            tags = row["tags"]
            name = root / row["file_name"]
            names = split_tags(tags) if isinstance(tags, str) else tuple(map(str, tags))
        except json.JSONDecodeError as error:
            raise TagError(f"{where}: not JSON ({error.msg})") from None
        except (KeyError, TypeError):
            raise TagError(
                f"{where}: expected an object with `file_name` and `tags`, a list of names"
            ) from None
        pictures.append(Tagged(name, names, where))
    return Tags(pictures)


def class_folders(root: Path, _found: Path) -> Tags:
    """One folder per class, as torchvision's ImageFolder reads them."""
    pictures = []
    for folder in sorted(child for child in root.iterdir() if is_class(child)):
        tags = () if folder.name == BACKGROUND else (folder.name,)
        pictures += [Tagged(path, tags, str(path)) for path in pictures_in(folder)]
    return Tags(pictures)


def voc_xml(root: Path, folder: Path) -> Tags:
    """A folder of VOC annotations: the classes that their boxes name."""
    pictures = []
    files = picture_files(root)
    for path in sorted(folder.glob("*.xml")):
        found = files.get(path.stem, root / "JPEGImages" / f"{path.stem}.jpg")
        pictures.append(Tagged(found, names_of_boxes(path), str(path)))
    return Tags(pictures)


def names_of_boxes(path: Path) -> tuple[str, ...]:
    """The names of the boxes in a VOC annotation, each once, in order. Raises TagError."""
    found = read_xml(path).iterfind("object/name")
    return tuple(dict.fromkeys(node.text or "" for node in found))


def coco_json(root: Path, path: Path) -> Tags:
    """COCO annotations: the categories of a picture's objects, without their masks and boxes."""
    try:
        content = json.loads(read_text(path), object_hook=without_places)
        categories = {item["id"]: item["name"] for item in content["categories"]}
        names = {item["id"]: Path(item["file_name"]) for item in content["images"]}
        present: dict[int, set[int]] = {identity: set() for identity in names}
        for item in content["annotations"]:
            present[item["image_id"]].add(item["category_id"])
        tags = {n: tuple(categories[k] for k in sorted(found)) for n, found in present.items()}
    except json.JSONDecodeError as error:
        raise TagError(f"{path}: not JSON ({error})") from None
    except (KeyError, TypeError) as error:
        raise TagError(f"{path}: no COCO annotations (nothing for {error})") from None
    folders = [root, root / "images", root / path.stem.removeprefix("instances_")]
    folders += [folder for folder in sorted(root.iterdir()) if folder.is_dir()]
    pictures = []
    for identity, name in names.items():
        found = next((f / name for f in folders if (f / name).exists()), root / name)
        pictures.append(Tagged(found, tags[identity], f"{path}, image {identity}"))
    return Tags(pictures, tuple(categories[k] for k in sorted(categories)))


def without_places(item: dict[str, Any]) -> dict[str, Any]:
    """An object of a COCO file without its outlines and box, which are most of the file."""
    item.pop("segmentation", None)
    item.pop("bbox", None)
    return item


def cls_labels(root: Path, path: Path) -> Tags:
    """The dictionary of picture names and 0/1 vectors that research code saves with NumPy.

    Names may be integers, as IRN writes VOC's: 2007000032 for 2007_000032.
    """
    vectors = {
        f"{str(key)[:4]}_{str(key)[4:]}" if isinstance(key, int) else key: vector
        for key, vector in read_pickled(path).items()
    }
    files = picture_files(root)
    if (root / "classes.txt").exists():
        objects = read_classes(root / "classes.txt").objects
    else:
        length = len(next(iter(vectors.values()), ()))
        objects = next((c.objects for c in (VOC, COCO) if len(c.objects) == length), None)
        if objects is None:
            raise TagError(f"{path}: vectors of {length} classes; name them in classes.txt")
    pictures = []
    for name, vector in vectors.items():
        where = f"{path}, '{name}'"
        if len(vector) != len(objects):
            raise TagError(f"{where}: a vector of {len(vector)}, but {len(objects)} classes")
        tags = tuple(tag for tag, value in zip(objects, vector, strict=True) if value > 0)
        pictures.append(Tagged(files.get(name, root / f"{name}.jpg"), tags, where))
    return Tags(pictures, objects)


def picture_files(root: Path) -> dict[str, Path]:
    """The picture files in a data folder and its usual picture folders, by name."""
    folders = [root, root / "images", root / "JPEGImages"]
    found = [path for folder in folders if folder.is_dir() for path in pictures_in(folder)]
    return {path.stem: path for path in found}


def file(name: str) -> Callable[[Path], Path | None]:
    """Finds a file by its name."""
    return lambda root: root / name if (root / name).is_file() else None


def first(*patterns: str) -> Callable[[Path], Path | None]:
    """Finds the first file or folder that fits a pattern."""
    return lambda root: next((p for g in patterns for p in sorted(root.glob(g))), None)


def folder_of_pictures(root: Path) -> Path | None:
    """Finds the first class folder; ``images`` and ``masks`` are none."""
    folders = (child for child in sorted(root.iterdir()) if is_class(child))
    return next((folder for folder in folders if pictures_in(folder)), None)


def is_class(path: Path) -> bool:
    """Whether a path in a data folder can be the folder of a class."""
    others = {"images", "masks", "JPEGImages", "Annotations", "annotations"}
    return path.is_dir() and path.name not in others and not path.name.startswith(".")


COCO_FILES = ("instances*.json", "annotations/instances*.json", "annotations/*.json", "*.json")
"""Where COCO annotations are looked for; those of captions and keypoints lie beside them."""

READERS = {
    "csv": Reader(file("tags.csv"), tags_csv),
    "jsonl": Reader(file("metadata.jsonl"), metadata_jsonl),
    "npy": Reader(file("cls_labels.npy"), cls_labels),
    "coco": Reader(first(*COCO_FILES), coco_json),
    "voc": Reader(lambda r: first("*.xml")(r / "Annotations") and r / "Annotations", voc_xml),
    "folders": Reader(folder_of_pictures, class_folders),
}
"""The forms of tags by name, in the order in which they are looked for."""
