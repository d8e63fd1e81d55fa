"""Drawn scenes: a small world to learn from tags, whose truth is known from the drawing.

Paper cut-outs of eight classes lie on a patterned sheet, among scraps and scribbles of no class.
Shape and texture tell the classes apart; colour never does, since objects, scraps and sheets are
dealt theirs from one palette. Some classes often come together, so that the company a class
keeps is a tempting but wrong clue.
"""

import math
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from wsfcn.files import atomic, write_lines
from wsfcn.images import write_mask
from wsfcn.scenes.motifs import MOTIFS, Distance, Plane, scrap, stripes, stroke, turned, wave
from wsfcn.types import Classes

CLASSES = Classes(("background", *MOTIFS))
"""The classes of the scenes, the background first."""

FAMILIES = (("fish", "shell", "starfish"), ("flower", "leaf"), ("house", "kite", "mitten"))
"""Classes that like to share a picture."""

TOGETHER = 0.6
"""Probability that a further object comes from the first one's family instead of from all."""

VISIBLE = 0.45
"""Share of each object, of what lies within the picture, that no other object hides."""

LIGHT = (
    (245, 233, 205),  # cream
    (236, 190, 90),  # honey
    (243, 168, 140),  # salmon
    (238, 180, 193),  # rose
    (150, 196, 224),  # sky
    (164, 211, 182),  # mint
    (199, 202, 134),  # lime
    (206, 197, 224),  # lilac
)
DARK = (
    (178, 60, 48),  # brick
    (126, 46, 92),  # plum
    (38, 60, 104),  # navy
    (28, 112, 120),  # teal
    (52, 98, 62),  # fir
    (116, 74, 48),  # bark
    (62, 58, 66),  # coal
    (200, 92, 38),  # rust
)

Colour = Float32[np.ndarray, "3 1 1"]
Sheet = Float32[np.ndarray, "3 h w"]


class Scene(NamedTuple):
    """A picture, its truth (indices into CLASSES), and the classes to be seen in it."""

    image: UInt8[np.ndarray, "h w 3"]
    truth: UInt8[np.ndarray, "h w"]
    tags: tuple[str, ...]


class Cutout(NamedTuple):
    """A shape in its place: a window of the sheet, and planes of the window's size."""

    window: tuple[slice, slice]
    x: Plane
    y: Plane
    """With x: the shape's own coordinates, in units of its radius."""
    radius: float
    distance: Plane
    """To the outline, in pixels; negative inside."""


def draw_scene(seed: int, size: int = 128) -> Scene:
    """Draw a square picture, ``size`` pixels a side, of one to three objects.

    >>> scene = draw_scene(seed=4)
    >>> scene.tags, [CLASSES.names[index] for index in np.unique(scene.truth)]
    (('house', 'mitten'), ['background', 'house', 'mitten'])
    """
    rng = np.random.default_rng(seed)
    cast = choose_cast(rng)
    cutouts, truth = arrange(rng, cast, size)
    ground, *colours = deal_colours(rng)
    sheet = draw_ground(rng, size, *ground)
    scatter(rng, sheet, colours[len(cast) :])  # under all objects: the truth need not know
    for name, cutout, (first, second) in zip(cast, cutouts, colours, strict=False):
        texture = MOTIFS[name].texture(cutout.x, cutout.y) * cutout.radius
        paste(sheet, cutout, mix(first, second, coverage(texture)))
    sheet += 18 * rng.random((size, size), np.float32) - 9  # the grain of the paper
    image = sheet.clip(0, 255).astype(np.uint8).transpose(1, 2, 0).copy()
    return Scene(image, truth, tuple(name for name in CLASSES.objects if name in cast))


