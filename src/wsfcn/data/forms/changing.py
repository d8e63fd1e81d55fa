"""Changing the tags of one picture in the table that they stand in.

One row is written anew; every other byte stays. Before the file is replaced the new one is read as
the old one was: it must say the same of all pictures but of this one, and of this one what was
asked. So a form in which that cannot be written is refused, and nothing is lost.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from wsfcn.data.forms.addresses import find_address
from wsfcn.data.forms.finding import DataFolder
from wsfcn.data.forms.names import FLAGS, separator_of
from wsfcn.data.forms.rows import DELIMITERS, Row, Rows, read_rows
from wsfcn.data.forms.tables import Columns, class_columns, columns_of, find_tables, read_tables
from wsfcn.data.tagged import Tags
from wsfcn.errors import DataError, TagError
from wsfcn.files import atomic, read_bytes

WRITABLE = (".csv", ".tsv")


def changeable(root: Path) -> Path:
    """The one table that holds the tags of a data folder. Raises TagError where there is none.

    The other forms are written by the tools that they come from.
    """
    found = find_tables(DataFolder(root))
    if len(found) != 1 or found[0].suffix.lower() not in WRITABLE:
        raise TagError(
            f"{root}: tags are changed in a table such as tags.csv; there is no one such"
        )
    return found[0]


def change_tags(root: Path, picture: Path, tags: Sequence[str]) -> Path:
    """Write other tags for one picture into the table of a data folder; returns the table.

    Raises TagError where there is no such table or picture, and where the table cannot say it.
    """
    path = changeable(root)
    folder = DataFolder(root)
    table = read_rows(path)
    columns = columns_of(table)
    before = read_tables(folder, [path])
    row = row_of(picture, folder, table, columns)
    text = read_bytes(path).decode("utf-8")  # with its byte-order mark, where it has one
    with atomic(path) as name:
        name.write_bytes(with_row(text, table, row, cells(row, table, columns, folder, tags)))
        try:
            after = read_tables(folder, [name])
        except DataError as error:
            raise TagError(f"{path}: cannot say that ({error}); change it by hand") from None
        compare(path, picture, tags, before, after)
    return path


def row_of(picture: Path, folder: DataFolder, table: Rows, columns: Columns) -> Row:
    """The row of a picture. Raises TagError where there is not one alone."""
    near = table.path.parent.relative_to(folder.root).as_posix()
    near = "" if near == "." else near
    found = []
    for row in table.rows:
        where = table.where(row)
        address = find_address(folder, str(row.cells[columns.picture]).strip(), where, near)
        if address.resolve() == picture.resolve():
            found.append(row)
    if not found:
        raise TagError(f"{table.path}: does not list {picture}")
    if len(found) > 1:
        raise TagError(f"{table.path}: lists {picture} in several rows; change them by hand")
    return found[0]


def cells(
    row: Row, table: Rows, columns: Columns, folder: DataFolder, tags: Sequence[str]
) -> list[str]:
    """The cells of a row with other tags."""
    new = [str(cell) for cell in row.cells]
    if columns.tags is not None:
        column = [str(each.cells[columns.tags]) for each in table.rows]
        new[columns.tags] = separator_of(column).join(tags)
        return new
    classes, _ = class_columns(table, columns, folder.known)
    for tag, k in classes.items():
        if bool(FLAGS[new[k].strip().lower()]) != (tag in tags):
            new[k] = "1" if tag in tags else "0"
    return new


def with_row(text: str, table: Rows, row: Row, new: Sequence[str]) -> bytes:
    """The file with one row written anew, its end of line as it was."""
    lines = io.StringIO(text, newline="").readlines()
    ending = "\r\n" if lines[row.number - 1].endswith("\r\n") else "\n"
    first = lines[1] if lines[0].lower().startswith(("sep=", "\ufeffsep=")) else lines[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(lines[row.number - 1 :], delimiter=delimiter, strict=True)
    next(reader)
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=ending).writerow(new)
    end = row.number - 1 + reader.line_num
    return "".join([*lines[: row.number - 1], written.getvalue(), *lines[end:]]).encode()


def compare(path: Path, picture: Path, tags: Sequence[str], before: Tags, after: Tags) -> None:
    """Raise TagError unless two readings differ in the tags of one picture alone, as asked."""
    old = {each.path.resolve(): {*each.tags} for each in before.pictures}
    new = {each.path.resolve(): {*each.tags} for each in after.pictures}
    old[picture.resolve()] = {*tags}
    if old != new or (before.objects or ()) != (after.objects or ()):
        raise TagError(f"{path}: cannot say that {picture.name} shows {', '.join(tags)}")
