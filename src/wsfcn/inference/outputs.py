"""What a prediction is, and the files it becomes."""

from dataclasses import dataclass
from os import PathLike

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from wsfcn.images import overlay, write_mask
from wsfcn.types import Classes


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """The mask of one picture, and what led to it."""

    mask: UInt8[np.ndarray, "h w"]
    """Index of the winning class at each pixel."""
    probabilities: Float[np.ndarray, "c h w"]
    """Soft masks; those of classes below the class cut are 0."""
    tags: dict[str, float]
    """Probability that the picture contains each object class."""
    classes: Classes
    picture: Image.Image
    """The picture itself, upright and RGB."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write the mask as an indexed PNG with the VOC palette."""
        write_mask(path, self.mask)

    def overlay(self) -> Image.Image:
        """The picture with the objects painted over it."""
        return overlay(self.picture, self.mask)
