"""Addresses of pictures in labelling tools: uploads, local files, buckets, other machines."""

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from wsfcn.data.forms.finding import DataFolder
from wsfcn.errors import TagError

UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of a file that was uploaded."""

ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]+://|^/data/(upload|local-files)/")
"""How an address begins that is no path."""


def find_address(folder: DataFolder, address: str, where: str, near: str = "") -> Path:
    """The picture at an address, or of a path. Raises TagError.

    What Label Studio put before the name of an upload is passed over.
    """
    if not ADDRESS.match(address):
        return folder.find(address, where, near)
    name = address_path(address)
    last = name.rpartition("/")[2]
    try:
        return folder.find(name, where, near)
    except TagError:
        return folder.find(UPLOAD.sub("", last), where, near)


def address_path(address: str) -> str:
    """The path that an address names.

    >>> address_path("/data/local-files/?d=pets/rex%201.jpg"), address_path("s3://pets/a/rex.jpg")
    ('pets/rex 1.jpg', '/a/rex.jpg')
    """
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path)
