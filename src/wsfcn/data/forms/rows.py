"""Rows of a table, from whatever file holds them: CSV, JSON lines, Parquet."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wsfcn.data.forms.names import shown
from wsfcn.errors import TagError
from wsfcn.files import read_text

DELIMITERS = (",", ";", "\t")

LARGEST = 2**30
"""Bytes of a Parquet file's columns, unpacked."""


class Row(NamedTuple):
    """The cells of a row, in the order of the header, and its number in the file."""

    number: int
    cells: list[Any]


class Rows(NamedTuple):
    """A table: the names of its columns, and its rows."""

    path: Path
    header: list[str]
    rows: list[Row]
    unit: str = "line"
    """What the rows are counted in."""

    def where(self, row: Row) -> str:
        """The place of a row, for messages."""
        return f"{self.path}, {self.unit} {row.number}"


def read_rows(path: Path) -> Rows:
    """The table in a file. Raises TagError, with the line, for what is none."""
    return READERS[path.suffix.lower()](path)


def from_csv(path: Path) -> Rows:
    """Comma, semicolon or tab between the cells: what stands most often in the header."""
    text = read_text(path)
    first, _, rest = text.partition("\n")
    told = first.strip().lower().removeprefix("sep=") if first.lower().startswith("sep=") else ""
    start = 1 if told else 0
    text = rest if told else text
    header = text.partition("\n")[0]
    delimiter = told if told in DELIMITERS else max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[Row] = []
    begun = 1
    try:
        for cells in reader:
            lines.append(Row(start + begun, cells))
            begun = reader.line_num + 1
    except csv.Error as error:
        raise TagError(
            f"{path}, line {start + begun}: not CSV from here on ({error}); is a quote left open?"
        ) from None
    names = [cell.strip() for cell in lines[0].cells] if lines else []
    while names and not names[-1]:
        names.pop()
    rows = []
    for number, cells in lines[1:]:
        if not any(map(str.strip, cells)):
            continue
        if len(cells) != len(names) and any(map(str.strip, cells[len(names) :])):
            raise TagError(
                f"{path}, line {number}: expected {len(names)} columns ({delimiter.join(names)}), "
                f"found {len(cells)}; put a cell that holds '{delimiter}' in double quotes"
            )
        if len(cells) < len(names):
            raise TagError(
                f"{path}, line {number}: expected {len(names)} columns ({delimiter.join(names)}), "
                f"found {len(cells)}"
            )
        rows.append(Row(number, cells[: len(names)]))
    return Rows(path, names, rows)


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of some keys and values. Raises ValueError where a key stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"{shown(twice)} stands there twice")
    return found


def from_jsonl(path: Path) -> Rows:
    """An object a line; the columns are the keys of all."""
    objects: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, object_pairs_hook=each_once)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", str(error) or "nested too deep")
            raise TagError(f"{path}, line {number}: not JSON ({reason})") from None
        if not isinstance(value, dict):
            raise TagError(
                f"{path}, line {number}: expected an object with `file_name` and `tags`, a list of "
                f"names; found {shown(value)}"
            )
        objects.append((number, value))
    header = list(dict.fromkeys(key for _, value in objects for key in value))
    return Rows(path, header, [Row(n, [value.get(key) for key in header]) for n, value in objects])


def from_parquet(path: Path) -> Rows:
    """Columns of Parquet; numbers of Hugging Face's ClassLabel are given their names."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise TagError(f"{path}: needs pyarrow; pip install 'wsfcn[parquet]'") from None
    try:
        file = parquet.ParquetFile(path)
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(n).total_byte_size for n in groups)
        if size > LARGEST:
            raise TagError(
                f"{path}: {size} bytes unpacked; if it holds the pictures themselves, write those "
                "out as files"
            )
        content = file.read()
        labels = label_names(content.schema.metadata or {})
        columns = [column.to_pylist() for column in content.columns]
    except (ArrowException, OSError, ValueError) as error:
        raise TagError(f"{path}: cannot be read as Parquet ({error})") from None
    for n, name in enumerate(content.column_names):
        if name in labels:
            columns[n] = [named(value, labels[name]) for value in columns[n]]
    rows = [Row(n, list(cells)) for n, cells in enumerate(zip(*columns, strict=True), start=1)]
    return Rows(path, list(content.column_names), rows, "row")


def label_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """The names of the classes by column, where a file of Hugging Face's `datasets` brings them."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        found = {}
        for name, feature in features.items():
            inside = feature.get("feature", feature) if isinstance(feature, dict) else feature
            if isinstance(inside, dict) and inside.get("_type") == "ClassLabel":
                found[name] = [str(label) for label in inside["names"]]
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
    return found


def named(value: Any, names: list[str]) -> Any:
    """The name of a class for its number, also in a list."""
    if isinstance(value, list):
        return [named(item, names) for item in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": from_csv,
    ".tsv": from_csv,
    ".txt": from_csv,
    ".jsonl": from_jsonl,
    ".ndjson": from_jsonl,
    ".parquet": from_parquet,
}
"""Readers of tables by the ending of their file."""


def tables_in(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """The files in a folder that may hold tables, in order."""
    if folder.is_dir():
        yield from sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in suffixes and not path.name.startswith(".")
        )
