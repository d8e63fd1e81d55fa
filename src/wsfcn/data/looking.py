"""How each picture of a data set looks, told in one pass over its files."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from rich.progress import track

from wsfcn.errors import DataError
from wsfcn.files import read_bytes
from wsfcn.images import read_picture
from wsfcn.levels import Levels
from wsfcn.terminal import is_watched

SIDE = 32
"""Side of the thumbnails by which pictures are compared."""

FLAT = 6
"""Brightness values, of 256, in which all but a hundredth of a nearly constant picture's lie."""


class Look(NamedTuple):
    """What is kept of a picture."""

    size: tuple[int, int]
    """Width and height, upright."""
    digest: str
    """Of the file's content."""
    thumbnail: UInt8[np.ndarray, "32 32"]
    """Brightness, both sides squeezed to the same length."""
    flat: bool
    """Whether it is nearly constant."""


def look_at(path: Path, levels: Levels | None = None) -> Look:
    """Decode a picture, deep ones at ``levels``. Raises DataError where that cannot be done."""
    digest = hashlib.sha1(read_bytes(path), usedforsecurity=False).hexdigest()
    picture = read_picture(path, levels=levels)
    grey = picture.convert("L")
    small = grey.resize((SIDE, SIDE), Image.Resampling.BOX)
    return Look(picture.size, digest, np.asarray(small), is_flat(grey))


def is_flat(grey: Image.Image) -> bool:
    """Whether a grey picture is nearly constant.

    >>> is_flat(Image.new("L", (9, 9), 7)), is_flat(Image.linear_gradient("L"))
    (True, False)
    """
    shares = np.cumsum(grey.histogram()) / (grey.width * grey.height)
    low, high = np.searchsorted(shares, (0.005, 0.995))
    return bool(high - low < FLAT)


def look_at_all(
    paths: Sequence[Path], levels: Levels | None = None
) -> Iterator[tuple[Path, Look | DataError]]:
    """Each picture with how it looks, or why it cannot be read."""

    def look(path: Path) -> Look | DataError:
        try:
            return look_at(path, levels)
        except DataError as error:
            return error

    with ThreadPoolExecutor() as pool:
        found = track(
            pool.map(look, paths), "Reading", len(paths), transient=True, disable=not is_watched()
        )
        yield from zip(paths, found, strict=True)
