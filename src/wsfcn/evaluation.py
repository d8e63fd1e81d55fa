"""Evaluation: masks against truth, scores against tags. It knows no model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Integer

from wsfcn.errors import MaskError
from wsfcn.files import atomic
from wsfcn.images import read_mask
from wsfcn.types import IGNORE, Classes


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Quality of masks, in per cent. A class that neither truth nor masks show has none (NaN)."""

    classes: Classes
    miou: float
    """Mean of the classes' intersection over union, the background among them."""
    iou: dict[str, float]
    precision: dict[str, float]
    recall: dict[str, float]
    pixel_accuracy: float
    confusion: Int[np.ndarray, "c c"]
    """Pixels, truth by row, guess by column."""

    def to_dict(self) -> dict[str, Any]:
        """Numbers by name, ready for JSON; NaN becomes None."""

        def plain(values: dict[str, float]) -> dict[str, float | None]:
            return {name: None if np.isnan(value) else value for name, value in values.items()}

        return {
            "miou": self.miou,
            "iou": plain(self.iou),
            "precision": plain(self.precision),
            "recall": plain(self.recall),
            "pixel_accuracy": self.pixel_accuracy,
        }


class ConfusionMatrix:
    """Counts pixels by truth and guess, in 64 bits; sums of parts are the whole.

    >>> counts = ConfusionMatrix(Classes(("background", "cat")))
    >>> counts.update(np.array([[0, 1], [1, 1]], np.uint8), np.array([[0, 1], [0, 1]], np.uint8))
    >>> {name: round(value, 1) for name, value in counts.compute().iou.items()}
    {'background': 50.0, 'cat': 66.7}
    """

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.matrix = np.zeros((len(classes), len(classes)), np.int64)

    def update(self, truth: Integer[np.ndarray, "h w"], guess: Integer[np.ndarray, "y x"]) -> None:
        """Count one picture. Pixels whose truth is 255 count nowhere. Raises MaskError."""
        if truth.shape != guess.shape:
            raise MaskError(
                f"the mask is {guess.shape[1]} x {guess.shape[0]}, "
                f"its truth {truth.shape[1]} x {truth.shape[0]}"
            )
        known = truth != IGNORE
        truth, guess = truth[known], guess[known]
        count = len(self.classes)
        for name, values in (("truth", truth), ("mask", guess)):
            if values.size and values.max() >= count:
                raise MaskError(
                    f"the {name} has value {values.max()}, but there are {count} classes"
                )
        pairs = truth.astype(np.intp) * count + guess
        self.matrix += np.bincount(pairs, minlength=count * count).reshape(count, count)

    def compute(self) -> Metrics:
        """The metrics of all pictures counted so far."""
        hits = np.diag(self.matrix).astype(np.float64)
        truths, guesses = self.matrix.sum(1), self.matrix.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            iou = 100 * hits / (truths + guesses - hits)
            precision, recall = 100 * hits / guesses, 100 * hits / truths
            accuracy = 100 * hits.sum() / self.matrix.sum()

        def by_name(values: Float[np.ndarray, "c"]) -> dict[str, float]:
            return dict(zip(self.classes.names, values.tolist(), strict=True))

        return Metrics(
            classes=self.classes,
            miou=float(np.nanmean(iou)),
            iou=by_name(iou),
            precision=by_name(precision),
            recall=by_name(recall),
            pixel_accuracy=float(accuracy),
            confusion=self.matrix.copy(),
        )


def evaluate_folder(
    masks: Path, truth: Path, classes: Classes, names: Sequence[str] | None = None
) -> Metrics:
    """Compare the PNGs of two folders, paired by name; every truth needs its mask.

    With ``names``, only these pictures. Raises MaskError for a mask that is missing, has another
    size than its truth, or values beyond the classes.
    """
    if names is None:
        names = sorted(path.stem for path in truth.glob("*.png"))
    if not names:
        raise MaskError(f"{truth}: no .png to compare with")
    counts = ConfusionMatrix(classes)
    for name in names:
        path = masks / f"{name}.png"
        try:
            counts.update(read_mask(truth / f"{name}.png"), read_mask(path))
        except MaskError as error:
            raise MaskError(f"{path}, {error}") from None
    return counts.compute()


def print_metrics(metrics: Metrics) -> None:
    """A table in the terminal: a row a class, the means below."""
    from rich.console import Console
    from rich.table import Table

    table = Table("class", "IoU", "precision", "recall")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in metrics.classes.names:
        values = (metrics.iou[name], metrics.precision[name], metrics.recall[name])
        table.add_row(name, *("-" if np.isnan(value) else f"{value:.1f}" for value in values))
    console = Console()
    console.print(table)
    console.print(f"mIoU {metrics.miou:.2f}   pixel accuracy {metrics.pixel_accuracy:.2f}   (%)")


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Write the numbers as JSON, whole or not at all."""
    with atomic(path) as name:
        name.write_text(json.dumps(metrics.to_dict(), indent=2) + "\n")


def tag_map(scores: Float[np.ndarray, "n k"], tags: Integer[np.ndarray, "n k"]) -> float:
    """Mean average precision of image scores against tags, in per cent, over the tagged classes.

    >>> tag_map(np.array([[0.9], [0.8], [0.1]]), np.array([[1], [0], [1]])).__round__(1)
    83.3
    """
    precisions = []
    for score, tag in zip(scores.T, tags.T, strict=True):
        hits = tag[np.argsort(-score, kind="stable")] > 0
        if hits.any():
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            precisions.append(precision[hits].mean())
    return 100 * float(np.mean(precisions)) if precisions else 0.0
