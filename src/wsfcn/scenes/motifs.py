"""Shapes and textures of the drawn scenes' classes, as signed distances.

A *distance* is negative inside and positive outside. Coordinates are the motif's own: its shape
fills about the unit circle, x points right, y points down. A distance times the drawn radius is
a distance in pixels, so edges can be smoothed exactly, at any size and turn.

Arrays meet only sums, products, square roots and roundings, whose results IEEE 754 fixes to the
last bit: a scene is the same on every machine.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32

Plane: TypeAlias = Float32[np.ndarray, "h w"]
Distance: TypeAlias = Callable[[Plane, Plane], Plane]
Point: TypeAlias = tuple[float, float]


class Motif(NamedTuple):
    """What tells a class: its outline, and a texture in two colours that fills it."""

    outline: Distance
    texture: Distance
    """Distance to the parts in the second colour."""


def turned(
    x: Float32[np.ndarray, "#h w"], y: Float32[np.ndarray, "h #w"], angle: float
) -> tuple[Plane, Plane]:
    """Coordinates along axes turned clockwise by an angle in radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


# --- parts of shapes ------------------------------------------------------------------------


def norm(x: Plane, y: Plane) -> Plane:
    """Distance to the origin."""
    return np.sqrt(x * x + y * y)


def disc(x: Plane, y: Plane, radius: float) -> Plane:
    return norm(x, y) - radius


def box(x: Plane, y: Plane, width: float, height: float) -> Plane:
    """An upright rectangle about the origin, given half its width and height."""
    return np.maximum(np.abs(x) - width, np.abs(y) - height)


def lens(x: Plane, y: Plane, length: float, height: float) -> Plane:
    """Where two discs meet: a lens along x about the origin, given half its extents."""
    radius = (length**2 + height**2) / (2 * height)
    return disc(x, np.abs(y) + (radius - height), radius)


def half_plane(x: Plane, y: Plane, start: Point, end: Point) -> Plane:
    """All that lies to the right of somebody walking from start to end."""
    run, rise = end[0] - start[0], end[1] - start[1]
    way = math.sqrt(run**2 + rise**2)
    return (x - start[0]) * (rise / way) - (y - start[1]) * (run / way)


def limb(x: Plane, y: Plane, start: Point, end: Point, radii: tuple[float, float]) -> Plane:
    """A stroke with round ends, whose radius changes from start to end."""
    run, rise = end[0] - start[0], end[1] - start[1]
    x, y = x - start[0], y - start[1]
    along = np.clip((x * run + y * rise) / (run**2 + rise**2), 0, 1)
    return norm(x - along * run, y - along * rise) - (radii[0] + along * (radii[1] - radii[0]))


def folded(x: Plane, y: Plane, arms: int) -> tuple[Plane, Plane]:
    """Mirror the plane into the wedge right of "up" that makes a rosette with so many arms."""
    x, reach = np.abs(x), arms
    while reach > 1:
        reach = (reach + 1) // 2
        angle = math.pi * reach / arms
        cos, sin = math.cos(angle), math.sin(angle)
        beyond = 2 * np.maximum(x * cos + y * sin, 0)
        x, y = x - beyond * cos, y - beyond * sin
    return x, y


# --- parts of textures ----------------------------------------------------------------------


def wave(t: Plane) -> Plane:
    """Way to the nearest whole number: a zigzag between 0 and 1/2."""
    return np.abs(t - np.rint(t))


def stripes(t: Plane, period: float, share: float = 0.5) -> Plane:
    """Bands across t, centred at multiples of the period, and their share of it."""
    return (wave(t / period) - share / 2) * period


def dots(x: Plane, y: Plane, period: float, radius: float) -> Plane:
    """Discs on a triangular grid."""
    high = period * math.sqrt(3)
    even = disc(wave(x / period) * period, wave(y / high) * high, radius)
    odd = disc(wave(x / period + 0.5) * period, wave(y / high + 0.5) * high, radius)
    return np.minimum(even, odd)


def checks(x: Plane, y: Plane, period: float) -> Plane:
    """A chessboard; two fields make a period."""
    x, y = stripes(x, period), stripes(y, period)
    return np.maximum(np.minimum(x, y), -np.maximum(x, y))


def bricks(x: Plane, y: Plane, width: float, height: float, gap: float) -> Plane:
    """The mortar of a brick wall."""
    shift = 0.5 * np.floor(y / height)
    return np.minimum(wave(x / width + shift) * width, wave(y / height) * height) - gap / 2


def scales(x: Plane, y: Plane, radius: float) -> Plane:
    """The rims of overlapping scales, each open to the left."""
    column = np.ceil(x / radius)
    ahead = column * radius - x
    aside = wave(y / (2 * radius) + 0.5 * column) * (2 * radius)
    over = norm(ahead, aside)
    under = norm(radius - ahead, radius - aside)
    rim = 0.14 * radius
    return np.minimum(
        np.abs(over - radius + rim) - rim,
        np.maximum(radius - over, radius - 2 * rim - under),
    )


