"""From soft masks, or class activation maps, and tags to pseudo-labels.

Papers: Single-Stage Semantic Segmentation from Image Labels (Araslanov and Roth, 2020), section
3.2, for labels from masks; Learning Deep Features for Discriminative Localization (Zhou et al.,
2016) for activation maps, and Token Contrast for WSSS (Ru et al., 2023), section 3.3, for their two
thresholds with uncertain pixels between them.
Only the background and the tagged classes of a picture can get a pixel, so everything between
masks and labels works on these alone: its *candidates*.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from wsfcn.types import IGNORE, Prediction

FAINT = 0.5
"""A local mask whose maximum is lower is not stretched to 1: its crop may miss the class."""


class Candidates(NamedTuple):
    """Masks of the background and the tagged classes, padded to the batch's largest number.

    ``classes`` holds their indices; where a picture has fewer, its last masks are 0.
    """

    masks: Float[Tensor, "b k h w"]
    classes: Int[Tensor, "b k"]
    local: Bool[Tensor, "b k"] | None = None
    """Which masks show what is small, and perhaps not in this crop at all."""


def candidates(masks: Float[Tensor, "b c h w"], tags: Float[Tensor, "b c-1"]) -> Candidates:
    """Drop the masks of absent classes."""
    present = torch.cat([torch.ones_like(tags[:, :1]), tags], 1).to(masks.dtype)
    most = int((present > 0).sum(1).max())
    classes = present.argsort(dim=1, descending=True, stable=True)[:, :most]
    kept = masks.gather(1, classes[..., None, None].expand(-1, -1, *masks.shape[2:]))
    return Candidates(kept * present.gather(1, classes)[..., None, None], classes)


def pseudo_labels(
    candidates: Candidates,
    *,
    object_cutoff: float = 0.6,
    background_cutoff: float = 0.7,
    low: float = 0.2,
) -> Int[Tensor, "b h w"]:
    """Hard labels: class k where its mask exceeds max(low, cutoff * the mask's maximum).

    A pixel of no class, or of several, is left out (255).
    """
    masks, classes, _ = candidates
    peak = masks.amax((2, 3), keepdim=True)
    is_object = (classes > 0)[..., None, None]
    cutoff = torch.where(is_object, object_cutoff, background_cutoff)
    belongs = masks > (cutoff * peak).clamp(min=low)
    winner = belongs.to(torch.uint8).argmax(1)
    labels = classes.gather(1, winner.flatten(1)).view_as(winner)
    return labels.masked_fill(belongs.sum(1) != 1, IGNORE)


def beyond(prediction: Prediction, prior: Float[Tensor, "n"]) -> Prediction:
    """Activations as evidence beyond the ``prior`` odds of a class, 0 of rare ones.

    Their mean is the logit of the tag: that of a frequent class is above 0 wherever one looks, so
    that its map covers the picture, the background with it (logit adjustment, Menon et al., 2021,
    section 3).
    """
    if prediction.activations is None:
        return prediction
    found = prediction.activations - prior.to(prediction.activations.device)[:, None, None]
    return prediction._replace(activations=found)


def activation_masks(
    activations: Float[Tensor, "b n y x"], tags: Float[Tensor, "b n"]
) -> Float[Tensor, "b n+1 y x"]:
    """Positive activations of tagged classes, each with maximum 1; the background's mask is 0."""
    objects = activations.relu() * tags[..., None, None]
    objects = objects / objects.amax((2, 3), keepdim=True).clamp(min=1e-4)
    return torch.cat([torch.zeros_like(objects[:, :1]), objects], 1)


def object_masks(
    masks: Float[Tensor, "b c h w"], tags: Float[Tensor, "b c-1"]
) -> Float[Tensor, "b c h w"]:
    """Masks of the tagged classes, as probabilities among these and the background; which is 0."""
    tagged = masks[:, 1:] * tags[..., None, None]
    tagged = tagged / (masks[:, :1] + tagged.sum(1, keepdim=True))
    return torch.cat([torch.zeros_like(masks[:, :1]), tagged], 1)


def shares(
    masks: Float[Tensor, "b c h w"], tags: Float[Tensor, "b c-1"]
) -> Float[Tensor, "b c h w"]:
    """Masks as shares of the tagged classes, where every pixel belongs to one of them.

    Of a lone tag that is the whole picture.
    """
    objects = (masks[:, 1:] + 1e-3) * tags[..., None, None]
    objects = objects / objects.sum(1, keepdim=True).clamp(min=1e-6)
    return torch.cat([torch.zeros_like(objects[:, :1]), objects], 1)


def banded_labels(
    candidates: Candidates, *, high: float = 0.55, low: float = 0.25, background: bool = True
) -> Int[Tensor, "b h w"]:
    """Hard labels: the strongest class where it exceeds ``high`` of its maximum; what is small
    (``candidates.local``) goes before what is large, on which it lies.

    A pixel is background, if there is one, where no class exceeds ``low`` of its maximum; the rest
    is left out (255).
    """
    masks, classes, local = candidates
    peak = masks.amax((2, 3), keepdim=True).clamp(min=1e-4)
    if local is not None:
        peak = torch.where(local[..., None, None], peak.clamp(min=FAINT), peak)
    masks = masks / peak
    first = masks if local is None else masks + (local[..., None, None] & (masks > high))
    winner = first.argmax(1)
    strength = masks.gather(1, winner[:, None])[:, 0]
    labels = classes.gather(1, winner.flatten(1)).view_as(winner)
    uncertain = torch.where(strength < low, 0 if background else IGNORE, IGNORE)
    return torch.where(strength > high, labels, uncertain)
