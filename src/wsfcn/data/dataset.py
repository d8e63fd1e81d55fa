"""A data set: pictures, their tags, and the splits."""

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from wsfcn.config import DataSettings
from wsfcn.data.classes import BACKGROUND, classes_of_objects, read_classes
from wsfcn.data.corrected import find_corrected, without_corrected
from wsfcn.data.forms import read_tags
from wsfcn.data.forms.finding import PICTURE_FOLDERS, composed, posix, stem_of
from wsfcn.data.rounds import SecondRound
from wsfcn.data.splits import split
from wsfcn.data.tagged import Tags
from wsfcn.data.transforms import Transform, to_tensor
from wsfcn.errors import DataError, MaskError, PictureError, PictureWarning, SettingError, TagError
from wsfcn.images import DEEP_SUFFIXES, deep_values, read_mask, read_picture, reduced
from wsfcn.levels import Levels, common_levels
from wsfcn.truth import Truth
from wsfcn.types import IGNORE, Batch, Classes, Sample

MEASURED = 64
"""Pictures on which the levels of a data set are measured, about."""


@dataclass(frozen=True)
class TaggedPicture:
    """One picture file and what it contains."""

    path: Path
    tags: tuple[str, ...]
    name: str
    """Its path below the folder of pictures, without suffix: what split files and masks are named
    by."""
    levels: Levels | None = None
    """The values that become black and white, where it has more than 8 bits."""

    def open(self, at_least: int | None = None) -> Image.Image:
        """The picture, upright and RGB, as `read_picture` gives it. Raises PictureError."""
        return read_picture(self.path, at_least, self.levels)


@dataclass(frozen=True)
class TaggedPictures:
    """A whole data set. ``masks`` is the folder of truth masks, where there is one: only
    evaluation opens it."""

    classes: Classes
    train: tuple[TaggedPicture, ...]
    val: tuple[TaggedPicture, ...]
    masks: Path | None
    form: str = ""
    """The form of the tags, in words."""
    notes: tuple[str, ...] = ()
    """What is odd about it, each with what to do."""
    marks: Mapping[str, Truth] = field(default_factory=dict)
    """Truth masks that lie elsewhere, by the name of their picture."""
    corrected: Mapping[str, Path] = field(default_factory=dict)
    """Masks to learn from, by the name of their picture, which is one of ``train`` alone."""
    levels: Levels | None = None
    """The values that become black and white in pictures of more than 8 bits, if any has."""
    untold: frozenset[str] = frozenset()
    """Classes whose tags were left out, as they tell nothing (`data/telling.py`)."""

    def in_words(self) -> list[str]:
        """What was found, and what is odd about it, a line each."""
        bare = sum(not picture.tags for picture in self.train)
        without = f", {bare} of them without a tag," if bare else ""
        found = (
            f"{self.form or 'data'}: {len(self.train)} pictures{without} to learn from, "
            f"{len(self.val)} to validate on"
        )
        lines = [found, *(f"note: {note}" for note in self.notes)]
        if self.corrected:
            lines.append(f"learned from as people corrected them: {len(self.corrected)} pictures")
        return lines

    def truth(self, name: str) -> Truth | None:
        """The truth mask of a picture, where there is one: masks/a/b.png for a/b, or masks/b.png
        where no other picture is called b."""
        if name in self.marks:
            return self.marks[name]
        if not self.masks:
            return None
        bare = name.rpartition("/")[2]
        path = self.mask_files.get(name)
        if path is None and bare not in self.ambiguous:
            path = self.mask_files.get(bare)
        return Truth(path) if path else None

    @cached_property
    def mask_files(self) -> dict[str, Path]:
        """The files in the folder of truth masks by name, whichever form of Unicode that has."""
        if not self.masks:
            return {}
        found = sorted(self.masks.rglob("*.png"))
        return {composed(stem_of(path.relative_to(self.masks).as_posix())): path for path in found}

    def val_truths(self) -> dict[str, Truth]:
        """The truth masks of the validation pictures, by name. Raises MaskError for want of any."""
        pairs = ((picture.name, self.truth(picture.name)) for picture in self.val)
        found = {name: truth for name, truth in pairs if truth}
        if not found:
            raise MaskError(f"none of {len(self.val)} validation pictures has a truth mask")
        return found

    def stray_masks(self) -> list[Path]:
        """Files in the folder of truth masks that are no picture's."""
        names = (picture.name for picture in (*self.train, *self.val))
        used = {truth.path for name in names if (truth := self.truth(name))}
        return [path for path in self.mask_files.values() if path not in used]

    @cached_property
    def ambiguous(self) -> frozenset[str]:
        """Last parts of names that several pictures have."""
        names = {picture.name for picture in (*self.train, *self.val)}
        counts = Counter(name.rpartition("/")[2] for name in names)
        return frozenset(bare for bare, count in counts.items() if count > 1)


