"""The arithmetic that a device is fast at."""

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from wsfcn.config import TrainSettings
from wsfcn.models.segmenter import Segmenter


def precision_of(settings: TrainSettings, model: Segmenter) -> Any:
    """The Trainer's name for the arithmetic; `auto` is bfloat16 where the device is fast at it."""
    if settings.run.precision != "auto":
        return {"32": "32-true", "bf16": "bf16-mixed"}[settings.run.precision]
    if settings.run.device != "cpu" and torch.cuda.is_available():
        quick = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16-mixed" if quick else "32-true"
    return "bf16-mixed" if cpu_has_bfloat16() and is_dense(model) else "32-true"


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies in bfloat16 by itself (known on Linux alone)."""
    words = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    return bool(words & {"avx512_bf16", "amx_bf16"})


def is_dense(model: Segmenter) -> bool:
    """Whether no convolution of the backbone is depthwise: those gain nothing from bfloat16."""
    modules = cast(nn.Module, model.backbone).modules()
    return all(m.groups == 1 for m in modules if isinstance(m, nn.Conv2d))
