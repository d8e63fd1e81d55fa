"""The losses: tags against image scores, pseudo-labels and known labels against masks."""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from wsfcn.types import IGNORE

SPARSE = 0.25
"""How the weight of known labels grows with their area: 0 not at all, 1 in proportion."""


def tag_loss(scores: Float[Tensor, "b n"], tags: Float[Tensor, "b n"]) -> Float[Tensor, ""]:
    """Multi-label soft margin: the mean binary cross-entropy of the scores' sigmoids."""
    return F.multilabel_soft_margin_loss(scores, tags)


def mask_loss(
    logits: Float[Tensor, "b c h w"],
    labels: Int[Tensor, "b h w"],
    balance: float = 1.0,
    rarity: Float[Tensor, "c"] | None = None,
) -> Float[Tensor, "b"]:
    """Class-balanced cross-entropy of each picture against its labels (AE, section 3.2).

    A pixel of class k weighs ((N - N_k) / (1 + N)) ** balance, with N_k of the picture's N labelled
    pixels; the loss is the mean over all pixels. ``rarity`` is a further weight of each class.
    """
    labelled = labels != IGNORE
    safe = labels.where(labelled, 0)
    sizes = torch.zeros(len(labels), logits.shape[1], device=logits.device)
    sizes.scatter_add_(1, safe.flatten(1), labelled.flatten(1).float())
    total = sizes.sum(1, keepdim=True)
    weights = (
        ((total - sizes) / (1 + total)).pow(balance).gather(1, safe.flatten(1)).view(safe.shape)
    )
    if rarity is not None:
        weights = weights * rarity[safe]
    loss = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
    return (weights * loss).mean((1, 2))


def dice_loss(
    logits: Float[Tensor, "b c h w"], labels: Int[Tensor, "b h w"], classes: Bool[Tensor, "c"]
) -> Float[Tensor, ""]:
    """Soft Dice loss over the labelled pixels of a batch: the mean over those of ``classes`` that
    have any, 0 where none has.

    V-Net (Milletari et al., 2016), section 3, with 1 added above and below, and sums in place of
    sums of squares. A class counts alike however small it is.
    """
    labelled = (labels != IGNORE)[:, None]
    chosen = classes.nonzero()[:, 0]
    masks = logits.softmax(1)[:, chosen] * labelled
    truth = labels[:, None] == chosen[:, None, None]
    both, each = (masks * truth).sum((0, 2, 3)), (masks + truth.float()).sum((0, 2, 3))
    there = truth.any(3).any(2).any(0)
    losses = 1 - (2 * both + 1) / (each + 1)
    return (losses * there).sum() / there.sum().clamp(min=1)


def complete(
    labels: Shaped[Tensor, "b h w"],
    tags: Float[Tensor, "b n"],
    shown: Bool[Tensor, "b c"] | None = None,
    *,
    background: bool = True,
) -> Bool[Tensor, "b"]:
    """Whether the background (if there is one) and every tagged class got a pixel of a picture.

    Where not, its labels cannot be trusted (AE, section 3.2, and its code). Classes that are
    ``shown`` in some other way need no pixel.
    """
    found = classes_in(labels, tags.shape[1] + 1)
    if shown is not None:
        found |= shown
    return (found[:, 1:] | (tags == 0)).all(1) & (found[:, 0] | (not background))


def classes_in(labels: Shaped[Tensor, "b h w"], classes: int) -> Bool[Tensor, "b c"]:
    """Which classes, the background among them, each picture's labels have."""
    found = torch.zeros(len(labels), IGNORE + 1, dtype=torch.bool, device=labels.device)
    found.scatter_(1, labels.flatten(1).long(), True)
    return found[:, :classes]


def labelled_loss(
    logits: Float[Tensor, "b c h w"], labels: Int[Tensor, "b h w"]
) -> Float[Tensor, "b"]:
    """Cross-entropy of each picture against what a person said of it; 0 where nothing was said.

    The mean over the pixels with a label, times their share of the picture to the power `SPARSE`.
    So a whole mask weighs as full supervision of its picture does, and a point, which by its area
    would weigh nothing and by itself as much as a whole mask, is between the two.
    """
    share = (labels != IGNORE).float().mean((1, 2))
    loss = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none").mean((1, 2))
    return loss * share.clamp(min=1e-12).pow(SPARSE - 1)
