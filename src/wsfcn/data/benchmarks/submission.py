"""The archive that the PASCAL VOC evaluation server takes."""

import tarfile
from pathlib import Path

import numpy as np

from wsfcn.data.benchmarks.voc import find_devkit, read_names
from wsfcn.data.classes import VOC
from wsfcn.errors import MaskError
from wsfcn.files import atomic, need_suffix
from wsfcn.images import decoding, read_mask, size_of

FOLDER = "results/VOC2012/Segmentation/comp6_test_cls"
"""Where the server looks for masks: trained with any data but the test set's truth."""


def write_submission(masks: Path, root: Path, out: Path) -> int:
    """Pack the masks of all test pictures into a ``.tgz``; returns their number.

    ``root`` holds the devkit, whose test list and pictures say what must be there and how large.
    Raises MaskError for a mask that is missing, not indexed, of another size, or with values that
    are no class; then nothing is written.
    """
    need_suffix(out, ".tgz", ".tar.gz")
    devkit = find_devkit(root)
    names = read_names(devkit / "ImageSets" / "Segmentation" / "test.txt")
    absent = [name for name in names if not (masks / f"{name}.png").exists()]
    if absent:
        raise MaskError(
            f"{masks}: {len(absent)} of {len(names)} test masks are missing, the first is "
            f"{absent[0]}.png; segment all test pictures"
        )
    for name in names:
        check_mask(masks / f"{name}.png", devkit / "JPEGImages" / f"{name}.jpg")
    with atomic(out) as temporary, tarfile.open(temporary, "w:gz") as archive:
        for name in names:
            archive.add(masks / f"{name}.png", f"{FOLDER}/{name}.png")
    return len(names)


def check_mask(path: Path, picture: Path) -> None:
    """Raise MaskError where the server would refuse a mask, or misread it."""
    with decoding(path, MaskError, "mask") as mask:
        if mask.mode != "P":
            raise MaskError(f"{path}: the server takes indexed PNGs, this one is {mask.mode}")
        size = mask.size
    values = read_mask(path)
    if values.max(initial=0) >= len(VOC):
        raise MaskError(f"{path}: value {np.max(values)}, but VOC has {len(VOC)} classes")
    if picture.exists():
        original = size_of(picture)
        if original != size:
            raise MaskError(
                f"{path}: {size[0]} x {size[1]}, its picture {original[0]} x {original[1]}; masks "
                "keep the original size"
            )
