"""A data folder: which pictures lie in it, found by the names that tables and tools give them."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from wsfcn.errors import TagError
from wsfcn.files import open_regular, read_lines
from wsfcn.images import SUFFIXES

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names of folders, files and cells that stand for a split, in small letters."""

TRUTH = frozenset({"masks", "corrected", "ground_truth", "__MACOSX"})
"""Folders in which no picture is looked for."""

PICTURE_FOLDERS = frozenset({"images", "jpegimages"})
"""Folders, in small letters, below which a picture's name begins."""


class Entry(NamedTuple):
    """A file: its path below the data folder, as text, and where it lies."""

    name: str
    path: Path


class DataFolder:
    """The pictures below ``root``, and the names of its classes.txt.

    Names are compared in Unicode's composed form (NFC), whichever a file system or a tool writes. A
    PNG beside a JPEG of the same name is its mask where that holds for all PNGs of a folder.
    """

    def __init__(self, root: Path, normal: tuple[str, ...] = ()) -> None:
        self.root = root
        self.normal = normal

    @cached_property
    def known(self) -> tuple[str, ...]:
        """The names in classes.txt; none without one."""
        path = self.root / "classes.txt"
        return tuple(map(composed, read_lines(path))) if path.is_file() else ()

    @cached_property
    def found(self) -> tuple[dict[str, Path], dict[Path, Path]]:
        """All pictures by name, and the masks that lie beside them."""
        pictures: dict[str, Path] = {}
        masks: dict[Path, Path] = {}
        for files in walk(self.root):
            stems = {stem_of(name): path for name, path in files if is_jpeg(name)}
            drawn = [(stem_of(name), path) for name, path in files if name.lower().endswith(".png")]
            beside = bool(stems) and all(stem in stems for stem, _ in drawn)
            if beside:
                masks |= {stems[stem]: path for stem, path in drawn}
            for name, path in files:
                if not (beside and name.lower().endswith(".png")):
                    pictures[name] = path
        return pictures, masks

    @property
    def pictures(self) -> dict[str, Path]:
        """The picture files by their path below the root, in order."""
        return self.found[0]

    @property
    def beside(self) -> dict[Path, Path]:
        """Masks that lie beside their pictures, by these."""
        return self.found[1]

    @cached_property
    def by_end(self) -> dict[str, list[str]]:
        """The names by their last part, with its suffix and without."""
        ends: dict[str, list[str]] = defaultdict(list)
        for name in self.pictures:
            last = name.rpartition("/")[2]
            ends[last].append(name)
            ends[stem_of(last)].append(name)
        return ends

    def find(self, name: str, where: str, near: str = "") -> Path:
        """The picture that is called ``name``: a path, or the end of one, with suffix or without.

        ``near`` is the folder in which it is looked for first, below the root. Backslashes separate
        folders. Of a path from another machine the end counts. Raises TagError where there is no
        such picture, or more than one.
        """
        if not name.strip() or "\0" in name:
            raise TagError(f"{where}: no picture is named")
        wanted = posix(name)
        for folder in dict.fromkeys([near, ""]):
            exact = f"{folder}/{wanted}" if folder else wanted
            if exact in self.pictures:
                return self.pictures[exact]
            try:
                if os.path.isfile(path := self.root / folder / name):  # noqa: PTH113 (long names)
                    return path
            except (OSError, ValueError):
                continue
        return self.by_its_end(wanted, where)

    def by_its_end(self, wanted: str, where: str) -> Path:
        """The one picture whose path ends like ``wanted``, or is the end of it."""
        last = wanted.rpartition("/")[2]
        candidates = self.by_end.get(last, [])
        fitting = []
        for name in candidates:
            bare = name if name.endswith(f"/{last}") or name == last else stem_of(name)
            if f"/{bare}".endswith(f"/{wanted}") or f"/{wanted}".endswith(f"/{bare}"):
                fitting.append(name)
        if not fitting and re.match(r"/|[A-Za-z]:/", wanted):
            fitting = candidates
        if len(fitting) == 1:
            return self.pictures[fitting[0]]
        if fitting:
            raise TagError(
                f"{where}: '{wanted}' may be {fitting[0]} or {fitting[1]}; write the whole path"
            )
        near = self.by_end.get(stem_of(last), []) or candidates
        hint = f"; there is {near[0]}" if near else ""
        raise TagError(f"{where}: no such picture '{wanted}' below {self.root}{hint}")


def walk(root: Path) -> Iterator[list[Entry]]:
    """The picture files of each folder, in order; hidden ones and masks are none.

    Links are followed, but no folder is entered twice.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [(str(root), "")]
    while waiting:
        folder, prefix = waiting.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116 (text is quicker)
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                continue
            seen.add(identity)
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        files, folders = [], []
        for entry in inside:
            if entry.name.startswith("."):
                continue
            if os.path.splitext(entry.name)[1].lower() in SUFFIXES and not entry.is_dir():  # noqa: PTH122
                files.append(Entry(prefix + composed(entry.name), Path(entry.path)))
            elif entry.is_dir() and not (entry.name in TRUTH and prefix.count("/") < 2):
                folders.append((entry.path, f"{prefix}{composed(entry.name)}/"))
        yield files
        waiting += reversed(folders)


def first_sign(path: Path) -> bytes:
    """The first byte of a file that is no space."""
    with open_regular(path) as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]


def composed(text: str) -> str:
    """Text in Unicode's composed form."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def posix(name: str) -> str:
    """A path from any system: slashes between folders, none of them ``.``.

    >>> posix(".\\\\pets\\\\rex.jpg"), posix("a/./b.png")
    ('pets/rex.jpg', 'a/b.png')
    """
    return str(PurePosixPath(composed(name.strip()).replace("\\", "/")))


def stem_of(name: str) -> str:
    """A name without the suffix of a picture.

    >>> stem_of("a/frame.7"), stem_of("a/frame.7.jpg")
    ('a/frame.7', 'a/frame.7')
    """
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return stem if suffix.lower() in SUFFIXES else name


def is_jpeg(name: str) -> bool:
    """Whether a file is a JPEG by its name."""
    return name.lower().endswith((".jpg", ".jpeg"))
