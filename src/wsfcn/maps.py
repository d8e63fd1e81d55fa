"""Maps on one grid brought to another: of PyTorch or of NumPy, which alone is imported here."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped


def size_of(maps: Shaped[Any, "*_ h w"]) -> tuple[int, int]:
    """Height and width of a batch of maps."""
    return maps.shape[-2], maps.shape[-1]


CELL = 32
"""Pixels: the coarsest stride of the backbones."""


class Sizes(NamedTuple):
    """In which sizes a network sees pictures best. Without numbers, as they are."""

    crop: int = 0
    """Side of the training crops, in pixels; sizes differ from it by whole cells of 32 pixels. At
    others features lie some pixels off the places that they had in training."""
    least: int = 0
    """Side of the square, in pixels, up to whose area smaller pictures are enlarged."""

    def best(self, size: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
        """The size in which to look at a picture of ``size``, at ``scale`` times it.

        >>> Sizes(crop=224).best((500, 375)), Sizes(224, least=336).best((240, 320))
        ((512, 384), (288, 384))
        >>> Sizes().best((500, 375), 0.5)
        (250, 188)
        """
        scale *= max(1.0, self.least / math.sqrt(size[0] * size[1]))
        height, width = (self._whole(scale * side) for side in size)
        return height, width

    def _whole(self, side: float) -> int:
        if not self.crop:
            return max(1, round(side))
        rest = self.crop % CELL
        return rest + CELL * max(1, round((side - rest) / CELL))


def resize(
    x: Float[Any, "b c _ _"], size: tuple[int, int], *, align_corners: bool
) -> Float[Any, "b c h w"]:
    """Bilinear interpolation to ``size`` = (h, w)."""
    if x.shape[-2:] == size:
        return x
    if isinstance(x, np.ndarray):
        return _columns(_columns(x, size[1], align_corners), size[0], align_corners, axis=-2)
    from torch.nn import functional as F

    return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)


def nearest(
    labels: Shaped[Any, "*b _ _"], size: tuple[int, ...], *, align_corners: bool = False
) -> Shaped[Any, "*b y x"]:
    """Labels, in a tensor, at ``size`` = (y, x): each is that of the nearest place.

    Grids lie on each other by their edges or, with ``align_corners``, by the middles of their
    corner cells, as the masks of a network do on its picture.

    >>> import torch
    >>> nearest(torch.arange(6)[None], (1, 3)).tolist()
    [[1, 3, 5]]
    >>> nearest(torch.arange(6)[None], (1, 3), align_corners=True).tolist()
    [[0, 3, 5]]
    """
    import torch

    for axis, length in zip((-2, -1), size, strict=True):
        count = labels.shape[axis]
        if count != length:
            places = (_places(count, length, align_corners) + 0.5).astype(int)
            labels = labels.index_select(axis, torch.from_numpy(places).to(labels.device))
    return labels


def as_array(x: Shaped[Any, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """A NumPy array of the same values, wherever they are."""
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def _columns(
    x: Float[np.ndarray, "*_"], length: int, align_corners: bool, axis: int = -1
) -> Float[np.ndarray, "*_"]:
    """Linear interpolation along one axis."""
    count = x.shape[axis]
    places = _places(count, length, align_corners)
    low = places.astype(int).clip(0, count - 1)
    share = (places - low).astype(x.dtype)
    result = x.take(low, axis)
    step = x.take((low + 1).clip(0, count - 1), axis)
    step -= result
    step *= share if axis == -1 else share[:, None]
    result += step
    return result


def _places(count: int, length: int, align_corners: bool) -> Float[np.ndarray, "_"]:
    """Where ``length`` cells lie among ``count``."""
    if align_corners:
        return np.arange(length) * ((count - 1) / max(length - 1, 1))
    return ((np.arange(length) + 0.5) * (count / length) - 0.5).clip(0, count - 1)
