"""What a data set holds, what would stop a training on it, and what should be better."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wsfcn.config import DataSettings
from wsfcn.data.advice import Seen, advise, count, count_pairs, duplicates
from wsfcn.data.classes import BACKGROUND
from wsfcn.data.dataset import TaggedPicture, TaggedPictures, open_data
from wsfcn.data.forms import read_tags
from wsfcn.data.forms.finding import DataFolder
from wsfcn.data.looking import Look, look_at_all
from wsfcn.data.similar import Twin
from wsfcn.data.tagged import Tags
from wsfcn.data.telling import told
from wsfcn.errors import DataError, MaskError
from wsfcn.files import atomic, need_suffix
from wsfcn.images import read_mask
from wsfcn.levels import Levels
from wsfcn.notebook import html_list, html_table
from wsfcn.terminal import say, table
from wsfcn.truth import Truth, check_size, check_values
from wsfcn.types import IGNORE, Classes

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
    twins: list[Twin] = field(default_factory=list)
    """Validation pictures with the training pictures that they nearly are."""
    errors: list[str] = field(default_factory=list)
    """What would stop a training, or lose pictures, each with its cure."""
    notes: list[str] = field(default_factory=list)
    """What would not, but is worth knowing, each with what to do."""
    form: str = ""
    """The form of the tags, in words."""

    def to_dict(self) -> dict[str, Any]:
        """What programs may want to know, ready for JSON."""
        return {
            "form": self.form,
            "classes": list(self.classes.names) if self.classes else [],
            "pictures": self.pictures,
            "tags": {
                split: {name: counts[name] for name in self.classes.objects}
                for split, counts in self.counts.items()
                if self.classes
            },
            "notes": self.notes,
            "errors": self.errors,
        }

    def __repr__(self) -> str:
        return f"Inspection({summary(self)}; errors: {len(self.errors)}; notes: {len(self.notes)})"

    def _repr_html_(self) -> str:
        """In a notebook: what the terminal shows."""
        header, rows, totals = rows_of(self)
        return (
            html_table(header, [*rows, totals], summary(self))
            + html_list("What would stop a training", self.errors)
            + html_list("Worth knowing", self.notes)
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
        found.form, found.notes = tags.form, [*tags.notes]
        levels = data.levels if data else settings.levels
        looks = read_pictures([picture.path for picture in tags.pictures], found, levels)
        found.duplicates = duplicates(looks)
        if data:
            seen = Seen(data, looks)
            found.notes = [*data.notes, *advise(seen)]
            found.twins = seen.twins
            count_tags(data, found)
            check_truth(data, found)
            count_corrected(data, found)
            check_told(data, found)
            if data.levels:
                low, high = data.levels
                found.notes.append(
                    f"pictures of more than 8 bits are scaled: {low:g} becomes black, {high:g} "
                    "white, in prediction too; other values with --data.levels LOW HIGH"
                )
    if found.unlisted:
        found.notes.append(
            f"{len(found.unlisted)} pictures have no tags, the first is {found.unlisted[0]}; "
            "they are not used: tag them, or take them out of the folder"
        )
    return found


def check_told(data: TaggedPictures, found: Inspection) -> None:
    """Note an error where tags tell nothing at all."""
    try:
        told(data)
    except MaskError:
        pass  # told with the other corrected masks
    except DataError as error:
        found.errors.append(str(error))


def read_pictures(
    paths: Sequence[Path], found: Inspection, levels: Levels | None
) -> dict[Path, Look]:
    """Decode every picture: note sizes and broken ones."""
    looks = {}
    for path, look in look_at_all(paths, levels):
        if isinstance(look, DataError):
            found.errors.append(f"{look}; replace it, or take it out of the tags")
        else:
            looks[path] = look
            found.sizes.append(look.size)
    return looks


def check_truth(data: TaggedPictures, found: Inspection) -> None:
    """Note truth masks that do not fit their pictures, or hold what no class is."""
    for picture in (*data.train, *data.val):
        if truth := data.truth(picture.name):
            try:
                check_size(picture.path, truth.path)
                check_values(truth, len(data.classes))
            except MaskError as error:
                found.errors.append(str(error))
    if stray := data.stray_masks():
        found.notes.append(
            f"{len(stray)} masks belong to no picture, such as {stray[0]}: name each like its "
            "picture, in the same folders, or nothing is measured by it"
        )


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
            found.notes.append(
                f"{path} shows {', '.join(sorted(forgotten))}, which {picture.path} is not tagged "
                "with: add the tag"
            )


def count_tags(data: TaggedPictures, found: Inspection) -> None:
    """Count classes by split, and pairs."""
    found.classes = data.classes
    splits: dict[str, Sequence[TaggedPicture]] = {"train": data.train, "val": data.val}
    for split, pictures in splits.items():
        found.pictures[split] = len(pictures)
        found.counts[split] = count(pictures)
    found.together = count_pairs(data.train)
    for name in data.classes.objects:
        found.samples[name] = [p.path for p in data.train if name in p.tags][:SAMPLES]


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
        for pair, pictures in found.together.items():
            if name in pair:
                partners[pair[pair[0] == name]] += pictures
        beside = ", ".join(f"{other} {count}" for other, count in partners.most_common(3))
        rows.append((name, *(counts[name] for counts in found.counts.values()), beside))
    header = ["class", *found.counts, "most often with"]
    return header, rows, ("pictures", *found.pictures.values(), "")


def write_json(path: Path, found: Inspection) -> None:
    """Write what was found for programs. Raises SettingError where the name is none of JSON."""
    need_suffix(path, ".json")
    with atomic(path) as name:
        name.write_text(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n", "utf-8")


def print_inspection(found: Inspection) -> None:
    """Tables in the terminal, then notes and errors, a line each."""
    if found.classes:
        header, rows, totals = rows_of(found)
        table(header, rows, [totals])
    say(summary(found))
    if found.form:
        say(f"read as {found.form}")
    if found.corrected:
        shown = ", ".join(f"{name} {count}" for name, count in found.shown.most_common())
        say(f"{found.corrected} corrected pictures, learned from and in no figure; with {shown}")
    for note in found.notes:
        say(f"note: {note}")
    for error in found.errors:
        say(f"error: {error}")