def write_scenes(root: Path, train: int, val: int, seed: int = 0, size: int = 128) -> None:
    """Draw a data set in the native layout, with masks for the val pictures alone.

    The seed decides the pictures; those of val do not depend on the number of the others.
    """
    seeds = np.random.default_rng(seed).integers(2**63, size=val + train).tolist()
    names = [f"val-{i:04}" for i in range(val)] + [f"train-{i:04}" for i in range(train)]
    rows = []
    for name, scene_seed in zip(names, seeds, strict=True):
        scene = draw_scene(scene_seed, size)
        with atomic(root / "images" / f"{name}.jpg") as path:
            Image.fromarray(scene.image).save(path, quality=92, subsampling=0)
        if name.startswith("val"):
            write_mask(root / "masks" / f"{name}.png", scene.truth)
        rows.append(f"images/{name}.jpg,{' '.join(scene.tags)}")
    for file, lines in (
        ("classes.txt", CLASSES.names),
        ("tags.csv", ["image,tags", *rows]),
        ("val.txt", names[:val]),
        ("train.txt", names[val:]),
    ):
        write_lines(root / file, lines)


# --- what is drawn, and where ---------------------------------------------------------------


def choose_cast(rng: np.random.Generator) -> list[str]:
    """Class names of one to three objects, from the bottom of the pile to its top."""
    cast = [str(rng.choice(CLASSES.objects))]
    family = next(family for family in FAMILIES if cast[0] in family)
    for _ in range(rng.integers(3)):
        cast.append(str(rng.choice(family if rng.random() < TOGETHER else CLASSES.objects)))
    rng.shuffle(cast)
    return cast


def arrange(
    rng: np.random.Generator, cast: list[str], size: int
) -> tuple[list[Cutout], UInt8[np.ndarray, "h w"]]:
    """Places for the objects, where none hides too much of another, and the truth."""
    largest = 0.38 - 0.03 * (len(cast) - 1)
    while True:
        truth = np.zeros((size, size), np.uint8)
        owner = np.zeros((size, size), np.uint8)
        cutouts, areas = [], []
        for number, name in enumerate(cast, 1):
            cutout = lay(
                MOTIFS[name].outline,
                size,
                centre=(rng.uniform(0.18, 0.82) * size, rng.uniform(0.18, 0.82) * size),
                radius=rng.uniform(0.18, largest) * size,
                turn=rng.uniform(-math.pi / 3, math.pi / 3),
                mirrored=rng.random() < 0.5,
            )
            inside = cutout.distance < 0
            truth[cutout.window][inside] = CLASSES.index(name)
            owner[cutout.window][inside] = number
            cutouts.append(cutout)
            areas.append(np.count_nonzero(inside))
        shown = np.bincount(owner.ravel(), minlength=len(cast) + 1)[1:]
        if all(shown >= VISIBLE * np.array(areas)):
            return cutouts, truth


def lay(
    outline: Distance,
    size: int,
    centre: tuple[float, float],
    radius: float,
    turn: float,
    mirrored: bool = False,
) -> Cutout:
    """Lay a shape on the sheet; centre and radius in pixels, turn in radians, clockwise."""
    reach = 1.05 * radius + size / 20  # its shadow included
    (left, right), (top, bottom) = (
        (max(0, int(c - reach)), min(size, int(c + reach) + 1)) for c in centre
    )
    column = (np.arange(left, right, dtype=np.float32)[None, :] + (0.5 - centre[0])) / radius
    row = (np.arange(top, bottom, dtype=np.float32)[:, None] + (0.5 - centre[1])) / radius
    x, y = turned(column, row, turn)
    if mirrored:
        x = -x
    window = (slice(top, bottom), slice(left, right))
    return Cutout(window, x, y, radius, outline(x, y) * radius)


def deal_colours(rng: np.random.Generator) -> list[tuple[Colour, Colour]]:
    """All colours, slightly varied, in pairs of a light and a dark one, either of them first."""
    pairs = np.stack([rng.permutation(LIGHT), rng.permutation(DARK)], 1)
    pairs = (pairs * rng.uniform(0.9, 1.1, (8, 2, 3))).astype(np.float32)[..., None, None]
    return [(a, b) if rng.random() < 0.5 else (b, a) for a, b in pairs]


