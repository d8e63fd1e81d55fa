"""Masks judged without truth, by what else tells a class from the rest of the pictures.

A network that paints the whole leaf for its disease has every tag right and a mask for each of
them. So the judge is another: frozen local features (those of `models/evidence.py`) of a sample of
validation pictures. For each class a linear discriminant learns, on half of the pictures, to tell
the masked cells from all cells of pictures without the class; the other half asks

- purity: what share of the masks it tells, where it is wrong about one cell in a hundred (of large
  things five) of pictures without the class. Healthy leaves show most of what a mask of the whole
  leaf covers.
- found: what share of the cells that it tells in tagged pictures, beyond false alarms, is masked.
- agreement: the intersection over union of a class's masks with those of the same pictures,
  mirrored and at three quarters of their size.

Paper: The Use of Multiple Measurements in Taxonomic Problems (Fisher, 1936) for the discriminant.
Asking it about masks is ours; docs/log.md, 41, says how well it orders networks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Integer
from torch import Tensor
from torch.nn import functional as F

from wsfcn.data.dataset import TaggedPicture
from wsfcn.maps import Sizes, resize, size_of
from wsfcn.models.segmenter import Segmenter
from wsfcn.types import Classes

MOST = 256
"""Validation pictures in the sample."""
CELLS = 1024
"""Cells of a picture; finer grids are averaged."""
FEW = 4
"""Pictures with a class, and without it, below which nothing is said of it."""
ALARMS, ALARMS_OF_LARGE = 0.01, 0.05
"""Share of the cells of pictures without a class at which the judge may be wrong; the second where
it is not strict, since large things are harder to tell by single cells."""
ENOUGH = (0.55, 0.5)
"""Purity and found, of large things, that right masks reach."""
RIDGE = 0.1
SMALLER = 0.75


class Look(NamedTuple):
    """What is kept of a validation picture."""

    place: int
    """Its place in the sample."""
    shares: Float16[Tensor, "m c"]
    """Part of each cell that each class's mask covers."""
    tags: Float[Tensor, "n"]
    overlap: Integer[Tensor, "2 n"]
    """Pixels of intersection and union with the masks of the other view; 0 where not looked at."""


class Judged(NamedTuple):
    """In per cent, by class; NaN where nothing can be said."""

    purity: Float[np.ndarray, "n"]
    found: Float[np.ndarray, "n"]
    agreement: Float[np.ndarray, "n"]
    strict: bool
    """Whether single cells can be asked: there are pictures without any tag to compare with, or
    such cells make the labels of half of the classes (`training/evidence.py`)."""

    @property
    def quality(self) -> Float[np.ndarray, "n"]:
        """One figure a class, which falls most when masks swallow the object.

        Of a strict judge: agreement times purity times the F-measure (0.5) of purity and found.
        Any other is weak, and above `ENOUGH` its figures say no more: agreement times the parts of
        purity and found that are there.
        """
        figures = (self.purity, self.found, self.agreement)
        purity, found, agreement = (np.nan_to_num(values) / 100 for values in figures)
        if self.strict:
            part = 1.25 * purity**2 * found / np.maximum(0.25 * purity + found, 1e-9)
        else:
            part = np.minimum(purity / ENOUGH[0], 1) * np.minimum(found / ENOUGH[1], 1)
        return np.where(np.isnan(self.purity), np.nan, 100 * agreement * part)