def open_data(settings: DataSettings, tags: Tags | None = None) -> TaggedPictures:
    """Read a data set's tags, classes and splits, and check that its pictures exist.

    ``tags`` are those of the folder, where they have been read already.
    Raises DataError, with file and line, for anything that training could not use.
    """
    root = folder_of(settings)
    tags = tags or read_tags(root, settings.tags, settings.normal)
    classes = classes_of(root, tags, background=settings.background != "none")
    marks: dict[str, Truth] = {}
    pictures: dict[str, TaggedPicture] = {}
    said: dict[str, str] = {}
    base = os.path.abspath(tags.folder or picture_folder(root, tags))  # noqa: PTH100 (quicker)
    for path, found, where, part in tags.pictures:
        if not found and settings.untagged is False:
            raise TagError(
                f"{where}: no tag; tag the picture, or use such pictures as examples of the "
                "background with --data.untagged"
            )
        if not found and not classes.background:
            raise TagError(
                f"{where}: no tag, but without a background every pixel belongs to a class; tag "
                "the picture, leave it out, or begin classes.txt with 'background'"
            )
        for tag in found:
            try:
                classes.index(tag)
            except TagError as error:
                raise TagError(f"{where}: {error} (read as {tags.form})") from None
        name = name_below(base, path)
        if name in pictures:
            raise DataError(f"{where}: two pictures are named '{name}'; names must differ")
        pictures[name] = TaggedPicture(path, found, name)
        said[name] = part
        if path in tags.marks and len(found) == 1:
            marks[name] = Truth(tags.marks[path], classes.index(found[0]))
    splits = split(root, settings, said)
    corrected = find_corrected(root, settings, splits, said)
    train, val, notes = without_corrected(splits, corrected)
    levels = settings.levels or levels_of([pictures[name].path for name in train])
    if levels:
        pictures = {name: replace(picture, levels=levels) for name, picture in pictures.items()}
    masks = root / "masks"
    return TaggedPictures(
        classes,
        tuple(pictures[name] for name in train),
        tuple(pictures[name] for name in val),
        masks if masks.is_dir() else None,
        tags.form,
        (*tags.notes, *notes),
        marks,
        corrected,
        levels,
    )


