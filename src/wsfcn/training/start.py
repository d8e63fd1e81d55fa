"""A training that sets out from the network of another one: train on, or learn other classes."""

from dataclasses import replace
from pathlib import Path

import torch

from wsfcn.checkpoint import Checkpoint, Uninitialised, build_for, load_checkpoint
from wsfcn.config import TrainSettings, to_dict
from wsfcn.errors import CheckpointError, SettingError
from wsfcn.models.segmenter import Segmenter
from wsfcn.models.weights import read_file
from wsfcn.types import Classes

FREE = {"weights", "frozen", "frozen_stride", "gate", "drop_path", "dropout"}
FREE |= {"focal_power", "focal_floor"}
"""Settings of the network that may differ, as they matter in training alone."""


def start_of(settings: TrainSettings) -> Checkpoint | None:
    """The run or checkpoint that ``model.weights`` names, if it does; else they are a backbone's.

    Raises CheckpointError where it cannot be read, SettingError where its network is another one,
    or ``pseudo.known`` is asked for without one.
    """
    path = Path(settings.model.weights)
    if settings.model.weights in ("imagenet", "none") or not (path.is_dir() or is_ours(path)):
        if settings.pseudo.known:
            raise SettingError("pseudo.known: name a run of the same classes as model.weights")
        return None
    start = load_checkpoint(path)
    theirs = to_dict(start.settings.model)
    for name, value in to_dict(settings.model).items():
        if name not in FREE and theirs[name] != value:
            raise SettingError(
                f"model.{name.replace('_', '-')}: {value}, but {path} was trained with "
                f"{theirs[name]}; train with the same"
            )
    return start


def is_ours(path: Path) -> bool:
    """Whether a file of weights is a checkpoint of ours, not a mere backbone."""
    try:
        content = read_file(path) if path.is_file() else None
    except CheckpointError:
        return False  # whoever reads it as a backbone says what is wrong
    return isinstance(content, dict) and "wsfcn" in content


def with_known(settings: TrainSettings, *, known: bool) -> TrainSettings:
    """The settings of a training whose network knows the classes from the start, or does not."""
    return replace(settings, pseudo=replace(settings.pseudo, known=known))


@torch.no_grad()
def take_over(model: Segmenter, start: Checkpoint, classes: Classes) -> int:
    """Copy the weights of a network, those of a class by its name; the number of classes known.

    Weights of a class that ``start`` does not know stay as they are.
    """
    theirs, values = start.classes.objects, start.model.state_dict()
    places = [(n, theirs.index(name)) for n, name in enumerate(classes.objects) if name in theirs]
    ours, others = ([n[i] for n in places] for i in (0, 1))
    of_classes = class_tensors(start)
    for name, value in model.state_dict().items():
        if name in of_classes:
            value[ours] = values[name][others]
        else:
            value.copy_(values[name])
    return len(places)


def class_tensors(start: Checkpoint) -> set[str]:
    """The names of the tensors that have a row for each object: one class more changes them."""
    more = Classes((*start.classes.names, "".join(start.classes.names)))
    with torch.device("meta"), Uninitialised():
        larger = build_for(start.settings, more).state_dict()
    values = start.model.state_dict()
    return {name for name, value in larger.items() if value.shape != values[name].shape}
