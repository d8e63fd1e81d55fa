"""A segmentation as a notebook shows it: picture, overlay, and what is in it."""

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from wsfcn.images import reduced
from wsfcn.visualize import colour_of, data_uri

if TYPE_CHECKING:
    from wsfcn.inference.outputs import Segmentation

SIDE = 360
"""Longer side of the pictures, in pixels."""

TAGS = 8
"""Tags that are shown, the most probable first, beside those that have pixels."""


def shares(found: "Segmentation") -> dict[str, float]:
    """Share of the picture's pixels (0 to 1) of each object class that has any."""
    classes = found.classes
    channels = classes.to_channels(found.mask)
    counts = np.bincount(channels.ravel(), minlength=classes.channels) / found.mask.size
    return {name: counts[k] for k, name in enumerate(classes.objects, start=1) if counts[k]}


def as_text(found: "Segmentation") -> str:
    """Size and classes in a line."""
    width, height = found.picture.size
    parts = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares(found).items())
    return f"Segmentation({width} x {height}: {parts or 'background alone'})"


def as_html(found: "Segmentation") -> str:
    """Picture and overlay beside each other; below them tags, probabilities and shares."""
    pictures = "".join(
        f"<img src='{data_uri(reduced(picture, SIDE))}' alt='{what}' style='max-width:49%'>"
        for what, picture in (("picture", found.picture), ("overlay", found.overlay()))
    )
    covered, channels = shares(found), found.classes.with_background
    probable = sorted(found.tags, key=lambda name: -found.tags[name])
    shown = [name for n, name in enumerate(probable) if n < TAGS or name in covered]
    rows = "".join(
        f"<tr><td style='text-align:left'>{_swatch(channels.index(name))}{escape(name)}</td>"
        f"<td>{found.tags[name]:.2f}</td>"
        f"<td>{f'{100 * covered[name]:.1f} %' if name in covered else '–'}</td></tr>"
        for name in shown
    )
    head = (
        "<tr><th style='text-align:left'>tag</th><th>probability</th><th>of the picture</th></tr>"
    )
    return f"<div>{pictures}</div><table>{head}{rows}</table>"


def _swatch(channel: int) -> str:
    return (
        "<span style='display:inline-block;width:.8em;height:.8em;margin-right:.5em;"
        f"border-radius:3px;background:{colour_of(channel)}'></span>"
    )
