"""What a data set holds, and what would stop a training on it."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.progress import track

from wsfcn.config import DataSettings
from wsfcn.data.classes import BACKGROUND
from wsfcn.data.dataset import TaggedPicture, TaggedPictures, open_data
from wsfcn.data.forms import read_tags
from wsfcn.data.forms.finding import DataFolder
from wsfcn.data.tagged import Tags
from wsfcn.errors import DataError, MaskError, PictureError
from wsfcn.images import read_mask, read_picture
from wsfcn.notebook import html_list, html_table
from wsfcn.terminal import is_watched, say, table
from wsfcn.truth import Truth, check_size, check_values
from wsfcn.types import IGNORE, Classes

FEW = 10
"""Training pictures below which a class is reported as rare."""


SAMPLES = 6
"""Pictures of each class on the page."""


@dataclass(repr=False)
class Inspection:
    """What was found."""

    classes: Classes | None = None
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """Pictures of each class, by split."""
    pictures: dict[str, int] = field(default_factory=dict)
    """Pictures of each split."""
    together: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Training pictures that show two classes."""
    samples: dict[str, list[Path]] = field(default_factory=dict)
    """A few training pictures of each class."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    corrected: int = 0
    """Pictures of which people have corrected the mask."""
    shown: Counter[str] = field(default_factory=Counter)
    """Corrected pictures that show a class, by its name."""
    untagged: int = 0
    """Pictures that are listed without a tag."""
    unlisted: list[Path] = field(default_factory=list)
    """Pictures in the folder that have no tags."""
    duplicates: list[tuple[Path, Path]] = field(default_factory=list)
    """Files of the same content."""
    errors: list[str] = field(default_factory=list)
    """What would stop a training, or lose pictures, each with its cure."""
    hints: list[str] = field(default_factory=list)
    """What would not, but is worth knowing."""

    def __repr__(self) -> str:
        return f"Inspection({summary(self)}; errors: {len(self.errors)}; hints: {len(self.hints)})"

    def _repr_html_(self) -> str:
        """In a notebook: what the terminal shows."""
        header, rows, totals = rows_of(self)
        return (
            html_table(header, [*rows, totals], summary(self))
            + html_list("What would stop a training", self.errors)
            + html_list("Worth knowing", self.hints)
        )


def inspect_data(settings: DataSettings) -> Inspection:
    """Read all tags and pictures of a data set. Errors are collected, not raised."""
    found = Inspection()
    root = settings.root
    if root is None or not root.is_dir():
        found.errors.append(f"{root}: no such folder; name it with --data.root DIR")
        return found
    tags: Tags | None = None
    data: TaggedPictures | None = None
    try:
        tags = read_tags(root, settings.tags, settings.normal)
        data = open_data(settings, tags)
    except DataError as error:
        found.errors.append(str(error))
    if tags:
        listed = {picture.path.resolve() for picture in tags.pictures}
        found.untagged = sum(not picture.tags for picture in tags.pictures)
        folder_files = DataFolder(root).pictures.values()
        found.unlisted = [path for path in folder_files if path.resolve() not in listed]
        read_pictures([picture.path for picture in tags.pictures], found)
    if data:
        count_tags(data, found)
        check_truth(data, found)
        count_corrected(data, found)
        found.hints += data.notes
    if found.unlisted:
        found.hints.append(
            f"{len(found.unlisted)} pictures have no tags, the first is {found.unlisted[0]}; "
            "they are not used"
        )
    for one, other in found.duplicates:
        found.hints.append(f"{one} and {other} are the same picture")
    return found


def read_pictures(paths: Sequence[Path], found: Inspection) -> None:
    """Decode every picture: note sizes, broken ones and duplicates."""
    seen: dict[str, Path] = {}

    def look(path: Path) -> tuple[Path, str, tuple[int, int] | str]:
        try:
            digest = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
            return path, digest, read_picture(path).size
        except OSError:
            return path, "", f"{path}: no such picture"
        except PictureError as error:
            return path, "", str(error)

    with ThreadPoolExecutor() as pool:
        for path, digest, size in track(
            pool.map(look, paths), "Reading", len(paths), transient=True, disable=not is_watched()
        ):
            if isinstance(size, str):
                found.errors.append(f"{size}; replace it, or take it out of the tags")
                continue
            found.sizes.append(size)
            if digest in seen:
                found.duplicates.append((seen[digest], path))
            seen.setdefault(digest, path)


def check_truth(data: TaggedPictures, found: Inspection) -> None:
    """Note truth masks that do not fit their pictures, or hold what no class is."""
    for picture in (*data.train, *data.val):
        if truth := data.truth(picture.name):
            try:
                check_size(picture.path, truth.path)
                check_values(truth, len(data.classes))
            except MaskError as error:
                found.errors.append(str(error))


def count_corrected(data: TaggedPictures, found: Inspection) -> None:
    """Count corrected masks and what they show; note those that do not fit, or show other tags."""
    found.corrected = len(data.corrected)
    for picture in data.train:
        if not (path := data.corrected.get(picture.name)):
            continue
        try:
            check_size(picture.path, path, "corrected")
            check_values(Truth(path), len(data.classes))
        except MaskError as error:
            found.errors.append(str(error))
            continue
        present = set(np.unique(read_mask(path)).tolist()) - {IGNORE}
        names = [data.classes.names[k] for k in sorted(present)]
        found.shown.update(names)
        if forgotten := set(names) - {BACKGROUND, *picture.tags}:
            found.hints.append(
                f"{path} shows {', '.join(sorted(forgotten))}, which {picture.path} is not tagged "
                "with: add the tag"
            )


def count_tags(data: TaggedPictures, found: Inspection) -> None:
    """Count classes by split, and pairs; note classes that cannot be learnt."""
    found.classes = data.classes
    splits: dict[str, Sequence[TaggedPicture]] = {"train": data.train, "val": data.val}
    for split, pictures in splits.items():
        found.pictures[split] = len(pictures)
        found.counts[split] = Counter(tag for picture in pictures for tag in set(picture.tags))
    for picture in data.train:
        found.together.update(combinations(sorted(set(picture.tags)), 2))
    train = found.counts["train"]
    for name in data.classes.objects:
        found.samples[name] = [p.path for p in data.train if name in p.tags][:SAMPLES]
        if train[name] == 0:
            found.hints.append(f"'{name}' is on no training picture: it cannot be learnt")
        elif train[name] < FEW:
            found.hints.append(f"'{name}' is on {train[name]} training pictures: tag more")
        if train[name] == len(data.train) > 1:
            found.hints.append(f"'{name}' is on every training picture: add some without it")
    for (one, other), count in found.together.items():
        if count == train[one] == train[other] and count >= FEW:
            found.hints.append(f"'{one}' and '{other}' always come together: tags cannot part them")


def summary(found: Inspection) -> str:
    """Number and sizes of the pictures in a line."""
    if not found.sizes:
        return "no picture was read"
    widths, heights = zip(*found.sizes, strict=True)
    return (
        f"{len(found.sizes)} pictures from {min(widths)} x {min(heights)} to {max(widths)} x "
        f"{max(heights)}; without a tag: {found.untagged}"
    )


def rows_of(found: Inspection) -> tuple[list[str], list[tuple[object, ...]], tuple[object, ...]]:
    """A header, a row a class with its pictures by split and what it comes with, and the totals."""
    rows: list[tuple[object, ...]] = []
    for name in found.classes.objects if found.classes else ():
        partners: Counter[str] = Counter()
        for pair, count in found.together.items():
            if name in pair:
                partners[pair[pair[0] == name]] += count
        beside = ", ".join(f"{other} {count}" for other, count in partners.most_common(3))
        rows.append((name, *(counts[name] for counts in found.counts.values()), beside))
    header = ["class", *found.counts, "most often with"]
    return header, rows, ("pictures", *found.pictures.values(), "")


def print_inspection(found: Inspection) -> None:
    """Tables in the terminal, then hints and errors, a line each."""
    if found.classes:
        header, rows, totals = rows_of(found)
        table(header, rows, [totals])
    say(summary(found))
    if found.corrected:
        shown = ", ".join(f"{name} {count}" for name, count in found.shown.most_common())
        say(f"{found.corrected} corrected pictures, learned from and in no figure; with {shown}")
    for hint in found.hints:
        say(f"note: {hint}")
    for error in found.errors:
        say(f"error: {error}")
