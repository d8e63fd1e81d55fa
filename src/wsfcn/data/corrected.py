"""Masks that people drew or corrected: which pictures they belong to, and how a crop takes them.

They are named like truth masks, hold class indices, and 255 where nothing was said: a whole mask, a
scribble, a point or the inside of a box. Unlike truth they teach, so a picture that has one is
learned from and measured nowhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from wsfcn.config import DataSettings
from wsfcn.data.splits import Splits
from wsfcn.errors import DataError, did_you_mean
from wsfcn.types import IGNORE

FOLDER = "corrected"
"""Where corrected masks lie in a data set."""


def find_corrected(
    root: Path, settings: DataSettings, splits: Splits, known: Mapping[str, object]
) -> dict[str, Path]:
    """The corrected masks of a data set by the name of their picture; none without a folder.

    ``known`` are the names of all pictures. ``a/b.png`` corrects a/b, and ``b.png`` does where no
    other picture is called b. Raises DataError for a folder that is not there, and for a mask whose
    picture is not there or in neither split.
    """
    folder = settings.corrected or root / FOLDER
    if not folder.is_dir():
        if settings.corrected:
            raise DataError(f"data.corrected: {folder} is no folder; name the one of the masks")
        return {}
    used = {*splits.train, *splits.val}
    bare = Counter(name.rpartition("/")[2] for name in known)
    whole = {name.rpartition("/")[2]: name for name in known}
    found: dict[str, Path] = {}
    for path in masks_below(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name not in known:
            if bare[name] > 1:
                raise DataError(
                    f"{path}: {bare[name]} pictures are called {name}; put it into the folder of "
                    "its own, as in images/"
                )
            if name not in whole:
                raise DataError(
                    f"{path}: no tagged picture is called {name}.{did_you_mean(name, [*known])} "
                    "Rename it, or take it away"
                )
            name = whole[name]
        if name not in used:
            raise DataError(
                f"{path}: {name} is no training picture; take the mask away, or the picture into "
                f"{settings.train}.txt"
            )
        if name in found:
            raise DataError(f"{path}: corrects {name}, as {found[name]} does; keep one of them")
        found[name] = path
    return found


def masks_below(folder: Path) -> list[Path]:
    """The PNGs in a folder and the folders in it, in order; hidden ones are none."""
    return sorted(path for path in folder.rglob("*.png") if not path.name.startswith("."))


def without_corrected(splits: Splits, corrected: Mapping[str, Path]) -> Splits:
    """Splits in which every corrected picture is learned from, and none validated on.

    A person who goes through the pictures that `wsfcn review` names corrects some of validation
    too: what was drawn there teaches, and the figures are those of the others. Raises DataError
    where nothing would be left to validate on.
    """
    moved = [name for name in splits.val if name in corrected]
    if not moved:
        return splits
    if len(moved) == len(splits.val):
        raise DataError(
            f"{corrected[moved[0]]}: all {len(moved)} validation pictures are corrected, and none "
            "is left to validate on; take some of the masks away, or name others in val.txt"
        )
    learned = set(splits.train)
    return Splits(
        [*splits.train, *(name for name in moved if name not in learned)],
        [name for name in splits.val if name not in corrected],
        [
            *splits.notes,
            f"{len(moved)} validation pictures are corrected, such as {moved[0]}: they are learned "
            "from, and validated on no more",
        ],
    )


def window(
    mask: UInt8[np.ndarray, "h w"], box: Sequence[float], side: int
) -> UInt8[np.ndarray, "side side"]:
    """The labels inside a box: left, top, right, bottom, as shares of the picture.

    Each pixel has the label of the nearest one.
    """
    height, width = mask.shape
    left, top, right, bottom = box
    centres = (np.arange(side) + 0.5) / side
    rows = ((top + centres * (bottom - top)) * height).astype(int).clip(0, height - 1)
    columns = ((left + centres * (right - left)) * width).astype(int).clip(0, width - 1)
    return mask[rows[:, None], columns]


def cropped(
    mask: UInt8[np.ndarray, "h w"], box: Sequence[float], side: int
) -> UInt8[np.ndarray, "side side"]:
    """What a person said inside a box: left, top, right, bottom, as shares of the picture.

    Each pixel has the label of the nearest one; where nothing was said there, that of any pixel
    that falls on it: a line that is one pixel wide stays a line when it shrinks.

    >>> mask = np.full((4, 4), 255, np.uint8)
    >>> mask[2, 3] = 1
    >>> cropped(mask, (0, 0, 1, 1), 2).tolist()
    [[255, 255], [255, 1]]
    """
    left, top, right, bottom = box
    labels = window(mask, box, side)
    said = np.nonzero(mask != IGNORE)
    ys, xs = (
        np.floor(((place + 0.5) / length - low) / (high - low) * side).astype(int)
        for place, length, low, high in zip(
            said, mask.shape, (top, left), (bottom, right), strict=True
        )
    )
    inside = (ys >= 0) & (ys < side) & (xs >= 0) & (xs < side)
    fallen = np.full_like(labels, IGNORE)
    fallen[ys[inside], xs[inside]] = mask[said][inside]
    return np.where(labels == IGNORE, fallen, labels)
