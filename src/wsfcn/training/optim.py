"""Optimiser and learning-rate schedule."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from wsfcn.config import OptimSettings
from wsfcn.models.segmenter import Segmenter


def build_optimizer(model: Segmenter, settings: OptimSettings) -> torch.optim.Optimizer:
    """SGD or AdamW over what is not frozen, with a rate for pretrained and new, weights and biases.

    Biases and norms have no weight decay.
    """
    groups = []
    for pretrained, offset in ((True, 0), (False, 2)):
        for is_bias in (False, True):
            parameters = [
                parameter
                for name, parameter in trainable(model)
                if name.startswith("backbone.") == pretrained and (parameter.ndim == 1) == is_bias
            ]
            if parameters:
                factor = settings.multipliers[offset + is_bias]
                decay = 0.0 if is_bias else settings.decay
                rate = settings.rate * factor
                groups.append({"params": parameters, "lr": rate, "weight_decay": decay})
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups)
    return torch.optim.SGD(groups, momentum=settings.momentum)


def build_schedule(
    optimizer: torch.optim.Optimizer, settings: OptimSettings, steps: int
) -> LambdaLR:
    """The published constant rate, or ``ramp`` steps up and a polynomial decay to zero."""

    def factor(step: int) -> float:
        if settings.schedule == "constant":
            return 1.0
        ramp = min(1.0, (step + 1) / settings.ramp)
        return ramp * (1 - min(step / steps, 1.0)) ** 0.9

    return LambdaLR(optimizer, factor)


def trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Named parameters that are not frozen."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)