# --- clutter --------------------------------------------------------------------------------


def scrap(x: Plane, y: Plane, width: float, height: float, corner: float) -> Plane:
    """A rectangle that lost a corner."""
    return np.maximum(box(x, y, width, height), (x + y) * math.sqrt(0.5) - corner)


def stroke(x: Plane, y: Plane, bend: float) -> Plane:
    """A bent line."""
    return limb(x, y + bend * x * x, (-0.85, 0.0), (0.85, 0.0), (0.13, 0.13))


# --- the classes ----------------------------------------------------------------------------


def fish(x: Plane, y: Plane) -> Plane:
    side = np.abs(y)
    tip = (-0.88, 0.52)
    tail = np.maximum(half_plane(x, side, (-0.25, 0.0), tip), half_plane(x, side, tip, (-0.7, 0.0)))
    return np.minimum(lens(x - 0.2, y, 0.8, 0.56), tail)


def fish_skin(x: Plane, y: Plane) -> Plane:
    eye = norm(x - 0.62, y + 0.12)
    return np.minimum(np.maximum(scales(x, y, 0.2), 0.15 - eye), eye - 0.08)


def shell(x: Plane, y: Plane) -> Plane:
    fan = np.maximum(disc(x, y, 0.85), half_plane(np.abs(x), y, (1.0, -0.05), (0.0, 0.95)))
    return np.minimum(fan, box(x, y - 0.75, 0.34, 0.13))


def shell_ribs(x: Plane, y: Plane) -> Plane:
    depth = np.maximum(1.0 - y, 0.1)
    return np.maximum(stripes(x / depth, 0.24) * depth, y - 0.62)  # a plain foot


def starfish(x: Plane, y: Plane) -> Plane:
    return limb(*folded(x, y, 5), (0.0, 0.0), (0.0, -0.82), (0.46, 0.15))


def starfish_warts(x: Plane, y: Plane) -> Plane:
    return dots(x, y, 0.27, 0.085)


def flower(x: Plane, y: Plane) -> Plane:
    x, y = folded(x, y, 6)
    return np.minimum(disc(x, y + 0.62, 0.33), disc(x, y, 0.52))


def flower_rings(x: Plane, y: Plane) -> Plane:
    return stripes(norm(x, y), 0.34)


def leaf(x: Plane, y: Plane) -> Plane:
    blade = lens(y + 0.15, x, 0.85, 0.58)
    return np.minimum(blade, limb(x, y, (0.0, 0.5), (0.06, 0.92), (0.07, 0.07)))


def leaf_veins(x: Plane, y: Plane) -> Plane:
    side = np.abs(x)
    return np.minimum(stripes((y + side) * 0.71, 0.22, 0.4), side - 0.05)


def house(x: Plane, y: Plane) -> Plane:
    walls = box(x, y - 0.36, 0.6, 0.48)
    roof = np.maximum(half_plane(np.abs(x), y, (0.0, -0.95), (0.85, -0.1)), y + 0.1)
    return np.minimum(walls, roof)


def house_bricks(x: Plane, y: Plane) -> Plane:
    return bricks(x, y, 0.42, 0.21, 0.075)


def kite(x: Plane, y: Plane) -> Plane:
    side = np.abs(x)
    upper = half_plane(side, y, (0.0, -1.0), (0.74, -0.25))
    return np.maximum(upper, half_plane(side, y, (0.74, -0.25), (0.0, 1.0)))


def kite_checks(x: Plane, y: Plane) -> Plane:
    return checks(x, y + 0.25, 0.5)


def mitten(x: Plane, y: Plane) -> Plane:
    hand = limb(x, y, (-0.08, -0.45), (-0.08, 0.5), (0.46, 0.42))
    thumb = limb(x, y, (0.24, 0.3), (0.66, -0.12), (0.22, 0.2))
    cuff = box(x + 0.08, y - 0.74, 0.46, 0.15)
    return np.minimum(np.minimum(hand, thumb), cuff)


def mitten_zigzag(x: Plane, y: Plane) -> Plane:
    return stripes((y + wave(x / 0.4) * 0.4) * 0.71, 0.24)


MOTIFS = {
    "fish": Motif(fish, fish_skin),
    "shell": Motif(shell, shell_ribs),
    "starfish": Motif(starfish, starfish_warts),
    "flower": Motif(flower, flower_rings),
    "leaf": Motif(leaf, leaf_veins),
    "house": Motif(house, house_bricks),
    "kite": Motif(kite, kite_checks),
    "mitten": Motif(mitten, mitten_zigzag),
}
