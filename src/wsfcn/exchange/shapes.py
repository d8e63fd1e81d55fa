"""The objects of a labelled picture, as the forms of shapes write them: regions or outlines."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from wsfcn.exchange.labelled import Collection, Given, Labelled
from wsfcn.exchange.outlines import Outline, outlines
from wsfcn.exchange.regions import regions_of, without_specks
from wsfcn.types import IGNORE

NO_LABEL = "pictures with pixels of no label, which are background here"
SEAMS = "holes joined to their outline by a seam, as this form has no holes"
SPECKS = "specks dropped, smaller than --smallest"
PINHOLES = "holes filled, smaller than --smallest"
SCORES = "pictures whose scores this form has no room for"


class Shape(NamedTuple):
    """An object: its class, its pixels, and its outlines where polygons are wanted."""

    label: int
    region: Bool[np.ndarray, "h w"]
    outlines: list[Outline]


def shapes_of(
    picture: Labelled,
    collection: Collection,
    given: Given,
    *,
    drawn: bool = False,
    holes: bool = False,
    scores: bool = True,
) -> Iterator[Shape]:
    """The objects in a picture; what is lost is counted in the collection's notes.

    ``drawn`` is the outline for tools that draw it (see `outlines`). ``holes`` and ``scores`` say
    whether the form has them.
    """
    notes = collection.notes
    notes[NO_LABEL] += bool((picture.labels == IGNORE).any())
    notes[SCORES] += bool(picture.scores) and not scores
    for k in picture.present():
        region = picture.labels == k
        if given.shapes == "masks":
            yield from (Shape(k, part, []) for part in regions_of(region, given.regions))
            continue
        region, specks, pinholes = without_specks(region, given.settings.smallest)
        notes[SPECKS] += specks
        notes[PINHOLES] += pinholes
        found = outlines(region, given.settings.tolerance, drawn=drawn)
        if not holes:
            notes[SEAMS] += sum(len(outline.holes) for outline in found)
        if given.regions == "classes":
            if found:
                yield Shape(k, region, found)
        else:
            yield from (Shape(k, region, [outline]) for outline in found)
