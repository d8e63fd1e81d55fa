"""Segmenting many pictures straight into another tool's form."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from wsfcn.config import ExchangeSettings
from wsfcn.errors import PictureError, SettingError
from wsfcn.exchange.convert import given_for, masks_as, write
from wsfcn.exchange.labelled import Collection, Labelled
from wsfcn.exchange.pictures import name_of
from wsfcn.exchange.regions import Regions
from wsfcn.files import fingerprint, keep_inputs
from wsfcn.inference.folder import pictures_per_second, read
from wsfcn.inference.outputs import Segmentation
from wsfcn.inference.predictor import Predictor
from wsfcn.threads import ahead

DEFAULTS = ExchangeSettings()


class Written(NamedTuple):
    """What was done."""

    count: int
    """Pictures written."""
    notes: list[str]
    """What was left out or changed on the way."""
    broken: list[PictureError]


def predict_form(
    predictor: Predictor,
    pictures: Sequence[Path],
    to: str,
    out: Path,
    *,
    regions: Regions = "classes",
    settings: ExchangeSettings = DEFAULTS,
    add: bool = False,
    inputs: Sequence[Path] = (),
    files: Mapping[Path, str] | None = None,
) -> Written:
    """Write the labels of all pictures in the form ``to``, whole or not at all.

    Pictures are called by ``files``, by default their path below the folder that holds all of them.
    A class's score is
    the mean probability over its pixels. Pictures that cannot be read are left out and returned
    as errors. Raises SettingError for an output that is there or would replace a picture or
    another of the ``inputs``, for what a form cannot hold, and for two pictures of one name.
    """
    given = given_for(to, out, settings, regions)
    keep_inputs([out], [*pictures, *inputs])
    files = files or files_below(pictures)
    broken: list[PictureError] = []
    learned = predictor.network.corrected
    with ThreadPoolExecutor(2) as pool, pictures_per_second() as progress:

        def segmented() -> Iterator[Labelled]:
            opened = ahead(pool, partial(read, levels=predictor.network.levels), pictures)
            for path, picture in progress.track(
                opened, total=len(pictures), description="Segmenting"
            ):
                if isinstance(picture, PictureError):
                    broken.append(picture)
                else:
                    found = predictor.predict(picture)
                    taught = bool(learned) and fingerprint(path) in learned
                    yield labelled(replace(found, taught=taught), files[path], path)

        collection = Collection(predictor.classes.with_background, segmented())
        count, notes = write(to, masks_as(predictor.classes, to, collection), given, add=add)
    return Written(count, notes, broken)


def files_below(pictures: Sequence[Path]) -> dict[Path, str]:
    """The path of each picture below the folder that holds all. Raises SettingError.

    >>> files_below([Path("in/a/1.png"), Path("in/b/1.png")])
    {PosixPath('in/a/1.png'): 'a/1.png', PosixPath('in/b/1.png'): 'b/1.png'}
    """
    if not pictures:
        return {}
    common = Path(os.path.commonpath([path.absolute().parent for path in pictures]))
    files = {path: path.absolute().relative_to(common).as_posix() for path in pictures}
    for name, count in Counter(map(name_of, files.values())).items():
        if count > 1:
            raise SettingError(f"two pictures are named '{name}'; names must differ")
    return files


def labelled(found: Segmentation, file: str, path: Path) -> Labelled:
    """A prediction as the forms have it."""
    labels = found.classes.to_channels(found.mask)
    scores = {}
    for k, name in enumerate(found.classes.objects, start=1):
        region = labels == k
        if region.any():
            inside = found.probabilities[name][region]
            scores[k] = round(float(inside.mean(dtype="float64")), 4)
    return Labelled(
        name=name_of(file),
        labels=labels,
        file=file,
        picture=path,
        scores=scores,
        taught=found.taught,
    )
