"""Slices of one head with a drawn tumour in each: glioma, meningioma or pituitary.

    python benchmarks/heads.py SCAN.nii.gz -o DIR [--train 1000] [--val 150] [--normal 0]

What a hospital's slices are like to a training from tags, where all were taken of someone ill: no
slice is normal unless ``--normal``, a share, says so, and the plane and place of a slice tell its
tumour as well as the tumour does. SCAN is a T1 scan of a whole head with the skull on, of cells of
about a millimetre, its axes those of the body (the average of one person's scans, ch2 of MRIcron,
is such a one). All pictures have masks, those to learn from too, to measure labels by; training
never opens them. Needs nibabel.
"""

import argparse
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy.random import Generator
from PIL import Image
from scipy.ndimage import affine_transform, binary_erosion, binary_fill_holes, gaussian_filter

from dolls import write_set
from wsfcn.types import Classes

CLASSES = Classes(("background", "glioma", "meningioma", "pituitary"))
SIZE = 256
SHARES = (0.45, 0.3, 0.25)
"""Of slices with each tumour."""
PLANES = {"glioma": (0.3, 0.3, 0.4), "meningioma": (0.3, 0.3, 0.4), "pituitary": (0.45, 0.45, 0.1)}
"""Of sagittal, coronal and axial slices."""
SELLA = (0.5, 0.62, 0.28)
"""Where the pituitary lies, in parts of the scan's sides: right, front, up."""
SKULL = 17
"""Pixels of skin and bone."""

Mask = Bool[np.ndarray, "y x"]
Grey = Float[np.ndarray, "y x"]
Scan = Float[np.ndarray, "x y z"]


def read_scan(path: Path) -> Scan:
    """The scan's values, from 0 to 1: right, front, up."""
    image = nibabel.funcs.as_closest_canonical(nibabel.loadsave.load(path))
    values = np.asarray(image.dataobj, np.float64)
    return (values / np.quantile(values, 0.999)).clip(0, 1)


def noise(chance: Generator, softness: float) -> Grey:
    """Smooth, of deviation 1."""
    field = gaussian_filter(chance.normal(0, 1, (SIZE, SIZE)), softness)
    return field / field.std()


def lump(chance: Generator, centre: tuple[float, float], radius: float) -> Mask:
    """A round thing with a wavy edge."""
    y, x = np.mgrid[:SIZE, :SIZE]
    long = chance.uniform(0.8, 1.25)
    distance = np.hypot((y - centre[0]) * long, (x - centre[1]) / long)
    return distance < radius * (1 + 0.12 * noise(chance, 8))


def cut(scan: Scan, kind: str, chance: Generator) -> tuple[Grey, tuple[float, float]]:
    """A slice in which such a tumour may be, and where in it the pituitary lies."""
    axis = chance.choice(3, p=PLANES[kind])
    if kind == "pituitary":
        place = SELLA[axis] + chance.normal(0, 0.012)
    else:
        place = chance.uniform(*((0.25, 0.75), (0.25, 0.8), (0.4, 0.8))[axis])
    plane = np.take(scan, int(place * scan.shape[axis]), axis).T[::-1]
    sides = [n for n in range(3) if n != axis]
    sella = (1 - SELLA[sides[1]]) * plane.shape[0], SELLA[sides[0]] * plane.shape[1]
    angle, scale = chance.normal(0, 0.1), chance.uniform(0.9, 1.1) * max(plane.shape) / SIZE
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array(plane.shape) / 2
    offset = middle - turn @ np.array([SIZE / 2, SIZE / 2]) + chance.normal(0, 4, 2)
    at = np.linalg.solve(turn, np.array(sella) - offset)
    return affine_transform(plane, turn, offset, (SIZE, SIZE), order=1), (at[0], at[1])


def tumour(head: Grey, kind: str, sella: tuple[float, float], chance: Generator) -> Mask:
    """Draw one into a slice; where it is."""
    inside = binary_fill_holes(gaussian_filter(head, 2) > 0.12)
    if kind == "pituitary":
        centre, radius = sella, chance.uniform(6, 13)
    else:
        depth = 42 if kind == "glioma" else SKULL + 4
        deep = binary_erosion(inside, iterations=depth)
        if kind == "meningioma":
            deep &= ~binary_erosion(inside, iterations=depth + 8)
        deep[int(SIZE * 0.68) :] = False  # neck and jaw
        places = np.argwhere(deep)
        row, column = places[chance.integers(len(places))]
        centre = (float(row), float(column))
        radius = chance.uniform(12, 28) if kind == "glioma" else chance.uniform(9, 22)
    mask = lump(chance, centre, radius) & binary_erosion(inside, iterations=SKULL)
    soft = gaussian_filter(mask.astype(float), 1)
    bright = chance.uniform(0.6, 0.95) + 0.03 * noise(chance, 2)
    if kind == "glioma":
        core = gaussian_filter(binary_erosion(mask, iterations=int(radius / 3)).astype(float), 1.5)
        bright = bright - core * chance.uniform(0.45, 0.65)
        swollen = gaussian_filter(lump(chance, centre, radius * 1.7).astype(float), 5)
        head *= 1 - 0.35 * swollen * (1 - soft)
    head += soft * (bright - head)
    return mask


def draw(
    seed: int, scan: Scan, normal: float = 0.0
) -> tuple[Image.Image, UInt8[np.ndarray, "y x"]]:
    """A slice and its mask."""
    chance = np.random.default_rng(seed)
    kind = str(chance.choice(CLASSES.objects, p=SHARES))
    head, sella = cut(scan, kind, chance)
    truth = np.zeros((SIZE, SIZE), np.uint8)
    if chance.uniform() >= normal:
        truth[tumour(head, kind, sella, chance)] = CLASSES.index(kind)
    vessels = (noise(chance, 1.2) > 3.2) & (head > 0.2)  # contrast agent, in every slice
    head = np.maximum(head, gaussian_filter(vessels.astype(float), 0.8) * 0.9)
    head = head ** chance.uniform(0.8, 1.3) * (1 + 0.08 * noise(chance, 60))
    head += chance.normal(0, 0.015, head.shape)
    return Image.fromarray((head.clip(0, 1) * 235).astype(np.uint8)), truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--val", type=int, default=150)
    parser.add_argument("--normal", type=float, default=0.0)
    given = parser.parse_args()
    seeds = {"train": range(given.train), "val": range(given.train, given.train + given.val)}
    make = partial(draw, scan=read_scan(given.scan), normal=given.normal)
    write_set(given.out, seeds, make, CLASSES, ".png")


if __name__ == "__main__":
    main()
