"""WS-FCN: semantic segmentation learned from image-level tags alone.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsfcn.checkpoint import load_checkpoint
    from wsfcn.config import PredictSettings, TrainSettings
    from wsfcn.deploy.load import load
    from wsfcn.errors import WsfcnError
    from wsfcn.inference.outputs import Segmentation
    from wsfcn.inference.predictor import Predictor
    from wsfcn.models.segmenter import Segmenter, build_segmenter
    from wsfcn.refine.crf import dense_crf
    from wsfcn.refine.pamr import pamr
    from wsfcn.shortcuts import evaluate, inspect, train
    from wsfcn.types import Classes

__version__ = "0.1.0"

HOMES = {
    "Classes": "types",
    "PredictSettings": "config",
    "Predictor": "inference.predictor",
    "Segmentation": "inference.outputs",
    "Segmenter": "models.segmenter",
    "TrainSettings": "config",
    "WsfcnError": "errors",
    "build_segmenter": "models.segmenter",
    "dense_crf": "refine.crf",
    "evaluate": "shortcuts",
    "inspect": "shortcuts",
    "load": "deploy.load",
    "load_checkpoint": "checkpoint",
    "pamr": "refine.pamr",
    "train": "shortcuts",
}
"""The module of each public name."""

__all__ = [
    "Classes",
    "PredictSettings",
    "Predictor",
    "Segmentation",
    "Segmenter",
    "TrainSettings",
    "WsfcnError",
    "build_segmenter",
    "dense_crf",
    "evaluate",
    "inspect",
    "load",
    "load_checkpoint",
    "pamr",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'wsfcn' has no attribute '{name}'")
    return getattr(import_module(f"wsfcn.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
