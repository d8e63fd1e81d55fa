"""A run on one page: settings, curves, quality per class, pictures. It needs no other file."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wsfcn.data.inspect import Inspection, summary
from wsfcn.errors import DamageWarning, DataError, MaskError, PictureError
from wsfcn.evaluation import ConfusionMatrix, check_untaught
from wsfcn.figures import read_figures
from wsfcn.files import atomic, need_suffix, read_bytes, read_text
from wsfcn.images import read_mask, read_picture
from wsfcn.types import BACKGROUND, Classes
from wsfcn.verdicts import read_beliefs, verdict
from wsfcn.visualize import colour_of, data_uri, line_chart, painted

CURVES = {
    "loss/tags": "tag loss",
    "loss/masks": "mask loss",
    "coverage": "share of pixels with a pseudo-label",
    "val/tag_map": "validation: tag mAP (%)",
    "val/coverage": "validation: tagged classes with a mask (%)",
    "val/purity": "validation: share of the masks that other pictures do not show (%)",
    "val/agreement": "validation: agreement of two views (%)",
    "val/score": "validation: the score that chooses (%)",
    "val/miou": "validation: mIoU (%), shown only",
}
"""Columns of metrics.csv that are drawn, and what they are called."""


LARGEST_MATRIX = 30
"""Classes beyond which the confusion matrix is left out: nobody could read it."""


SETTINGS = "settings.yaml"
"""The file that makes a folder the folder of a run."""


SHOWN_TWINS = 8
"""Pairs of validation and training pictures on the page of an inspection."""


class Example(NamedTuple):
    """A picture with its mask, and its truth where known."""

    name: str
    picture: Image.Image
    mask: UInt8[np.ndarray, "h w"]
    truth: UInt8[np.ndarray, "h w"] | None = None
    background: bool = True
    """Whether class 0 is one."""


def write_report(run: Path, examples: Mapping[str, Sequence[Example]] | None = None) -> Path:
    """Write ``run/report.html`` from what the run folder holds; parts it lacks are left out.

    ``examples`` are groups of pictures, each under its title. Raises DataError where the folder is
    no run.
    """
    save_page(run / "report.html", report_page(run, examples))
    return run / "report.html"


def report_page(run: Path, examples: Mapping[str, Sequence[Example]] | None = None) -> str:
    """The page of `write_report`, as HTML. Raises DataError where the folder is no run."""
    need_run(run)
    return rendered(
        "report.html",
        name=run.name,
        settings=read_text(run / SETTINGS),
        curves=[line_chart(title, points) for title, points in read_curves(run / "metrics.csv")],
        metrics=metrics_in(run),
        beliefs=read_beliefs(run),
        verdict=verdict,
        groups=[
            (title, [(e.name, data_uri(_painted(e))) for e in group])
            for title, group in (examples or {}).items()
        ],
        snapshots=[
            (path.stem.replace("-", " "), data_uri(read_picture(path)))
            for path in few(sorted((run / "snapshots").glob("*.jpg")))
        ],
    )


def need_run(run: Path) -> None:
    """Raise DataError where a folder is none of a run."""
    if not (run / SETTINGS).exists():
        raise DataError(f"{run}: holds no {SETTINGS}; is it the folder of a run?")


def metrics_in(run: Path) -> dict[str, Any] | None:
    """The evaluation in a run folder, where there is one. Raises DataError."""
    return read_metrics(run / "metrics.json")


def write_inspection(path: Path, found: Inspection) -> None:
    """Write what `inspect_data` found as one page, with sample pictures of each class.

    Raises SettingError where the name is none of a page.
    """
    need_suffix(path, ".html", ".htm")
    save_page(path, inspection_page(found))


def inspection_page(found: Inspection) -> str:
    """The page of `write_inspection`, as HTML."""
    classes = found.classes.objects if found.classes else ()
    train = found.counts.get("train", Counter())
    most = max((train[name] for name in classes), default=0) or 1
    pairs = found.together + Counter({(two, one): n for (one, two), n in found.together.items()})
    shown = classes if len(classes) <= LARGEST_MATRIX else ()
    charts = [
        line_chart(f"{what} in pixels, in order", [*enumerate(sorted(sides), 1)], unit="picture")
        for what, sides in zip(("width", "height"), zip(*found.sizes, strict=True), strict=False)
    ]
    return rendered(
        "inspect.html",
        name="What the data holds",
        pictures=summary(found),
        errors=found.errors,
        form=found.form,
        notes=found.notes,
        splits=list(found.counts),
        rows=[
            (name, [counts[name] for counts in found.counts.values()], 100 * train[name] / most)
            for name in classes
        ],
        together=[
            (row, [100 * pairs[row, column] / max(train[row], 1) for column in shown])
            for row in shown
        ],
        sizes=charts,
        twins=[
            (twin.how, data_uri(_thumbnail(twin.one)), data_uri(_thumbnail(twin.other)))
            for twin in found.twins[:SHOWN_TWINS]
        ],
        samples=[
            (name, [(file.name, data_uri(_thumbnail(file))) for file in files])
            for name, files in found.samples.items()
        ],
    )


def write_review(path: Path, examples: Sequence[Example], listed: int) -> None:
    """Write the first pictures of a list of ``listed``, in its order, as one page."""
    page = rendered(
        "review.html",
        name="What to look at first",
        listed=listed,
        examples=[(e.name, data_uri(_painted(e))) for e in examples],
    )
    save_page(path, page)


def save_page(path: Path, page: str) -> None:
    """Write a page, whole or not at all."""
    with atomic(path) as name:
        name.write_text(page, encoding="utf-8")


def rendered(template: str, **values: Any) -> str:
    """A template of this package, filled."""
    from jinja2 import Environment, PackageLoader

    page = Environment(loader=PackageLoader("wsfcn"), autoescape=True).get_template(template)
    return page.render(values)


def _thumbnail(path: Path) -> Image.Image:
    try:
        picture = read_picture(path, 200)
    except PictureError:
        return Image.new("RGB", (200, 150), "grey")
    picture.thumbnail((200, 200))
    return picture


def worst_and_best(
    pictures: Mapping[Path, str], masks: Path, truth: Path, classes: Classes, count: int = 9
) -> dict[str, list[Example]]:
    """The pictures of the lowest and of the highest mIoU, for `write_report`. Raises MaskError.

    ``pictures`` are files with the names of their masks.
    """
    rated = []
    check_untaught([masks / f"{name}.png" for name in pictures.values()])
    for path, name in pictures.items():
        found, true = read_mask(masks / f"{name}.png"), read_mask(truth / f"{name}.png")
        counts = ConfusionMatrix(classes)
        try:
            counts.update(true, found)
        except MaskError as error:
            raise MaskError(f"{masks / name}.png, {error}") from None
        rated.append((counts.compute().miou, name, path))
    rated.sort()
    groups = {}
    for title, group in (("Worst", rated[:count]), ("Best", rated[::-1][:count])):
        groups[f"{title} pictures: picture, mask, truth"] = [
            Example(
                f"{name}, mIoU {miou:.0f}",
                read_picture(path),
                *(read_mask(folder / f"{name}.png") for folder in (masks, truth)),
                background=classes.background,
            )
            for miou, name, path in group
        ]
    return groups


def few(paths: Sequence[Path], count: int = 4) -> list[Path]:
    """At most ``count`` of the paths, evenly spread, the last among them."""
    if len(paths) <= count:
        return list(paths)
    return [paths[round(n * (len(paths) - 1) / (count - 1))] for n in range(count)]


def read_curves(table: Path) -> list[tuple[str, list[tuple[float, float]]]]:
    """The curves of a metrics.csv: title, then (step, value) pairs."""
    found = read_figures(table)
    if found.dropped:
        warnings.warn(found.dropped, DamageWarning, stacklevel=2)
    series = {
        title: [(row["step"], row[column]) for row in found.rows if column in row]
        for column, title in CURVES.items()
    }
    return [(title, points) for title, points in series.items() if len(points) > 1]


class Figures(msgspec.Struct):
    """What `wsfcn evaluate --json` writes, as far as the page shows it."""

    miou: float
    pixel_accuracy: float
    iou: dict[str, float | None]
    precision: dict[str, float | None]
    recall: dict[str, float | None]
    confusion: list[list[float]] = []


def read_metrics(path: Path) -> dict[str, Any] | None:
    """The result of an evaluation, with a row a class. Raises DataError where it is none."""
    if not path.exists():
        return None
    try:
        found = msgspec.json.decode(read_bytes(path), type=Figures)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: no result of `wsfcn evaluate --json` ({error})") from None
    columns = (found.iou, found.precision, found.recall)
    metrics = msgspec.to_builtins(found)
    shift = next(iter(found.iou), BACKGROUND) != BACKGROUND
    metrics["rows"] = [
        (name, colour_of((n + shift) % 256), *(column.get(name) for column in columns))
        for n, name in enumerate(found.iou)
    ]
    side = len(found.confusion)
    if side == len(found.iou) <= LARGEST_MATRIX and all(
        len(row) == side for row in found.confusion
    ):
        matrix = np.array(found.confusion, np.float64).reshape(side, side)
        metrics["shares"] = (100 * matrix / matrix.sum(1, keepdims=True).clip(1)).round().tolist()
    return metrics


def _painted(example: Example) -> Image.Image:
    masks = [mask for mask in (example.mask, example.truth) if mask is not None]
    return painted(example.picture, masks, background=example.background)
