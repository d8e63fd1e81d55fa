"""A segmentation for the eye: overlay, mask and soft masks, and a legend with numbers."""

from collections.abc import Sequence
from html import escape
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from wsfcn.app.palette import palette
from wsfcn.inference.outputs import Segmentation
from wsfcn.terminal import shown

Way = Literal["overlay", "mask", "soft mask", "picture"]
"""How a segmentation is shown."""

LONGEST_SHOWN = 1600
"""Pixels of the longer side beyond which pictures are shown reduced: screens have no more."""


class Row(NamedTuple):
    """A class in the legend."""

    name: str
    colour: tuple[int, int, int]
    probability: float | None
    """Of the tag; the background has none."""
    pixels: int
    share: float
    """Of the picture's pixels, in percent."""


def view(
    found: Segmentation, way: Way = "overlay", opacity: float = 0.5, name: str | None = None
) -> Image.Image:
    """The picture as it is shown; ``name`` is the class of a soft mask.

    A soft mask is grey, white where the class is certain, and black where it was cut.
    """
    size = shown_size(found.picture.size)
    picture = found.picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if way == "picture":
        return picture
    if way == "soft mask":
        soft = found.probabilities.get(name or "", np.zeros_like(found.mask))
        grey = (soft.astype(np.float32) * 255).round().clip(0, 255).astype(np.uint8)
        return Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    channels = Image.fromarray(found.classes.to_channels(found.mask))
    mask = np.asarray(channels.resize(size, Image.Resampling.NEAREST))
    colours = palette(found.classes.channels)
    if way == "mask":
        return Image.fromarray(colours[mask])
    return Image.fromarray(painted(np.asarray(picture), mask, colours, opacity))


def shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size at which a picture is shown.

    >>> shown_size((500, 375)), shown_size((4000, 3000))
    ((500, 375), (1600, 1200))
    """
    factor = min(1.0, LONGEST_SHOWN / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def painted(
    pixels: UInt8[np.ndarray, "h w 3"],
    mask: UInt8[np.ndarray, "h w"],
    colours: UInt8[np.ndarray, "c 3"],
    opacity: float,
) -> UInt8[np.ndarray, "h w 3"]:
    """A picture with its objects painted over it; their edges are full, beside a white line.

    So an object is told from its surroundings where the picture happens to have its colour. The
    mask counts channels: 0 is the background, or where nothing is said.
    """
    mask = np.where(mask < len(colours), mask, 0).astype(np.uint8)  # 255: nothing is said
    over = colours[mask].astype(np.float32)
    weight = np.where(mask > 0, np.float32(opacity), np.float32(0))
    edge = edges(mask)
    weight[edge & (mask > 0)] = 1
    result = pixels * (1 - weight[..., None]) + over * weight[..., None]
    outside = edge & (mask == 0)
    result[outside] = 0.3 * result[outside] + 0.7 * 255
    return result.round().astype(np.uint8)


def edges(mask: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels beside which another class lies, above, below, left or right.

    >>> edges(np.array([[0, 0, 1, 1]], np.uint8)).tolist()
    [[False, True, True, False]]
    """
    found = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        differs = np.diff(mask, axis=axis) != 0
        first = tuple(slice(None, -1) if n == axis else slice(None) for n in (0, 1))
        second = tuple(slice(1, None) if n == axis else slice(None) for n in (0, 1))
        found[first] |= differs
        found[second] |= differs
    return found


def legend(found: Segmentation) -> list[Row]:
    """A row a class: objects in the picture by their size, then the others by probability."""
    names = found.classes.with_background.names
    counts = np.bincount(found.classes.to_channels(found.mask).ravel(), minlength=len(names))
    colours = palette(len(names))
    rows = []
    for k, name in enumerate(names):
        red, green, blue = colours[k].tolist()
        share = 100 * counts[k] / found.mask.size
        tag = found.tags.get(name) if k else None
        rows.append(Row(name, (red, green, blue), tag, int(counts[k]), float(share)))
    background, *objects = rows
    objects.sort(key=lambda row: (-row.pixels, -(row.probability or 0)))
    return [background, *objects] if found.classes.background else objects


LISTED = 30
"""Rows of the legend beyond which classes that are not in the picture are left out."""


def legend_html(rows: Sequence[Row]) -> str:
    """The legend as a table."""
    lines = []
    for row in rows:
        if len(lines) >= LISTED and not row.pixels:
            continue
        chip = f"background: rgb({row.colour[0]} {row.colour[1]} {row.colour[2]})"
        tag = ""
        if row.probability is not None:
            percent = 100 * row.probability
            tag = (
                f'<span class="bar"><i style="width: {percent:.1f}%"></i></span>'
                f'<span class="percent">{percent:.0f} %</span>'
            )
        lines.append(
            f'<tr class="{"there" if row.pixels else "absent"}">'
            f'<td><span class="chip" style="{chip}"></span>{escape(shown(row.name))}</td>'
            f"<td>{tag}</td><td>{row.pixels:,}</td><td>{row.share:.1f} %</td></tr>"
        )
    left = len(rows) - len(lines)
    more = f'<p class="more">{left} more, none of them in the picture</p>' if left else ""
    return (
        '<table class="legend"><thead><tr><th>class</th><th>tag</th><th>pixels</th><th>share</th>'
        f"</tr></thead><tbody>{''.join(lines)}</tbody></table>{more}"
    )
