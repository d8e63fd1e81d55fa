"""The two losses: tags against image scores, pseudo-labels against masks."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from wsfcn.types import IGNORE


def tag_loss(scores: Float[Tensor, "b n"], tags: Float[Tensor, "b n"]) -> Float[Tensor, ""]:
    """Multi-label soft margin: the mean binary cross-entropy of the scores' sigmoids."""
    return F.multilabel_soft_margin_loss(scores, tags)


def mask_loss(
    logits: Float[Tensor, "b c h w"],
    labels: Int[Tensor, "b h w"],
    tags: Float[Tensor, "b c-1"],
    balance: float = 1.0,
) -> Float[Tensor, "b"]:
    """Class-balanced cross-entropy of each picture against its pseudo-labels.

    A pixel of class k weighs ((N - N_k) / (1 + N)) ** balance, with N_k of the picture's N labelled
    pixels; the loss is the mean over all pixels. A picture in which the background or a tagged
    class got no pixel has loss 0: its labels cannot be trusted (AE, section 3.2, and its code).
    """
    count = logits.shape[1]
    labelled = labels != IGNORE
    safe = labels.where(labelled, 0)
    sizes = torch.zeros(len(labels), count, device=logits.device)
    sizes.scatter_add_(1, safe.flatten(1), labelled.flatten(1).float())
    total = sizes.sum(1, keepdim=True)
    weights = (
        ((total - sizes) / (1 + total)).pow(balance).gather(1, safe.flatten(1)).view(safe.shape)
    )
    loss = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
    complete = ((sizes[:, 1:] > 0) | (tags == 0)).all(1) & (sizes[:, 0] > 0)
    return (weights * loss).mean((1, 2)) * complete
