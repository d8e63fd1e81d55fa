"""Segmentations as files to take away: what `wsfcn predict` and `wsfcn convert` write."""

from collections.abc import Iterable
from pathlib import Path

from wsfcn.app.showing import view
from wsfcn.errors import SettingError, did_you_mean
from wsfcn.exchange.convert import FORMS, given_for, masks_as, pack, write
from wsfcn.exchange.labelled import Collection
from wsfcn.exchange.regions import Regions
from wsfcn.files import atomic_folder
from wsfcn.inference.forms import DEFAULTS, labelled
from wsfcn.inference.outputs import Segmentation
from wsfcn.types import Classes

PICTURES = {
    "mask PNG": ".png",
    "overlay": "-overlay.jpg",
    "soft masks": ".npz",
}
"""What is written of each picture alone, with the ending of its name."""

KINDS = (*PICTURES, *FORMS)
"""What can be downloaded: files of each picture, or a form of `wsfcn convert`."""

Named = tuple[str, Path, Segmentation]
"""A picture's name without suffix, its file, and what was found in it."""


def download(
    kind: str,
    pictures: Iterable[Named],
    classes: Classes,
    folder: Path,
    *,
    opacity: float = 0.5,
    regions: Regions = "classes",
) -> Path:
    """Write segmentations as one file in ``folder``: several files become a zip archive.

    The pictures are taken one by one. Raises SettingError for an unknown kind or two pictures of a
    name, and what the form's writer raises.
    """
    if kind in FORMS:
        out = folder / f"{kind}{FORMS[kind].suffix or '.zip'}"
        stream = (labelled(found, f"{name}{path.suffix}", path) for name, path, found in pictures)
        collection = Collection(classes.with_background, stream)
        return written(kind, masks_as(classes, kind, collection), out, regions)
    if kind not in PICTURES:
        raise SettingError(
            f"no download '{kind}'; expected {', '.join(KINDS)}.{did_you_mean(kind, KINDS)}"
        )
    target = folder / kind.replace(" ", "-")
    with atomic_folder(target, add=True) as inside:
        for name, _, found in pictures:
            save(kind, found, inside / f"{name}{PICTURES[kind]}", opacity)
    files = [path for path in target.rglob("*") if path.is_file()]
    if len(files) == 1:
        return files[0]
    pack(target, archive := folder / f"{target.name}.zip")
    return archive


def written(to: str, collection: Collection, out: Path, regions: Regions) -> Path:
    """Write a form that `wsfcn convert` knows."""
    write(to, collection, given_for(to, out, DEFAULTS, regions))
    return out


def save(kind: str, found: Segmentation, path: Path, opacity: float) -> None:
    """Write one file of one picture."""
    if kind == "mask PNG":
        found.save(path)
    elif kind == "overlay":
        view(found, "overlay", opacity).save(path, quality=92)
    else:
        found.save_probabilities(path)
