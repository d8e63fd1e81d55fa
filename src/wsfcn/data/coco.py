"""MS COCO from its official folders to the native layout: tags, and masks for evaluation.

A mask shows each object in its category's colour, smaller objects over larger ones. Crowd regions,
which COCO's own evaluation leaves out, become 255 where no single object lies over them.
"""

import json
from array import array
from collections.abc import Iterator
from multiprocessing import get_context
from os.path import relpath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from rich.progress import track

from wsfcn.data.classes import BACKGROUND
from wsfcn.data.download import Archive
from wsfcn.data.prepared import Prepared
from wsfcn.data.tags import join_tags
from wsfcn.errors import DataError
from wsfcn.files import write_lines
from wsfcn.images import write_mask
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

    name: str
    height: int
    width: int
    found: list[tuple[int, bool, Any]]
    """Class, crowd or not, segmentation; the largest first."""


def prepare_coco(root: Path, out: Path, year: str, workers: int = 2) -> Prepared:
    """Write ``out`` in the native layout from ``root/annotations`` and ``root/train20YY``.

    Pictures without an object are left out, as in published work. Masks are drawn by ``workers``
    processes; those that exist are kept, so that a preparation that was cut off goes on. Raises
    DataError.
    """
    rows, counts, missing = ["image,tags"], {}, []
    names: list[str] = [BACKGROUND]
    for split in ("train", "val"):
        stem = f"{split}20{year}"
        path = root / "annotations" / f"instances_{stem}.json"
        if not path.exists():
            missing.append(f"{path.name}, the {split} split")
            continue
        pictures, categories = read_objects(path)
        names = [BACKGROUND, *categories]
        folder = pictures_folder(root, stem)
        if folder is None:
            raise DataError(f"{root}: holds no folder {stem} of pictures")
        present = {file.name for file in folder.iterdir()}
        absent = [p.name for p in pictures if p.name not in present]
        if absent:
            missing.append(f"{len(absent)} pictures of {stem}, the first is {absent[0]}")
        pictures = [p for p in pictures if p.name in present]
        prefix = Path(relpath(folder, out))
        for picture in pictures:
            tags = [names[k] for k in sorted({k for k, _, _ in picture.found})]
            rows.append(f"{(prefix / picture.name).as_posix()},{join_tags(tags, ';')}")
        counts[split] = len(pictures)
        draw_masks(pictures, out / "masks", workers, f"Masks of {split}")
        write_lines(out / f"{split}.txt", (Path(p.name).stem for p in pictures))
    if not counts:
        raise DataError(
            f"{root}: holds no annotations/instances_train20{year}.json; --download fetches it"
        )
    write_lines(out / "classes.txt", names)
    write_lines(out / "tags.csv", rows)
    return Prepared(counts, 0, missing)


def pictures_folder(root: Path, stem: str) -> Path | None:
    """The folder of a split's pictures, in ``root`` or its folder ``images``."""
    return next((f for f in (root / stem, root / "images" / stem) if f.is_dir()), None)


def read_objects(path: Path) -> tuple[list[Objects], list[str]]:
    """The pictures with at least one object, and the category names in order of their ids."""
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file, object_hook=packed)
        categories = {c["id"]: c["name"] for c in content["categories"]}
        images = {i["id"]: i for i in content["images"]}
        annotations = content.pop("annotations")
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no COCO annotations ({error})") from None
    index = {identity: n for n, identity in enumerate(sorted(categories), start=1)}
    found: dict[int, list[tuple[float, int, bool, Any]]] = {}
    while annotations:
        item = annotations.pop()
        crowd = bool(item.get("iscrowd"))
        # Crowds are drawn first, whatever their size.
        order = float("inf") if crowd else item["area"]
        entry = (order, index[item["category_id"]], crowd, item["segmentation"])
        found.setdefault(item["image_id"], []).append(entry)
    pictures = []
    for identity in sorted(found):
        image = images[identity]
        largest_first = sorted(found.pop(identity), key=lambda entry: -entry[0])
        pictures.append(
            Objects(
                image["file_name"],
                image["height"],
                image["width"],
                [(k, crowd, segmentation) for _, k, crowd, segmentation in largest_first],
            )
        )
    return pictures, [categories[identity] for identity in sorted(categories)]


def packed(item: dict[str, Any]) -> dict[str, Any]:
    """An object of the file with its outlines in arrays, which take a quarter of the memory.

    >>> packed({"segmentation": [[1.0, 2.5, 4.0, 2.5, 4.0, 6.0]]})["segmentation"]
    [array('d', [1.0, 2.5, 4.0, 2.5, 4.0, 6.0])]
    """
    if isinstance(outlines := item.get("segmentation"), list):
        item["segmentation"] = [array("d", outline) for outline in outlines]
    item.pop("bbox", None)
    return item


def draw_masks(pictures: list[Objects], folder: Path, workers: int, title: str) -> None:
    """Write the masks that do not exist yet."""
    left = [p for p in pictures if not (folder / f"{Path(p.name).stem}.png").exists()]
    jobs = ((picture, folder) for picture in left)
    for _ in track(in_processes(jobs, workers), title, len(left), transient=True):
        pass


def in_processes(jobs: Iterator[tuple[Objects, Path]], workers: int) -> Iterator[None]:
    """Draw in ``workers`` processes; with none, in this one."""
    if workers == 0:
        yield from map(draw, jobs)
        return
    with get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(draw, jobs, chunksize=32)


def draw(job: tuple[Objects, Path]) -> None:
    """Write the mask of one picture."""
    picture, folder = job
    write_mask(folder / f"{Path(picture.name).stem}.png", mask_of(picture))


def mask_of(picture: Objects) -> UInt8[np.ndarray, "h w"]:
    """The mask of one picture: larger objects below smaller ones, crowds below all."""
    from pycocotools import mask as rle

    height, width = picture.height, picture.width
    labels = np.zeros((height, width), np.uint8)
    for index, crowd, segmentation in picture.found:
        if isinstance(segmentation, list):
            code: Any = rle.merge(rle.frPyObjects(segmentation, height, width))
        elif isinstance(segmentation["counts"], list):
            code = rle.frPyObjects(segmentation, height, width)
        else:
            code = segmentation
        labels[rle.decode(code).astype(bool)] = IGNORE if crowd else index
    return labels
