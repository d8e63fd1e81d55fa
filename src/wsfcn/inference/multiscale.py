"""Masks of one picture, averaged over views: sizes and mirror images."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from wsfcn.models.layers import resize
from wsfcn.models.segmenter import Segmenter


def average_views(
    model: Segmenter,
    image: Float[Tensor, "1 3 h w"],
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
) -> tuple[Float[Tensor, "1 c h w"], Float[Tensor, "1 n"]]:
    """Mean of the masks over the views, at the picture's size, and each tag's highest probability.

    Each scale runs at its own size, without padding.
    """
    size = (image.shape[2], image.shape[3])
    masks, tags = [], []
    for scale in scales:
        scaled = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        view = resize(image, scaled, align_corners=False)
        views = torch.cat([view, view.flip(-1)]) if flip else view
        prediction = model(views.contiguous(memory_format=torch.channels_last))
        soft = resize(prediction.logits.softmax(1), size, align_corners=True)
        if flip:
            soft = (soft[:1] + soft[1:].flip(-1)) / 2
        masks.append(soft)
        tags.append(prediction.scores.sigmoid().amax(0, keepdim=True))
    return torch.stack(masks).mean(0), torch.stack(tags).amax(0)
