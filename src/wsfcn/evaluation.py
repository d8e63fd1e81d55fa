"""Evaluation: masks against truth, scores against tags. It knows no model."""

import json
import math
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Integer, UInt8

from wsfcn.errors import DataError, MaskError, TagError
from wsfcn.files import atomic, need_suffix, open_regular
from wsfcn.images import read_mask, was_taught
from wsfcn.notebook import html_table
from wsfcn.terminal import say, table
from wsfcn.truth import Truth
from wsfcn.types import IGNORE, Classes

BACKGROUNDS = tuple(value / 20 for value in range(1, 20))
"""Constants that stand for the background in `background_curve`."""


@dataclass(frozen=True, kw_only=True, repr=False)
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
    labelled: float = 100.0
    """Share of the pixels that the masks say anything about (of pseudo-labels: not 255)."""
    boundary_iou: dict[str, float] | None = None
    """IoU of the classes' inner borders (Cheng et al., 2021), where it was asked for."""

    def __repr__(self) -> str:
        return f"Metrics({means_of(self)})"

    def _repr_html_(self) -> str:
        """In a notebook: a row a class, the means below."""
        header, rows = rows_of(self)
        return html_table(header, rows, means_of(self))

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
            "labelled": self.labelled,
            "confusion": self.confusion.tolist(),
        } | ({"boundary_iou": plain(self.boundary_iou)} if self.boundary_iou else {})


class ConfusionMatrix:
    """Counts pixels by truth and guess, in 64 bits; sums of parts are the whole.

    With ``boundary`` also those on inner borders, for the boundary IoU. With ``labels`` a guess may
    be 255: such pixels are left out and counted as not labelled.

    >>> counts = ConfusionMatrix(Classes(("background", "cat")))
    >>> counts.update(np.array([[0, 1], [1, 1]], np.uint8), np.array([[0, 1], [0, 1]], np.uint8))
    >>> {name: round(value, 1) for name, value in counts.compute().iou.items()}
    {'background': 50.0, 'cat': 66.7}
    """

    def __init__(self, classes: Classes, *, boundary: bool = False, labels: bool = False) -> None:
        self.classes = classes
        self.boundary, self.labels = boundary, labels
        self.matrix = np.zeros((len(classes), len(classes)), np.int64)
        self.pixels = 0
        self.borders = np.zeros((3, len(classes)), np.int64)

    def update(self, truth: Integer[np.ndarray, "h w"], guess: Integer[np.ndarray, "y x"]) -> None:
        """Count one picture. Pixels whose truth is 255 count nowhere. Raises MaskError."""
        if truth.shape != guess.shape:
            raise MaskError(
                f"the mask is {guess.shape[1]} x {guess.shape[0]}, "
                f"its truth {truth.shape[1]} x {truth.shape[0]}"
            )
        known = truth != IGNORE
        self.pixels += int(known.sum())
        if self.labels:
            known &= guess != IGNORE
        count = len(self.classes)
        if self.boundary:
            on_truth, on_guess = inner_border(truth) & known, inner_border(guess) & known
            both = on_truth & on_guess & (truth == guess)
            for row, values in enumerate((truth[on_truth], guess[on_guess], truth[both])):
                self.borders[row] += np.bincount(values, minlength=count)[:count]
        truth, guess = truth[known], guess[known]
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
            labelled = 100 * self.matrix.sum() / self.pixels
            of_truth, of_guess, of_both = self.borders
            boundary = 100 * of_both / (of_truth + of_guess - of_both)

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
            labelled=float(labelled),
            boundary_iou=by_name(boundary) if self.boundary else None,
        )


def inner_border(
    labels: Integer[np.ndarray, "h w"], ratio: float = 0.02
) -> Bool[np.ndarray, "h w"]:
    """Pixels whose square neighbourhood leaves their region or the picture.

    It reaches ``ratio`` of the picture's diagonal to each side (Boundary IoU, Cheng et al., 2021,
    section 4). A window is of one label where no label changes inside it, which sums of changes
    tell.
    """
    height, width = labels.shape
    reach = max(1, round(ratio * float(np.hypot(height, width))))
    top, left = np.arange(height) - reach, np.arange(width) - reach
    outside = np.ones((height, width), bool)
    outside[reach : height - reach, reach : width - reach] = False
    first_row, first_column = top.clip(0), left.clip(0)
    last_row = (top + 2 * reach).clip(max=height - 1)
    last_column = (left + 2 * reach).clip(max=width - 1)

    def sums(changes: Bool[np.ndarray, "y x"]) -> Integer[np.ndarray, "y+1 x+1"]:
        table = np.zeros((changes.shape[0] + 1, changes.shape[1] + 1), np.int32)
        np.cumsum(np.cumsum(changes, 0, np.int32), 1, out=table[1:, 1:])
        return table

    across, down = sums(labels[:, 1:] != labels[:, :-1]), sums(labels[1:] != labels[:-1])

    def inside(
        table: Integer[np.ndarray, "y x"], rows: tuple[Any, Any], columns: tuple[Any, Any]
    ) -> Integer[np.ndarray, "h w"]:
        strip = table[rows[1]] - table[rows[0]]
        return strip[:, columns[1]] - strip[:, columns[0]]

    changes = inside(across, (first_row, last_row + 1), (first_column, last_column))
    changes += inside(down, (first_row, last_row), (first_column, last_column + 1))
    return outside | (changes > 0)


