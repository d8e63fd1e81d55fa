"""From averaged masks to the ones that decide: the background's rule, and clean-up along edges."""

from dataclasses import asdict

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from wsfcn.config import PredictSettings
from wsfcn.inference.tiles import Window, in_tiles
from wsfcn.refine.pamr import pamr


def with_background(
    masks: Float[Tensor, "1 k h w"], settings: PredictSettings
) -> Float[Tensor, "1 k h w"]:
    """Give the background, which comes first, the mask that the settings ask for."""
    if settings.refine == "crf" and settings.background_power is not None:
        if masks.shape[1] > 1:
            masks[:, 0] = (1 - masks[:, 1:].amax(1)) ** settings.background_power
    elif settings.background is not None:
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
        if settings.refine == "pamr":
            return [pamr(image.to(part) / 255, part)]
        return [by_crf(image, part, settings)]

    size = (picture.height, picture.width)
    whole = size[0] * size[1] <= settings.tile**2
    (result,) = in_tiles(refine, size, max(size) if whole else settings.tile)
    return result


def by_crf(
    image: UInt8[Tensor, "1 3 h w"], masks: Float[Tensor, "1 k h w"], settings: PredictSettings
) -> Float[Tensor, "1 k h w"]:
    """Refine the masks of one picture by the dense CRF."""
    from wsfcn.refine.crf import dense_crf  # numba takes its time

    values = masks[0].float().cpu().numpy()
    result = dense_crf(
        image[0].permute(1, 2, 0).numpy(),
        values,
        **asdict(settings.crf),
        device=str(masks.device),
    )
    return torch.from_numpy(result)[None].to(masks)
