"""FiftyOne's exports: labels.json with `classes` and `labels`, or samples.json.

Formats: https://docs.voxel51.com/user_guide/export_datasets.html (FiftyOneImageClassification,
FiftyOneDataset).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from wsfcn.data.forms.finding import DataFolder
from wsfcn.data.forms.names import clean, shown, unique
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import DataError, TagError
from wsfcn.files import read_bytes


class Labels(msgspec.Struct):
    """The content of labels.json."""

    labels: dict[str, Any]
    classes: list[str] | None = None


class Samples(msgspec.Struct):
    """The content of samples.json."""

    samples: list[dict[str, Any]]


def find_fiftyone(folder: DataFolder) -> list[Path]:
    """labels.json or samples.json in the root, of this form."""
    for name, kind in (("labels.json", Labels), ("samples.json", Samples)):
        path = folder.root / name
        if not path.is_file():
            continue
        try:
            msgspec.json.decode(read_bytes(path), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, DataError):
            continue
        return [path]
    return []


def fiftyone(folder: DataFolder, paths: list[Path]) -> Tags:
    """The classifications of each picture, or the classes of its detections."""
    path = paths[0]
    if path.name == "samples.json":
        return from_samples(folder, path)
    content = msgspec.json.decode(read_bytes(path), type=Labels)
    classes = [clean(name, f"{path}, classes") for name in content.classes or ()]
    pictures, waiting = [], 0
    for name, target in content.labels.items():
        where = f"{path}, '{name}'"
        if target is None:
            waiting += 1
            continue
        names = unique(named(target, classes, where))
        pictures.append(Tagged(folder.find(name, where), names, where))
    return Tags(pictures, tuple(classes) or None, notes=left_out(waiting))


def named(target: Any, classes: list[str], where: str) -> Iterator[str]:
    """The names of a target: a class, its number, several, or an object with `label`."""
    if isinstance(target, list):
        for item in target:
            yield from named(item, classes, where)
    elif isinstance(target, dict) and "label" in target:
        yield from named(target["label"], classes, where)
    elif isinstance(target, int) and not isinstance(target, bool) and classes:
        if not 0 <= target < len(classes):
            raise TagError(f"{where}: class {target}, but there are {len(classes)} classes")
        yield classes[target]
    else:
        yield clean(target, where)


def from_samples(folder: DataFolder, path: Path) -> Tags:
    """Whole data sets of FiftyOne: what has labels in a sample are its fields with `_cls`."""
    content = msgspec.json.decode(read_bytes(path), type=Samples)
    pictures, waiting = [], 0
    for number, sample in enumerate(content.samples, start=1):
        where = f"{path}, sample {number}"
        if not isinstance(file := sample.get("filepath"), str):
            raise TagError(f"{where}: no `filepath` in {shown(sample)}")
        fields = [value for value in sample.values() if isinstance(value, dict) and "_cls" in value]
        if not fields:
            waiting += 1
            continue
        names = unique(name for field in fields for name in labels_in(field, where))
        pictures.append(Tagged(folder.find(file, where), names, where))
    return Tags(pictures, notes=left_out(waiting))


def labels_in(field: dict[str, Any], where: str) -> Iterator[str]:
    """The labels of a Classification, Classifications or Detections."""
    if isinstance(label := field.get("label"), str):
        yield clean(label, where)
    for value in field.values():
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    yield from labels_in(item, where)


def left_out(count: int) -> tuple[str, ...]:
    """The note on pictures without a label."""
    return (f"{count} pictures have no label yet, and are left out",) if count else ()
