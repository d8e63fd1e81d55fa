"""What training does to a picture: crop, flip, colour jitter."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from wsfcn.config import DataSettings


def to_tensor(picture: Image.Image) -> Float[Tensor, "3 h w"]:
    """A picture as the network takes it: RGB in [0, 1]."""
    return v2.functional.to_dtype(v2.functional.pil_to_tensor(picture), torch.float32, scale=True)


def training_transform(settings: DataSettings) -> Callable[[Image.Image], Float[Tensor, "3 h w"]]:
    """Random crop, flip and colour jitter; the result is RGB in [0, 1].

    Randomness comes from torch's global generator.
    """
    brightness, contrast, saturation, hue = settings.jitter
    return v2.Compose(
        [
            v2.RandomResizedCrop(
                settings.crop,
                scale=settings.scale,
                ratio=settings.aspect,
                interpolation=v2.InterpolationMode.BICUBIC,
            ),
            v2.RandomHorizontalFlip(),
            # On Pillow's 8-bit values, which is several times faster than on a tensor.
            v2.ColorJitter(brightness, contrast, saturation, hue),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
