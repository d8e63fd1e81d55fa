"""From class logits to masks, and from masks to image scores.

Paper: Single-Stage Semantic Segmentation from Image Labels (Araslanov and Roth, 2020),
sections 3.1 (normalised global weighted pooling) and 3.2 (focal mask penalty).
"""

import torch
from jaxtyping import Float
from torch import Tensor

NOWHERE = -1e4
"""The logit of a background that there is not: its mask is 0, and float16 holds it."""


def add_background(
    logits: Float[Tensor, "b n h w"], *, empty: bool = False
) -> Float[Tensor, "b n+1 h w"]:
    """Put the background in front: its logit is the constant 1, or that of none where ``empty``."""
    ones = torch.ones_like(logits[:, :1])
    return torch.cat([ones * NOWHERE if empty else ones, logits], 1)


def log_odds(
    probabilities: Float[Tensor, "*shape"], least: float = 1e-6
) -> Float[Tensor, "*shape"]:
    """Odds in logarithms; none is further from even ones than those of a probability of
    ``least``."""
    probabilities = probabilities.clamp(least, 1 - least)
    return torch.log(probabilities / (1 - probabilities))


def image_scores(
    logits: Float[Tensor, "b c h w"], *, power: float = 3.0, floor: float = 0.01
) -> Float[Tensor, "b c-1"]:
    """Score of each object class in each picture; its sigmoid is the tag's probability.

    With masks m = softmax of the logits x: y_k = sum(m_k x_k) / (1 + sum m_k), the pooling,
    plus (1 - mean m_k)^power log(floor + mean m_k), the penalty on small masks.
    """
    masks = logits.softmax(1)[:, 1:]
    pooled = (masks * logits[:, 1:]).sum((2, 3)) / (1 + masks.sum((2, 3)))
    size = masks.mean((2, 3))
    return pooled + (1 - size) ** power * torch.log(floor + size)