def levels_of(paths: Sequence[Path]) -> Levels | None:
    """The levels of pictures of more than 8 bits, measured on some; None where there are none.

    A picture that cannot be read is not this function's to report.
    """
    deep = [path for path in paths if path.suffix.lower() in DEEP_SUFFIXES]

    def values() -> Iterator[Shaped[np.ndarray, "h w"]]:
        for path in deep[:: max(1, len(deep) // MEASURED)]:
            with suppress(PictureError):
                if (found := deep_values(path)) is not None:
                    yield found

    return common_levels(values())


def folder_of(settings: DataSettings) -> Path:
    """The folder of a data set. Raises DataError where there is none."""
    if settings.root is None:
        raise DataError("no data: name its folder with --data.root DIR")
    if not settings.root.is_dir():
        raise DataError(f"{settings.root}: no such folder")
    return settings.root


def classes_of(root: Path, tags: Tags, *, background: bool = True) -> Classes:
    """The classes of a data folder: from classes.txt, else from what its tags bring or imply."""
    if (root / "classes.txt").exists():
        listed = read_classes(root / "classes.txt")
        if listed.background and not background:
            raise SettingError(
                f"data.background: none, but {root / 'classes.txt'} starts with one; take that "
                "line out, and 1 off the values of its masks"
            )
        return listed
    implied = sorted({tag for picture in tags.pictures for tag in picture.tags} - {BACKGROUND})
    if not (tags.objects or implied):
        raise TagError(
            f"{root}: none of {len(tags.pictures)} pictures has a tag (read as {tags.form}); tag "
            "those that show what is to be found"
        )
    return classes_of_objects(tags.objects or implied, background=background)


def picture_folder(root: Path, tags: Tags) -> Path:
    """The folder below which pictures are named: the deepest that holds all of them, and not
    deeper than ``images`` in the data folder."""
    parents = {os.path.dirname(picture.path) for picture in tags.pictures}  # noqa: PTH120
    shared = os.path.commonpath([os.path.abspath(parent) for parent in parents])  # noqa: PTH100
    first = Path(os.path.relpath(shared, root)).parts[:1]
    return root / first[0] if first and first[0].lower() in PICTURE_FOLDERS else Path(shared)


def name_below(base: str, path: Path) -> str:
    """A picture's name: its path below ``base``, without suffix.

    >>> name_below("/pets/images", Path("/pets/images/dogs/rex.jpg"))
    'dogs/rex'
    """
    whole = os.path.abspath(path)  # noqa: PTH100 (quicker, and follows no link)
    if not whole.startswith(base + os.sep):
        return composed(path.stem)
    return stem_of(posix(whole[len(base) + 1 :]))


def tag_vector(tags: Sequence[str], classes: Classes) -> Float[Tensor, "n"]:
    """1 for each object class that is tagged, else 0."""
    vector = torch.zeros(len(classes.objects))
    for tag in tags:
        if tag in classes.objects:
            vector[classes.objects.index(tag)] = 1
    return vector


def tag_matrix(pictures: Sequence[TaggedPicture], classes: Classes) -> Float[Tensor, "m n"]:
    """The tags of pictures, as `tag_vector` gives them, a row each."""
    return torch.stack([tag_vector(picture.tags, classes) for picture in pictures])


class TrainingSet(Dataset[Sample]):
    """Augmented samples. An index is a pair (draw, picture): ``draw`` seeds the augmentation.

    So a sample depends on nothing but the seed, the draw and the picture: not on the number of
    workers, and not on what was loaded before. A picture that cannot be read is replaced by the
    next one, with a warning; more than ``broken`` of them (in one worker and epoch) raise
    PictureError. Large JPEGs are decoded at a reduced size of ``at_least`` pixels a side.
    """

    def __init__(
        self,
        pictures: Sequence[TaggedPicture],
        classes: Classes,
        transform: Transform,
        seed: int,
        broken: int = 0,
        at_least: int | None = None,
        corrected: Mapping[str, Path] | None = None,
        second: SecondRound | None = None,
    ) -> None:
        self.pictures = pictures
        self.second = second
        self.allowed = broken
        self.at_least = at_least
        self.broken: set[int] = set()
        self.classes = classes
        self.transform = transform
        self.seed = seed
        self.corrected = corrected or {}

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: tuple[int, int]) -> Sample:
        draw, position = index
        picture = self.pictures[position]
        try:
            opened = picture.open(self.at_least)
        except PictureError as error:
            if position not in self.broken:
                self.broken.add(position)
                warnings.warn(f"passed over: {error}", PictureWarning, stacklevel=2)
            if len(self.broken) > self.allowed or len(self.broken) == len(self.pictures):
                raise
            return self[draw, (position + 1) % len(self.pictures)]
        path = self.corrected.get(picture.name)
        mask = self.classes.to_channels(read_mask(path), IGNORE) if path else None
        made = self.second.labels(picture.name, draw) if self.second else None
        labels = None if made is None else self.classes.to_channels(made, IGNORE)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(hash((self.seed, draw, position)) % 2**63)
            crop = self.transform(opened, mask, labels)
        tags = tag_vector(picture.tags, self.classes)
        return Sample(crop.image, tags, picture.name, crop.corrected, crop.labels, crop.plain)


class ViewingSet(Dataset[Sample | None]):
    """Whole pictures, `reduced` to ``longest_side`` pixels, for validation.

    One that cannot be read is None, with a warning.
    """

    def __init__(
        self, pictures: Sequence[TaggedPicture], classes: Classes, longest_side: int
    ) -> None:
        self.pictures = pictures
        self.classes = classes
        self.longest_side = longest_side

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Sample | None:
        picture = self.pictures[index]
        try:
            opened = picture.open()
        except PictureError as error:
            warnings.warn(f"passed over: {error}", PictureWarning, stacklevel=2)
            return None
        image = to_tensor(reduced(opened, self.longest_side))
        return Sample(image, tag_vector(picture.tags, self.classes), picture.name)


def only(samples: Sequence[Sample | None]) -> Batch | None:
    """The batch of a single picture, or None where it could not be read."""
    (sample,) = samples
    return collate([sample]) if sample else None


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size."""
    images, tags, names, corrected, labels, plain = zip(*samples, strict=True)
    nothing = images[0].new_full(images[0].shape[1:], IGNORE, dtype=torch.uint8)
    said, made = (
        torch.stack([nothing if mask is None else mask for mask in masks])
        if any(mask is not None for mask in masks)
        else None
        for masks in (corrected, labels)
    )
    own = None if plain[0] is None else torch.stack(plain)
    return Batch(torch.stack(images), torch.stack(tags), list(names), said, made, own)
