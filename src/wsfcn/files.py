"""Reading files that anyone may have made, and writing files so that they are whole or absent."""

import csv
import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from secrets import token_hex

from wsfcn.errors import DataError, SettingError

LONGEST_SUFFIX = 16
"""Bytes of a name's ending up to which it says what kind of file it is."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where there is no room."""

LARGEST_TEXT = 2**30
"""Bytes of the largest text that is read whole: annotations of a large data set."""

ENDINGS = {".png": b"IEND\xaeB`\x82", ".jpg": b"\xff\xd9", ".npz": b"PK\x05\x06"}
"""What stands in the last `TAIL` bytes of a whole file."""
TAIL = 22


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` if the block succeeds.

    The temporary file is there already, empty, and its name could not be guessed: nobody's link is
    followed. It keeps the suffix, since many writers choose the format by it. Parent folders are
    made. After an error nothing is left behind and an older file stays as it was.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic(folder / "note.txt") as name:
    ...     _ = name.write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['note.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= LONGEST_SUFFIX else ""
    temporary = path.with_name(f".{token_hex(8)}{suffix}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # some writers put a file of their own there, closed to others
        temporary.replace(path)
    except OSError as error:
        # Writers tell of a full disk without a name, or with the one that nobody knows.
        if error.filename in (None, temporary, os.fspath(temporary)):
            error.filename = os.fspath(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, add: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; rename it to ``path`` if the block succeeds.

    Raises SettingError where ``path`` holds something, unless ``add``: then files are moved into
    it one by one, in place of those of the same name. After an error nothing is left behind.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes"
    >>> for n in "ab":
    ...     with atomic_folder(target, add=True) as folder:
    ...         _ = (folder / n).write_text("whole")
    >>> sorted(file.name for file in target.iterdir())
    ['a', 'b']
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and not add)):
        raise SettingError(
            f"{path}: is there already; name another folder, or add to it with --add"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{token_hex(8)}")
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            move_into(temporary, path)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def move_into(source: Path, target: Path) -> None:
    """Move what is in a folder into another one, in place of files of the same name."""
    for path in sorted(source.iterdir()):
        if path.is_dir() and not path.is_symlink() and (target / path.name).is_dir():
            move_into(path, target / path.name)
        else:
            path.replace(target / path.name)


def keep_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise SettingError where a file that is to be written would replace one that is read."""
    read = {os.path.realpath(path) for path in inputs}
    for path in outputs:
        if os.path.realpath(path) in read:
            raise SettingError(f"{path}: would replace what is read; name another place")


def is_temporary(path: Path) -> bool:
    """Whether a name is one that `atomic` gives, left behind by a process that was killed.

    >>> is_temporary(Path(".0123456789abcdef.ckpt")), is_temporary(Path(".gitignore"))
    (True, False)
    """
    return re.fullmatch(r"\.[0-9a-f]{16}(\..*)?", path.name) is not None


def need_suffix(path: Path, *suffixes: str) -> None:
    """Raise SettingError unless a file that is to be written is named like what it will be.

    Else a slip, such as the names of two options exchanged, could replace something else.
    """
    if not path.name.endswith(suffixes):
        raise SettingError(
            f"{path}: would not be told by its name; call it {path.stem}{suffixes[0]}"
        )


def open_regular(path: str | os.PathLike[str], what: str = "file") -> BufferedReader:
    """Open an ordinary file to read; ``what`` it is, for messages. Raises DataError otherwise.

    A pipe would wait for a writer, and a device might never end.
    """
    try:
        # Without O_NONBLOCK even opening a pipe waits.
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except FileNotFoundError:
        raise DataError(f"{path}: no such {what}") from None
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise DataError(f"{path}: cannot be read ({reason_of(error)})") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DataError(f"{path}: cannot be read (no ordinary file)")
    return os.fdopen(handle, "rb")


def is_whole(path: Path) -> bool:
    """Whether a file of ours is there to its end; a crash of the machine can leave it empty."""
    try:
        with open_regular(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            return ENDINGS[path.suffix] in file.read(TAIL)
    except DataError:
        return False


def reason_of(error: Exception) -> str:
    """Why the system refuses, without the file's name, and the cure where it is known."""
    reason = getattr(error, "strerror", None) or str(error)
    return f"{reason}: make room" if getattr(error, "errno", None) in FULL else reason


def fingerprint(path: str | os.PathLike[str]) -> str:
    """What a file is known by wherever it lies: 16 digits of its SHA-1. Raises DataError."""
    with open_regular(path) as file:
        whole = hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False))
    return whole.hexdigest()[:16]


def read_bytes(path: str | os.PathLike[str], limit: int = LARGEST_TEXT) -> bytes:
    """The content of an ordinary file of at most ``limit`` bytes. Raises DataError."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise DataError(f"{path}: {size} bytes, but {limit} are the most that is read")
        try:
            return file.read(limit)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({reason_of(error)})") from None


def read_text(path: str | os.PathLike[str], limit: int = LARGEST_TEXT) -> str:
    """The text of a file, with or without a byte-order mark. Raises DataError."""
    try:
        text = read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error})") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path) -> list[str]:
    """The lines of a list that hold anything, without the space around it. Raises DataError."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file, whole or not at all."""
    with atomic(path) as name:
        name.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_table(path: Path, rows: Iterable[Iterable[str]]) -> None:
    """Write rows of cells as CSV, quoted where that is needed, whole or not at all."""
    with atomic(path) as name, name.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
