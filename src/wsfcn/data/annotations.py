"""COCO annotation files, read into typed structures: what is not of the form is one line.

What nobody asks for is skipped unread, and outlines stay as they stand in the file until their mask
is drawn, so the largest files take little more memory than their length.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from jaxtyping import Bool
from msgspec import Meta, Raw, Struct

from wsfcn.data.classes import BACKGROUND
from wsfcn.errors import DataError, one_line
from wsfcn.files import read_bytes
from wsfcn.types import IGNORE

Identity = int | str
Side = Annotated[int, Meta(ge=1, le=2**16)]

MOST_PIXELS = 2**28
"""Pixels of the largest mask that is drawn."""

NOTHING = Raw(b"null")


class Category(Struct):
    id: Identity
    name: str


class Picture(Struct):
    id: Identity
    file_name: str
    height: Side | None = None
    width: Side | None = None


class Tag(Struct):
    """An object of a picture, of which only the category counts."""

    image_id: Identity
    category_id: Identity


class Object(Tag):
    """An object with its outline."""

    area: float | None = None
    iscrowd: int | bool | None = None
    segmentation: Raw = NOTHING


class Annotations(Struct):
    """A file's content; categories in the order of their ids."""

    categories: list[Category]
    images: list[Picture]
    annotations: list[Any]


def read_annotations(path: Path, kind: type[Tag] = Tag) -> Annotations:
    """Read a file of COCO's form, its objects as ``kind``.

    Raises DataError where it is of another form, an id is twice, or an object's is unknown.
    """
    shape = msgspec.defstruct(
        "Shape",
        [("categories", list[Category]), ("images", list[Picture]), ("annotations", list[kind])],
    )
    try:
        content: Any = msgspec.json.decode(read_bytes(path), type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        what = (
            "not JSON"
            if isinstance(error, UnicodeDecodeError | RecursionError)
            else one_line(error)
        )
        raise DataError(f"{path}: no COCO annotations ({what})") from None
    categories = by_id(content.categories, path, "categories")
    images = by_id(content.images, path, "images")
    (name, times), *_ = [*Counter(item.name for item in content.categories).most_common(1), ("", 0)]
    if times > 1:
        raise DataError(f"{path}: {times} categories are named '{name}'")
    for number, item in enumerate(content.annotations):
        if item.image_id not in images:
            raise DataError(f"{path}, annotation {number}: no image has the id {item.image_id!r}")
        if item.category_id not in categories:
            raise DataError(
                f"{path}, annotation {number}: no category has the id {item.category_id!r}"
            )
    ordered = sorted(content.categories, key=lambda item: order(item.id))
    return Annotations(ordered, content.images, content.annotations)


def by_id(items: Iterable[Any], path: Path, what: str) -> set[Identity]:
    """The ids, each of which may stand once."""
    seen: set[Identity] = set()
    for item in items:
        if item.id in seen:
            raise DataError(f"{path}: two {what} have the id {item.id!r}")
        seen.add(item.id)
    return seen


def order(identity: Identity) -> tuple[bool, Any]:
    """Numbers first, then text."""
    return isinstance(identity, str), identity


class Runs(Struct):
    """Lengths of runs of background and object, column by column: a list, or COCO's text."""

    size: tuple[int, int]
    counts: list[Annotated[int, Meta(ge=0)]] | str


def region(segmentation: bytes | Raw, height: int, width: int) -> Bool[np.ndarray, "h w"] | None:
    """The pixels of an object, or None where its outline encloses nothing, or is broken."""
    try:
        found: Any = msgspec.json.decode(segmentation, type=list[list[float]] | Runs | None)
        if isinstance(found, Runs):
            return of_runs(found, height, width)
        return of_outlines(found or [], height, width)
    except (msgspec.MsgspecError, ValueError, OverflowError, IndexError, RecursionError):
        return None


def of_outlines(
    outlines: list[list[float]], height: int, width: int
) -> Bool[np.ndarray, "h w"] | None:
    """The pixels inside polygons, each x, y, x, y, ... of at least three points."""
    from pycocotools import mask as rle

    far = 10 * (height + width)
    if any(len(outline) % 2 or max(map(abs, outline), default=0) > far for outline in outlines):
        return None
    whole = [outline for outline in outlines if len(outline) >= 6]
    if not whole:
        return None
    polygons: Any = whole
    drawn: Any = rle.decode(rle.merge(rle.frPyObjects(polygons, height, width)))
    return drawn.astype(bool)


def of_runs(runs: Runs, height: int, width: int) -> Bool[np.ndarray, "h w"] | None:
    """The pixels of runs, whose lengths must sum up to the picture.

    >>> of_runs(Runs((2, 3), [1, 2, 3]), 2, 3).astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    counts = lengths(runs.counts) if isinstance(runs.counts, str) else runs.counts
    if runs.size != (height, width) or min(counts, default=0) < 0 or sum(counts) != height * width:
        return None
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape((height, width), order="F")


def lengths(text: str) -> list[int]:
    """The run lengths that COCO's text stands for.

    A number is written in groups of five bits, the lowest first, each a character after "0"; the
    sixth bit says that another group follows, and the last group's fifth is the sign. From the
    fourth number on, what is written is the difference to the number two before.

    >>> from pycocotools import mask
    >>> code = mask.encode(np.asfortranarray(np.eye(40, dtype=np.uint8)))
    >>> sum(lengths(code["counts"].decode())), lengths(code["counts"].decode())[:4]
    (1600, [0, 1, 40, 1])
    """
    found: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - ord("0")
        if not 0 <= group < 64 or shift > 60:
            raise ValueError("no run length")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        found.append(value + (found[-2] if len(found) > 2 else 0))
        value = shift = 0
    return found


def listable(name: str, what: str, path: Path) -> str:
    """A name that a list with a name a line can hold. Raises DataError."""
    broken = any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)
    if not name or name != name.strip() or broken:
        raise DataError(
            f"{path}: {what} {name!r} cannot stand in a list of names: rename it, without line "
            "breaks, control characters, or space at its ends"
        )
    return name


def class_names(categories: list[Category], path: Path) -> list[str]:
    """The categories' names, as classes of masks with 8 bits. Raises DataError."""
    if len(categories) >= IGNORE:
        raise DataError(
            f"{path}: {len(categories)} categories, but a mask holds {IGNORE - 1}: leave some out"
        )
    for category in categories:
        listable(category.name, "the category", path)
        if ";" in category.name or category.name == BACKGROUND:
            raise DataError(
                f"{path}: the category '{category.name}' cannot be a class: rename it, without "
                f"semicolons, and not {BACKGROUND}"
            )
    return [category.name for category in categories]
