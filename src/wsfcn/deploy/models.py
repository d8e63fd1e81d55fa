"""Ready models: networks that come with the library, by name, each in a folder with its card."""

from os import PathLike
from pathlib import Path
from typing import NamedTuple

from wsfcn.errors import CheckpointError, did_you_mean

READY = Path(__file__).parents[1] / "ready"
"""Folder of the ready models; a model is a folder in it: weights, settings, README.md."""


class Ready(NamedTuple):
    """A ready model."""

    finds: str
    """What it segments."""
    how: str
    """How it was made: the command, or the recipe and seed."""


MODELS: dict[str, Ready] = {
    "animals": Ready(
        "cat, cow, dog, horse, person, sheep",
        "recipe voc-animals-best, seed 0, tags of VOC 2012",
    ),
}
"""The ready models by name."""


def ready_folder(name: str) -> Path:
    """The folder of a ready model. Raises CheckpointError where this installation lacks it."""
    if name not in MODELS:
        hint = did_you_mean(name, [*MODELS])
        raise CheckpointError(f"{name}: no such run, checkpoint or ready model.{hint}")
    folder = READY / name
    if not folder.is_dir():
        raise CheckpointError(f"{name}: this installation has not got the model ({folder})")
    return folder


def make_ready(run: str | PathLike[str], name: str, license: str = "apache-2.0") -> Path:
    """Put a run's network among the ready models, weights in float16, with its card; its folder.

    The card shows the run's metrics.json, as `wsfcn evaluate --json` writes it.
    """
    from wsfcn.checkpoint import load_checkpoint
    from wsfcn.deploy.card import write_card
    from wsfcn.deploy.pretrained import save_pretrained

    checkpoint = load_checkpoint(run)
    save_pretrained(READY / name, checkpoint, half=True)
    card = READY / name / "README.md"
    write_card(card, Path(run), checkpoint, source=name, license=license)
    return READY / name


def installed() -> dict[str, Ready]:
    """The ready models that this installation has."""
    return {name: model for name, model in MODELS.items() if (READY / name).is_dir()}
