"""Maps on one grid brought to another: of PyTorch or of NumPy, which alone is imported here."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped


def size_of(maps: Shaped[Any, "*_ h w"]) -> tuple[int, int]:
    """Height and width of a batch of maps."""
    return maps.shape[-2], maps.shape[-1]


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


def nearest(labels: Shaped[Any, "h w"], size: tuple[int, ...]) -> Shaped[Any, "y x"]:
    """Labels, in a tensor, at ``size`` = (y, x)."""
    if labels.shape == size:
        return labels
    from torch.nn import functional as F

    return F.interpolate(labels[None, None].float(), size, mode="nearest")[0, 0].byte()


def as_array(x: Shaped[Any, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """A NumPy array of the same values, wherever they are."""
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def _columns(
    x: Float[np.ndarray, "*_"], length: int, align_corners: bool, axis: int = -1
) -> Float[np.ndarray, "*_"]:
    """Linear interpolation along one axis."""
    count = x.shape[axis]
    if align_corners:
        places = np.arange(length) * ((count - 1) / max(length - 1, 1))
    else:
        places = ((np.arange(length) + 0.5) * (count / length) - 0.5).clip(0, count - 1)
    low = places.astype(int).clip(0, count - 1)
    share = (places - low).astype(x.dtype)
    result = x.take(low, axis)
    step = x.take((low + 1).clip(0, count - 1), axis)
    step -= result
    step *= share if axis == -1 else share[:, None]
    result += step
    return result
