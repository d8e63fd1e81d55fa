"""A run on one page: settings, curves, quality per class, pictures. It needs no other file."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wsfcn.errors import DataError
from wsfcn.files import atomic
from wsfcn.visualize import colour_of, data_uri, line_chart, painted

CURVES = {
    "loss/tags": "tag loss",
    "loss/masks": "mask loss",
    "coverage": "share of pixels with a pseudo-label",
    "val/tag_map": "validation: tag mAP (%)",
    "val/coverage": "validation: tagged classes with a mask (%)",
    "val/miou": "validation: mIoU (%), shown only",
}
"""Columns of metrics.csv that are drawn, and what they are called."""


class Example(NamedTuple):
    """A picture with its mask, and its truth where known."""

    name: str
    picture: Image.Image
    mask: UInt8[np.ndarray, "h w"]
    truth: UInt8[np.ndarray, "h w"] | None = None


def write_report(run: Path, examples: Sequence[Example] = ()) -> Path:
    """Write ``run/report.html`` from what the run folder holds; parts it lacks are left out.

    Raises DataError where the folder is no run.
    """
    from jinja2 import Environment, PackageLoader

    settings = run / "settings.yaml"
    if not settings.exists():
        raise DataError(f"{run}: holds no settings.yaml; is it the folder of a run?")
    page = Environment(loader=PackageLoader("wsfcn"), autoescape=True).get_template("report.html")
    html = page.render(
        name=run.name,
        settings=settings.read_text(),
        curves=[line_chart(title, points) for title, points in read_curves(run / "metrics.csv")],
        metrics=read_metrics(run / "metrics.json"),
        examples=[
            (example.name, data_uri(painted(example.picture, _masks_of(example))))
            for example in examples
        ],
        with_truth=all(example.truth is not None for example in examples),
    )
    with atomic(run / "report.html") as name:
        name.write_text(html, encoding="utf-8")
    return run / "report.html"


def read_curves(table: Path) -> list[tuple[str, list[tuple[float, float]]]]:
    """The curves of a metrics.csv: title, then (step, value) pairs."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    series = {
        title: [(float(row["step"]), float(row[column])) for row in rows if row.get(column)]
        for column, title in CURVES.items()
    }
    return [(title, points) for title, points in series.items() if len(points) > 1]


def read_metrics(path: Path) -> dict[str, Any] | None:
    """The result of an evaluation, with a row a class."""
    if not path.exists():
        return None
    metrics = json.loads(path.read_text())
    columns = (metrics["iou"], metrics["precision"], metrics["recall"])
    metrics["rows"] = [
        (name, colour_of(n), *(column[name] for column in columns))
        for n, name in enumerate(metrics["iou"])
    ]
    return metrics


def _masks_of(example: Example) -> list[UInt8[np.ndarray, "h w"]]:
    return [example.mask] if example.truth is None else [example.mask, example.truth]
