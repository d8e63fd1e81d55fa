"""Grey sheets of rolled steel, drawn: each has one of three defects, and none is whole.

    python benchmarks/steel.py -o DIR [--train 840] [--val 150]

What surfaces of a factory without a good piece among them are like to a training from tags: thin
dark inclusions, large dark patches, thin bright scratches, on a ground that differs from sheet to
sheet by more than a defect does. All pictures have masks, those to learn from too, to measure
labels by; training never opens them.
"""

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from dolls import write_set
from wsfcn.types import Classes

CLASSES = Classes(("background", "inclusion", "patches", "scratches"))
SIZE = 200

Mask = Bool[np.ndarray, "y x"]
Grey = Float[np.ndarray, "y x"]


def noise(chance: Generator) -> Grey:
    """White, of deviation 1."""
    return chance.normal(0, 1, (SIZE, SIZE))


def ground(chance: Generator) -> Grey:
    """Streaks of rolling, and light that is not even."""
    streaks = gaussian_filter(noise(chance), (chance.uniform(0.5, 1.2), chance.uniform(0.5, 6)))
    light = gaussian_filter(noise(chance), chance.uniform(15, 40))
    sheet = chance.uniform(90, 190) + streaks / streaks.std() * chance.uniform(5, 14)
    return sheet + light / light.std() * chance.uniform(3, 14)


def inclusion(sheet: Grey, chance: Generator) -> Mask:
    """One to three dark lines with frayed edges, along the rolling."""
    drawn = Image.new("L", (SIZE, SIZE))
    pen = ImageDraw.Draw(drawn)
    for _ in range(chance.integers(1, 4)):
        x, y = chance.uniform(20, 180), chance.uniform(0, 120)
        length, width = chance.uniform(30, 90), chance.uniform(3, 9)
        rows = np.arange(y, min(y + length, SIZE))
        for row, aside in zip(rows, np.cumsum(chance.normal(0, 0.6, len(rows))), strict=True):
            half = width * chance.uniform(0.4, 1) / 2
            pen.line([(x + aside - half, row), (x + aside + half, row)], fill=255)
    mask = np.asarray(drawn) > 0
    sheet -= gaussian_filter(mask.astype(float), 1.0) * chance.uniform(45, 80)
    return mask


def patches(sheet: Grey, chance: Generator) -> Mask:
    """Dark regions with a grain of their own, an eighth to two fifths of the sheet."""
    field = gaussian_filter(noise(chance), chance.uniform(10, 22))
    mask = field > np.quantile(field, 1 - chance.uniform(0.12, 0.4))
    soft = gaussian_filter(mask.astype(float), 1.5)
    sheet -= soft * chance.uniform(35, 70)
    sheet += soft * gaussian_filter(noise(chance), 1) * 12
    return mask


def scratches(sheet: Grey, chance: Generator) -> Mask:
    """One to four bright straight lines."""
    drawn = Image.new("L", (SIZE, SIZE))
    pen = ImageDraw.Draw(drawn)
    for _ in range(chance.integers(1, 5)):
        x, y = chance.uniform(10, 190), chance.uniform(-40, 120)
        length, slope = chance.uniform(50, 200), chance.normal(0, 0.15)
        width = int(chance.integers(2, 6))
        pen.line([(x, y), (x + slope * length, y + length)], fill=255, width=width)
    mask = np.asarray(drawn) > 0
    sheet += gaussian_filter(mask.astype(float), 0.8) * chance.uniform(40, 90)
    return mask


DEFECTS = (inclusion, patches, scratches)


def draw(seed: int) -> tuple[Image.Image, UInt8[np.ndarray, "y x"]]:
    """A sheet and its mask; the defects take turns."""
    chance, kind = np.random.default_rng(seed), seed % len(DEFECTS)
    sheet = ground(chance)
    truth = DEFECTS[kind](sheet, chance).astype(np.uint8) * np.uint8(kind + 1)
    return Image.fromarray(sheet.clip(0, 255).astype(np.uint8)), truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=840)
    parser.add_argument("--val", type=int, default=150)
    given = parser.parse_args()
    seeds = {"train": range(given.train), "val": range(given.train, given.train + given.val)}
    write_set(given.out, seeds, draw, CLASSES, ".png")


if __name__ == "__main__":
    main()
