"""Masks of one picture, averaged over views: sizes and mirror images.

Each size runs as it is, without padding; a picture and its mirror image share a batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from wsfcn.inference.tiles import STEP, predict_in_tiles
from wsfcn.models.layers import resize
from wsfcn.models.segmenter import Segmenter


class View(NamedTuple):
    """What the network sees in a picture at one size."""

    masks: Float[Tensor, "1 c h w"]
    """Soft masks on the network's grid; with a mirror image, the mean of both."""
    tags: Float[Tensor, "n"]
    """Probability of each tag; with a mirror image, the higher of both."""


def look(
    model: Segmenter, picture: Image.Image, scale: float = 1.0, *, flip: bool = False, tile: int
) -> View:
    """Run the network on a picture at ``scale`` times its size.

    A view of more than ``tile`` x ``tile`` pixels runs in tiles, its size rounded to whole cells.
    """
    width, height = (side * scale for side in picture.size)
    in_tiles = width * height > tile**2
    step = STEP if in_tiles else 1
    size = (max(1, round(width / step)) * step, max(1, round(height / step)) * step)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    image = TF.to_dtype(TF.pil_to_tensor(picture), torch.float32, scale=True)[None]
    image = image.to(model.mean.device, memory_format=torch.channels_last)
    images = [image, image.flip(-1)] if flip else [image]
    if in_tiles:
        seen = [predict_in_tiles(model, view, tile) for view in images]
    else:
        seen = [model(torch.cat(images))]
    masks = torch.cat([prediction.logits for prediction in seen]).softmax(1)
    scores = torch.cat([prediction.scores for prediction in seen])
    if flip:
        masks = (masks[:1] + masks[1:].flip(-1)) / 2
    return View(masks, scores.sigmoid().amax(0))


def average(
    views: Sequence[View], classes: Sequence[int], size: tuple[int, int]
) -> Float[Tensor, "1 k h w"]:
    """Mean of the masks of ``classes`` over the views, at ``size`` = (h, w)."""
    total = resize(views[0].masks[:, classes], size, align_corners=True)
    for view in views[1:]:
        total += resize(view.masks[:, classes], size, align_corners=True)
    return total / len(views)
