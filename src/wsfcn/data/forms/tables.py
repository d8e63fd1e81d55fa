"""Tables: a picture and its tags a row, a row a tag, or a column of 0 and 1 a class.

CSV with comma, semicolon or tab, JSON lines, Parquet. Columns go by their usual names. Several
files may be splits: train.csv and val.csv, or one table in each of the folders train and val.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from wsfcn.data.forms.addresses import find_address
from wsfcn.data.forms.finding import SPLITS, DataFolder, composed
from wsfcn.data.forms.names import (
    FLAGS,
    clean,
    is_flag,
    names_of,
    separator_of,
    split_cell,
    unique,
)
from wsfcn.data.forms.rows import Row, Rows, read_rows, tables_in
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import DataError, TagError

PICTURE = (
    "filename", "file", "image", "img", "picture", "photo", "filepath", "imagepath", "imagefile",
    "imagename", "path", "imageid", "pictureid", "imgid", "idcode", "name", "id",
)  # fmt: skip
"""Names of the column of pictures, in small letters and without signs; the first counts."""

SEVERAL = ("tags", "labels", "classes", "categories", "objects")
ONE = ("tag", "label", "class", "category", "choice", "labelname", "classname", "target")
"""Names of the column of tags: of several, or of one, which may then have spaces."""

SPLIT = ("split", "subset", "set", "partition")
"""Names of the column that holds the split."""

NO_CLASS = frozenset({
    "width", "height", "xmin", "ymin", "xmax", "ymax", "x", "y", "confidence", "severity", "fold",
    "count", "index", "annotator", "annotationid", "createdat", "updatedat", "leadtime", "md5",
    "size", "isvalid", "istrain", "depth", "source", "url", "license",
})  # fmt: skip
"""Names of columns that are no classes, whatever they hold."""

NAMES = ("tags", "labels", "_classes", "train", "metadata")
"""Names of the files, without suffix, in the order in which they are looked for."""

CSV = (".csv", ".tsv", ".parquet")

TWO_FORMS = "`image,tags` (a picture a line) or `image,cat,dog,...` (0 or 1 for each class)"


class Columns(NamedTuple):
    """Which column holds what."""

    picture: int
    tags: int | None
    """None where each class has a column of its own."""
    split: int | None


def find_tables(folder: DataFolder, suffixes: tuple[str, ...] = CSV) -> list[Path]:
    """The tables of a data folder: of the usual names, else the first whose header fits."""
    present = list(tables_in(folder.root, suffixes))
    for name in NAMES:
        if found := [path for path in present if path.stem.lower() == name]:
            splits = [p for p in present if p.stem.lower() in SPLITS] if name == "train" else []
            return splits or found[:1]
    inside = [
        path
        for child in splits_in(folder.root)
        for path in tables_in(child, suffixes)
        if path.stem.lower() in NAMES
    ]
    if inside:
        return inside
    return [path for path in present if fits(path)][:1]


def splits_in(root: Path) -> list[Path]:
    """The folders that stand for splits, in order."""
    return sorted(path for path in root.iterdir() if path.name.lower() in SPLITS and path.is_dir())


def fits(path: Path) -> bool:
    """Whether a table of any name has columns of pictures and tags."""
    try:
        columns_of(read_rows(path))
    except DataError:
        return False
    return True


def read_tables(folder: DataFolder, paths: Sequence[Path]) -> Tags:
    """The pictures of one or several tables. Raises TagError, with file and line."""
    parts = []
    for path in paths:
        place = path.parent if path.parent != folder.root else path
        split = SPLITS.get(place.stem.lower(), "") if len(paths) > 1 or place != path else ""
        parts.append(read_table(folder, read_rows(path), split))
    if len(parts) == 1:
        return parts[0]
    objects = unique(chain.from_iterable(part.objects or () for part in parts))
    return Tags(
        list(chain.from_iterable(part.pictures for part in parts)),
        objects or None,
        notes=unique(chain.from_iterable(part.notes for part in parts)),
    )


def read_table(folder: DataFolder, table: Rows, split: str = "") -> Tags:
    """The pictures of one table."""
    columns = columns_of(table)
    near = table.path.parent.relative_to(folder.root).as_posix()
    near = "" if near == "." else near
    notes: list[str] = []
    objects: tuple[str, ...] | None = None
    if columns.tags is None:
        classes, skipped = class_columns(table, columns, folder.known)
        objects = tuple(classes)
        notes += skipped
        tags = [flagged(row, classes, table) for row in table.rows]
    else:
        tags = tags_of(table, columns.tags, folder.known)
        if others := [
            f"'{name}'"
            for n, name in enumerate(table.header)
            if n not in columns and simple(name) in (*SEVERAL, *ONE)
        ]:
            used = f"'{table.header[columns.tags]}'"
            notes.append(f"{table.path}: tags are read from {used}, not from {', '.join(others)}")
        notes += doubtful(tags)
    pictures: dict[Path, Tagged] = {}
    several = repeats(table, columns)
    for row, names in zip(table.rows, tags, strict=True):
        where = table.where(row)
        name = text_of(row.cells[columns.picture], where)
        path = find_address(folder, name, where, near)
        part = split_of(row, columns, where) or split
        if before := pictures.get(path):
            if not several or not names or not before.tags or part != before.split:
                raise TagError(f"{where}: '{path.name}' is listed twice, also in {before.where}")
            names = unique([*before.tags, *names])
            where = before.where
        pictures[path] = Tagged(path, names, where, part)
    return Tags([*pictures.values()], objects, notes=tuple(notes))


def text_of(value: Any, where: str) -> str:
    """The picture's name in a cell; a number stands for its digits."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TagError(f"{where}: no picture is named")
    return str(value).strip()


