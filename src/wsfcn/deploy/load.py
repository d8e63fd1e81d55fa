"""A network, and a predictor, from whatever holds one."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsfcn.checked import obeying
from wsfcn.config import preset_settings
from wsfcn.deploy.models import MODELS, ready_folder
from wsfcn.errors import CheckpointError
from wsfcn.inference.network import Device, Network
from wsfcn.inference.predictor import Predictor

if TYPE_CHECKING:
    from wsfcn.checkpoint import Checkpoint

Source = str | PathLike[str]
"""A run folder, a checkpoint file, an ONNX file, a folder of ``model.safetensors`` and
``config.json``, a repository on the Hub (``hf://user/name``), or the name of a ready model."""


def load(
    source: Source, preset: str = "fast", *, device: Device = "auto", **changes: Any
) -> Predictor:
    """A predictor from a run folder, a checkpoint, an ONNX file, the Hub or a ready model's name.

    ``preset`` is one of `PRESETS`; further keyword arguments are fields of `PredictSettings` that
    replace the preset's. Raises CheckpointError, SettingError.
    """
    obeying(Path, source, "source")
    settings = preset_settings(preset, **changes)
    return Predictor(open_network(source, device), settings)


def open_network(source: Source, device: Device = "auto") -> Network:
    """The network of any source. Raises CheckpointError, SettingError."""
    if Path(source).suffix == ".onnx":
        from wsfcn.deploy.onnx import OnnxNetwork

        return OnnxNetwork(source, device)
    from wsfcn.inference.pytorch import TorchNetwork

    return TorchNetwork(open_checkpoint(source), device)


def open_checkpoint(source: Source) -> "Checkpoint":
    """The segmenter of any source but an ONNX file. Raises CheckpointError, SettingError."""
    from wsfcn.checkpoint import load_checkpoint
    from wsfcn.deploy.pretrained import is_pretrained, load_pretrained

    if str(source).startswith("hf://"):
        from wsfcn.deploy.hub import fetch

        return load_pretrained(fetch(str(source)))
    if Path(source).suffix == ".onnx":
        raise CheckpointError(f"{source}: an ONNX file; name what it was exported from")
    if is_pretrained(source):
        return load_pretrained(source)
    if str(source) in MODELS and not Path(source).exists():
        return load_pretrained(ready_folder(str(source)))
    return load_checkpoint(source)
