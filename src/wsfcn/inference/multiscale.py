"""Masks of one picture, averaged over views: sizes and mirror images.

Each size runs as it is, without padding; a picture and its mirror image share a batch.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace
from jaxtyping import Float
from PIL import Image

from wsfcn.inference.network import Network
from wsfcn.inference.tiles import STEP, predict_in_tiles
from wsfcn.maps import resize


class View(NamedTuple):
    """What the network sees in a picture at one size."""

    masks: Float[Any, "1 c h w"]
    """Soft masks on the network's grid; with a mirror image, the mean of both."""
    tags: Float[Any, "n"]
    """Probability of each tag; with a mirror image, the higher of both."""


def look(
    network: Network,
    picture: Image.Image,
    scale: float = 1.0,
    *,
    flip: bool = False,
    tile: int,
    least: int | None = None,
) -> View:
    """Run the network on a picture at ``scale`` times its size.

    That is about the size: the nearest in which the network sees well. A picture of less area than
    a square of ``least`` pixels a side, by default what the network asks for, is enlarged so far at
    first. A view of more than ``tile`` x ``tile`` pixels runs in tiles.
    """
    sizes = network.sizes if least is None else network.sizes._replace(least=least)
    size = sizes.best(picture.size, scale)
    in_tiles = size[0] * size[1] > tile**2
    if in_tiles:
        size = sizes._replace(crop=STEP).best(picture.size, scale)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    image = network.image(np.asarray(picture))
    xp = array_namespace(image)
    images = [image, xp.flip(image, axis=-1)] if flip else [image]
    if in_tiles:
        seen = [predict_in_tiles(network.parts(), view, tile) for view in images]
    else:
        seen = [network(xp.concat(images))]
    masks = xp.concat([each.masks for each in seen])
    tags = xp.concat([each.tags for each in seen])
    if flip:
        masks = (masks[:1] + xp.flip(masks[1:], axis=-1)) / 2
    return View(masks, xp.max(tags, axis=0))


def average(
    views: Sequence[View], classes: Sequence[int], size: tuple[int, int]
) -> Float[Any, "1 k h w"]:
    """Mean of the masks of ``classes`` over the views, at ``size`` = (h, w)."""
    total = sum(resize(view.masks[:, [*classes]], size, align_corners=True) for view in views)
    return total / len(views)
