"""``yolo``: segmentation labels of Ultralytics' YOLO, ``labels/NAME.txt`` and ``data.yaml``.

A line is an object: its class, counted from 0 without the background, then the points of its
outline as fractions of the picture's width and height. Sizes are not written, so that reading
needs the pictures. The form has neither scores nor pixels without a label.

Format: Ultralytics' documentation of segmentation data sets.
"""

from collections.abc import Iterator
from contextlib import suppress
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import UInt8

from wsfcn.errors import DataError, PictureError
from wsfcn.exchange.labelled import Collection, Given, Labelled, Wanted, index_of
from wsfcn.exchange.masks import files_in
from wsfcn.exchange.outlines import drawn_polygon, seamed
from wsfcn.exchange.pictures import Pictures
from wsfcn.exchange.shapes import shapes_of
from wsfcn.files import read_lines, read_text
from wsfcn.types import Classes

NAMES = ("data.yaml", "classes.txt", "obj.names")
"""Files that may tell the classes: as Ultralytics, Label Studio and CVAT write them."""

INTO_PIXEL = 0.25
"""Whole pixels lie this far on, as some readers cut coordinates off and others round them."""


def fits(source: Path) -> bool:
    """A folder with labels in it."""
    return (source / "labels").is_dir()


def read(source: Path, wanted: Wanted) -> Collection:
    """A folder of labels. Its pictures are those at hand, or those in its folder images."""
    names = read_names(source)
    classes = wanted.classes_of(names, source)
    if wanted.pictures is None:
        if not (source / "images").is_dir():
            raise PictureError(
                f"{source}: holds no images, and yolo does not tell their sizes; name them with "
                "--pictures DIR"
            )
        wanted = wanted._replace(pictures=Pictures(source / "images"))
    return Collection(classes, read_folder(source / "labels", names, classes, wanted))


def read_names(source: Path) -> list[str]:
    """The names of the classes by number. Raises DataError."""
    path = next((source / name for name in NAMES if (source / name).exists()), None)
    if path is None:
        raise DataError(f"{source}: names no classes; expected {' or '.join(NAMES)}")
    if path.suffix != ".yaml":
        return read_lines(path)
    try:
        names: Any = yaml.safe_load(read_text(path))["names"]
        names = [names[k] for k in range(len(names))]
    except (yaml.YAMLError, KeyError, TypeError, RecursionError):
        raise DataError(f"{path}: expected `names`, numbered from 0") from None
    return [str(name) for name in names]


def read_folder(
    folder: Path, names: list[str], classes: Classes, wanted: Wanted
) -> Iterator[Labelled]:
    """Draw the labels of each picture. Raises DataError."""
    for path in files_in(folder, ".txt"):
        file = path.relative_to(folder).with_suffix(".jpg").as_posix()
        place = wanted.place(file, None, path)
        labels = wanted.blank(place.size)
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if line.strip():
                draw_line(labels, line, names, classes, f"{path}, line {number}")
        yield Labelled(name=place.name, labels=labels, file=place.file, picture=place.picture)


def draw_line(
    labels: UInt8[np.ndarray, "h w"], line: str, names: list[str], classes: Classes, where: str
) -> None:
    """Draw one object through the nearest whole pixels, line included. Raises DataError.

    Ultralytics cuts coordinates off instead, so that its own lines, whose numbers are rounded, lie
    a pixel to the left every now and then.
    """
    try:
        number, *rest = line.split()
        points = np.array(rest, float)
        k = int(number)
    except ValueError:
        raise DataError(f"{where}: not a number among '{line[:40]}'") from None
    if len(points) in (4, 5):
        raise DataError(f"{where}: holds a box; expected a class and three points or more")
    if len(points) < 6 or len(points) % 2:
        raise DataError(
            f"{where}: {len(points)} numbers behind the class; expected an x and y a point"
        )
    if not 0 <= k < len(names):
        raise DataError(f"{where}: class {k}, but {len(names)} are named")
    height, width = labels.shape
    if not ((points >= 0) & (points <= 1)).all():
        raise DataError(f"{where}: not all coordinates lie between 0 and 1")
    ring = np.round(points.reshape(-1, 2) * (width, height))
    labels[drawn_polygon(ring, height, width)] = index_of(names[k], classes)


def link_pictures(out: Path, picture: Labelled, final: Path) -> None:
    """Make ``images`` a link to the folder of pictures, where Ultralytics looks for them."""
    link = out / "images"
    parts = len(Path(picture.file).parts)
    if picture.picture is None or link.is_symlink():
        return
    folder = picture.picture.absolute().parents[parts - 1]
    with suppress(OSError):  # not every system lets every user make links
        link.symlink_to(relpath(folder, final.absolute()), target_is_directory=True)


def write(out: Path, collection: Collection, given: Given) -> None:
    """Write labels and data.yaml; ``images`` becomes a link to the folder of pictures."""
    labels = out / "labels"
    labels.mkdir()
    for picture in collection.pictures:
        lines = []
        for shape in shapes_of(picture, collection, given, drawn=True, scores=False):
            for outline in shape.outlines:
                points = (seamed(outline) + INTO_PIXEL) / picture.size
                numbers = " ".join(f"{value:.6g}" for value in points.ravel().tolist())
                lines.append(f"{shape.label - 1} {numbers}\n")
        path = labels / f"{picture.name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
        link_pictures(out, picture, given.out)
    content = {
        "path": ".",
        "train": "images",
        "val": "images",
        "names": dict(enumerate(collection.classes.objects)),
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (out / "data.yaml").write_text(text, encoding="utf-8")
