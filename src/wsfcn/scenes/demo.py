"""The main job on drawn scenes: train from tags alone, predict, evaluate, report.

The scenes' truth is known from the drawing; only the evaluation opens it.
"""

from pathlib import Path

from wsfcn.checkpoint import LAST, find_checkpoint, load_checkpoint
from wsfcn.config import (
    DataSettings,
    ModelSettings,
    OptimSettings,
    PseudoSettings,
    RunSettings,
    TrainSettings,
)
from wsfcn.evaluation import Metrics, evaluate_folder, write_metrics
from wsfcn.images import read_mask, read_picture
from wsfcn.inference.folder import find_pictures, predict_folder
from wsfcn.inference.predictor import Predictor
from wsfcn.inference.pytorch import TorchNetwork
from wsfcn.report import Example, write_report
from wsfcn.scenes.scenes import CLASSES, write_scenes
from wsfcn.training.run import train

TRAIN, VAL = 1600, 200
"""Scenes to learn from, and held-out scenes to evaluate on."""

SHOWN = 24
"""Held-out scenes in the report."""


def demo_settings(out: Path, seed: int) -> TrainSettings:
    """Settings that learn the scenes in a few minutes on two CPU cores."""
    return TrainSettings(
        seed=seed,
        data=DataSettings(root=out / "scenes", crop=128),
        model=ModelSettings(width=32),
        pseudo=PseudoSettings(own_after=1.5),
        optim=OptimSettings(epochs=3, warmup=0.5),
        run=RunSettings(out=out, overwrite=True),
    )


def demo(out: Path = Path("runs/demo"), seed: int = 0) -> Metrics:
    """Draw scenes, train on their tags, and evaluate on held-out ones.

    Writes ``metrics.json`` and ``report.html`` into ``out``, which also is the run folder.
    """
    scenes = out / "scenes"
    write_scenes(scenes, TRAIN, VAL, seed)
    train(demo_settings(out, seed))
    predictor = Predictor(TorchNetwork(load_checkpoint(find_checkpoint(out, (LAST,)))))
    held_out = (scenes / "val.txt").read_text().split()
    pictures = [p for p in find_pictures([scenes / "images"]) if p.stem in set(held_out)]
    predict_folder(predictor, pictures, out / "masks")
    metrics = evaluate_folder(out / "masks", scenes / "masks", CLASSES)
    write_metrics(out / "metrics.json", metrics)
    shown = pictures[:SHOWN]
    write_report(
        out,
        {
            "Held-out scenes: picture, mask, truth": [
                Example(
                    path.stem,
                    read_picture(path),
                    read_mask(out / "masks" / f"{path.stem}.png"),
                    read_mask(scenes / "masks" / f"{path.stem}.png"),
                )
                for path in shown
            ]
        },
    )
    return metrics
