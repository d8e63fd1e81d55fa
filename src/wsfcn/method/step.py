"""The algorithm, as in the paper: one training step from pictures and tags to losses.

Papers: Coupling Global Context and Local Contents for WSSS (Wang et al., 2023), section III;
Single-Stage Semantic Segmentation from Image Labels (Araslanov and Roth, 2020), section 3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from wsfcn.config import PseudoSettings
from wsfcn.maps import nearest, resize, size_of
from wsfcn.method.losses import (
    classes_in,
    complete,
    dice_loss,
    labelled_loss,
    mask_loss,
    tag_loss,
)
from wsfcn.method.pseudo import (
    Candidates,
    activation_masks,
    banded_labels,
    beyond,
    candidates,
    object_masks,
    pseudo_labels,
    shares,
)
from wsfcn.models.evidence import LEVEL, margins_of
from wsfcn.models.segmenter import Segmenter
from wsfcn.refine.pamr import pamr
from wsfcn.types import IGNORE, Batch, Losses, Prediction


def training_losses(
    model: Segmenter,
    batch: Batch,
    settings: PseudoSettings,
    *,
    warm: bool,
    own_share: float = 0.0,
    teacher: Segmenter | None = None,
    prior: Float[Tensor, "n"] | None = None,
) -> Losses:
    """The losses of one batch; until the network is ``warm``, those of the tags alone.

    ``own_share`` is the weight of the network's own masks in labels from activations, and ``prior``
    the odds of each class, beyond which activations count. A
    ``teacher``, the moving average of the network in evaluation mode, makes the labels in its place
    (Mean Teachers, Tarvainen and Valpola, 2017). What people said of a pixel is its label, and
    so is what a second round is sure of; the rest of such pictures goes on with tags.
    """
    if not warm:
        from_tags = tag_loss(model.scores(batch.image), batch.tags)
        nothing = torch.zeros_like(from_tags)
        return Losses(from_tags, from_tags, nothing, coverage=nothing)

    prediction = model(batch.image)
    from_tags = tag_loss(prediction.scores, batch.tags)
    with torch.no_grad():
        taught = teacher(batch.image) if teacher else prediction
        taught = taught if prior is None else beyond(taught, prior)
    local = local_masks(model, batch)
    if local:
        begin_where_told(model, batch, taught, local)
    labels, coverage = trusted_labels(batch, taught, settings, own_share, local)
    learned = resize(prediction.learned, size_of(labels), align_corners=True)
    rarity = model.evidence.rarity if local and model.evidence else None
    from_masks = mask_loss(learned, labels, settings.balance, rarity).mean()
    if local and settings.dice:
        from_masks = from_masks + settings.dice * dice_loss(learned, labels, local.classes)
    if batch.corrected is not None:
        from_people = said_loss(prediction, batch.corrected, settings.dice)
        from_masks = from_masks + settings.corrected_weight * from_people
    return Losses(from_tags + from_masks, from_tags, from_masks, coverage)


@torch.no_grad()
def trusted_labels(
    batch: Batch,
    prediction: Prediction,
    settings: PseudoSettings,
    own_share: float,
    local: "LocalMasks | None",
) -> tuple[Int[Tensor, "b y x"], Float[Tensor, ""]]:
    """The labels of a batch, after a prediction of it, and the share of pixels that have one.

    Where a second round is sure, the labels are its own. The others are those of the step, but for
    pictures in which they leave out a tagged class. Cells of which a person spoke have none here.
    """
    labels = make_labels(batch, prediction, settings, own_share, local)
    size, classes = size_of(labels), prediction.logits.shape[1]
    said, made = torch.zeros_like(labels, dtype=torch.bool), torch.full_like(labels, IGNORE)
    if batch.labels is not None:
        made = nearest(batch.labels, size, align_corners=True).long()
    shown = classes_in(made, classes)
    if batch.corrected is not None:
        said = said_cells(batch.corrected, size)
        shown |= classes_in(batch.corrected, classes)
    made = made.masked_fill(said, IGNORE)
    known = said | (made != IGNORE)
    coverage = ((labels != IGNORE) | known).float().mean()
    # A crop may miss what is small: a class without a pixel then says nothing against the labels.
    expected = batch.tags if local is None else batch.tags * ~local.classes[1:]
    labels = labels.masked_fill(known, IGNORE)
    trusted = complete(labels, expected, shown, background=prediction.background)
    return labels.masked_fill(~trusted[:, None, None], IGNORE).where(made == IGNORE, made), coverage


def said_loss(
    prediction: Prediction, corrected: UInt8[Tensor, "b h w"], dice: float
) -> Float[Tensor, ""]:
    """The mean over the pictures of `labelled_loss`, and ``dice`` times the Dice loss of what was
    drawn in them, the background aside.

    It is computed at the crop's full size, so that a scribble of one pixel's width counts, and for
    those pictures alone of which something was said.
    """
    who = (corrected != IGNORE).flatten(1).any(1).nonzero()[:, 0]
    if not len(who):
        return prediction.logits.new_zeros(())
    logits = resize(prediction.learned[who], size_of(corrected), align_corners=True)
    labels = corrected[who].long()
    loss = labelled_loss(logits, labels).mean()
    if dice:
        objects = torch.arange(logits.shape[1], device=logits.device) > 0
        loss = loss + dice * dice_loss(logits, labels, objects)
    return loss * len(who) / len(corrected)


def said_cells(corrected: UInt8[Tensor, "b h w"], size: tuple[int, int]) -> Bool[Tensor, "b y x"]:
    """Cells of a grid of ``size`` in which a person said something of a pixel."""
    return F.adaptive_max_pool2d((corrected != IGNORE).float(), size) > 0


class LocalMasks(NamedTuple):
    """Masks from local evidence, and the classes whose labels they make."""

    masks: Float[Tensor, "b c y x"]
    classes: Bool[Tensor, "c"]


@torch.no_grad()
def local_masks(model: Segmenter, batch: Batch) -> LocalMasks | None:
    """What local evidence shows of the tagged classes; None where it makes no labels."""
    evidence = model.evidence
    if evidence is None or not evidence.local.any():
        return None
    image = batch.image if batch.plain is None else batch.plain
    logits = model.local_evidence(image, batch.tags)
    assert logits is not None
    return LocalMasks(evidence.masks(logits, batch.tags), evidence.is_local)


@torch.no_grad()
def begin_where_told(
    model: Segmenter, batch: Batch, prediction: Prediction, local: LocalMasks
) -> None:
    """Move the cuts of the classes of which something resembles the cells that tell.

    A cell of a tagged picture is of the class where local evidence says so, or a person did.
    """
    evidence = model.evidence
    assert evidence is not None
    if not evidence.resembles:
        return
    size = size_of(prediction.logits)
    there = resize(local.masks, size, align_corners=False)[:, 1:] > LEVEL
    known = (batch.tags > 0)[..., None, None].expand_as(there)
    if batch.corrected is not None:
        said = nearest(batch.corrected, size, align_corners=True).long()[:, None]
        of_class = said == torch.arange(1, there.shape[1] + 1, device=said.device)[:, None, None]
        there = torch.where(said == IGNORE, there, of_class)
    evidence.move_cuts(margins_of(prediction.learned), there, known)


@torch.no_grad()
def refined_masks(
    batch: Batch,
    prediction: Prediction,
    settings: PseudoSettings,
    own_share: float = 0.0,
    local: LocalMasks | None = None,
) -> Candidates:
    """What pseudo-labels are cut from: masks or activations without absent classes, refined."""
    grid = size_of(prediction.logits)
    # Not those with the offset: what it finds too much would have no label, and go on.
    masks = prediction.learned.softmax(1)
    if prediction.activations is not None:
        found = activation_masks(prediction.activations, batch.tags)
        found = resize(found, grid, align_corners=False)
        if local:
            near = resize(local.masks, grid, align_corners=False)
            found = torch.where(local.classes[:, None, None], near, found)
        masks = torch.lerp(found, object_masks(masks, batch.tags), own_share)
    if not prediction.background:
        masks = shares(masks, batch.tags)
    present, classes, _ = candidates(masks, batch.tags)
    guide = resize(batch.image, grid, align_corners=True)
    refined = pamr(guide, present, settings.pamr_iterations, settings.pamr_dilations)
    if not local:
        return Candidates(refined, classes)
    # What is small must not run along the edges of what it lies on.
    near = pamr(guide, present, settings.pamr_iterations, settings.local_dilations)
    is_local = local.classes[classes]
    return Candidates(torch.where(is_local[..., None, None], near, refined), classes, is_local)


@torch.no_grad()
def make_labels(
    batch: Batch,
    prediction: Prediction,
    settings: PseudoSettings,
    own_share: float = 0.0,
    local: LocalMasks | None = None,
) -> Int[Tensor, "b h w"]:
    """Pseudo-labels: drop absent classes, refine along the picture's edges, cut.

    Labels from masks have the picture's size, as published; those from activations the masks' size.
    """
    refined = refined_masks(batch, prediction, settings, own_share, local)
    banded = prediction.activations is not None
    return cut(
        refined,
        size_of(batch.image),
        settings,
        banded=banded,
        background=prediction.background,
    )


def cut(
    refined: Candidates,
    size: tuple[int, int],
    settings: PseudoSettings,
    *,
    banded: bool,
    background: bool = True,
) -> Int[Tensor, "b h w"]:
    """Labels from refined masks: at two thresholds (``banded``), or as published, at ``size``."""
    if banded:
        return banded_labels(
            refined,
            high=settings.activation_high,
            low=settings.activation_low,
            background=background,
        )
    masks = resize(refined.masks, size, align_corners=True)
    return pseudo_labels(
        Candidates(masks, refined.classes),
        object_cutoff=settings.object_cutoff,
        background_cutoff=settings.background_cutoff,
        low=settings.low,
    )
