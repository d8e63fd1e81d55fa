"""How results look in a notebook: small HTML that takes its colours from the page around it."""

from collections.abc import Iterable, Sequence
from html import escape


def html_table(header: Sequence[object], rows: Iterable[Sequence[object]], below: str = "") -> str:
    """A table, numbers to the right, and a line of text below it. Names are shown, not obeyed.

    >>> html_table(["class"], [["<b>"]]).count("&lt;b&gt;")
    1
    """
    head = "".join(f"<th style='text-align:left'>{escape(str(cell))}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    text = f"<p>{escape(below)}</p>" if below else ""
    return f"<table><tr>{head}</tr>{body}</table>{text}"


def html_list(title: str, lines: Sequence[str]) -> str:
    """A titled list of lines, or nothing where there are none."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<p><b>{escape(title)}</b></p><ul>{items}</ul>" if lines else ""


def _cell(value: object) -> str:
    side = "left" if isinstance(value, str) else "right"
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    return f"<td style='text-align:{side}'>{escape(text)}</td>"
