"""Networks to export in tests, and their export."""

from pathlib import Path

import jaxtyping
import torch

from wsfcn.checkpoint import Checkpoint
from wsfcn.config import DataSettings, ModelSettings, TrainSettings
from wsfcn.deploy.export import export_onnx
from wsfcn.models.segmenter import build_segmenter
from wsfcn.types import Classes

CLASSES = Classes(("background", "cat", "dog", "traffic light"))


def checkpoint(**model) -> Checkpoint:
    """A network of random weights that sees objects, with masks neither flat nor saturated."""
    torch.manual_seed(0)
    settings = ModelSettings(**{"weights": "none", "width": 16} | model)
    net = build_segmenter(settings, len(CLASSES)).eval()
    with torch.no_grad():
        net.head[-1].weight.mul_(30)
        net.head[-1].bias.fill_(1.0)
        for name, value in net.named_parameters():
            if "align.flow" in name:
                value.mul_(100)  # a warp that is seen
    return Checkpoint(net, TrainSettings(model=settings, data=DataSettings(crop=64)), CLASSES)


def export(path: Path, made: Checkpoint, **options) -> Path:
    """Export without the checks of shapes: while PyTorch traces, sizes are tensors, not ints."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        export_onnx(path, made, **options)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    return path
