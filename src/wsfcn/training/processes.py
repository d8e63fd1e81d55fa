"""What several training processes share: batch norms, and what validation has seen."""

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

Item = TypeVar("Item")


class SumOfProcesses(torch.autograd.Function):
    """The sum of each process's tensor, of which every process's loss depends on all."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Any:
        total = inputs[0].clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class SharedNorm2d(nn.BatchNorm2d):
    """Batch norm over the pictures of all processes.

    PyTorch's SyncBatchNorm runs on GPUs alone.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        x = x.float()
        count = dist.get_world_size() * x.numel() / x.shape[1]
        mean = SumOfProcesses.apply(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = SumOfProcesses.apply(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
            momentum = self.momentum or 0.1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]


def share_norms(net: nn.Module) -> None:
    """Let every batch norm that learns its statistics do so over all processes."""
    for norm in net.modules():
        if type(norm) is nn.BatchNorm2d:
            norm.__class__ = SharedNorm2d


def gathered(mine: Item) -> list[Item]:
    """What each process has, in the order of their ranks."""
    if not dist.is_initialized():
        return [mine]
    everyone: list[Item | None] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    return everyone  # pyright: ignore[reportReturnType]
