"""One training at a time in a run folder, whichever process or computer it is on.

The lock is the system's: it ends with the process that holds it, however that ends, so a file that
is left behind means nothing. Where the system has none (on Windows, on some network file systems)
the process named in the file counts, if it lives or cannot be asked.
"""

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from wsfcn.errors import SettingError
from wsfcn.files import reason_of

LOCK = "training.lock"
"""The file in a run folder that names the training which holds it."""

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
"""What file systems without locks answer."""

HELD_HERE: set[Path] = set()
"""Locks of this process, which the system would give it a second time."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder. Raises SettingError where another training does."""
    path = (folder / LOCK).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = None if path in HELD_HERE else taken(path)
    except OSError as error:
        raise SettingError(f"run.out: cannot write to {folder} ({reason_of(error)})") from None
    if file is None:
        raise SettingError(f"run.out: {folder} is in use by {holder(path)}")
    HELD_HERE.add(path)
    try:
        yield
    finally:
        HELD_HERE.discard(path)
        path.unlink(missing_ok=True)  # while it is held, so that no other's is removed
        file.close()


def taken(path: Path) -> IO[str] | None:
    """The lock's file, held and naming this process, or None where another one has it."""
    while True:
        file = path.open("a+")
        if not lock(file):
            file.close()
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        file.close()  # its last holder has removed it meanwhile
    file.truncate(0)
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    json.dump({"pid": os.getpid(), "host": socket.gethostname(), "started": started}, file)
    file.flush()
    return file


def lock(file: IO[str]) -> bool:
    """Lock a file, or find out that another process has."""
    try:
        import fcntl

        # Of the two kinds of locks, the one that child processes do not hold on to.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return not lives(named_in(file))
    except OSError as error:
        if error.errno in NO_LOCKS:
            return not lives(named_in(file))
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise
    return True


def named_in(file: IO[str]) -> dict[str, Any]:
    """The process that a lock's file names, or nothing."""
    file.seek(0)
    try:
        named = json.load(file)
    except ValueError:
        return {}
    whole = isinstance(named, dict) and isinstance(named.get("pid"), int)
    return named if whole and {"host", "started"} <= named.keys() else {}


def lives(named: dict[str, Any]) -> bool:
    """Whether a process may still run; of one on another computer that is not known."""
    if not named:
        return False
    if named["host"] != socket.gethostname() or os.name != "posix":
        return True
    try:
        os.kill(named["pid"], 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return named["pid"] != os.getpid()


def holder(path: Path) -> str:
    """Who holds a lock, and the cure."""
    if path in HELD_HERE:
        return "another training of this process"
    with suppress(OSError), path.open() as file:
        if named := named_in(file):
            return (
                f"process {named['pid']} on {named['host']}, since {named['started']}; stop it, "
                f"name another folder, or delete {path} if it has ended"
            )
    return "another process; stop it, or name another folder"
