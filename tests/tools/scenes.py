"""Masks and pictures to carry to the tools and back."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from wsfcn.files import write_lines
from wsfcn.images import read_mask, write_mask

CLASSES = ("background", "cat", "traffic light", "Gänseblümchen")
REAL = Path(__file__).parents[3] / "shared/data/voc-animals"
"""Real masks, used where they are present."""


def drawn_mask(seed: int, height: int, width: int) -> np.ndarray:
    """Ragged regions with holes, islands in holes, and parts that touch at corners."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for k in range(1, len(CLASSES)):
        field = gaussian_filter(rng.standard_normal((height, width)), 5 + 2 * k)
        mask[field > np.quantile(field, 0.82)] = k
    rows, columns = np.indices((height, width))
    radius = np.hypot(rows - height / 2, columns - width / 2)
    mask[(radius < 40) & (radius > 25)] = 1
    mask[radius < 12] = 2
    return mask


def make_folder(folder: Path) -> tuple[Path, Path]:
    """Masks with their classes, and the pictures they belong to, in folders of folders."""
    masks, pictures = folder / "masks", folder / "pictures"
    write_lines(masks / "classes.txt", CLASSES)
    for seed in range(4):
        mask = drawn_mask(seed, 161 + 20 * seed, 240)
        save(mask, f"day {seed % 2}/{seed:03}", masks, pictures)
    save(np.zeros((50, 60), np.uint8), "empty", masks, pictures)
    for path in sorted((REAL / "masks").glob("2007*.png"))[:20] if REAL.is_dir() else []:
        mask = read_mask(path)
        save(np.where(mask < len(CLASSES), mask, 0).astype(np.uint8), path.stem, masks, pictures)
    return masks, pictures


def save(mask: np.ndarray, name: str, masks: Path, pictures: Path) -> None:
    """A mask and a picture of its size."""
    write_mask(masks / f"{name}.png", mask)
    (pictures / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", mask.shape[::-1], "white").save(pictures / f"{name}.png")