# --- drawing --------------------------------------------------------------------------------


def coverage(distance: Plane) -> Plane:
    """Share of each pixel that lies inside, given distances in pixels."""
    return np.clip(0.5 - distance, 0, 1)


def mix(first: Colour, second: Colour, share: Plane) -> Sheet:
    """From the first colour to the second, whose share of each pixel is given."""
    return first + (second - first) * share


def paste(sheet: Sheet, cutout: Cutout, paper: Float32[np.ndarray, "3 y x"]) -> None:
    """Glue a cut-out on the sheet, a shadow below it, light from the top left.

    ``paper`` is what its window shows where the cut-out covers the sheet.
    """
    size = sheet.shape[1]
    under = sheet[:, *cutout.window]
    distance = cutout.distance
    drop = max(1, size // 50)
    shadow = np.clip(0.5 - distance[:-drop, :-drop] / (2 * drop), 0, 1)
    under[:, drop:, drop:] *= 1 - 0.5 * shadow

    light = 1 - 0.07 * (cutout.x + cutout.y)
    rim = np.clip(1 + distance[1:-1, 1:-1] * (32 / size), 0, 1)
    light[1:-1, 1:-1] -= 0.1 * rim * (distance[2:, 2:] - distance[:-2, :-2])
    under += (paper * light - under) * coverage(distance)


def draw_ground(rng: np.random.Generator, size: int, first: Colour, second: Colour) -> Sheet:
    """The sheet itself: plain, striped, chequered like a cloth, or rippled, with faint clouds."""
    pixels = np.arange(size, dtype=np.float32)
    x, y = turned(pixels[None, :], pixels[:, None], rng.uniform(0, math.pi))
    period, share = rng.uniform(0.07, 0.2) * size, rng.uniform(0.15, 0.6)
    match rng.integers(4):
        case 0:
            pattern = np.zeros((size, size), np.float32)
        case 1:
            pattern = coverage(stripes(x, period, share))
        case 2:
            warp, weft = stripes(x, period, share), stripes(y, period, share)
            pattern = (coverage(warp) + coverage(weft)) / 2
        case _:
            bend = wave(y / (3 * period)) ** 2 * (2 * period)
            pattern = coverage(stripes(x + bend, period, share))
    coarse = Image.fromarray(rng.random((5, 5), np.float32))
    clouds = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))
    return mix(first, second, rng.uniform(0.15, 0.5) * pattern + rng.uniform(0, 0.4) * clouds)


def scatter(rng: np.random.Generator, sheet: Sheet, colours: list[tuple[Colour, Colour]]) -> None:
    """Clutter of no class: scraps of plain or striped paper, and strokes of a pen."""
    size = sheet.shape[1]

    def place(outline: Distance, smallest: float, largest: float) -> Cutout:
        centre = (rng.uniform(0, size), rng.uniform(0, size))
        radius = rng.uniform(smallest, largest) * size
        return lay(outline, size, centre, radius, rng.uniform(-math.pi, math.pi))

    for _ in range(rng.integers(4)):
        width, height, corner = rng.uniform((0.3, 0.3, 0.1), (0.8, 0.8, 0.9)).tolist()
        cutout = place(partial(scrap, width=width, height=height, corner=corner), 0.08, 0.2)
        first, second = colours[rng.integers(len(colours))]
        if rng.random() < 0.5:
            second = first  # plain
        bands = stripes(cutout.x, rng.uniform(0.3, 0.8)) * cutout.radius
        paste(sheet, cutout, mix(first, second, coverage(bands)))
    for _ in range(rng.integers(3, 12)):
        cutout = place(partial(stroke, bend=rng.uniform(-0.7, 0.7)), 0.03, 0.12)
        colour, _ = colours[rng.integers(len(colours))]
        under = sheet[:, *cutout.window]
        under += (colour - under) * coverage(cutout.distance)
