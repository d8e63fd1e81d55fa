"""Checkpoints: weights, settings and classes in one file.

A checkpoint is what Lightning writes (weights, optimiser, progress) plus the key ``wsfcn``, with
all that rebuilds the segmenter. It is read without unpickling code.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from wsfcn.checked import shortened
from wsfcn.config import TrainSettings, from_dict, of_their_time, to_dict
from wsfcn.errors import CheckpointError, WsfcnError
from wsfcn.files import atomic
from wsfcn.models.segmenter import Segmenter, build_segmenter
from wsfcn.models.weights import nonfinite, read_file, write_file
from wsfcn.types import Classes

FORMAT = 1
"""Version of what stands under the key ``wsfcn``."""

BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"
"""What a run folder's ``checkpoints`` holds: the best by a score without masks, the last, and the
one before it, in case that is damaged."""
CHECKPOINTS = (LAST, PREVIOUS, BEST)
"""All of them, the one to go on from first."""

VALUES = ("state_dict", "current_model_state", "optimizer_states")
"""What in a checkpoint must be finite: the weights (their average, where there is one), the weights
as they are, and what the optimiser keeps of them."""


class Checkpoint(NamedTuple):
    """A segmenter and what it was trained with."""

    model: Segmenter
    settings: TrainSettings
    classes: Classes
    corrected: frozenset[str] = frozenset()
    """Fingerprints of the pictures of which it learned a corrected mask."""


def header(
    settings: TrainSettings, classes: Classes, corrected: Iterable[str] = ()
) -> dict[str, Any]:
    """What makes a file of weights a checkpoint of ours."""
    about = {"format": FORMAT, "settings": to_dict(settings), "classes": list(classes.names)}
    return about | ({"corrected": sorted(corrected)} if corrected else {})


def save_checkpoint(path: str | PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint without optimiser or progress, whole or not at all."""
    model, settings, classes, corrected = checkpoint
    content = {"state_dict": model.state_dict(), "wsfcn": header(settings, classes, corrected)}
    with atomic(path) as name:
        write_file(name, content)


def find_checkpoint(
    path: str | PathLike[str], names: tuple[str, ...] = (BEST, LAST, PREVIOUS)
) -> Path:
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


class Header(msgspec.Struct):
    """What stands under the key ``wsfcn``; a later version may add to it."""

    format: int
    settings: dict[str, Any]
    classes: list[str]
    corrected: list[str] = []


def read_checkpoint(path: str | PathLike[str]) -> dict[str, Any]:
    """The content of a checkpoint file, its header and weights checked.

    Raises CheckpointError where it is not one of ours, is damaged, or of a network that has failed;
    the message names the checkpoints beside it that are not.
    """
    try:
        return _read(path)
    except CheckpointError as error:
        if others := whole_ones(Path(path)):
            raise CheckpointError(f"{error}; whole, and to name in its place: {others}") from None
        raise


def whole_ones(path: Path) -> str:
    """The other checkpoints of the same run that can be read."""
    if path.name not in CHECKPOINTS:
        return ""
    found = []
    for name in CHECKPOINTS:
        other = path.with_name(name)
        if name != path.name and other.is_file():
            with suppress(CheckpointError):
                _read(other)
                found.append(str(other))
    return ", ".join(found)


def _read(path: str | PathLike[str]) -> dict[str, Any]:
    content = read_file(path)
    if not isinstance(content, dict) or "wsfcn" not in content:
        raise CheckpointError(
            f"{path}: not a WS-FCN checkpoint; published weights are taken in by `wsfcn import`"
        )
    check_header(path, content["wsfcn"])
    content["wsfcn"]["settings"] = of_their_time(content["wsfcn"]["settings"])
    weights = content.get("state_dict")
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise CheckpointError(f"{path}: holds no named weights")
    if sick := unsound(content):
        raise CheckpointError(f"{path}: {sick}")
    return content


def check_header(path: str | PathLike[str], about: Any) -> None:
    """Raise CheckpointError unless ``about`` is what `header` gives."""
    found = about.get("format") if isinstance(about, dict) else None
    if found != FORMAT:
        raise CheckpointError(
            f"{path}: format {shortened(found)}, but this version reads format {FORMAT}"
        )
    try:
        msgspec.convert(about, Header)
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{path}: its header is damaged ({error})") from None


def unsound(content: dict[str, Any]) -> str:
    """What is wrong with the values in a checkpoint, or an empty text.

    >>> unsound({"state_dict": {"head.weight": torch.tensor([torch.inf])}})
    'the network has failed: its weights are not finite (state_dict.head.weight)'
    """
    names = list(nonfinite({key: content[key] for key in VALUES if key in content}))
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"the network has failed: its weights are not finite ({names[0]}{more})"


def load_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Rebuild the segmenter of a run folder or checkpoint file, in evaluation mode.

    Raises CheckpointError where it cannot be read, or its weights are not what its settings say.
    """
    path = find_checkpoint(path)
    content = read_checkpoint(path)
    return rebuilt(path, content["wsfcn"], content["state_dict"])


def rebuilt(
    path: str | PathLike[str], about: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Checkpoint:
    """The segmenter of a header and weights, which ``path`` holds. Raises CheckpointError."""
    try:
        settings = from_dict(TrainSettings, about["settings"])
        classes = Classes(tuple(about["classes"]))
        # Shapes without memory, which a file could ask for at will.
        with torch.device("meta"), Uninitialised():
            check_fit(build_for(settings, classes), weights)
    except WsfcnError as error:
        raise CheckpointError(f"{path}: {error}") from None
    with Uninitialised():
        model = build_for(settings, classes)
    model.load_state_dict(weights)
    return Checkpoint(model.eval(), settings, classes, frozenset(about.get("corrected", ())))


def build_for(settings: TrainSettings, classes: Classes) -> Segmenter:
    """The segmenter of some classes, without initial weights."""
    return build_segmenter(
        settings.model, classes.channels, pretrained=False, background=classes.background
    )


class Uninitialised(TorchFunctionMode):
    """Layers made inside get no initial values: those of a checkpoint follow."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def check_fit(model: Segmenter, weights: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError where the weights are not, by name and shape, those of the network.

    Those of earlier versions are brought up first, as they are when they are loaded.
    """
    if model.evidence is not None:
        weights = model.evidence.brought_up(weights, "evidence.")
    expected = {name: str(list(value.shape)) for name, value in model.state_dict().items()}
    found = {name: str(list(value.shape)) for name, value in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        shape, needed = found.get(name, "absent"), expected.get(name, "absent")
        if shape != needed:
            raise CheckpointError(
                f"its weights do not fit its settings ({name}: {shape}, expected: {needed})"
            )
