"""Drawn pictures without a background: patches of texture that fill them, edge to edge.

As in pictures of land, tissue or streets every pixel belongs to a class. A picture shows one to
three of five textures, which meet along wavy lines; colours are dealt to all alike, so that they
tell nothing.
"""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from wsfcn.files import atomic, write_lines, write_table
from wsfcn.images import write_mask
from wsfcn.scenes.motifs import Plane, bricks, checks, dots, stripes, turned, wave
from wsfcn.scenes.scenes import Scene, coverage, deal_colours, mix
from wsfcn.types import Classes


def plain_stripes(x: Plane, y: Plane) -> Plane:
    return stripes(x, 10.0)


def zigzag(x: Plane, y: Plane) -> Plane:
    return stripes(y + wave(x / 16) * 16, 11.0, 0.4)


def wall(x: Plane, y: Plane) -> Plane:
    return bricks(x, y, 18.0, 9.0, 3.0)


def board(x: Plane, y: Plane) -> Plane:
    return checks(x, y, 14.0)


def spots(x: Plane, y: Plane) -> Plane:
    return dots(x, y, 12.0, 3.6)


TEXTURES = {
    "stripes": plain_stripes,
    "zigzag": zigzag,
    "bricks": wall,
    "checks": board,
    "dots": spots,
}
"""Distance to the parts in the second colour, by class; all lengths in pixels."""

CLASSES = Classes(tuple(TEXTURES))
"""The textures; none of them is a background."""


def draw_textures(seed: int, size: int = 96) -> Scene:
    """Draw a square picture, ``size`` pixels a side, that one to three textures fill.

    >>> scene = draw_textures(seed=1)
    >>> [CLASSES.names[index] for index in np.unique(scene.truth)] == list(scene.tags)
    True
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(CLASSES), size=rng.integers(1, 4), replace=False)
    pixels = np.arange(size, dtype=np.float32)
    x, y = np.broadcast_arrays(pixels[None, :], pixels[:, None])
    truth = regions(rng, x, y, chosen)
    sheet = np.zeros((3, size, size), np.float32)
    for k, (first, second) in zip(chosen, deal_colours(rng), strict=False):
        turn, zoom = rng.uniform(-0.4, 0.4), rng.uniform(0.8, 1.25)
        along, across = turned(x / zoom, y / zoom, turn)
        texture = TEXTURES[CLASSES.names[k]](along, across) * zoom
        sheet = np.where(truth == k, mix(first, second, coverage(texture)), sheet)
    sheet += 18 * rng.random((size, size), np.float32) - 9
    image = sheet.clip(0, 255).astype(np.uint8).transpose(1, 2, 0).copy()
    return Scene(image, truth, tuple(CLASSES.names[k] for k in np.unique(truth)))


def regions(
    rng: np.random.Generator,
    x: Float32[np.ndarray, "h w"],
    y: Float32[np.ndarray, "h w"],
    chosen: np.ndarray,
) -> UInt8[np.ndarray, "h w"]:
    """The class of each pixel: that of the nearest of a few centres, of which each class has one
    at least; distances waver."""
    size = x.shape[0]
    of_centre = np.concatenate([chosen, rng.choice(chosen, size=len(chosen) - 1)])
    centres = rng.uniform(0.1, 0.9, (len(of_centre), 2)) * size
    bend = size / 12 * np.sin(2 * math.pi * (x + y * rng.uniform(-1, 1)) / size).astype(np.float32)
    distances = [(x + bend - a) ** 2 + (y - bend - b) ** 2 for a, b in centres]
    return of_centre[np.argmin(distances, axis=0)].astype(np.uint8)


def write_textures(root: Path, train: int, val: int, seed: int = 0, size: int = 96) -> None:
    """Draw a data set in the native layout, with masks for the val pictures alone."""
    seeds = np.random.default_rng(seed).integers(2**63, size=val + train).tolist()
    names = [f"val-{i:04}" for i in range(val)] + [f"train-{i:04}" for i in range(train)]
    rows = [["image", "tags"]]
    for name, number in zip(names, seeds, strict=True):
        scene = draw_textures(number, size)
        with atomic(root / "images" / f"{name}.png") as file:
            Image.fromarray(scene.image).save(file)
        if name.startswith("val"):
            write_mask(root / "masks" / f"{name}.png", scene.truth, background=False)
        rows.append([f"images/{name}.png", " ".join(scene.tags)])
    write_table(root / "tags.csv", rows)
    write_lines(root / "classes.txt", CLASSES.names)
    write_lines(root / "train.txt", names[val:])
    write_lines(root / "val.txt", names[:val])
