"""Reading text, and writing files so that they are whole or absent."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wsfcn.errors import DataError


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` if the block succeeds.

    The temporary name keeps the suffix, since many writers choose the format by it. Parent
    folders are made. After an error nothing is left behind and an older file stays as it was.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic(folder / "note.txt") as name:
    ...     _ = name.write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['note.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """The text of a file, with or without a byte-order mark. Raises DataError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def read_lines(path: Path) -> list[str]:
    """The lines of a list that hold anything, without the space around it. Raises DataError."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file, whole or not at all."""
    with atomic(path) as name:
        name.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
