"""Labels of a second round: those a training makes itself of whole pictures, once, on the way."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from wsfcn.images import read_mask

PASSES = 1_000_003
"""More than there are epochs. A draw is its epoch, and so many more for each time that the epoch
has shown the picture already."""


class SecondRound(NamedTuple):
    """A folder of labels, and the epoch (from 0) from which training learns from them."""

    folder: Path
    epoch: int

    def path(self, name: str) -> Path:
        """The file of a picture's labels."""
        return self.folder / f"{name}.png"

    def labels(self, name: str, draw: int) -> UInt8[np.ndarray, "h w"] | None:
        """The labels of a picture in a draw; None in the first round, and where it has none."""
        path = self.path(name)
        return read_mask(path) if draw % PASSES >= self.epoch and path.exists() else None
