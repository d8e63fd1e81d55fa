"""YOLO's data sets: data.yaml names the classes, labels/NAME.txt has a box or outline a line.

Format: https://docs.ultralytics.com/datasets/detect. Pictures and labels lie in images/SPLIT and
labels/SPLIT, or in SPLIT/images and SPLIT/labels; a picture without a file of labels shows nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from wsfcn.data.forms.finding import SPLITS, DataFolder, stem_of
from wsfcn.data.forms.names import clean, shown, unique
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import DataError, TagError
from wsfcn.files import read_text

LARGEST = 2**20
"""Bytes of the largest file of settings, or of labels."""


def find_yolo(folder: DataFolder) -> list[Path]:
    """A YAML file in the root that names classes."""
    for path in sorted([*folder.root.glob("*.yaml"), *folder.root.glob("*.yml")]):
        try:
            if class_names(path):
                return [path]
        except DataError:
            if path.stem == "data":
                return [path]
    return []


def class_names(path: Path) -> list[str]:
    """The classes in a data.yaml, a list or a number a name. Raises TagError."""
    text = read_text(path, LARGEST)
    if "&" in text and "*" in text:
        raise TagError(f"{path}: has aliases (&, *), which are not read")
    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise TagError(f"{path}: not YAML ({error})") from None
    names = content.get("names") if isinstance(content, Mapping) else None
    if isinstance(names, Mapping):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise TagError(f"{path}: `names` must number the classes from 0; found {shown(names)}")
        names = [names[n] for n in range(len(names))]
    if not isinstance(names, list) or not names:
        raise TagError(f"{path}: no `names` of classes")
    return [clean(name, f"{path}, names") for name in names]


def yolo(folder: DataFolder, paths: list[Path]) -> Tags:
    """The classes of the lines in each picture's file of labels."""
    names = class_names(paths[0])
    pictures = []
    any_labels = False
    for name, path in folder.pictures.items():
        parts = name.split("/")[:-1]
        if "images" not in parts:
            continue
        place = len(parts) - 1 - parts[::-1].index("images")
        split = next((SPLITS[part.lower()] for part in parts if part.lower() in SPLITS), "")
        labels = folder.root.joinpath(
            *parts[:place], "labels", *parts[place + 1 :], f"{Path(stem_of(name)).name}.txt"
        )
        found = labels.is_file()
        any_labels = any_labels or found
        tags = tags_in(labels, names) if found else ()
        pictures.append(Tagged(path, tags, str(labels), split))
    if not any_labels:
        raise TagError(
            f"{paths[0]}: no labels/NAME.txt beside images/; expected images/train/NAME.jpg with "
            "labels/train/NAME.txt, or train/images/NAME.jpg with train/labels/NAME.txt"
        )
    return Tags(pictures, unique(names))


def tags_in(path: Path, names: list[str]) -> tuple[str, ...]:
    """The classes that a file of labels names by the first number of each line. Raises TagError."""
    found = []
    for number, line in enumerate(read_text(path, LARGEST).split("\n"), start=1):
        if not line.strip():
            continue
        first = line.split()[0]
        if not first.isdecimal() or int(first) >= len(names):
            raise TagError(
                f"{path}, line {number}: class {shown(first)}, but data.yaml names "
                f"{len(names)} classes, from 0"
            )
        found.append(names[int(first)])
    return unique(found)