def sample_of(pictures: Sequence[TaggedPicture], classes: Classes) -> list[str]:
    """Names of at most about `MOST` pictures: the first of each class, and of those without one."""
    left = dict.fromkeys(("", *classes.objects), max(FEW * 2, MOST // len(classes)))
    names = []
    for picture in pictures:
        kinds = picture.tags or ("",)
        if any(left.get(kind, 0) > 0 for kind in kinds):
            names.append(picture.name)
            for kind in kinds:
                left[kind] = left.get(kind, 0) - 1
    return names


def cells_of(model: Segmenter, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "d y x"] | None:
    """Frozen features on a grid of at most `CELLS`; None where the network has none."""
    if model.evidence is None:
        return None
    cells = model.evidence.cells((image - model.mean) / model.std)
    while cells.shape[2] * cells.shape[3] > CELLS:
        cells = F.avg_pool2d(cells, 2, ceil_mode=True)
    return cells[0].half().cpu()


def shares_of(
    labels: Integer[Tensor, "h w"], grid: tuple[int, int], count: int
) -> Float16[Tensor, "m c"]:
    """Part of each cell of a grid that has each of ``count`` labels."""
    rows, columns = (
        torch.arange(size, device=labels.device) * cells // size
        for size, cells in zip(size_of(labels), grid, strict=True)
    )
    cell = rows[:, None] * grid[1] + columns
    index = (cell * count + labels.long()).flatten()
    pixels = torch.bincount(index, minlength=grid[0] * grid[1] * count).view(-1, count)
    return (pixels / pixels.sum(1, keepdim=True).clamp(min=1)).half().cpu()


def overlap_of(
    model: Segmenter,
    image: Float[Tensor, "1 3 y x"],
    labels: Integer[Tensor, "h w"],
    sizes: Sizes,
) -> Integer[Tensor, "2 n"]:
    """Pixels of each class in both the labels and those of the mirrored, smaller view; in any."""
    size = size_of(labels)
    smaller = [max(32, side) for side in sizes._replace(least=0).best(size_of(image), SMALLER)]
    view = F.interpolate(image.flip(-1), smaller, mode="bilinear", antialias=True)
    logits = model(view).logits.flip(-1)
    other = resize(logits, size, align_corners=True).argmax(1)[0]
    count = logits.shape[1]
    both = torch.bincount(labels[labels == other], minlength=count)
    here, there = (torch.bincount(each.flatten(), minlength=count) for each in (labels, other))
    return torch.stack([both, here + there - both])[:, 1:].cpu()


def judge(
    cells: Sequence[Float[Tensor, "d _ _"] | None], looks: Sequence[Look], *, local: bool = False
) -> Judged:
    """What can be said of the masks of a sample; ``cells`` are those of the pictures looked at.

    ``local``: labels of half of the classes, at least, come from local evidence; pictures are alike
    then, and the judge is strict with all classes.
    """
    tags = torch.stack([look.tags for look in looks]) > 0
    strict = local or int((~tags.any(1)).sum()) >= FEW
    overlap = torch.stack([look.overlap * look.tags.long() for look in looks]).sum(0).double()
    agreement = 100 * overlap[0] / overlap[1]  # NaN where neither view has a mask
    purity = torch.full((tags.shape[1],), torch.nan, dtype=torch.double)
    found = purity.clone()
    known = [part for part in cells if part is not None]
    if len(known) == len(looks):
        alarms = ALARMS if strict else ALARMS_OF_LARGE
        purity, found = _told([part.flatten(1).T for part in known], looks, tags, alarms)
    return Judged(purity.numpy(), found.numpy(), agreement.numpy(), strict)


def _told(
    cells: Sequence[Float[Tensor, "_ d"]],
    looks: Sequence[Look],
    tags: Bool[Tensor, "b n"],
    alarms: float,
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """Purity and what is found, in per cent."""
    counts = torch.tensor([len(part) for part in cells])
    picture = torch.arange(len(cells)).repeat_interleave(counts)
    x = torch.cat(list(cells)).float()
    x = (x - x.mean(0)) / (x.std(0) + 1e-3)
    tagged = tags[picture]
    masked = torch.cat([look.shares for look in looks])[:, 1:].float() * tagged
    half = halves(tags)[picture]
    hits, outside, total = (torch.zeros(tags.shape[1], dtype=torch.double) for _ in range(3))
    for held_out in (0, 1):
        fit, test = half != held_out, half == held_out
        scores = x[test] @ discriminant(x[fit], masked[fit], ~tagged[fit])
        for k in range(tags.shape[1]):
            there, mask = tagged[test, k], masked[test, k]
            others = scores[~there, k]
            if not len(others) or not mask.any():
                continue
            rank = max(1, int(np.ceil((1 - alarms) * len(others))))
            fires = (scores[:, k] > others.kthvalue(rank).values) & there
            hits[k] += mask[fires].sum()
            total[k] += mask.sum()
            outside[k] += (1 - mask)[fires].sum() - alarms * (1 - mask)[there].sum()
    purity = 100 * hits / total.clamp(min=1e-9)
    found = 100 * hits / (hits + outside.clamp(min=0)).clamp(min=1e-9)
    few = (tags.sum(0) < FEW) | ((~tags).sum(0) < FEW)
    return purity.masked_fill(few, torch.nan), found.masked_fill(few, torch.nan)


def halves(tags: Bool[Tensor, "b n"]) -> Integer[Tensor, "b"]:
    """0 or 1 for each picture, so that pictures with the same tags go to both halves in turn."""
    kinds = tags.unique(dim=0, return_inverse=True)[1].tolist()
    seen = dict.fromkeys(kinds, 0)
    turns = []
    for kind in kinds:
        turns.append((seen[kind] + kind) % 2)
        seen[kind] += 1
    return torch.tensor(turns)


def discriminant(
    x: Float[Tensor, "m d"], masked: Float[Tensor, "m n"], others: Bool[Tensor, "m n"]
) -> Float[Tensor, "d n"]:
    """A direction a class from other cells' mean to the masked cells'; 0 for one without masks."""
    means = [x.T @ weights / weights.sum(0).clamp(min=1e-9) for weights in (masked, others.float())]
    apart = (means[0] - means[1]) * (masked.sum(0) > 0)
    return directions(x, apart)


def directions(x: Float[Tensor, "m d"], apart: Float[Tensor, "d n"]) -> Float[Tensor, "d n"]:
    """Directions that tell best what lies ``apart``, among standardised cells such as ``x``."""
    covariance = x.T @ x / len(x) + RIDGE * torch.eye(x.shape[1])
    return torch.linalg.solve(covariance, apart)