def evaluate_folder(
    masks: Path,
    truth: Path,
    classes: Classes,
    names: Sequence[str] | None = None,
    *,
    boundary: bool = False,
    labels: bool = False,
) -> Metrics:
    """Compare the PNGs of two folders and the folders in them, paired by name.

    Every truth needs its mask.
    With ``names``, only these pictures. ``boundary`` adds the boundary IoU; ``labels`` allows 255
    in a mask, as in pseudo-labels, and without ``names`` takes those of which there is a truth.
    Raises MaskError for a mask that is missing, has another size than its truth, or values beyond
    the classes.
    """
    counts = ConfusionMatrix(classes, boundary=boundary, labels=labels)
    if labels and names is None:
        # Labels exist for training pictures alone, truth perhaps for some of these.
        names = [name for name in names_below(masks) if truth_of(truth, name).exists()]
    names = names_in(truth, names)
    check_untaught([masks / f"{name}.png" for name in names])
    for name in names:
        path = masks / f"{name}.png"
        if not path.exists():  # a truth from another system, whose accents are signs of their own
            path = masks / f"{unicodedata.normalize('NFC', name)}.png"
        count_mask(counts, Truth(truth_of(truth, name)), path)
    return counts.compute()


def check_untaught(masks: Sequence[Path]) -> None:
    """Raise MaskError for masks of pictures whose corrected masks their network has learned."""
    taught = [path for path in masks if path.exists() and was_taught(path)]
    if taught:
        raise MaskError(
            f"{taught[0]}: its network learned from a corrected mask of this picture, as with "
            f"{len(taught)} of the {len(masks)} compared; name the others with --names FILE"
        )


def evaluate_truths(
    masks: Path, truths: Mapping[str, Truth], classes: Classes, *, boundary: bool = False
) -> Metrics:
    """Compare the PNGs of a folder with truths, by name, wherever these lie. Raises MaskError."""
    counts = ConfusionMatrix(classes, boundary=boundary)
    for name, truth in truths.items():
        count_mask(counts, truth, masks / f"{name}.png")
    return counts.compute()


def count_mask(counts: ConfusionMatrix, truth: Truth, path: Path) -> None:
    """Count the mask in a file. Raises MaskError, with its name."""
    try:
        counts.update(truth.read(), read_mask(path))
    except MaskError as error:
        raise MaskError(f"{path}, {error}") from None


def background_curve(
    masks: Path,
    truth: Path,
    classes: Classes,
    names: Sequence[str] | None = None,
    values: Sequence[float] = BACKGROUNDS,
) -> dict[float, float]:
    """mIoU of soft masks over a constant background, so that its choice is seen.

    ``masks`` holds NAME.npz with ``classes`` (k names) and ``probabilities`` (k h w). The network's
    own background is left out; a pixel is an object where one exceeds the constant.
    """
    if not classes.background:
        raise MaskError(f"{truth}: there is no background among {', '.join(classes.names)}")
    counts = {value: ConfusionMatrix(classes) for value in values}
    for name in names_in(truth, names):
        path = masks / f"{name}.npz"
        true = read_mask(truth_of(truth, name))
        index, probabilities = read_soft_masks(path, classes, true.shape)
        probabilities[index == 0] = -1
        winner = index[probabilities.argmax(0)]
        strength = probabilities.max(0)
        try:
            for value, matrix in counts.items():
                matrix.update(true, np.where(strength > value, winner, np.uint8(0)))
        except MaskError as error:
            raise MaskError(f"{path}, {error}") from None
    return {value: matrix.compute().miou for value, matrix in counts.items()}


