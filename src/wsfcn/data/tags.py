"""Tags: which classes a picture contains."""

import csv
from pathlib import Path

from wsfcn.errors import TagError

HEADER = ["image", "tags"]


def read_tags(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a tags.csv: a header ``image,tags``, then a picture's path and its tags a line.

    Paths are relative to the file's folder; tags are separated by spaces. Raises TagError with
    the line number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TagError(f"{path}: no such file; write one line `image,tags` a picture") from None
    except UnicodeDecodeError as error:
        raise TagError(f"{path}: not UTF-8 text ({error})") from None
    rows = csv.reader(text.splitlines())
    header = [cell.strip() for cell in next(rows, [])]
    if header != HEADER:
        raise TagError(f"{path}, line 1: the header must be `image,tags`, not `{','.join(header)}`")
    tags: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if not row:
            continue
        if len(row) != 2:
            raise TagError(
                f"{path}, line {rows.line_num}: expected 2 columns (image,tags), found {len(row)}; "
                "separate the tags by spaces"
            )
        image, found = row[0].strip(), tuple(row[1].split())
        if image in tags:
            raise TagError(f"{path}, line {rows.line_num}: '{image}' is listed twice")
        tags[image] = found
    return tags
