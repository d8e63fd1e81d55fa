"""Class lists: one name a line, the background first; the line number is the index in a mask.

A list that starts with another name has no background: every pixel belongs to a class.
"""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from wsfcn.errors import TagError
from wsfcn.files import read_lines
from wsfcn.types import BACKGROUND, Classes


def _listed(names: str) -> Classes:
    return Classes((BACKGROUND, *names.split(", ")))


VOC = _listed(
    "aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, "
    "motorbike, person, pottedplant, sheep, sofa, train, tvmonitor"
)
"""PASCAL VOC 2012, in the order of its masks."""

COCO = _listed(
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, "
    "fire hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, "
    "bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, "
    "sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, "
    "bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, "
    "carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, "
    "tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, "
    "refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"
)
"""MS COCO, in the order of its category ids."""


def read_classes(path: Path) -> Classes:
    """Read a classes.txt. Raises DataError for no text, TagError where it cannot work."""
    names = tuple(unicodedata.normalize("NFC", name) for name in read_lines(path))
    if BACKGROUND in names[1:]:
        raise TagError(f"{path}, line {names.index(BACKGROUND) + 1}: '{BACKGROUND}' stands first")
    try:
        return Classes(names)
    except TagError as error:
        raise TagError(f"{path}: {error}") from None


def unlike(data: Classes, known: Classes, who: str = "the network") -> str:
    """What to say of data whose classes are others than those that a network knows.

    >>> unlike(Classes(("background", "cat")), Classes(("background", "cat", "dog")))
    'background, cat, but the network knows background, cat, dog'
    >>> unlike(Classes(("background", "cat", "dog")), Classes(("cat", "dog")))
    'background, cat, dog, but the network knows cat, dog; take --data.background none'
    """
    cure = "; take --data.background none" if data == known.with_background else ""
    return f"{', '.join(data.names)}, but {who} knows {', '.join(known.names)}{cure}"


def classes_of_objects(objects: Sequence[str], *, background: bool = True) -> Classes:
    """The background, unless there is none, then the given classes."""
    return Classes((BACKGROUND, *objects) if background else tuple(objects))
