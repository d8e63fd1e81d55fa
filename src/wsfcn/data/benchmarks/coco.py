"""MS COCO from its official folders to the native layout: tags, and masks for evaluation.

A mask shows each object in its category's colour, smaller objects over larger ones. Crowd regions,
which COCO's own evaluation leaves out, become 255 where no single object lies over them.
"""

from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from os.path import relpath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from msgspec import Raw
from rich.progress import track

from wsfcn.data.annotations import (
    MOST_PIXELS,
    Object,
    class_names,
    listable,
    order,
    read_annotations,
    region,
)
from wsfcn.data.benchmarks.download import Archive
from wsfcn.data.benchmarks.prepared import Prepared
from wsfcn.data.classes import BACKGROUND
from wsfcn.data.forms.names import join_tags
from wsfcn.errors import DataError
from wsfcn.files import is_whole, write_lines, write_table
from wsfcn.images import size_of, write_mask
from wsfcn.interrupts import children_without_ctrl_c
from wsfcn.types import IGNORE

EXPECTED = {
    "coco14": {"train": 82_081, "val": 40_137},
    "coco17": {"train": 117_266, "val": 4_952},
}
"""Pictures with at least one object."""

CHECKSUMS = {
    "annotations/annotations_trainval2014.zip": "0a379cfc70b0e71301e0f377548639bd",
    "annotations/annotations_trainval2017.zip": "f4bbac642086de4f52a3fdda2de5fa2c",
    "zips/train2014.zip": "0da8c0bd3d6becc4dcb32757491aca88",
    "zips/val2014.zip": "a3d79f5ed8d289b7a7554ce06a5782b3",
    "zips/train2017.zip": "cced6f7f71b7629ddf16f17bbcfab6b2",
    "zips/val2017.zip": "442b8da7639aecaf257c1dceb8ba8c80",
}
"""MD5 of COCO's archives by their path on its server."""


def downloads(root: Path, year: str) -> list[Archive]:
    """Annotations and pictures of a year ("14" or "17"), about 20 GB, where ``root`` lacks them."""
    stems = [f"train20{year}", f"val20{year}"]
    kept = {
        f"annotations/annotations_trainval20{year}.zip": tuple(
            f"annotations/instances_{stem}.json" for stem in stems
        )
    }
    kept |= {f"zips/{stem}.zip": (stem,) for stem in stems if not pictures_folder(root, stem)}
    return [
        Archive(f"http://images.cocodataset.org/{path}", CHECKSUMS[path], holds)
        for path, holds in kept.items()
    ]


class Objects(NamedTuple):
    """A picture and what COCO says about it."""

    path: Path
    height: int
    width: int
    found: list[tuple[int, bool, Raw]]
    """Class, crowd or not, outline as it stands in the file; the largest first."""


def prepare_coco(root: Path, out: Path, year: str, workers: int = 2) -> Prepared:
    """Write ``out`` in the native layout from ``root/annotations`` and ``root/train20YY``.

    Pictures without an object are left out, as in published work. Masks are drawn by ``workers``
    processes; those that exist are kept, so that a preparation that was cut off goes on. Raises
    DataError.
    """
    rows, counts, missing = [("image", "tags")], {}, []
    names: list[str] = [BACKGROUND]
    for split in ("train", "val"):
        stem = f"{split}20{year}"
        path = root / "annotations" / f"instances_{stem}.json"
        if not path.exists():
            missing.append(f"{path.name}, the {split} split")
            continue
        folder = pictures_folder(root, stem)
        if folder is None:
            raise DataError(f"{root}: holds no folder {stem} of pictures")
        pictures, categories, absent = read_objects(path, folder)
        names = [BACKGROUND, *categories]
        if absent:
            missing.append(f"{len(absent)} pictures of {stem}, the first is {absent[0]}")
        prefix = Path(relpath(folder, out))
        for picture in pictures:
            tags = [names[k] for k in sorted({k for k, _, _ in picture.found})]
            rows.append(((prefix / picture.path.name).as_posix(), join_tags(tags, ";")))
        counts[split] = len(pictures)
        undrawn = draw_masks(pictures, out / "masks", workers, f"Masks of {split}")
        if undrawn:
            missing.append(
                f"{sum(undrawn.values())} outlines of {stem} that enclose nothing or are broken, "
                f"the first in {next(iter(undrawn))}: their tags stand, their masks do not"
            )
        write_lines(out / f"{split}.txt", (p.path.stem for p in pictures))
    if not counts:
        raise DataError(
            f"{root}: holds no annotations/instances_train20{year}.json; --download fetches it"
        )
    write_lines(out / "classes.txt", names)
    write_table(out / "tags.csv", rows)
    return Prepared(counts, 0, missing)


