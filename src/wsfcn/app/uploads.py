"""Pictures that came in through the browser: read at once, so that a broken one is told at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from wsfcn.errors import PictureError
from wsfcn.images import read_picture

MOST = 200
"""Pictures that a visitor can have on the page."""

THUMBNAIL = 120
"""Pixels of the longer side of a picture in the strip."""


class Upload(NamedTuple):
    """A picture on the page."""

    name: str
    """Its file's name without suffix; no two pictures on a page have the same."""
    path: Path
    thumbnail: Image.Image


def add(uploads: Sequence[Upload], files: Sequence[str]) -> tuple[list[Upload], list[str]]:
    """The pictures with new files behind them, and a line for each file that is not taken."""
    taken, refused = list(uploads), []
    for file in map(Path, files):
        if len(taken) >= MOST:
            refused.append(f"{file.name}: {MOST} pictures are on the page; take some away first")
            continue
        if any(upload.path == file for upload in taken):
            continue
        try:
            thumbnail = read_picture(file, THUMBNAIL)
        except PictureError as error:
            refused.append(str(error).replace(str(file), file.name))
            continue
        thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
        name = unused(file.stem, {upload.name for upload in taken})
        taken.append(Upload(name, file, thumbnail))
    return taken, refused


def unused(name: str, used: set[str]) -> str:
    """The name, or with a number where it is taken.

    >>> unused("cat", {"cat", "cat-2"})
    'cat-3'
    """
    number = 1
    chosen = name
    while chosen in used:
        number += 1
        chosen = f"{name}-{number}"
    return chosen
