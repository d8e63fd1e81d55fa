"""A training of seconds: a small network from random weights, on a few small scenes."""

from pathlib import Path
from typing import Any

from wsfcn.config import (
    DataSettings,
    ModelSettings,
    OptimSettings,
    PseudoSettings,
    RunSettings,
    TrainSettings,
)
from wsfcn.scenes.scenes import write_scenes

BATCH, SIZE = 8, 64
SMALL: dict[str, Any] = {"backbone": "test_resnet", "width": 8, "weights": "none"}


def scenes(folder: Path, steps: int) -> Path:
    """Scenes for ``steps`` steps an epoch; four to validate on."""
    write_scenes(folder, train=BATCH * steps, val=4, size=SIZE)
    return folder


def settings(
    root: Path,
    out: Path,
    *,
    model: dict[str, Any] | None = None,
    optim: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    pseudo: dict[str, Any] | None = None,
) -> TrainSettings:
    """Two epochs of timm's smallest backbone, half of the first of tags alone; every step in the
    table."""
    return TrainSettings(
        data=DataSettings(root=root, crop=SIZE),
        model=ModelSettings(**SMALL | (model or {})),
        pseudo=PseudoSettings(**(pseudo or {})),
        optim=OptimSettings(**{"epochs": 2, "warmup": 0.5, "batch": BATCH} | (optim or {})),
        run=RunSettings(out=out, **{"workers": 0, "log_every": 1, "device": "cpu"} | (run or {})),
    )
