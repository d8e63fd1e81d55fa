"""``voc`` and ``cvat-masks``: the folder of PASCAL VOC with the colours and names of its classes.

CVAT calls it "Segmentation mask 1.1" and takes it in as a zip archive, the same layout with another
list. Each class has its colour in ``labelmap.txt``, and a mask is a picture in these colours:

    SegmentationClass/NAME.png   ImageSets/Segmentation/LIST.txt   labelmap.txt

Format: CVAT's documentation of "Segmentation mask", and the VOC2012 devkit.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from wsfcn.data.classes import VOC
from wsfcn.errors import DataError, MaskError
from wsfcn.exchange.labelled import UNSAID, Collection, Given, Labelled, Wanted, index_of
from wsfcn.exchange.masks import checked, files_in
from wsfcn.exchange.shapes import NO_LABEL
from wsfcn.files import read_lines, write_lines
from wsfcn.images import decoding, voc_palette, was_taught, write_mask
from wsfcn.types import IGNORE, Classes

FOLDER = "SegmentationClass"
MAP = "labelmap.txt"
HEADER = "# label:color_rgb:parts:actions"
IGNORED = ("ignored", UNSAID)
"""What the colour of pixels of no class may be called."""


def fits(source: Path) -> bool:
    """A folder with SegmentationClass in it."""
    return (source / FOLDER).is_dir()


def read(source: Path, wanted: Wanted) -> Collection:
    """A folder of VOC's form. Without ``labelmap.txt`` its classes must be given, or be VOC's."""
    if not (source / MAP).exists():
        classes = wanted.classes or VOC
        values = {tuple(colour): k for k, colour in enumerate(voc_palette().tolist())}
        return Collection(classes, read_folder(source, classes, values, wanted))
    colours = read_map(source / MAP)
    named = {name: colour for name, colour in colours.items() if name not in IGNORED}
    classes = wanted.classes_of(named, source / MAP)
    values = {colour: index_of(name, classes) for name, colour in named.items()}
    # VOC's colour of outlines, which the map need not name.
    values.setdefault(tuple(voc_palette()[IGNORE].tolist()), IGNORE)
    values |= {colours[name]: IGNORE for name in IGNORED if name in colours}
    return Collection(classes, read_folder(source, classes, values, wanted))


def read_map(path: Path) -> dict[str, tuple[int, ...]]:
    """The colour of each name. Raises DataError."""
    colours = {}
    for number, line in enumerate(read_lines(path), start=1):
        if line.startswith("#"):
            continue
        name, *others = line.rsplit(":", 3)
        try:
            red, green, blue = map(int, others[0].split(","))
        except (ValueError, IndexError):
            raise DataError(f"{path}, line {number}: expected name:red,green,blue::") from None
        colours[name] = (red, green, blue)
    return colours


def read_folder(
    source: Path, classes: Classes, values: dict[tuple[int, ...], int], wanted: Wanted
) -> Iterator[Labelled]:
    """The masks of SegmentationClass, from colours to labels. Raises MaskError."""
    for path in files_in(source / FOLDER, ".png"):
        labels = checked(read_coloured(path, values), classes, path)
        if wanted.rest:
            labels[labels == 0] = wanted.rest
        file = path.relative_to(source / FOLDER).with_suffix(".jpg").as_posix()
        place = wanted.place(file, labels.shape[::-1], path)
        yield Labelled(
            name=place.name,
            labels=labels,
            file=place.file,
            picture=place.picture,
            taught=was_taught(path),
        )


def read_coloured(path: Path, values: dict[tuple[int, ...], int]) -> UInt8[np.ndarray, "h w"]:
    """The labels of a mask by its colours, through its palette or pixel by pixel."""
    with decoding(path, MaskError, "mask") as mask:
        if mask.mode == "P":
            colours = np.zeros((256, 3), np.int64)
            palette = mask.getpalette("RGB") or []
            colours.flat[: len(palette)] = palette
            present, where = np.unique(np.array(mask), return_inverse=True)
            colours = colours[present]
        else:
            pixels = np.asarray(mask.convert("RGB")).astype(np.int64)
            packed, where = np.unique(pixels @ (1 << 16, 1 << 8, 1), return_inverse=True)
            colours = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)
        where = where.reshape(mask.height, mask.width)
    labels = []
    for colour in map(tuple, colours.tolist()):
        if colour not in values:
            raise MaskError(f"{path}: colour {colour} is no class of {MAP}")
        labels.append(values[colour])
    return np.array(labels, np.uint8)[where]


def write_voc(out: Path, collection: Collection, _given: Given) -> None:
    """Write VOC's folder; pixels of no class have the colour that VOC gives them."""
    write_folder(out, collection, "train", {"ignored": IGNORE})


def write_cvat(out: Path, collection: Collection, _given: Given) -> None:
    """Write CVAT's Segmentation mask 1.1, in which nothing can be left unsaid."""
    write_folder(out, collection, "default", {})


def write_folder(out: Path, collection: Collection, split: str, more: dict[str, int]) -> None:
    """Write masks, list and colours; ``more`` are names of labels that are no classes."""
    palette = voc_palette().tolist()
    numbered = {name: k for k, name in enumerate(collection.classes.names)} | more
    lines = [f"{name}:{','.join(map(str, palette[k]))}::" for name, k in numbered.items()]
    write_lines(out / MAP, [HEADER, *lines])
    names = []
    for picture in collection.pictures:
        labels = picture.labels
        if IGNORE not in more.values() and (labels == IGNORE).any():
            labels = np.where(labels == IGNORE, np.uint8(0), labels)
            collection.notes[NO_LABEL] += 1
        write_mask(out / FOLDER / f"{picture.name}.png", labels, taught=picture.taught)
        names.append(picture.name)
    write_lines(out / "ImageSets" / "Segmentation" / f"{split}.txt", names)
