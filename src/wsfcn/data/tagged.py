"""The nouns of tags: pictures with the names of what they contain."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Tagged(NamedTuple):
    """A picture file, its tags, and where that was written, for messages."""

    path: Path
    tags: tuple[str, ...]
    where: str
    split: str = ""
    """``train``, ``val`` or ``test``, where the form says so."""


class Tags(NamedTuple):
    """All pictures of a data set, and what else its form tells."""

    pictures: list[Tagged]
    objects: tuple[str, ...] | None = None
    """The class list, where the form brings one."""
    folder: Path | None = None
    """The folder below which pictures are named; by default the deepest that holds all of them."""
    notes: tuple[str, ...] = ()
    """What is odd about it, each with what to do."""
    form: str = ""
    """The form in words, for messages."""
    marks: Mapping[Path, Path] = {}
    """Masks that mark what the one tag of a picture names, by the picture's path. Only evaluation
    opens them."""
