"""Whether truth and corrected masks fit their pictures, told before anything is done with them.

Nothing here looks at what a mask shows, but for the values that no class has.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from wsfcn.errors import DataError, MaskError
from wsfcn.images import read_mask, size_of
from wsfcn.types import IGNORE


class Truth(NamedTuple):
    """The truth mask of a picture."""

    path: Path
    mark: int | None = None
    """The class that all values but 0 stand for; None where the values are classes."""

    def read(self) -> UInt8[np.ndarray, "h w"]:
        """Class indices; only evaluation asks for them. Raises MaskError."""
        mask = read_mask(self.path)
        return mask if self.mark is None else np.where(mask > 0, self.mark, 0).astype(np.uint8)


def check_size(picture: Path, mask: Path, kind: str = "truth") -> None:
    """Raise MaskError where a mask has another size than its picture; reads their heads alone.

    ``kind`` is what the message calls the mask. A picture that cannot be read is not this
    function's to report.
    """
    found = size_of(mask, MaskError, "mask")
    try:
        expected = size_of(picture)
    except DataError:
        return
    if found != expected:
        raise MaskError(
            f"{mask}: {found[0]} x {found[1]}, its picture {expected[0]} x {expected[1]}; a {kind} "
            "mask has its picture's size: replace it, or take it away"
        )


def check_values(truth: Truth, classes: int) -> None:
    """Raise MaskError for values that are no class, nor 255, which counts nowhere."""
    values = np.unique(truth.read())
    odd = [int(value) for value in values if value >= classes and value != IGNORE]
    if odd:
        raise MaskError(
            f"{truth.path}: value {odd[0]}, but there are {classes} classes with the background; "
            "is it made for another classes.txt?"
        )
