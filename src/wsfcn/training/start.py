"""A training that sets out from the network of another one: train on, or learn other classes."""

from dataclasses import replace
from pathlib import Path

import torch

from wsfcn.checkpoint import Checkpoint, Uninitialised, find_checkpoint, load_checkpoint
from wsfcn.config import ModelSettings, TrainSettings, to_dict
from wsfcn.errors import CheckpointError, SettingError
from wsfcn.models.segmenter import Segmenter, build_segmenter
from wsfcn.models.weights import read_file
from wsfcn.types import Classes

FREE = {"weights", "frozen", "frozen_stride", "gate", "drop_path", "dropout"}
FREE |= {"focal_power", "focal_floor"}
"""Settings of the network that may differ, as they matter in training alone."""


def start_of(settings: TrainSettings) -> Checkpoint | None:
    """The run or checkpoint that ``model.weights`` names, if it does; else they are a backbone's.

    Raises CheckpointError where it cannot be read, SettingError where it lies in the folder that
    the training writes.
    """
    path = Path(settings.model.weights)
    if settings.model.weights in ("imagenet", "none") or not (path.is_dir() or is_ours(path)):
        return None
    if find_checkpoint(path).resolve().is_relative_to(settings.run.out.resolve()):
        raise SettingError(f"model.weights: {path} lies in run.out; name another folder for that")
    return load_checkpoint(path)


def is_ours(path: Path) -> bool:
    """Whether a file of weights is a checkpoint of ours, not a mere backbone."""
    try:
        content = read_file(path) if path.is_file() else None
    except CheckpointError:
        return False  # whoever reads it as a backbone says what is wrong
    return isinstance(content, dict) and "wsfcn" in content


def like(start: Checkpoint, settings: ModelSettings) -> ModelSettings:
    """The network of ``start``, with what matters in training alone as it is asked for.

    Raises SettingError where another network is asked for than the default, and than that one.
    """
    theirs, usual = to_dict(start.settings.model), to_dict(ModelSettings())
    for name, value in to_dict(settings).items():
        if name not in FREE and value not in (usual[name], theirs[name]):
            raise SettingError(
                f"model.{name.replace('_', '-')}: {value}, but {settings.weights} was trained with "
                f"{theirs[name]}; leave it out"
            )
    return replace(start.settings.model, **{name: getattr(settings, name) for name in FREE})


def knows(start: Checkpoint, classes: Classes) -> bool:
    """Whether a network knows all the classes, in whatever order, so that it needs no warm-up."""
    same = start.classes.background == classes.background
    return same and not set(classes.objects) - set(start.classes.objects)


def as_at_first(start: Checkpoint, settings: ModelSettings) -> ModelSettings:
    """Settings of the network before it learned, with the weights of its backbone.

    They are ImageNet's where the file that they came from is gone, or was a run itself.
    """
    first = start.settings.model.weights
    path = Path(first)
    plain = first == "none" or (path.is_file() and not is_ours(path))
    return replace(settings, weights=first if plain else "imagenet")


@torch.no_grad()
def take_over(model: Segmenter, start: Checkpoint, classes: Classes, *, evidence: bool) -> int:
    """Copy the weights of a network, those of a class by its name; the number of classes known.

    Weights of a class that ``start`` does not know stay as they are, and without ``evidence`` so
    does local evidence.
    """
    theirs, values = start.classes.objects, start.model.state_dict()
    places = [(n, theirs.index(name)) for n, name in enumerate(classes.objects) if name in theirs]
    ours, others = ([n[i] for n in places] for i in (0, 1))
    of_classes = class_tensors(start)
    for name, value in model.state_dict().items():
        if name.startswith("evidence.") and not evidence:
            continue
        if name in of_classes:
            value[ours] = values[name][others]
        else:
            value.copy_(values[name])
    return len(places)


def class_tensors(start: Checkpoint) -> set[str]:
    """The names of the tensors that have a row for each object: one class more changes them."""
    with torch.device("meta"), Uninitialised():
        channels = start.classes.channels + 1
        larger = build_segmenter(start.settings.model, channels, pretrained=False).state_dict()
    values = start.model.state_dict()
    return {name for name, value in larger.items() if value.shape != values[name].shape}
