"""From averaged masks to the ones that decide: the background's rule, and clean-up along edges."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from wsfcn.config import PredictSettings
from wsfcn.inference.tiles import Window, in_tiles
from wsfcn.refine.pamr import pamr


def with_background(
    masks: Float[Tensor, "1 k h w"], settings: PredictSettings
) -> Float[Tensor, "1 k h w"]:
    """Give the background, which comes first, the mask that the settings ask for."""
    if settings.background is not None:
        masks[:, 0] = settings.background
    return masks


def refined(
    picture: Image.Image, masks: Float[Tensor, "1 k h w"], settings: PredictSettings
) -> Float[Tensor, "1 k h w"]:
    """Let the masks follow the picture's edges; large pictures in tiles."""
    if settings.refine == "none" or masks.shape[1] == 1:
        return masks
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]

    def refine(window: Window) -> list[Tensor]:
        image, part = window.of(pixels), window.of(masks)
        return [pamr(image.to(part) / 255, part)]

    size = (picture.height, picture.width)
    whole = size[0] * size[1] <= settings.tile**2
    (result,) = in_tiles(refine, size, max(size) if whole else settings.tile)
    return result