def simple(name: str) -> str:
    """A column's name in small letters, without signs.

    >>> simple("File_Name")
    'filename'
    """
    return re.sub(r"[\W_]", "", str(name).lower())


def columns_of(table: Rows) -> Columns:
    """Which column holds what, by their names. Raises TagError where that is not clear."""
    names = [simple(name) for name in table.header]
    place = f"{table.path}, line 1"

    def first(wanted: Sequence[str]) -> int | None:
        return next((names.index(name) for name in wanted if name in names), None)

    picture, tags = first(PICTURE), first((*SEVERAL, *ONE))
    if picture is None:
        raise TagError(
            f"{place}: no column is called image, file, filename, file_name, path or id; found "
            f"`{','.join(map(str, table.header))[:200]}`; the header may be {TWO_FORMS}"
        )
    split = first(SPLIT)
    if tags is None and len(names) < 2 + (split is not None):
        raise TagError(
            f"{place}: no column of tags beside '{table.header[picture]}'; the header may be "
            f"{TWO_FORMS}"
        )
    if len(set(table.header)) < len(table.header):
        twice, _ = Counter(table.header).most_common(1)[0]
        raise TagError(f"{place}: two columns are called '{twice}'")
    return Columns(picture, tags, split)


def repeats(table: Rows, columns: Columns) -> bool:
    """Whether a picture may have several rows, a tag each."""
    if columns.tags is None:
        return False
    pictures = [str(row.cells[columns.picture]).strip() for row in table.rows]
    return len(set(pictures)) < len(pictures) and one_each(table, columns.tags)


def one_each(table: Rows, column: int) -> bool:
    """Whether no cell of a column holds more than one name."""
    cells = [row.cells[column] for row in table.rows]
    if any(isinstance(cell, list | dict) for cell in cells):
        return False
    return separator_of(map(str, cells)) == " "


def tags_of(table: Rows, column: int, known: Collection[str]) -> list[tuple[str, ...]]:
    """The names in each row's cell: lists as they are, text split in one way for the column.

    A column of one name a cell (`ONE`, or where pictures have several rows) keeps spaces in names,
    but for cells all of whose words are names by themselves.
    """
    texts = [row.cells[column] for row in table.rows if isinstance(row.cells[column], str)]
    separator = separator_of(text for text in texts if text.strip()[:1] not in ("[", "{"))
    whole: set[str] = set()
    columns = Columns(columns_of(table).picture, column, None)
    if separator == " " and (simple(table.header[column]) in ONE or repeats(table, columns)):
        alone = {text.strip() for text in texts if " " not in text.strip()}
        words = {" ".join(text.split()) for text in texts}
        whole = {name for name in words if not alone.issuperset(name.split())}
    names = {*known, *whole}
    found = []
    for row in table.rows:
        where, cell = table.where(row), row.cells[column]
        is_name = isinstance(cell, str) and composed(cell.strip()) in names
        listed = (composed(cell.strip()),) if is_name else names_of(cell, where)
        if listed is None:
            listed = split_cell(cell, separator, names, where)
        found.append(listed)
    return found


def doubtful(tags: Sequence[tuple[str, ...]]) -> list[str]:
    """A note on names with spaces, a word of which is a name by itself.

    >>> doubtful([("scab rust",), ("rust",)])[0][:39]
    "'scab rust' is taken for one name besid"
    """
    names = {name for listed in tags for name in listed}
    for name in sorted(names):
        words = name.split(" ") if " " in name else []
        if other := next((word for word in words if word in names), ""):
            return [
                f"'{name}' is taken for one name beside '{other}'; if it is two, put a comma or a "
                "semicolon between them"
            ]
    return []


def class_columns(
    table: Rows, columns: Columns, known: Collection[str]
) -> tuple[dict[str, int], list[str]]:
    """The columns of 0 and 1, by the name of their class; and what is said of the others."""
    classes: dict[str, int] = {}
    odd: list[str] = []
    for n, name in enumerate(table.header):
        if n in (columns.picture, columns.split) or simple(name) in NO_CLASS:
            continue
        other = next((row for row in table.rows if not is_flag(row.cells[n])), None)
        if not any(str(row.cells[n]).strip() for row in table.rows):
            continue
        if other is None:
            classes[clean(name, f"{table.path}, line 1")] = n
        elif name in known:
            raise TagError(
                f"{table.where(other)}: '{other.cells[n]}' in the column of the class '{name}'; "
                "expected 0 or 1"
            )
        else:
            odd.append(f"'{name}' ({other.cells[n]!r} in {table.unit} {other.number})")
    if not classes:
        raise TagError(
            f"{table.path}, line 1: no column is called tags, labels, label, classes or category, "
            f"and none holds 0 and 1 alone: {', '.join(odd)[:200]}; the header may be {TWO_FORMS}"
        )
    if not odd:
        return classes, []
    return classes, [
        f"{table.path}: columns with other values than 0 and 1 are taken for no classes: "
        f"{', '.join(odd)}; if one is a class, write 0 and 1 there"
    ]


def flagged(row: Row, classes: dict[str, int], table: Rows) -> tuple[str, ...]:
    """The classes whose column says yes."""
    return tuple(n for n, k in classes.items() if FLAGS[str(row.cells[k]).strip().lower()])


def split_of(row: Row, columns: Columns, where: str) -> str:
    """The split that a row names, or nothing."""
    if columns.split is None or not (value := str(row.cells[columns.split] or "").strip()):
        return ""
    if value.lower() not in SPLITS:
        raise TagError(f"{where}: the split '{value}'; expected train, val or test")
    return SPLITS[value.lower()]


def find_lines(folder: DataFolder) -> list[Path]:
    """The tables in JSON lines."""
    return find_tables(folder, (".jsonl", ".ndjson"))
