"""Whether truth masks fit their pictures, told before anything is measured on them.

Nothing here looks at what a mask shows, but for the values that no class has.
"""

from pathlib import Path

import numpy as np

from wsfcn.errors import DataError, MaskError
from wsfcn.images import read_mask, size_of
from wsfcn.types import IGNORE


def check_size(picture: Path, mask: Path) -> None:
    """Raise MaskError where a mask has another size than its picture; reads their heads alone.

    A picture that cannot be read is not this function's to report.
    """
    found = size_of(mask, MaskError, "mask")
    try:
        expected = size_of(picture)
    except DataError:
        return
    if found != expected:
        raise MaskError(
            f"{mask}: {found[0]} x {found[1]}, its picture {expected[0]} x {expected[1]}; a truth "
            "mask has its picture's size: replace it, or take it away"
        )


def check_values(mask: Path, classes: int) -> None:
    """Raise MaskError for values that are no class, nor 255, which counts nowhere."""
    values = np.unique(read_mask(mask))
    odd = [int(value) for value in values if value >= classes and value != IGNORE]
    if odd:
        raise MaskError(
            f"{mask}: value {odd[0]}, but there are {classes} classes with the background; is it "
            "made for another classes.txt?"
        )