def read_soft_masks(
    path: Path, classes: Classes, size: tuple[int, ...]
) -> tuple[UInt8[np.ndarray, "k"], Float32[np.ndarray, "k h w"]]:
    """Class indices and soft masks of a picture of ``size``, from a NAME.npz. Raises MaskError."""
    try:
        with open_regular(path, "file of soft masks") as file:
            with zipfile.ZipFile(file) as archive:
                # Before it is read: a small file can hold much, compressed.
                length = sum(entry.file_size for entry in archive.infolist())
            if length > 8 * len(classes) * math.prod(size) + 2**20:
                raise ValueError(f"{length} bytes are more than soft masks of this size take")
            soft = np.load(file)
            names, masks = soft["classes"], soft["probabilities"]
            taught = "taught" in soft
    except DataError as error:
        raise MaskError(str(error)) from None
    except Exception as error:  # zip and NumPy have many errors for a damaged file
        raise MaskError(f"{path}: no soft masks here ({error})") from None
    if taught:
        raise MaskError(
            f"{path}: its network learned from a corrected mask of this picture; name others with "
            "--names FILE"
        )
    if masks.ndim != 3 or masks.dtype.kind not in "fiu" or names.shape != masks.shape[:1]:
        raise MaskError(
            f"{path}: expected `classes` (k) and `probabilities` (k h w), found shapes "
            f"{names.shape} and {masks.shape}"
        )
    if masks.shape[1:] != size or not len(names):
        raise MaskError(f"{path}: masks of shape {masks.shape}, their truth has {size}")
    try:
        index = np.array([classes.index(str(name)) for name in names], np.uint8)
    except TagError as error:
        raise MaskError(f"{path}: {error}") from None
    return index, masks.astype(np.float32)


def names_in(truth: Path, names: Sequence[str] | None) -> Sequence[str]:
    """The given names, or those of all PNGs in a folder. Raises MaskError where there is none."""
    if names is None:
        names = names_below(truth)
    if not names:
        raise MaskError(f"{truth}: no .png to compare with")
    return names


def names_below(folder: Path) -> list[str]:
    """The PNGs in a folder and the folders in it: their paths there, without suffix."""
    paths = folder.rglob("*.png")
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in paths)


def truth_of(folder: Path, name: str) -> Path:
    """The truth of a picture: a/b.png for a/b, or b.png where there is no folder a."""
    path = folder / f"{name}.png"
    return path if path.parent.is_dir() else folder / path.name


def rows_of(metrics: Metrics) -> tuple[list[str], list[tuple[str | float, ...]]]:
    """A header, and a row a class: its name and figures, "-" for those that it has not."""
    header = ["class", "IoU", "precision", "recall"]
    columns = [metrics.iou, metrics.precision, metrics.recall]
    if metrics.boundary_iou:
        header.append("boundary IoU")
        columns.append(metrics.boundary_iou)
    rows: list[tuple[str | float, ...]] = [
        (name, *("-" if np.isnan(column[name]) else column[name] for column in columns))
        for name in metrics.classes.names
    ]
    return header, rows


def means_of(metrics: Metrics) -> str:
    """The means in a line."""
    line = f"mIoU {metrics.miou:.2f}   pixel accuracy {metrics.pixel_accuracy:.2f}"
    if metrics.boundary_iou:
        line += f"   boundary mIoU {np.nanmean(list(metrics.boundary_iou.values())):.2f}"
    if metrics.labelled < 100:
        line += f"   labelled {metrics.labelled:.2f}"
    return f"{line}   (%)"


def print_metrics(metrics: Metrics) -> None:
    """A table in the terminal: a row a class, the means below."""
    header, rows = rows_of(metrics)
    written = [[f"{c:.1f}" if isinstance(c, float) else c for c in row] for row in rows]
    table(header, written, numbers=True)
    say(means_of(metrics))


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Write the numbers as JSON, whole or not at all. Raises SettingError for another suffix."""
    need_suffix(path, ".json")
    with atomic(path) as name:
        name.write_text(json.dumps(metrics.to_dict(), indent=2) + "\n")


def average_precisions(
    scores: Float[np.ndarray, "n k"], tags: Integer[np.ndarray, "n k"]
) -> Float[np.ndarray, "k"]:
    """Average precision of image scores against tags, in per cent; NaN where none is tagged.

    >>> average_precisions(np.array([[0.9], [0.8], [0.1]]), np.array([[1], [0], [1]])).round(1)
    array([83.3])
    """
    precisions = np.full(tags.shape[1], np.nan)
    for k, (score, tag) in enumerate(zip(scores.T, tags.T, strict=True)):
        hits = tag[np.argsort(-score, kind="stable")] > 0
        if hits.any():
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            precisions[k] = 100 * precision[hits].mean()
    return precisions


def tag_map(scores: Float[np.ndarray, "n k"], tags: Integer[np.ndarray, "n k"]) -> float:
    """The mean of `average_precisions` over the tagged classes, in per cent."""
    precisions = average_precisions(scores, tags)
    return float(np.nanmean(precisions)) if (tags > 0).any() else 0.0
