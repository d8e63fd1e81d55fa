"""Pictures at hand: found by the names that tools give them, and measured without being decoded."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath

from wsfcn.errors import DataError, PictureError
from wsfcn.images import SUFFIXES, decoding

ORIENTATION = 0x0112
"""The EXIF tag."""

SIDEWAYS = range(5, 9)
"""EXIF orientations in which width and height change places."""


def name_of(file: str) -> str:
    """A picture's name: its path below the folder of pictures, without the suffix.

    What leads out of that folder is cut off, since files are written by this name.

    >>> name_of("a/b/001.jpg"), name_of("frame.7"), name_of("../../etc/x.png")
    ('a/b/001', 'frame.7', 'x')
    >>> name_of("C:\\\\pictures\\\\cat.jpg")
    'cat'
    """
    path = PurePosixPath(file.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(file).drive:
        path = PurePosixPath(path.name)
    name = str(path.with_suffix("") if path.suffix.lower() in SUFFIXES else path)
    if name in ("", ".") or "\0" in name:
        raise DataError(f"{file!r}: no name of a picture")
    return name


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture as people see it, from its header. Raises PictureError."""
    with decoding(path, PictureError, "picture") as picture:
        width, height = picture.size
        sideways = False
        with suppress(Exception):  # anything may stand in the tags
            sideways = picture.getexif().get(ORIENTATION) in SIDEWAYS
    return (height, width) if sideways else (width, height)


class Pictures:
    """The pictures in a folder and the folders in it. Raises PictureError where there is none."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise PictureError(f"{folder}: no such folder of pictures")
        self.folder = folder
        self.by_name: dict[str, list[Path]] = {}
        self.by_stem: dict[str, list[Path]] = {}
        for parent, folders, files in os.walk(folder):
            folders.sort()
            for file in sorted(files):
                path = Path(parent, file)
                if path.suffix.lower() in SUFFIXES:
                    name = path.relative_to(folder).with_suffix("").as_posix()
                    self.by_name.setdefault(name, []).append(path)
                    self.by_stem.setdefault(path.stem, []).append(path)
        if not self.by_name:
            raise PictureError(f"{folder}: the folder holds no pictures")

    def paths(self) -> Iterator[Path]:
        """All pictures, in order."""
        for found in self.by_name.values():
            yield from found

    def find(self, file: str, source: object) -> Path:
        """The picture that a tool calls ``file``.

        Tools put folders before a name, or leave them out: the longest end of the path that is
        known counts, then the bare name where only one picture has it. Raises PictureError.
        """
        *folders, last = PurePosixPath(file.replace("\\", "/")).parts or ("",)
        parts = (*folders, name_of(last))
        for known, names in (
            (self.by_name, ["/".join(parts[n:]) for n in range(len(parts))]),
            (self.by_stem, [parts[-1]]),
        ):
            for name in names:
                found = known.get(name, [])
                if len(found) > 1:
                    raise PictureError(
                        f"{source}: '{file}' may be {found[0]} or {found[1]}; names must differ"
                    )
                if found:
                    return found[0]
        raise PictureError(f"{source}: '{file}' is none of the pictures in {self.folder}")
