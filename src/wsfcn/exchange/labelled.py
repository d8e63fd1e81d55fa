"""The nouns that travel between forms: a labelled picture, and a stream of them.

A form's reader makes a `Collection`, a form's writer takes one. Its pictures come one at a time, so
that 100,000 of them take no more memory than one does.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from wsfcn.config import ExchangeSettings
from wsfcn.data.classes import BACKGROUND, classes_of_objects
from wsfcn.errors import MaskError, TagError, did_you_mean
from wsfcn.exchange.pictures import Pictures, name_of, upright_size
from wsfcn.exchange.regions import Regions
from wsfcn.types import IGNORE, Classes

UNSAID = "ignore"
"""What a label in a tool is called that means: nothing is said of these pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """One picture's labels, and what goes with them."""

    name: str
    """Its path without the suffix, below the folder of pictures: ``a/b/001``."""
    labels: UInt8[np.ndarray, "h w"]
    """Index of the class at each pixel; 255 where nothing is said."""
    file: str
    """Its path with the suffix: ``a/b/001.jpg``."""
    picture: Path | None = None
    """Where it lies, if that is known."""
    scores: Mapping[int, float] = field(default_factory=dict)
    """How sure the classes in it are, by index, in 0..1."""
    taught: bool = False
    """Whether its network learned from a corrected mask of it; masks as files say so, other forms
    have no room for it."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.labels.shape
        return width, height

    def present(self) -> list[int]:
        """The indices of the objects' classes in it."""
        return [k for k in np.unique(self.labels).tolist() if 0 < k < IGNORE]


@dataclass(frozen=True, eq=False)
class Collection:
    """Labelled pictures, to be read once, and their classes."""

    classes: Classes
    pictures: Iterator[Labelled]
    notes: Counter[str] = field(default_factory=Counter)
    """What was left out on the way, counted; whole once all pictures have been read."""


class Wanted(NamedTuple):
    """What a reader is told."""

    classes: Classes | None = None
    """The classes of the masks; those of the form by default."""
    pictures: Pictures | None = None
    """The pictures that the labels belong to, where they are at hand."""
    rest: int = 0
    """The label of pixels that nothing lies on: background, or 255."""

    def classes_of(self, names: Iterable[str], source: Path) -> Classes:
        """The classes of a form that knows these names. Raises TagError for an unknown one."""
        names = [name for name in dict.fromkeys(names) if name not in (BACKGROUND, UNSAID)]
        if self.classes is None:
            if not names:
                raise TagError(f"{source}: names no class; name them with --classes FILE")
            return classes_of_objects(names)
        for name in names:
            if name not in self.classes.names:
                raise TagError(
                    f"{source}: unknown class '{name}'; expected {', '.join(self.classes.names)}."
                    f"{did_you_mean(name, self.classes.names)}"
                )
        return self.classes

    def blank(self, size: tuple[int, int]) -> UInt8[np.ndarray, "h w"]:
        """Labels before anything is drawn on them."""
        return np.full(size[::-1], self.rest, np.uint8)

    def place(self, file: str, size: tuple[int, int] | None, source: object) -> "Place":
        """Name, file and size of a picture that a form calls ``file``.

        Raises PictureError where it is none of the pictures at hand, MaskError where its size is
        another, or not known.
        """
        if self.pictures is None:
            if size is None:
                raise MaskError(
                    f"{source}: does not tell the size of {file}; name its pictures with "
                    "--pictures DIR"
                )
            return Place(name_of(file), file, None, size)
        found = self.pictures.find(file, source)
        actual = upright_size(found)
        if size is not None and size != actual:
            raise MaskError(
                f"{source}: {file} is {size[0]} x {size[1]} there, but {found} is "
                f"{actual[0]} x {actual[1]}; were other pictures labelled?"
            )
        relative = found.relative_to(self.pictures.folder).as_posix()
        return Place(name_of(relative), relative, found, actual)


class Place(NamedTuple):
    """Where a picture's labels belong."""

    name: str
    file: str
    picture: Path | None
    size: tuple[int, int]


class Given(NamedTuple):
    """What a writer is told."""

    out: Path
    """The file or folder that the user named; what is written now is renamed to it at the end."""
    settings: ExchangeSettings
    shapes: str
    """``masks`` or ``polygons``."""
    regions: Regions = "classes"


def index_of(name: str, classes: Classes) -> int:
    """The label of a name in a tool; 255 for `UNSAID`, unless that is a class."""
    return IGNORE if name == UNSAID and name not in classes.names else classes.index(name)


def mean_scores(found: Sequence[tuple[int, float, float]]) -> dict[int, float]:
    """The mean score of each class over regions: (class, score, area).

    >>> mean_scores([(1, 0.5, 10), (1, 1.0, 30), (2, 0.25, 5)])
    {1: 0.875, 2: 0.25}
    """
    areas: dict[int, float] = {}
    sums: dict[int, float] = {}
    for k, score, area in found:
        areas[k] = areas.get(k, 0) + area
        sums[k] = sums.get(k, 0) + score * area
    return {k: round(sums[k] / areas[k], 4) for k in sums if areas[k]}