def pictures_folder(root: Path, stem: str) -> Path | None:
    """The folder of a split's pictures, in ``root`` or its folder ``images``."""
    return next((f for f in (root / stem, root / "images" / stem) if f.is_dir()), None)


def read_objects(path: Path, folder: Path) -> tuple[list[Objects], list[str], list[str]]:
    """The pictures with at least one object, the category names, and pictures that are not there.

    Raises DataError for what is no COCO annotation, or could not be listed.
    """
    content = read_annotations(path, Object)
    categories = class_names(content.categories, path)
    index = {item.id: n for n, item in enumerate(content.categories, start=1)}
    found: dict[Any, list[tuple[float, int, bool, Raw]]] = {}
    while content.annotations:
        item = content.annotations.pop()
        crowd = bool(item.iscrowd)
        # Crowds are drawn first, whatever their size.
        size = float("inf") if crowd else item.area or 0.0
        entry = (size, index[item.category_id], crowd, item.segmentation)
        found.setdefault(item.image_id, []).append(entry)
    present = {file.name for file in folder.iterdir()}
    pictures, absent = [], []
    for picture in sorted((p for p in content.images if p.id in found), key=lambda p: order(p.id)):
        if picture.file_name not in present:
            absent.append(picture.file_name)
            continue
        listable(picture.file_name, "the picture", path)
        largest_first = sorted(found.pop(picture.id), key=lambda entry: -entry[0])
        outlines = [(k, crowd, outline) for _, k, crowd, outline in largest_first]
        height, width = picture.height, picture.width
        if height is None or width is None:
            width, height = size_of(folder / picture.file_name)
        if height * width > MOST_PIXELS:
            raise DataError(
                f"{path}: {picture.file_name} of {width} x {height} pixels is too large"
            )
        pictures.append(Objects(folder / picture.file_name, height, width, outlines))
    twice = [name for name, n in Counter(p.path.stem for p in pictures).items() if n > 1]
    if twice:
        raise DataError(
            f"{path}: two pictures are named '{twice[0]}': their masks would be one file"
        )
    return pictures, categories, absent


def draw_masks(pictures: list[Objects], folder: Path, workers: int, title: str) -> dict[str, int]:
    """Write the masks that are not there yet; returns, by file, how many outlines could not be."""
    left = [p for p in pictures if not is_whole(folder / f"{p.path.stem}.png")]
    jobs = ((picture, folder) for picture in left)
    undrawn: dict[str, int] = {}
    for name, count in track(in_processes(jobs, workers), title, len(left), transient=True):
        if count:
            undrawn[name] = count
    return undrawn


def in_processes(jobs: Iterator[tuple[Objects, Path]], workers: int) -> Iterator[tuple[str, int]]:
    """Draw in ``workers`` processes; with none, in this one."""
    if workers == 0:
        yield from map(draw, jobs)
        return
    with children_without_ctrl_c():
        processes = get_context("spawn").Pool(workers)
    with processes as pool:
        yield from pool.imap_unordered(draw, jobs, chunksize=32)


def draw(job: tuple[Objects, Path]) -> tuple[str, int]:
    """Write the mask of one picture; returns its name and the outlines that could not be drawn."""
    picture, folder = job
    mask, undrawn = mask_of(picture)
    write_mask(folder / f"{picture.path.stem}.png", mask)
    return picture.path.name, undrawn


def mask_of(picture: Objects) -> tuple[UInt8[np.ndarray, "h w"], int]:
    """The mask of one picture: larger objects below smaller ones, crowds below all."""
    labels = np.zeros((picture.height, picture.width), np.uint8)
    undrawn = 0
    for index, crowd, segmentation in picture.found:
        pixels = region(segmentation, picture.height, picture.width)
        if pixels is None:
            undrawn += 1
        else:
            labels[pixels] = IGNORE if crowd else index
    return labels, undrawn
