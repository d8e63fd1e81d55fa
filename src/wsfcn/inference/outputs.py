"""What a prediction is, and the files it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from wsfcn.exchange.regions import Regions, regions_of
from wsfcn.files import atomic
from wsfcn.images import overlay, write_mask
from wsfcn.inference.shown import as_html, as_text
from wsfcn.types import Classes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Segmentation:
    """The mask of one picture, and what led to it.

    >>> found = Segmentation(
    ...     mask=np.array([[0, 1, 1]], np.uint8),
    ...     probabilities={
    ...         "background": np.array([[0.8, 0.3, 0.1]], np.float16),
    ...         "cat": np.array([[0.2, 0.7, 0.9]], np.float16),
    ...     },
    ...     tags={"cat": 0.97, "dog": 0.02},
    ...     classes=Classes(("background", "cat", "dog")),
    ...     picture=Image.new("RGB", (3, 1), "white"),
    ... )
    >>> found
    Segmentation(3 x 1: cat 66.7 %)
    >>> [found.classes.names[k] for k in np.unique(found.mask)]
    ['background', 'cat']
    >>> [(item["bbox"], item["area"], item["score"]) for item in found.to_coco()]
    [([1.0, 0.0, 2.0, 1.0], 2, 0.8)]
    >>> found.overlay().getpixel((0, 0)), found.overlay().getpixel((2, 0))
    ((255, 255, 255), (185, 115, 115))
    """

    mask: UInt8[np.ndarray, "h w"]
    """Index of the winning class at each pixel."""
    probabilities: dict[str, Float[np.ndarray, "h w"]]
    """Soft masks (float16) of the background, if any, and of classes that pass the class cut."""
    tags: dict[str, float]
    """Probability that the picture contains each object class."""
    classes: Classes
    picture: Image.Image
    """The picture itself, upright and RGB."""
    taught: bool = False
    """Whether the network learned from a corrected mask of this picture; the files say so."""

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        """In a notebook: picture, overlay and tags."""
        return as_html(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the mask as an indexed PNG with the VOC palette."""
        write_mask(path, self.mask, background=self.classes.background, taught=self.taught)

    def overlay(self) -> Image.Image:
        """The picture with the objects painted over it."""
        return overlay(self.picture, self.mask, background=self.classes.background)

    def save_probabilities(self, path: str | PathLike[str]) -> None:
        """Write the soft masks as ``.npz``: ``classes`` (k names), ``probabilities`` (k h w)."""
        masks = np.stack(list(self.probabilities.values()))
        with atomic(path) as name:
            names = np.array([*self.probabilities])
            also: Any = {"taught": np.array(1)} if self.taught else {}
            np.savez_compressed(name, classes=names, probabilities=masks, **also)

    def to_coco(self, regions: Regions = "classes") -> list[dict[str, Any]]:
        """COCO annotations of the objects: category, RLE, area, box, score.

        Categories count the objects from 1, which with a background is the index in the mask. The
        score is the mean probability over the region's pixels. ``image_id`` is left to add.
        """
        classes = self.classes.with_background
        soft = {classes.index(name): masks for name, masks in self.probabilities.items()}
        return annotations(self.classes.to_channels(self.mask), len(classes), regions, soft)


def annotations(
    mask: UInt8[np.ndarray, "h w"],
    classes: int,
    regions: Regions = "classes",
    probabilities: Mapping[int, Float[np.ndarray, "h w"]] | None = None,
) -> list[dict[str, Any]]:
    """COCO annotations of the objects in a mask, without ``image_id``.

    They have a score where soft masks are given, by class.

    >>> [item["bbox"] for item in annotations(np.array([[0, 2, 2], [1, 0, 2]], np.uint8), 3)]
    [[0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 2.0, 2.0]]
    """
    from pycocotools import mask as rle

    found = []
    for category in range(1, classes):
        for region in regions_of(mask == category, regions):
            code: Any = rle.encode(np.asfortranarray(region, np.uint8))
            item = {
                "category_id": category,
                "segmentation": code | {"counts": code["counts"].decode("ascii")},
                "area": int(rle.area(code)),
                "bbox": rle.toBbox(code).tolist(),
                "iscrowd": 0,
            }
            if probabilities is not None:
                inside = probabilities[category][region]
                item["score"] = round(float(inside.mean(dtype=np.float64)), 4)
            found.append(item)
    return found
