"""Pictures for people: overlays beside each other, and line charts as SVG."""

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from wsfcn.images import overlay, voc_palette


def data_uri(picture: Image.Image, quality: int = 88) -> str:
    """A picture as a JPEG inside an address, so that a page needs no other file."""
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def colour_of(index: int) -> str:
    """The VOC palette's colour of a class, as CSS."""
    red, green, blue = voc_palette()[index].tolist()
    return f"rgb({red} {green} {blue})"


def beside(tiles: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size side by side, with a narrow gap."""
    gap = 4
    width, height = tiles[0].size
    row = Image.new("RGB", (len(tiles) * (width + gap) - gap, height), "white")
    for n, tile in enumerate(tiles):
        row.paste(tile, (n * (width + gap), 0))
    return row


def painted(
    picture: Image.Image, masks: Sequence[UInt8[ndarray, "h w"]], *, background: bool = True
) -> Image.Image:
    """The picture, then the picture under each mask."""
    return beside([picture, *(overlay(picture, mask, background=background) for mask in masks)])


def sheet(rows: Sequence[Image.Image], columns: int = 1) -> Image.Image:
    """Pictures of any sizes in a grid, on white."""
    gap = 6
    width = max(row.width for row in rows)
    height = max(row.height for row in rows)
    lines = -(-len(rows) // columns)
    page = Image.new("RGB", (columns * (width + gap), lines * (height + gap)), "white")
    for n, row in enumerate(rows):
        page.paste(row, (n % columns * (width + gap), n // columns * (height + gap)))
    return page


STROKES = (
    "stroke: var(--mark)",
    "stroke: #e8590c; stroke-dasharray: 6 2",
    "stroke: #0ca678; stroke-dasharray: 2 2",
    "stroke: #9c36b5; stroke-dasharray: 8 2 2 2",
    "stroke: #868e96; stroke-dasharray: 1 3",
)
"""Of lines in one chart: told apart by their dashes too, since not everybody sees all colours."""


def stroke_of(index: int) -> str:
    """The style of a line, as CSS; after the last comes the first again."""
    return STROKES[index % len(STROKES)]


def line_chart(
    title: str,
    points: Sequence[tuple[float, float]],
    size: tuple[int, int] = (320, 150),
    unit: str = "step",
) -> str:
    """One series over its steps (or other ``unit``) as an SVG that takes its colours from the page.

    >>> "polyline" in line_chart("loss", [(0, 2.0), (10, 1.0)])
    True
    """
    return lines_chart(title, [points], size, unit)


def lines_chart(
    title: str,
    series: Sequence[Sequence[tuple[float, float]]],
    size: tuple[int, int] = (320, 150),
    unit: str = "step",
) -> str:
    """Several series in one chart, in the strokes of their numbers; empty ones have no line.

    >>> lines_chart("loss", [[(0, 2.0), (10, 1.0)], [], [(0, 1.0), (5, 1.0)]]).count("polyline")
    2
    """
    width, height = size
    left, top, bottom = 44, 24, 20
    points = [point for each in series for point in each]
    steps, values = [x for x, _ in points], [y for _, y in points]
    low, high = min(0.0, *values), max(values) or 1.0
    span = (max(steps) - min(steps)) or 1

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + (width - left - 8) * (x - min(steps)) / span
        down = top + (height - top - bottom) * (1 - (y - low) / ((high - low) or 1))
        return across, down

    lines = ""
    for n, each in enumerate(series):
        if each:
            line = " ".join(
                f"{across:.1f},{down:.1f}" for across, down in (place(*p) for p in each)
            )
            lines += f'<polyline points="{line}" style="{stroke_of(n)}"/>'
    floor = height - bottom
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f'<text x="{left}" y="14" class="title">{escape(title)}</text>'
        f'<text x="{left - 5}" y="{top + 5}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{left - 5}" y="{floor}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{width - 8}" y="{height - 5}" text-anchor="end">{unit} {max(steps):.0f}</text>'
        f'<path class="axis" d="M{left} {top}V{floor}H{width - 8}"/>'
        f"{lines}</svg>"
    )
