"""What corrections are worth, drawn: docs/corrections.svg from the results of the benchmark.

    python tools/site/curve.py OUT/corrections.csv

Takes the lines of whole masks and of no correction: mIoU over the number of corrected pictures, of
several seeds the mean. Colours are readable on light and dark.
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from wsfcn.files import atomic

SIZE = WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 30, 30, 50
TEXT, LINE = "#808080", "#1f77b4"
Points = list[tuple[int, float]]


def read(path: Path) -> dict[str, Points]:
    """By the order in which pictures were corrected: how many, and the mean mIoU."""
    found: dict[tuple[str, int], list[float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] in ("none", "whole"):
                key = (row["order"], int(row["pictures"]))
                found.setdefault(key, []).append(float(row["miou"]))
    curves: dict[str, Points] = {}
    for (order, count), values in sorted(found.items()):
        curves.setdefault(order, []).append((count, sum(values) / len(values)))
    return curves


def drawn(curves: dict[str, Points]) -> str:
    """The figure. The axis of pictures is a square root, so that few can be told apart."""
    everything = [point for points in curves.values() for point in points]
    most = max(count for count, _ in everything)
    low = min(value for _, value in everything) // 5 * 5
    high = -(-max(value for _, value in everything) // 5) * 5

    def place(count: int, value: float) -> tuple[float, float]:
        x = LEFT + (count / most) ** 0.5 * (WIDTH - LEFT - RIGHT)
        return x, HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for value in range(int(low), int(high) + 1, 5):
        _, y = place(0, value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{TEXT}" opacity=".3"/>')
        parts.append(text(LEFT - 8, y + 4, str(value), "end"))
    for count in sorted({count for count, _ in everything}):
        parts.append(text(place(count, low)[0], HEIGHT - BOTTOM + 18, str(count)))
    parts.append(text(WIDTH / 2, HEIGHT - 10, "corrected pictures of 3,131"))
    parts.append(text(LEFT, TOP - 12, "mIoU on validation pictures", "start"))
    for order, points in curves.items():
        places = [place(*point) for point in points]
        parts.append(line(places))
        for (x, y), (_, value) in zip(places, points, strict=True):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{LINE}"/>')
            if order == "random":
                side = "start" if x < WIDTH - 90 else "end"
                parts.append(text(x + 6, y + 16, f"{value:.1f}", side))
            else:
                parts.append(text(x - 8, y + 5, f"the first of a review: {value:.1f}", "end"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
    return "\n".join([f'{head} font-family="sans-serif" font-size="13">', *parts, "</svg>\n"])


def line(places: Sequence[tuple[float, float]]) -> str:
    """A line through places."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return f'<path d="M{path}" fill="none" stroke="{LINE}" stroke-width="2"/>'


def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{TEXT}">{words}</text>'


if __name__ == "__main__":
    with atomic(Path(__file__).parents[2] / "docs/corrections.svg") as file:
        file.write_text(drawn(read(Path(sys.argv[1]))), encoding="utf-8")
