"""Class lists: one name a line, the background first; the line number is the index in a mask."""

from pathlib import Path

from wsfcn.errors import DataError, TagError
from wsfcn.types import Classes

BACKGROUND = "background"


def read_classes(path: Path) -> Classes:
    """Read a classes.txt. Raises DataError where it is missing, TagError where it cannot work."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    names = tuple(line.strip() for line in lines if line.strip())
    if names and names[0] != BACKGROUND:
        raise TagError(f"{path}, line 1: the first class must be '{BACKGROUND}', not '{names[0]}'")
    try:
        return Classes(names)
    except TagError as error:
        raise TagError(f"{path}: {error}") from None


def classes_of_tags(tags: dict[str, tuple[str, ...]]) -> Classes:
    """The classes that a set of tags implies: the background, then all tags in order of name."""
    return Classes((BACKGROUND, *sorted({tag for found in tags.values() for tag in found})))
