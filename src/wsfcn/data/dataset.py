"""A data set: pictures, their tags, and the splits."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from wsfcn.config import DataSettings
from wsfcn.data.classes import BACKGROUND, classes_of_objects, read_classes
from wsfcn.data.tags import Tags, read_tags
from wsfcn.data.transforms import to_tensor
from wsfcn.errors import DataError, PictureError, PictureWarning, TagError
from wsfcn.files import read_text
from wsfcn.images import read_picture, reduced
from wsfcn.types import Batch, Classes, Sample


@dataclass(frozen=True)
class TaggedPicture:
    """One picture file and what it contains."""

    path: Path
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file name without its suffix: what split files and masks are named by."""
        return self.path.stem


@dataclass(frozen=True)
class TaggedPictures:
    """A whole data set. ``masks`` is the folder of truth masks, where there is one: only
    evaluation opens it."""

    classes: Classes
    train: tuple[TaggedPicture, ...]
    val: tuple[TaggedPicture, ...]
    masks: Path | None

    def truth(self, name: str) -> Path | None:
        """The truth mask of a picture, where there is one."""
        path = self.masks / f"{name}.png" if self.masks else None
        return path if path and path.exists() else None


def open_data(settings: DataSettings, tags: Tags | None = None) -> TaggedPictures:
    """Read a data set's tags, classes and splits, and check that its pictures exist.

    ``tags`` are those of the folder, where they have been read already.
    Raises DataError, with file and line, for anything that training could not use.
    """
    if settings.root is None:
        raise DataError("no data: name its folder with --data.root DIR")
    root = settings.root
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    tags = tags or read_tags(root, settings.tags)
    classes = classes_of(root, tags)
    pictures = {}
    for path, found, where in tags.pictures:
        if not path.exists():
            raise DataError(f"{where}: no such picture {path}")
        if not found and not settings.untagged:
            raise TagError(
                f"{where}: no tag; tag the picture, or use such pictures as examples of the "
                "background with --data.untagged"
            )
        for tag in found:
            try:
                classes.index(tag)
            except TagError as error:
                raise TagError(f"{where}: {error}") from None
        if path.stem in pictures:
            raise DataError(f"{where}: two pictures are named '{path.stem}'; names must differ")
        pictures[path.stem] = TaggedPicture(path, found)
    train, val = _split(root, settings, pictures)
    masks = root / "masks"
    return TaggedPictures(classes, train, val, masks if masks.is_dir() else None)


def classes_of(root: Path, tags: Tags) -> Classes:
    """The classes of a data folder: from classes.txt, else from what its tags bring or imply."""
    if (root / "classes.txt").exists():
        return read_classes(root / "classes.txt")
    implied = sorted({tag for picture in tags.pictures for tag in picture.tags} - {BACKGROUND})
    return classes_of_objects(tags.objects or implied)


def _split(
    root: Path, settings: DataSettings, pictures: dict[str, TaggedPicture]
) -> tuple[tuple[TaggedPicture, ...], tuple[TaggedPicture, ...]]:
    """Training and validation pictures, from split files where they exist."""
    val = _read_split(root / f"{settings.val}.txt", pictures)
    train = _read_split(root / f"{settings.train}.txt", pictures)
    if val is None:
        # Every tenth of what training does not claim, so that the same pictures are set aside
        # in every run; with a train.txt, the rest.
        claimed = set(train or ())
        rest = [name for name in sorted(pictures) if name not in claimed]
        val = rest if train is not None else rest[::10]
    if train is None:
        held_out = set(val)
        train = [name for name in pictures if name not in held_out]
    if not train:
        raise DataError(f"{root}: no picture is left to train on")
    for name, split in ((settings.train, train), (settings.val, val)):
        if (root / f"{name}.txt").exists() and not split:
            raise DataError(f"{root / name}.txt: the split is empty")
    return tuple(pictures[name] for name in train), tuple(pictures[name] for name in val)


def _read_split(path: Path, pictures: dict[str, TaggedPicture]) -> list[str] | None:
    if not path.exists():
        return None
    names = []
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        if not text.strip():
            continue
        if text.strip() not in pictures:
            raise DataError(f"{path}, line {line}: '{text.strip()}' has no tags")
        names.append(text.strip())
    return names


def tag_vector(tags: Sequence[str], classes: Classes) -> Float[Tensor, "n"]:
    """1 for each object class that is tagged, else 0."""
    vector = torch.zeros(len(classes) - 1)
    for tag in tags:
        if position := classes.index(tag):
            vector[position - 1] = 1
    return vector


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
        transform: Callable[[Image.Image], Float[Tensor, "3 h w"]],
        seed: int,
        broken: int = 0,
        at_least: int | None = None,
    ) -> None:
        self.pictures = pictures
        self.allowed = broken
        self.at_least = at_least
        self.broken: set[int] = set()
        self.classes = classes
        self.transform = transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: tuple[int, int]) -> Sample:
        draw, position = index
        picture = self.pictures[position]
        try:
            opened = read_picture(picture.path, self.at_least)
        except PictureError as error:
            if position not in self.broken:
                self.broken.add(position)
                warnings.warn(f"passed over: {error}", PictureWarning, stacklevel=2)
            if len(self.broken) > self.allowed or len(self.broken) == len(self.pictures):
                raise
            return self[draw, (position + 1) % len(self.pictures)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(hash((self.seed, draw, position)) % 2**63)
            image = self.transform(opened)
        return Sample(image, tag_vector(picture.tags, self.classes), picture.name)


class ViewingSet(Dataset[Sample | None]):
    """Whole pictures, reduced to ``longest_side`` pixels, for validation.

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
            opened = read_picture(picture.path)
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
    images, tags, names = zip(*samples, strict=True)
    return Batch(torch.stack(images), torch.stack(tags), list(names))
