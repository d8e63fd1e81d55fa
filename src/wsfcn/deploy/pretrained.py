"""A network as a folder: ``model.safetensors`` and ``config.json``, as on the Hub.

Both are plain data: reading them runs no code.
"""

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import msgspec
import torch

from wsfcn.checkpoint import Checkpoint, check_header, header, rebuilt
from wsfcn.config import ModelSettings, TrainSettings, of_their_time
from wsfcn.errors import CheckpointError, DataError
from wsfcn.files import atomic, read_bytes
from wsfcn.models.segmenter import Segmenter
from wsfcn.models.weights import read_tensors
from wsfcn.types import Classes

WEIGHTS, CONFIG = "model.safetensors", "config.json"
"""The names that libraries and the Hub know."""

LARGEST_CONFIG = 2**24


def save_pretrained(
    folder: str | PathLike[str], checkpoint: Checkpoint, *, half: bool = False
) -> None:
    """Write a network's weights and settings into a folder; weights in float16 where ``half``."""
    from safetensors.torch import save_file

    weights = {}
    for name, value in checkpoint.model.state_dict().items():
        floating = value.is_floating_point() and half
        weights[name] = (value.half() if floating else value).contiguous()
    folder = Path(folder)
    with atomic(folder / WEIGHTS) as name:
        save_file(weights, name, metadata={"format": "pt"})
    about = header(checkpoint.settings, checkpoint.classes, checkpoint.corrected)
    for group, own in (("data", "root"), ("data", "corrected"), ("run", "out")):
        del about["settings"][group][own]  # folders of whoever trained it
    about["library"] = "wsfcn"
    with atomic(folder / CONFIG) as name:
        name.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def save_network(
    folder: str | PathLike[str], model: Segmenter, classes: Sequence[str], settings: ModelSettings
) -> None:
    """The same for a network alone, with its settings and the names of its classes."""
    known = Classes(tuple(classes))
    save_pretrained(folder, Checkpoint(model, TrainSettings(model=settings), known))


def load_pretrained(folder: str | PathLike[str]) -> Checkpoint:
    """The network of a folder, in evaluation mode.

    Raises CheckpointError where files are missing, damaged or of another library.
    """
    folder = Path(folder)
    try:
        about = msgspec.json.decode(read_bytes(folder / CONFIG, LARGEST_CONFIG))
    except DataError as error:
        raise CheckpointError(str(error)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CheckpointError(f"{folder / CONFIG}: damaged ({error})") from None
    if not isinstance(about, dict) or about.get("library") != "wsfcn":
        raise CheckpointError(f"{folder / CONFIG}: the configuration of another library's model")
    check_header(folder / CONFIG, about)
    about["settings"] = of_their_time(about["settings"])
    weights = read_tensors(folder / WEIGHTS)
    if any(not torch.isfinite(value).all() for value in weights.values()):
        raise CheckpointError(f"{folder / WEIGHTS}: its weights are not finite")
    return rebuilt(folder / WEIGHTS, about, weights)


def is_pretrained(folder: str | PathLike[str]) -> bool:
    """Whether a folder holds a network in this form."""
    return (Path(folder) / CONFIG).is_file() and (Path(folder) / WEIGHTS).is_file()
