"""A predictor from whatever holds a trained network."""

from os import PathLike
from pathlib import Path
from typing import Any

from wsfcn.config import preset_settings
from wsfcn.inference.network import Device, Network
from wsfcn.inference.predictor import Predictor


def load(
    source: str | PathLike[str], preset: str = "fast", *, device: Device = "auto", **changes: Any
) -> Predictor:
    """A predictor from a run folder, a checkpoint file or an ONNX file.

    ``preset`` is one of `PRESETS`; further keyword arguments are fields of `PredictSettings` that
    replace the preset's. Raises CheckpointError, SettingError.
    """
    settings = preset_settings(preset, **changes)
    return Predictor(open_network(source, device), settings)


def open_network(source: str | PathLike[str], device: Device = "auto") -> Network:
    """The network of a run folder, a checkpoint file or an ONNX file.

    Raises CheckpointError, SettingError.
    """
    if Path(source).suffix == ".onnx":
        from wsfcn.deploy.onnx import OnnxNetwork

        return OnnxNetwork(source, device)
    from wsfcn.checkpoint import load_checkpoint
    from wsfcn.inference.pytorch import TorchNetwork

    return TorchNetwork(load_checkpoint(source), device)
