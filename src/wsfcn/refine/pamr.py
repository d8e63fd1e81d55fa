"""Pixel-adaptive mask refinement (PAMR): masks follow the picture's edges.

Paper: Single-Stage Semantic Segmentation from Image Labels (Araslanov and Roth, 2020), section 3.2.
Each mask value becomes a weighted mean of 48 neighbours, weighted by likeness of colour, ten times
over. Masks do not touch each other, so refining the present classes alone gives the same result.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

DILATIONS = (1, 2, 4, 8, 12, 24)
OFFSETS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))


def pamr(
    image: Float[Tensor, "b 3 h w"],
    masks: Float[Tensor, "b k h w"],
    iterations: int = 10,
    dilations: Sequence[int] = DILATIONS,
) -> Float[Tensor, "b k h w"]:
    """Refine ``masks`` along the edges of ``image`` (RGB in [0, 1], of the masks' size)."""
    if iterations == 0:
        return masks
    weights = affinities(image, dilations)
    for _ in range(iterations):
        refined = torch.zeros_like(masks)
        for n, neighbour in enumerate(neighbours(masks, dilations)):
            refined.addcmul_(neighbour, weights[:, n, None])
        masks = refined
    return masks


def affinities(
    image: Float[Tensor, "b 3 h w"], dilations: Sequence[int] = DILATIONS
) -> Float[Tensor, "b n h w"]:
    """Weight of each neighbour, summing to one: softmax of -|I_i - I_j| / (0.1 s), mean over RGB.

    s is the deviation of the channel over all positions of all dilations, the centre counted
    once a dilation.
    """
    count = len(dilations) * (len(OFFSETS) + 1)
    total = len(dilations) * image
    squares = len(dilations) * image.square()
    for neighbour in neighbours(image, dilations):
        total = total + neighbour
        squares = squares.addcmul(neighbour, neighbour)
    variance = (squares - total.square() / count).clamp(min=0) / (count - 1)
    scale = 1e-8 + 0.1 * variance.sqrt()
    logits = [
        -((image - neighbour).abs() / scale).mean(1) for neighbour in neighbours(image, dilations)
    ]
    return torch.stack(logits, 1).softmax(1)


def neighbours(
    x: Float[Tensor, "b c h w"], dilations: Sequence[int]
) -> Iterator[Float[Tensor, "b c h w"]]:
    """``x`` shifted to each of the 8 neighbours at each dilation; borders are replicated."""
    reach = max(dilations)
    height, width = x.shape[2:]
    padded = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    for dilation in dilations:
        for dy, dx in OFFSETS:
            top, left = reach + dy * dilation, reach + dx * dilation
            yield padded[:, :, top : top + height, left : left + width]
