"""What the tags of frequent classes tell: what exceeds their odds, and of some nothing at all.

A class on every picture is told from nothing by its tag: its map covers whole pictures, and takes
them from the background and from the classes that tags do tell.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wsfcn.data.dataset import TaggedPicture, TaggedPictures, tag_matrix
from wsfcn.errors import DataError
from wsfcn.images import read_mask
from wsfcn.types import Classes

LEAST = 0.03
"""Share of the training pictures without a class below which its tag tells nothing of it."""
NEVER = 1e4
"""Logarithm of odds that no activation exceeds."""


def untold(tags: Float[Tensor, "m n"]) -> list[int]:
    """Classes, by number, that fewer than `LEAST` of the pictures are without.

    >>> untold(torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))
    [0]
    """
    without = (tags == 0).sum(0)
    return (without < LEAST * len(tags)).nonzero()[:, 0].tolist()


def prior_odds(tags: Float[Tensor, "m n"]) -> Float[Tensor, "n"]:
    """Logarithm of each class's odds among so many pictures, 0 where most are without it.

    >>> prior_odds(torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])).exp()
    tensor([2., 1.])
    """
    there = tags.sum(0)
    return torch.log((there + 1) / (len(tags) - there + 1)).clamp(min=0)


def prior_of(pictures: Sequence[TaggedPicture], classes: Classes) -> Float[Tensor, "n"]:
    """The prior odds of each class (`prior_odds`); `NEVER` where the tag tells nothing.

    Without a background every pixel belongs to a class: there that of all pictures is the rest.
    """
    tags = tag_matrix(pictures, classes)
    prior = prior_odds(tags)
    if classes.background:
        prior[untold(tags)] = NEVER
    return prior


def told(data: TaggedPictures) -> TaggedPictures:
    """The data without the tags that tell nothing, with a note of them.

    Those of classes that corrected masks show stay. Raises DataError where no other tag is left,
    and MaskError for a corrected mask that cannot be read.
    """
    classes, objects = data.classes, data.classes.objects
    if not classes.background:
        return data
    tags = tag_matrix(data.train, classes)
    gone = untold(tags)
    if gone and data.corrected:
        masks = (read_mask(path) for path in data.corrected.values())
        shown = {int(value) for mask in masks for value in np.unique(mask)}
        gone = [k for k in gone if k + 1 not in shown]
    if not gone:
        return data
    names = ", ".join(f"'{objects[k]}'" for k in gone)
    if not tags.sum(0)[[k for k in range(len(objects)) if k not in gone]].any():
        raise DataError(
            f"(nearly) every training picture is tagged {names}, and there is no other tag: "
            "nothing can be learned from that; add pictures without it, or correct some masks"
        )
    note = (
        f"no masks of {names}: a tag that (nearly) every training picture has tells nothing; add "
        "pictures without it, or correct some masks"
    )
    dropped = frozenset(objects[k] for k in gone)

    def fewer(pictures: Sequence[TaggedPicture]) -> tuple[TaggedPicture, ...]:
        return tuple(
            replace(picture, tags=tuple(tag for tag in picture.tags if tag not in dropped))
            for picture in pictures
        )

    return replace(
        data,
        train=fewer(data.train),
        val=fewer(data.val),
        notes=(*data.notes, note),
        untold=dropped,
    )
