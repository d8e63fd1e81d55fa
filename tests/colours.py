"""A network that needs no training: it sees each class as its colour, and counts its looks."""

from pathlib import Path

import numpy as np
from PIL import Image

from wsfcn.config import DataSettings
from wsfcn.inference.network import Seen
from wsfcn.maps import Sizes
from wsfcn.types import Classes

CLASSES = Classes(("background", "red", "green", "blue"))
PATCHES = Classes(CLASSES.objects)
"""The same without a background: every pixel is red, green or blue."""
NAMES = ("a", "b", "c", "d")
COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]])


class Colours:
    """Soft masks from the distance to a colour; a tag is as probable as its mask is high."""

    longest_side, sizes = 200, Sizes()
    corrected, levels = frozenset(), None

    def __init__(self, classes: Classes = CLASSES) -> None:
        self.classes = classes
        self.looks = 0

    def image(self, pixels):
        return pixels.transpose(2, 0, 1)[None].astype(np.float32)

    def __call__(self, images):
        self.looks += 1
        distances = np.abs(images[:, None] - COLOURS[None, :, :, None, None]).sum(2)
        masks = np.exp(-distances / 60).astype(np.float32)
        masks[:, 0] *= self.classes.background
        masks /= masks.sum(1, keepdims=True)
        return Seen(masks, masks[:, 1:].max((2, 3)))

    def parts(self):
        raise NotImplementedError("no picture here is larger than a tile")


def draw(size=(100, 75), classes: Classes = CLASSES) -> Image.Image:
    """A red square to the left and a smaller green one to the right, on black; without a background
    on blue."""
    pixels = np.full((size[1], size[0], 3), COLOURS[0 if classes.background else 3], np.uint8)
    pixels[10:50, 10:50] = COLOURS[1]
    pixels[20:40, 60:80] = COLOURS[2]
    return Image.fromarray(pixels)


def data_set(root: Path, classes: Classes = CLASSES) -> DataSettings:
    """Squares, tagged."""
    rows = ["image,tags\n"]
    tags = "red green" if classes.background else "red green blue"
    for name in NAMES:
        path = root / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(classes=classes).save(path)
        rows.append(f"images/{name}.png,{tags}\n")
    (root / "tags.csv").write_text("".join(rows))
    (root / "classes.txt").write_text("\n".join(classes.names))
    (root / "val.txt").write_text("d\n")
    return DataSettings(root=root)
