"""The card of a model: a README.md written from its run."""

from pathlib import Path
from typing import Any

import yaml

from wsfcn.checkpoint import Checkpoint
from wsfcn.config import TrainSettings, to_dict
from wsfcn.files import atomic
from wsfcn.report import read_metrics


def write_card(path: Path, run: Path, checkpoint: Checkpoint, *, source: str, license: str) -> None:
    """Write what a network segments, how it was made, what it reaches and where it fails.

    ``source`` is how `wsfcn predict` names it: ``hf://user/name``, or a ready model's name. Figures
    are those of ``metrics.json`` in the run folder, as `wsfcn evaluate --json` writes it.
    """
    from jinja2 import Environment, PackageLoader

    settings = to_dict(checkpoint.settings)
    del settings["data"]["root"]  # a folder of whoever trained it
    own = changed(settings, to_dict(TrainSettings()))
    own.pop("run", None)  # changes no result
    text = (
        Environment(loader=PackageLoader("wsfcn"), keep_trailing_newline=True, trim_blocks=True)
        .get_template("card.md")
        .render(
            source=source,
            license=license,
            classes=checkpoint.classes.objects,
            settings=yaml.safe_dump(own, sort_keys=False).strip(),
            seed=checkpoint.settings.seed,
            backbone=checkpoint.settings.model.backbone,
            data=checkpoint.settings.data.root.name if checkpoint.settings.data.root else None,
            side=checkpoint.settings.data.longest_side,
            metrics=read_metrics(run / "metrics.json") if run.is_dir() else None,
        )
    )
    with atomic(path) as file:
        file.write_text(text, encoding="utf-8")


def changed(settings: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """The settings that are not the defaults, group by group."""
    found = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            if inner := changed(value, default[key]):
                found[key] = inner
        elif value != default[key]:
            found[key] = value
    return found
