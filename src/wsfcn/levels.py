"""Values of more than 8 bits made visible: which become black, and which white.

A data set has one rule for all its pictures, its *levels* (low, high), measured on its training
pictures and kept with the network, so that a picture to be segmented looks as those did.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

Levels = tuple[float, float]
"""The values that become black and white."""

TAILS = (0.1, 99.9)
"""Per cent of a picture's values below which, and above which, none is looked at: hot pixels."""

DEPTHS = (8, 10, 12, 14, 16)
"""Bits of cameras."""


def scaled(values: Shaped[np.ndarray, "*_"], levels: Levels | None) -> UInt8[np.ndarray, "*_"]:
    """Values as 8 bits; without levels, those that a single picture suggests.

    >>> scaled(np.array([0, 2048, 4095, 9999]), (0, 4095)).tolist()
    [0, 128, 255, 255]
    """
    low, high = levels or own_levels(values)
    finite = np.nan_to_num(values.astype(np.float32), nan=low, posinf=high, neginf=low)
    return ((finite - low) * (255 / max(high - low, 1e-12))).clip(0, 255).round().astype(np.uint8)


def own_levels(values: Shaped[np.ndarray, "*_"]) -> Levels:
    """Levels for a picture of which no more is known: all of a camera's, or [0, 1] of fractions.

    >>> own_levels(np.array([3, 3000])), own_levels(np.array([0.25, 0.5]))
    ((0, 4095), (0, 1))
    >>> own_levels(np.array([-1000.0, 0.0, 1000.0]))
    (-1000.0, 1000.0)
    """
    finite: Any = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size == 0:
        return (0, 1)
    low, high = float(finite.min()), float(finite.max())
    if low < 0:
        return (low, high)
    if values.dtype.kind == "f" and high <= 1:
        return (0, 1)
    return (0, next((2**bits - 1 for bits in DEPTHS if high < 2**bits), high))


def common_levels(pictures: Iterable[Shaped[np.ndarray, "*_"]]) -> Levels | None:
    """Levels between which the values of all pictures lie, but for a thousandth at both ends.

    None where there is no picture.

    >>> common_levels([np.arange(1001), np.arange(1001) + 500])
    (1.0, 1499.0)
    """
    bounds = []
    for values in pictures:
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if finite.size:
            bounds.append(np.percentile(finite, TAILS))
    if not bounds:
        return None
    lows, highs = zip(*bounds, strict=True)
    low, high = float(min(lows)), float(max(highs))
    return (low, high) if high > low else (low, low + 1)
