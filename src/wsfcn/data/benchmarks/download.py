"""Archives of public data sets: fetched, checked, unpacked. What was cut off goes on."""

import hashlib
import http.client
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

from wsfcn.errors import DataError
from wsfcn.files import open_regular
from wsfcn.terminal import say

BLOCK = 2**20
TIMEOUT = 60
"""Seconds without a byte after which a connection counts as broken."""


class Archive(NamedTuple):
    """A tar or zip file of a data set."""

    url: str
    md5: str
    holds: tuple[str, ...]
    """Files or folders in it, by their paths there, that are kept."""


def fetch(archives: Iterable[Archive], root: Path) -> None:
    """Bring what the archives hold into ``root``, where it is not there yet.

    An archive is fetched as ``.part`` file, which a second call goes on with, and deleted once it
    is unpacked. Raises DataError where the connection breaks, the checksum differs or the disk is
    full.
    """
    for archive in archives:
        if not all((root / name).exists() for name in archive.holds):
            unpack(download(archive.url, archive.md5, root), archive.holds, root)


def download(url: str, md5: str, folder: Path) -> Path:
    """Fetch a file into ``folder``, after the bytes that are there already. Raises DataError."""
    target = folder / url.rsplit("/", 1)[-1]
    part = target.with_name(f"{target.name}.part")
    if target.exists():
        if (found := checksum(target)) != md5:
            raise DataError(
                f"{target}: the checksum is {found} instead of {md5}; delete the file, and the "
                "same command fetches it anew"
            )
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        append(url, part)
        found = checksum(part)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"{url}: not downloaded ({error}); the same command goes on, or put the file "
            f"at {target}"
        ) from None
    if found != md5:
        part.unlink()
        raise DataError(f"{url}: the checksum is {found} instead of {md5}; start the download anew")
    part.replace(target)
    return target


def checksum(path: Path) -> str:
    """MD5 of an ordinary file. Raises DataError."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def append(url: str, part: Path) -> None:
    """Add to ``part`` what it lacks of the file. Raises OSError where that does not succeed."""
    there = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if there and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is lacking
        raise
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            there = 0
        length = response.headers["Content-Length"]
        total = there + int(length) if length else None
        columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
        with part.open("ab" if there else "wb") as file, Progress(*columns, transient=True) as bar:
            task = bar.add_task(part.stem, total=total, completed=there)
            while block := response.read(BLOCK):
                file.write(block)
                bar.advance(task, len(block))
    if total is not None and part.stat().st_size < total:
        raise OSError(f"cut off after {part.stat().st_size} of {total} bytes")


def unpack(archive: Path, holds: tuple[str, ...], root: Path) -> None:
    """Move what is kept of the archive to ``root``, each whole or not at all."""
    beside = root / f".{archive.name}.unpacked"
    shutil.rmtree(beside, ignore_errors=True)
    say(f"unpacking {archive.name}")
    try:
        if zipfile.is_zipfile(archive):
            shutil.unpack_archive(archive, beside, "zip")
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(beside, filter="data")
        for name in holds:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            if not (root / name).exists():
                (beside / name).rename(root / name)
    except Exception as error:  # tar and zip have many errors for a damaged file
        raise DataError(f"{archive}: cannot be unpacked ({error})") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    archive.unlink()
