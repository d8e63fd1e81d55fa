"""Keeps what is infinite or not a number out of a network that learns."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from wsfcn.training.failures import SickNetworkError
from wsfcn.types import Prediction

MOST_SKIPPED = 10
"""Steps passed over in a row after which a training ends: no later one would succeed."""


class Guard:
    """Watches the steps of a training; with ``skip`` it passes over those that are not finite.

    A step that is passed over leaves nothing behind, neither in weights nor in batch norms.
    """

    def __init__(self, net: nn.Module, *, skip: bool) -> None:
        self.net, self.skip = net, skip
        self.in_a_row = 0
        self.buffers: list[Tensor] = []

    def before_step(self) -> None:
        """Remember what a forward pass changes."""
        self.passed_over = False
        if self.skip:
            self.buffers = [buffer.clone() for buffer in self.net.buffers()]

    @torch.no_grad()
    def not_finite(self, what: str) -> None:
        """Pass over this step. Raises SickNetworkError where that is not asked for, or no use."""
        if not self.skip:
            raise SickNetworkError(f"{what}: lower optim.rate, or set optim.skip-nonfinite")
        for buffer, before in zip(self.net.buffers(), self.buffers, strict=True):
            buffer.copy_(before)
        for parameter in self.net.parameters():
            parameter.grad = None  # the optimiser leaves such parameters as they are
        self.passed_over = True
        self.in_a_row += 1
        if self.in_a_row == MOST_SKIPPED:
            raise SickNetworkError(f"{what}, as in the {MOST_SKIPPED - 1} steps before it")

    def after_backward(self, step: int) -> None:
        """Look at the gradients: finite losses may have others."""
        if self.passed_over:
            return
        if all_finite(p.grad for p in self.net.parameters() if p.grad is not None):
            self.in_a_row = 0
        else:
            self.not_finite(f"step {step}: the loss is finite, but its gradients are not")


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no value is infinite or not a number, or so large that its square is.

    >>> all_finite([torch.ones(2), torch.tensor([1, torch.nan])])
    False
    """
    return bool(get_total_norm(tensors).isfinite())


def finite_prediction(prediction: Prediction) -> bool:
    """Whether masks and scores are numbers; of others argmax makes a mask all the same."""
    return all_finite([prediction.logits, prediction.scores])
