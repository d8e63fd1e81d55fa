"""``metrics.csv``, the figures of a training: a row a step or validation, whatever befell the file.

A row whose writing was cut off, or that a disk has damaged, is dropped and told; the others stay.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from wsfcn.files import atomic, read_bytes

Row = dict[str, float]
"""Figures by name, ``step`` among them; those that the row does not have are absent."""


class Figures(NamedTuple):
    """The rows that are whole, and what became of the others."""

    rows: list[Row]
    dropped: str
    """What was dropped, in words; empty where nothing was."""


def read_figures(path: Path) -> Figures:
    """What is whole in a table of figures; nothing where there is no such file. Raises DataError.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "metrics.csv"
    >>> _ = path.write_bytes(b"loss,step\\n0.5,0\\n0.\\x00\\x00,1\\n0.4,2\\n0.3")
    >>> found = read_figures(path)
    >>> found.rows
    [{'loss': 0.5, 'step': 0.0}, {'loss': 0.4, 'step': 2.0}]
    >>> print(found.dropped.removeprefix(f"{path}: "))
    dropped what is damaged (line 3, 5)
    """
    if not path.exists():
        return Figures([], "")
    *lines, rest = read_bytes(path).split(b"\n")
    header = cells(lines[0]) if lines else None
    if not header or "step" not in header or len({*header}) < len(header):
        return Figures([], f"{path}: dropped as a whole, its header is damaged")
    rows, damaged = [], []
    for number, line in enumerate(lines[1:], start=2):
        row = row_of(header, cells(line))
        if row is None:
            damaged.append(number)
        else:
            rows.append(row)
    if rest:  # each row that is whole ends its line
        damaged.append(len(lines) + 1)
    if not damaged:
        return Figures(rows, "")
    named = ", ".join(map(str, damaged[:5])) + (", ..." if len(damaged) > 5 else "")
    return Figures(rows, f"{path}: dropped what is damaged (line {named})")


def cells(line: bytes) -> list[str] | None:
    """The cells of a line, or None where it is no text."""
    try:
        text = line.decode("ascii").rstrip("\r")
    except UnicodeDecodeError:
        return None
    return text.split(",") if text.isprintable() else None


def row_of(header: Sequence[str], values: Sequence[str] | None) -> Row | None:
    """The figures of a row, or None where it is damaged."""
    if values is None or len(values) != len(header):
        return None
    try:
        row = {name: float(value) for name, value in zip(header, values, strict=True) if value}
    except ValueError:
        return None
    step = row.get("step", -1)
    if not (step >= 0 and step.is_integer()):
        return None
    return {name: value for name, value in row.items() if math.isfinite(value)}


def write_figures(path: Path, rows: Sequence[Row]) -> list[str]:
    """Write a table, whole or not at all. Returns its columns."""
    columns = sorted({"step"}.union(*rows))
    with atomic(path) as name:
        name.write_text(as_text(columns, [dict(zip(columns, columns, strict=True)), *rows]))
    return columns


def as_text(columns: Sequence[str], rows: Iterable[dict[str, float] | dict[str, str]]) -> str:
    """Rows as they stand in the file. A figure that is not finite is none.

    >>> as_text(["loss", "step"], [{"step": 7, "loss": 0.5}, {"step": 8, "loss": math.nan}])
    '0.5,7\\n,8\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([value_of(row.get(name)) for name in columns])
    return text.getvalue()


def value_of(value: float | str | None) -> float | int | str | None:
    """A cell: whole numbers, such as steps, without a point."""
    if isinstance(value, str) or value is None:
        return value
    if not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else value
