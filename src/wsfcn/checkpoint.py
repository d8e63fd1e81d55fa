"""Checkpoints: weights, settings and classes in one file.

A checkpoint is what Lightning writes (weights, optimiser, progress) plus the key ``wsfcn``, with
all that rebuilds the segmenter. It is read without unpickling code.
"""

from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch

from wsfcn.config import TrainSettings, from_dict, to_dict
from wsfcn.errors import CheckpointError, WsfcnError
from wsfcn.files import atomic
from wsfcn.models.segmenter import Segmenter, build_segmenter
from wsfcn.models.weights import read_file
from wsfcn.types import Classes

FORMAT = 1
"""Version of what stands under the key ``wsfcn``."""

BEST, LAST = "best.ckpt", "last.ckpt"
"""What a run folder's ``checkpoints`` holds: the best by a score without masks, and the last."""


class Checkpoint(NamedTuple):
    """A segmenter and what it was trained with."""

    model: Segmenter
    settings: TrainSettings
    classes: Classes


def header(settings: TrainSettings, classes: Classes) -> dict[str, Any]:
    """What makes a file of weights a checkpoint of ours."""
    return {"format": FORMAT, "settings": to_dict(settings), "classes": list(classes.names)}


def save_checkpoint(path: str | PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint without optimiser or progress, whole or not at all."""
    model, settings, classes = checkpoint
    content = {"state_dict": model.state_dict(), "wsfcn": header(settings, classes)}
    with atomic(path) as name:
        torch.save(content, name)


def find_checkpoint(path: str | PathLike[str], names: tuple[str, ...] = (BEST, LAST)) -> Path:
    """A checkpoint file as it is; of a run folder the first of ``names`` it holds."""
    path = Path(path)
    if path.is_file():
        return path
    if not path.exists():
        raise CheckpointError(f"{path}: no such run or checkpoint")
    for name in names:
        if (path / "checkpoints" / name).is_file():
            return path / "checkpoints" / name
    raise CheckpointError(f"{path}: holds no checkpoints/{names[0]}; is it the folder of a run?")


def read_checkpoint(path: str | PathLike[str]) -> dict[str, Any]:
    """The content of a checkpoint file. Raises CheckpointError where it is not one of ours."""
    content = read_file(path)
    if not isinstance(content, dict) or "wsfcn" not in content:
        raise CheckpointError(
            f"{path}: not a WS-FCN checkpoint; published weights are taken in by `wsfcn import`"
        )
    if content["wsfcn"]["format"] != FORMAT:
        found = content["wsfcn"]["format"]
        raise CheckpointError(f"{path}: format {found}, but this version reads format {FORMAT}")
    return content


def load_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Rebuild the segmenter of a run folder or checkpoint file, in evaluation mode."""
    path = find_checkpoint(path)
    content = read_checkpoint(path)
    try:
        settings = from_dict(TrainSettings, content["wsfcn"]["settings"])
    except WsfcnError as error:
        raise CheckpointError(f"{path}: {error}") from None
    classes = Classes(tuple(content["wsfcn"]["classes"]))
    model = build_segmenter(settings.model, len(classes), pretrained=False)
    weights = content["state_dict"]
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise CheckpointError(f"{path}: its weights do not fit its settings ({reason})") from None
    return Checkpoint(model.eval(), settings, classes)
