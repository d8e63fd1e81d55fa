"""From averaged masks to the ones that decide: the background's rule, and clean-up along edges."""

from dataclasses import asdict
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from jaxtyping import Float, UInt8
from PIL import Image

from wsfcn.config import PredictSettings
from wsfcn.inference.tiles import Window, in_tiles
from wsfcn.maps import as_array


def with_background(
    masks: Float[Any, "1 k h w"], settings: PredictSettings
) -> Float[Any, "1 k h w"]:
    """Give the background, which comes first, the mask that the settings ask for."""
    if settings.refine == "crf" and settings.background_power is not None:
        if masks.shape[1] > 1:
            largest = array_namespace(masks).max(masks[:, 1:], axis=1)
            masks[:, 0] = (1 - largest) ** settings.background_power
    elif settings.background is not None:
        masks[:, 0] = settings.background
    return masks


def refined(
    picture: Image.Image, masks: Float[Any, "1 k h w"], settings: PredictSettings
) -> Float[Any, "1 k h w"]:
    """Let the masks follow the picture's edges; large pictures in tiles."""
    if settings.refine == "none" or masks.shape[1] == 1:
        return masks
    pixels = np.asarray(picture).transpose(2, 0, 1)[None]
    refine = {"pamr": by_pamr, "crf": by_crf}[settings.refine]

    def refine_tile(window: Window) -> list[Any]:
        return [refine(window.of(pixels), window.of(masks), settings)]

    size = (picture.height, picture.width)
    whole = size[0] * size[1] <= settings.tile**2
    (result,) = in_tiles(refine_tile, size, max(size) if whole else settings.tile)
    return result


def by_pamr(
    image: UInt8[np.ndarray, "1 3 h w"], masks: Float[Any, "1 k h w"], settings: PredictSettings
) -> Float[Any, "1 k h w"]:
    """Refine the masks of one picture by PAMR, which PyTorch computes."""
    import torch

    from wsfcn.refine.pamr import pamr

    values = torch.as_tensor(masks)
    result = pamr(torch.from_numpy(image.copy()).to(values) / 255, values)
    return result.numpy() if isinstance(masks, np.ndarray) else result


def by_crf(
    image: UInt8[np.ndarray, "1 3 h w"], masks: Float[Any, "1 k h w"], settings: PredictSettings
) -> Float[Any, "1 k h w"]:
    """Refine the masks of one picture by the dense CRF."""
    from wsfcn.refine.crf import dense_crf  # numba takes its time

    xp, where = array_namespace(masks), device(masks)
    result = dense_crf(
        np.ascontiguousarray(image[0].transpose(1, 2, 0)),
        as_array(masks[0]).astype(np.float32),
        **asdict(settings.crf),
        device=str(where),
    )
    return xp.asarray(result[None], dtype=masks.dtype, device=where)
