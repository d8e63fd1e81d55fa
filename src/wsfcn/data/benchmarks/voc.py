"""PASCAL VOC 2012 with SBD, from their official folders to the native layout.

Pictures stay where they are; tags come from the XML annotations, whose boxes name what is there.
The augmented training set is (VOC train + SBD train + SBD val) - VOC val, as everywhere.
"""

import shutil
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path

import numpy as np
from rich.progress import track
from torchvision.datasets import SBDataset
from torchvision.datasets.voc import DATASET_YEAR_DICT

from wsfcn.data.benchmarks.download import Archive
from wsfcn.data.benchmarks.matlab import read_field
from wsfcn.data.benchmarks.prepared import Prepared
from wsfcn.data.classes import VOC
from wsfcn.data.forms.voc import names_of_boxes
from wsfcn.errors import DataError
from wsfcn.files import atomic, is_whole, read_text, write_lines, write_table
from wsfcn.images import read_mask, write_mask
from wsfcn.truth import Truth, check_values
from wsfcn.types import IGNORE

TRAINVAL = DATASET_YEAR_DICT["2012"]
EXPECTED = {"train": 10_582, "val": 1_449, "test": 1_456}
"""Pictures of each split where everything is there."""


def downloads(sbd: Path | None = None) -> list[Archive]:
    """VOC's training and validation splits and, unless it is elsewhere, SBD: 3.4 GB.

    The test pictures are at the evaluation server, behind an account.
    """
    voc = Archive(TRAINVAL["url"], TRAINVAL["md5"], ("VOCdevkit/VOC2012",))
    boundaries = Archive(SBDataset.url, SBDataset.md5, ("benchmark_RELEASE",))
    return [voc] if sbd else [voc, boundaries]


def prepare_voc12(root: Path, out: Path, sbd: Path | None = None) -> Prepared:
    """Write ``out`` in the native layout from ``root/VOCdevkit/VOC2012`` (or ``root`` itself).

    ``sbd`` is the ``benchmark_RELEASE`` folder, by default the one in ``root``; instead of it,
    ``SegmentationClassAug`` and ``train_aug.txt`` in the devkit are taken. What exists in ``out``
    is kept, so that a preparation that was cut off goes on. Raises DataError.
    """
    devkit = find_devkit(root)
    sbd = sbd or next(iter(root.glob("**/benchmark_RELEASE")), None)
    lists = devkit / "ImageSets" / "Segmentation"
    splits = {name: read_names(lists / f"{name}.txt") for name in ("train", "val")}
    validation = set(splits["val"])
    extra: list[str] = []
    if sbd:
        for name in ("train", "val"):
            extra += read_names(sbd / "dataset" / f"{name}.txt")
    elif (lists / "train_aug.txt").exists():
        extra = read_names(lists / "train_aug.txt")
    splits["train"] = sorted({*splits["train"], *extra} - validation)
    pictures = {path.stem for path in (devkit / "JPEGImages").glob("*.jpg")}
    test = read_names(lists / "test.txt") if (lists / "test.txt").exists() else []
    splits["test"] = [name for name in test if name in pictures]

    named = [*splits["train"], *splits["val"]]
    if absent := [name for name in named if name not in pictures]:
        raise DataError(
            f"{devkit / 'JPEGImages'}: {len(absent)} listed pictures are missing, the first is "
            f"{absent[0]}.jpg; is the download whole?"
        )
    for name in track(named, "Masks", transient=True):
        write_truth(name, devkit, sbd, out / "masks")
    from_masks = 0
    pictures_from_out = Path(relpath(devkit / "JPEGImages", out))
    rows = [("image", "tags")]
    for name in track(named, "Tags", transient=True):
        annotation = devkit / "Annotations" / f"{name}.xml"
        if annotation.exists():
            found = names_of_boxes(annotation)
            tags = [tag for tag in VOC.objects if tag in found]
        else:
            tags = tags_of_mask(out / "masks" / f"{name}.png")
            from_masks += 1
        rows.append((f"{(pictures_from_out / name).as_posix()}.jpg", " ".join(tags)))
    write_table(out / "tags.csv", rows)
    write_lines(out / "classes.txt", VOC.names)
    for split, names in splits.items():
        if names:
            write_lines(out / f"{split}.txt", names)
    missing = []
    if not sbd:
        missing.append(
            "SBD (benchmark_RELEASE), most of the training pictures; --download fetches it"
        )
    if not splits["test"]:
        missing.append("the test pictures, for the evaluation server alone, which has them")
    return Prepared({split: len(names) for split, names in splits.items()}, from_masks, missing)


def find_devkit(root: Path) -> Path:
    """The folder VOC2012 in or below ``root``."""
    for devkit in (root / "VOCdevkit" / "VOC2012", root / "VOC2012", root):
        if (devkit / "ImageSets" / "Segmentation").is_dir():
            return devkit
    raise DataError(
        f"{root}: holds no VOCdevkit/VOC2012 with ImageSets/Segmentation; --download fetches it"
    )


def read_names(path: Path) -> list[str]:
    """The names in a list of VOC or SBD."""
    try:
        return read_text(path).split()
    except DataError as error:
        raise DataError(f"{error}; is the download whole?") from None


def write_truth(name: str, devkit: Path, sbd: Path | None, masks: Path) -> None:
    """Write the truth of one picture, VOC's own before SBD's, unless it is there."""
    target = masks / f"{name}.png"
    if is_whole(target):
        return
    for folder in ("SegmentationClass", "SegmentationClassAug"):
        if (found := devkit / folder / f"{name}.png").exists():
            with atomic(target) as temporary:
                shutil.copyfile(found, temporary)
            return
    mat = sbd / "dataset" / "cls" / f"{name}.mat" if sbd else None
    if not mat or not mat.exists():
        raise DataError(f"{devkit}: no mask of {name}, neither here nor in SBD")
    write_mask(target, read_field(mat, "GTcls", "Segmentation"))


def tags_of_mask(path: Path) -> Sequence[str]:
    """The classes in a mask."""
    check_values(Truth(path), len(VOC))
    present = set(np.unique(read_mask(path)).tolist()) - {0, IGNORE}
    return [VOC.names[k] for k in sorted(present)]
