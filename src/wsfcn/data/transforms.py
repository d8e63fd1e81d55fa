"""What training does to a picture: crop, flip, colour jitter."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageStat
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as TF

from wsfcn.config import DataSettings
from wsfcn.data.corrected import cropped as cropped_mask
from wsfcn.data.corrected import window
from wsfcn.maps import size_of

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a pixel's brightness (BT.601)."""

TO_YIQ = np.array([GREY, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
"""RGB to brightness and two axes of colour (the NTSC standard's numbers)."""


def to_tensor(picture: Image.Image) -> Float[Tensor, "3 h w"]:
    """A picture as the network takes it: RGB in [0, 1]."""
    return TF.to_dtype(TF.pil_to_tensor(picture), torch.float32, scale=True)


def at_size(image: Float[Tensor, "1 3 h w"], size: tuple[int, int]) -> Float[Tensor, "1 3 y x"]:
    """A picture at ``size`` = (y, x)."""
    if size == size_of(image):
        return image
    return F.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)


def smallest_side(settings: DataSettings) -> int:
    """The side, in pixels, below which a picture's smallest crops would have to be enlarged."""
    return math.ceil(settings.crop / math.sqrt(settings.scale[0] * settings.aspect[0]))


class Crop(NamedTuple):
    """What training sees of a picture."""

    image: Float[Tensor, "3 h w"]
    """RGB in [0, 1]."""
    corrected: UInt8[Tensor, "h w"] | None
    """What a person said of its pixels, where the picture has a corrected mask."""
    labels: UInt8[Tensor, "h w"] | None
    """Its labels, where it has some already."""
    plain: Float[Tensor, "3 h w"] | None = None
    """The same crop in the picture's own colours, where it is asked for."""


Mask = UInt8[np.ndarray, "_ _"] | None
Transform = Callable[..., Crop]
"""From a picture, and its corrected mask and its labels where it has them."""


def training_transform(settings: DataSettings, *, plain: bool = False) -> Transform:
    """Random crop, flip and colour jitter of a picture, and of the masks that go with it.

    The picture may be a reduced one, the masks have sizes of their own. Randomness comes from
    torch's global generator. With ``plain`` the crop is given in its own colours as well.
    """

    def transform(picture: Image.Image, corrected: Mask = None, labels: Mask = None) -> Crop:
        top, left, height, width = crop_of(picture, settings.scale, settings.aspect)
        cropped = picture.resize(
            (settings.crop, settings.crop),
            Image.Resampling.BICUBIC,
            box=(left, top, left + width, top + height),
            reducing_gap=2.0,
        )
        sides = (picture.width, picture.height) * 2
        box = (left, top, left + width, top + height)
        shares = [edge / side for edge, side in zip(box, sides, strict=True)]
        said = None if corrected is None else cropped_mask(corrected, shares, settings.crop)
        made = None if labels is None else window(labels, shares, settings.crop)
        if torch.rand(()) < 0.5:
            cropped = cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            said, made = (None if m is None else np.fliplr(m).copy() for m in (said, made))
        image = to_tensor(jittered(cropped, *drawn(settings.jitter)))
        said, made = (None if m is None else torch.from_numpy(m) for m in (said, made))
        return Crop(image, said, made, to_tensor(cropped) if plain else None)

    return transform


def crop_of(
    picture: Image.Image, scale: tuple[float, float], aspect: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop, its area a part of the picture's in ``scale``.

    Where no such crop fits into a narrow picture it is the largest of an allowed aspect ratio, in
    a random place; torchvision's always lies in the middle, and would never show the rest.
    """
    source: Any = picture
    top, left, height, width = RandomResizedCrop.get_params(source, list(scale), list(aspect))
    free = (picture.height - height, picture.width - width)
    largest = (round(picture.width / aspect[0]), round(picture.height * aspect[1]))
    in_the_middle = (top, left) == (free[0] // 2, free[1] // 2)
    if in_the_middle and any(free) and (height == largest[0] or width == largest[1]):
        top, left = (int(torch.randint(room + 1, ())) for room in free)
    return top, left, height, width


def drawn(strengths: tuple[float, float, float, float]) -> list[float]:
    """Random factors of brightness, contrast and saturation around 1, and a hue around 0."""
    shifts = [strength * (2 * torch.rand(()).item() - 1) for strength in strengths]
    return [*(max(0.0, 1 + shift) for shift in shifts[:3]), shifts[3]]


def jittered(
    picture: Image.Image, brightness: float, contrast: float, saturation: float, hue: float
) -> Image.Image:
    """Brightness, contrast, saturation and hue (in turns) changed, in this order, all at once.

    Each is linear in a pixel's colour, so together they are one matrix and one offset. Hue turns
    the plane of colours of one brightness (YIQ), where torchvision goes through HSV.
    """
    mean = ImageStat.Stat(picture.convert("L")).mean[0] * brightness
    desaturated = saturation * np.eye(3) + (1 - saturation) * np.array([GREY] * 3)
    angle = -2 * math.pi * hue
    turn = np.eye(3)
    turn[1:, 1:] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    colours = np.linalg.inv(TO_YIQ) @ turn @ TO_YIQ @ desaturated
    matrix = colours * brightness * contrast
    offset = colours @ np.full(3, (1 - contrast) * mean)
    rows = np.concatenate([matrix, offset[:, None]], 1)
    return picture.convert("RGB", tuple(rows.flatten().tolist()))
