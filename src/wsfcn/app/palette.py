"""Colours that can be told apart, on any picture and by people with colour-blindness too.

Each colour is the candidate that is farthest from all before it, where the distance of two colours
is the smallest of four: as most people see them (at 0.6, so that they differ more to those who can
see more), and as people do who lack one kind of cone.
Distances are Euclidean in OKLab (Ottosson, 2020, "A perceptual color space for image processing");
a missing kind of cone is simulated after Machado, Oliveira and Fernandes, "A Physiologically-based
Model for Simulation of Color Vision Deficiency" (2009), at full severity.
"""

from functools import cache

import numpy as np
from jaxtyping import Float, UInt8

VISIONS = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""Matrices on linear RGB: what a colour looks like to people with such eyes."""

TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]

LEVELS = (0, 51, 102, 153, 204, 255)
"""Values of each channel of the candidates."""
DARKEST, PALEST = 0.45, 0.12
"""Smallest lightness and smallest chroma of a candidate: darker ones drown in shadows, paler ones
are taken for the picture's own grey."""


FULL_SIGHT = 0.6
"""What distances count that people see who lack no cone: all of it gives shades of few hues."""


def linear(colours: UInt8[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Linear light of sRGB colours, in 0..1 (IEC 61966-2-1)."""
    values = colours / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def oklab(light: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Lightness and two axes of colour, in OKLab, of linear light."""
    return np.cbrt(light @ np.transpose(TO_CONES)) @ np.transpose(TO_LAB)


def seen(colours: UInt8[np.ndarray, "n 3"], vision: str) -> Float[np.ndarray, "n 3"]:
    """Colours in OKLab as people see them whose vision is one of `VISIONS`."""
    return oklab(np.clip(linear(colours) @ np.transpose(VISIONS[vision]), 0, 1))


@cache
def candidates() -> UInt8[np.ndarray, "n 3"]:
    """Colours of a grid that are neither dark nor pale."""
    grid = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS, indexing="ij"), -1).reshape(-1, 3)
    colours = grid.astype(np.uint8)
    lab = oklab(linear(colours))
    return colours[(lab[:, 0] > DARKEST) & (np.hypot(lab[:, 1], lab[:, 2]) > PALEST)]


@cache
def palette(classes: int) -> UInt8[np.ndarray, "c 3"]:
    """Colours of the background (black) and of ``classes - 1`` objects; the first stay the first.

    Beyond the number of candidates, some 150, they come again from the start.

    >>> palette(3).tolist() == palette(9)[:3].tolist()
    True
    """
    colours = candidates()
    views = [seen(colours, vision) for vision in VISIONS]
    views[0] *= FULL_SIGHT
    # Orange first: grass, sky and skin are of other colours.
    chosen = [int(np.argmin(np.abs(colours.astype(int) - (255, 102, 0)).sum(1)))]
    nearest = np.full(len(colours), np.inf)
    while len(chosen) < min(classes - 1, len(colours)):
        newest = chosen[-1]
        distances = [np.linalg.norm(lab - lab[newest], axis=1) for lab in views]
        nearest = np.minimum(nearest, np.min(distances, axis=0))
        nearest[newest] = -1
        chosen.append(int(np.argmax(nearest)))
    objects = np.resize(colours[chosen], (max(classes - 1, 0), 3))
    return np.concatenate([np.zeros((1, 3), np.uint8), objects])
