"""``masks``: our indexed PNGs, a folder of them with their ``classes.txt``.

Where that has no background, one is put before the classes while labels travel.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from wsfcn.data.classes import read_classes
from wsfcn.errors import MaskError, TagError
from wsfcn.exchange.labelled import Collection, Given, Labelled, Wanted
from wsfcn.files import keep_inputs, write_lines
from wsfcn.images import read_mask, was_taught, write_mask
from wsfcn.types import IGNORE, Classes

CLASSES = "classes.txt"


def fits(source: Path) -> bool:
    """A folder with a PNG in it, or in its folders."""
    return source.is_dir() and next(source.rglob("*.png"), None) is not None


def read(source: Path, wanted: Wanted) -> Collection:
    """A folder of masks; classes from it or the folder above where none are given."""
    listed = (source / CLASSES, source.parent / CLASSES)
    found = next((path for path in listed if path.exists()), None)
    if wanted.classes is None and found is None:
        raise TagError(f"{source}: holds no {CLASSES}; name the classes with --classes FILE")
    own = read_classes(found) if found else None
    classes = own if own and own.with_background == wanted.classes else wanted.classes or own
    assert classes is not None
    return Collection(classes.with_background, read_folder(source, classes, wanted))


def read_folder(source: Path, classes: Classes, wanted: Wanted) -> Iterator[Labelled]:
    """The masks in a folder and the folders in it. Raises MaskError."""
    for path in files_in(source, ".png"):
        labels = checked(read_mask(path), classes, path)
        file = path.relative_to(source).with_suffix(".jpg").as_posix()
        place = wanted.place(file, labels.shape[::-1], path)
        yield Labelled(
            name=place.name,
            labels=classes.to_channels(labels),
            file=place.file,
            picture=place.picture,
            taught=was_taught(path),
        )


def files_in(folder: Path, suffix: str) -> Iterator[Path]:
    """Files with a suffix in a folder and the folders in it, in order."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            if Path(file).suffix.lower() == suffix:
                yield Path(parent, file)


def checked(
    labels: UInt8[np.ndarray, "h w"], classes: Classes, path: Path
) -> UInt8[np.ndarray, "h w"]:
    """The labels, if each is a class or 255. Raises MaskError."""
    beyond = labels[(labels >= len(classes)) & (labels != IGNORE)]
    if beyond.size:
        raise MaskError(
            f"{path}: value {beyond[0]}, but there are {len(classes)} classes: "
            f"{', '.join(classes.names)}"
        )
    return labels


def write(out: Path, collection: Collection, given: Given) -> None:
    """Write ``NAME.png`` a picture, and the classes. Raises SettingError over a picture."""
    write_lines(out / CLASSES, collection.classes.names)
    for picture in collection.pictures:
        if picture.picture:
            keep_inputs([given.out / f"{picture.name}.png"], [picture.picture])
        background = collection.classes.background
        target = out / f"{picture.name}.png"
        write_mask(target, picture.labels, background=background, taught=picture.taught)
