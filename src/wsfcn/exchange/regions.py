"""The regions of a class in a mask: all its pixels, or those that touch each other."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool

Regions = Literal["classes", "components"]
"""What one object covers: all pixels of a class, or those that touch each other."""


def regions_of(mask: Bool[np.ndarray, "h w"], regions: Regions) -> list[Bool[np.ndarray, "h w"]]:
    """The pixels of a class, whole or split where they do not touch, not even at a corner."""
    if regions == "classes":
        return [mask] if mask.any() else []
    from scipy.ndimage import label  # takes its time

    numbers = np.empty(mask.shape, np.int32)
    label(mask, np.ones((3, 3)), output=numbers)
    return [numbers == n for n in range(1, numbers.max(initial=0) + 1)]


class Cleaned(NamedTuple):
    """A region without its specks, and how many parts were dropped and holes filled."""

    region: Bool[np.ndarray, "h w"]
    specks: int
    pinholes: int


def without_specks(region: Bool[np.ndarray, "h w"], smallest: int) -> Cleaned:
    """Drop the parts of a region that are smaller than so many pixels, and fill such holes.

    Pixels that touch at a corner alone belong to different parts, as outlines have it.

    >>> region = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]], bool)
    >>> without_specks(region, 2)
    Cleaned(region=array([[ True,  True,  True, False],
           [ True,  True,  True, False],
           [ True,  True,  True, False],
           [False, False, False, False]]), specks=1, pinholes=1)
    """
    if smallest <= 1:
        return Cleaned(region, 0, 0)
    specks, filled = small_parts(region, smallest)
    region = region & ~specks if filled else region
    # The outside is no hole, however small it is.
    holes, pinholes = small_parts(np.pad(~region, 1, constant_values=True), smallest)
    return Cleaned(region | holes[1:-1, 1:-1] if pinholes else region, filled, pinholes)


def small_parts(
    region: Bool[np.ndarray, "h w"], smallest: int
) -> tuple[Bool[np.ndarray, "h w"], int]:
    """The pixels of the parts smaller than so many pixels, and the number of these parts."""
    from scipy.ndimage import label

    numbers = np.empty(region.shape, np.int32)
    label(region, output=numbers)
    small = np.bincount(numbers.ravel()) < smallest
    small[0] = False
    return small[numbers], int(small.sum())
