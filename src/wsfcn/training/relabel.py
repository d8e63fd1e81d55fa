"""A second round: on the way, whole pictures get new labels, from several views of the network.

The labels of a step are made from one crop, which the network sees as it learns from it. Once it
has learned, several views of the whole picture, its tags, and leaving out what is not sure make
far better ones, and they are made once: docs/log.md, 45, has figures. That labels for a last
training come from a network's predictions in several views is how multi-stage methods work, such
as IRN (Ahn et al., 2019), section 5; that it is the same training that goes on is ours.
"""

import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from wsfcn.config import PseudoSettings, TrainSettings
from wsfcn.data.dataset import TaggedPicture, tag_vector
from wsfcn.data.rounds import SecondRound
from wsfcn.data.transforms import to_tensor
from wsfcn.errors import PictureError
from wsfcn.files import write_lines
from wsfcn.images import reduced, write_mask
from wsfcn.maps import resize, size_of
from wsfcn.models.segmenter import Segmenter
from wsfcn.threads import ahead
from wsfcn.types import IGNORE, Classes, Prediction

FOLDER = "second-round"
"""Below the run folder, and cleared by trainings: a name that nobody's own labels have."""
MADE = "made.txt"
"""The file that says that all labels are there."""
RIPE = 600
"""Steps before which the labels of a network are worse than those that a step makes."""
LEAST = 32
"""Pixels of a view's shorter side, at least."""


def second_round(settings: TrainSettings, pictures: int) -> SecondRound | None:
    """Where and from which epoch on there are new labels; None without a second round.

    There is none either where the network would not have learned enough before, from so many
    training ``pictures``: `RIPE` steps, the last of them with its own masks in the labels.
    """
    pseudo, optim = settings.pseudo, settings.optim
    if not pseudo.relabel_after:
        return None
    if pseudo.known:
        return SecondRound(settings.run.out / FOLDER, 0)
    first = math.ceil(pseudo.relabel_after * optim.all_epochs)
    before = max(optim.warmup + 1, pseudo.own_after)
    if not before < first < optim.all_epochs:
        return None
    if first * optim.steps_per_epoch(pictures) < RIPE:
        return None
    return SecondRound(settings.run.out / FOLDER, first)


def labels_anew(model: Segmenter, tags: Float[Tensor, "n"]) -> bool:
    """Whether a second round labels a picture of such tags. Not where local evidence makes labels:
    several views agree on a lesion less often than on what is around it (docs/log.md, 45)."""
    evidence = model.evidence
    return evidence is None or not ((tags > 0) & evidence.local.cpu()).any()


@torch.no_grad()
def sure_labels(
    network: Callable[[Tensor], Prediction],
    image: Float[Tensor, "1 3 h w"],
    tags: Float[Tensor, "1 n"],
    settings: PseudoSettings,
) -> tuple[UInt8[Tensor, "h w"], float]:
    """Labels of a picture by channel, 255 where the network is not sure; and the share it is of.

    The masks of the views are averaged; of the background and the tagged classes the strongest
    wins, where its share of them is above ``sure``. Where a tagged class wins nowhere, its pixels
    are among the others', and the picture has no label at all, as in `mask_loss`.
    """
    size = size_of(image)
    total = torch.zeros(())
    for n, scale in enumerate(settings.relabel_scales):
        # Not in whole cells: views that are some pixels off agree less, on the safer labels.
        scaled = [max(LEAST, round(scale * side)) for side in size]
        view = F.interpolate(image, scaled, mode="bilinear", antialias=True)
        masks = network(view if n else view.flip(-1)).logits.softmax(1)
        total = total + resize(masks if n else masks.flip(-1), size, align_corners=True)
    present = torch.cat([torch.ones_like(tags[:, :1]), tags], 1)[..., None, None]
    shares = total * present
    strength, labels = (shares / shares.sum(1, keepdim=True).clamp(min=1e-9)).max(1)
    sure = strength[0] > settings.sure
    found = torch.bincount(labels.flatten(), minlength=shares.shape[1])[1:] > 0
    sure &= (found | (tags[0] == 0)).all()
    return labels[0].byte().masked_fill(~sure, IGNORE), float(sure.float().mean())


def write_round(
    made: SecondRound,
    model: Segmenter,
    pictures: Iterable[TaggedPicture],
    classes: Classes,
    settings: TrainSettings,
    between: Callable[[], None],
) -> float:
    """Write labels of the pictures that can be read; returns the mean share of sure pixels.

    A picture without a tag is background as a whole. ``between`` is called before each. On a CPU
    each thread has a picture of its own: one picture's layers are too small to be shared.
    """
    device, side = model.mean.device, settings.data.longest_side

    def look(picture: TaggedPicture) -> tuple[UInt8[Tensor, "h w"], float] | None:
        try:
            opened = reduced(picture.open(side), side)
        except PictureError:
            return None  # training says so, and counts them
        if not picture.tags:
            return torch.zeros(opened.height, opened.width, dtype=torch.uint8), math.nan
        image = to_tensor(opened)[None].to(device)
        tags = tag_vector(picture.tags, classes)[None].to(device)
        labels, share = sure_labels(model, image, tags, settings.pseudo)
        return labels.cpu(), share

    shares = []
    threads = 1 if device.type != "cpu" else torch.get_num_threads()
    with own_threads(threads) as pool:
        for picture, found in ahead(pool, look, pictures, most=2 * threads):
            between()
            if found is None:
                continue
            labels, share = found
            mask = classes.of_channels(labels.numpy())
            write_mask(made.path(picture.name), mask, background=classes.background)
            if picture.tags:
                shares.append(share)
    return sum(shares) / max(len(shares), 1)


@contextmanager
def own_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that compute with one thread each, of PyTorch's own."""
    before = torch.get_num_threads()
    one = partial(torch.set_num_threads, 1) if count > 1 else None
    try:
        with ThreadPoolExecutor(count, initializer=one) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)  # threads to come would take the number from those


def clear(made: SecondRound) -> None:
    """Remove the labels of a round before."""
    shutil.rmtree(made.folder, ignore_errors=True)


def mark(made: SecondRound, count: int) -> None:
    """Say that all labels are there."""
    line = f"labels of {count} training pictures, made by the training before epoch"
    write_lines(made.folder / MADE, [f"{line} {made.epoch + 1}"])


def is_made(made: SecondRound) -> bool:
    """Whether all labels are there."""
    return (made.folder / MADE).exists()


def missing(made: SecondRound) -> str:
    """The words for a training that cannot go on without its labels."""
    return (
        f"{made.folder}: the labels that the training made before epoch {made.epoch + 1} are not "
        "there; put them back, or start anew with --run.overwrite"
    )
