"""The algorithm, as in the paper: one training step from pictures and tags to losses.

Papers: Coupling Global Context and Local Contents for WSSS (Wang et al., 2023), section III;
Single-Stage Semantic Segmentation from Image Labels (Araslanov and Roth, 2020), section 3.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wsfcn.config import PseudoSettings
from wsfcn.losses import mask_loss, tag_loss
from wsfcn.models.layers import resize
from wsfcn.models.segmenter import Segmenter
from wsfcn.pseudo import Candidates, candidates, pseudo_labels
from wsfcn.refine.pamr import pamr
from wsfcn.types import IGNORE, Batch, Losses


def training_losses(
    model: Segmenter, batch: Batch, settings: PseudoSettings, *, warm: bool
) -> Losses:
    """The losses of one batch; until the network is ``warm``, those of the tags alone."""
    prediction = model(batch.image)
    from_tags = tag_loss(prediction.scores, batch.tags)
    if not warm:
        nothing = torch.zeros_like(from_tags)
        return Losses(from_tags, from_tags, nothing, coverage=nothing)

    masks = prediction.logits.detach().softmax(1)
    labels = make_labels(batch, masks, settings)
    logits = resize(prediction.logits, size_of(batch.image), align_corners=True)
    from_masks = mask_loss(logits, labels, batch.tags).mean()
    coverage = (labels != IGNORE).float().mean()
    return Losses(from_tags + from_masks, from_tags, from_masks, coverage)


@torch.no_grad()
def make_labels(
    batch: Batch, masks: Float[Tensor, "b c y x"], settings: PseudoSettings
) -> Int[Tensor, "b h w"]:
    """Pseudo-labels: drop absent classes, refine along the picture's edges, cut."""
    present, classes = candidates(masks, batch.tags)
    guide = resize(batch.image, size_of(masks), align_corners=True)
    refined = pamr(guide, present, settings.pamr_iterations, settings.pamr_dilations)
    refined = resize(refined, size_of(batch.image), align_corners=True)
    return pseudo_labels(
        Candidates(refined, classes),
        object_cutoff=settings.object_cutoff,
        background_cutoff=settings.background_cutoff,
        low=settings.low,
    )


def size_of(maps: Tensor) -> tuple[int, int]:
    """Height and width of a batch of maps."""
    return maps.shape[-2], maps.shape[-1]
