"""Small layers that context, fusion and head share."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from wsfcn.maps import resize, size_of


class IdleNorm2d(nn.BatchNorm2d):
    """Batch norm that keeps its statistics, in training too; only scale and offset learn.

    With fresh statistics (mean 0, variance 1) this is the context norm of the published
    checkpoints; with loaded ones, the frozen norm of their backbones.
    """

    def train(self, mode: bool = True) -> "IdleNorm2d":
        return super().train(False)


def coins(like: Float[Tensor, "*shape"], probability: float) -> Bool[Tensor, "*shape"]:
    """True with the given probability (to 1/65536), for each element on its own.

    Four elements share one 64-bit random number, which PyTorch draws one after the other.
    """
    words = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device)
    draws = words.random_(-(2**63), None).view(torch.int16)[: like.numel()]
    below = draws <= round(probability * 2**16) - 2**15 - 1
    if like.is_contiguous(memory_format=torch.channels_last):
        batch, channels, height, width = like.shape
        return below.view(batch, height, width, channels).permute(0, 3, 1, 2)
    return below.view(like.shape)


class Dropout(nn.Dropout):
    """PyTorch's dropout from quicker random numbers."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        if not self.training or self.p == 0:
            return x
        return x * coins(x, 1 - self.p).to(x.dtype).div_(1 - self.p)


def joined(
    fine: Float[Tensor, "b c y x"], coarse: Float[Tensor, "b d v u"]
) -> Float[Tensor, "b c+d y x"]:
    """Two features on the grid of the first; the second is interpolated."""
    return torch.cat([fine, resize(coarse, size_of(fine), align_corners=False)], 1)


def conv_norm_relu(
    inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, bias: bool = False
) -> nn.Sequential:
    """Convolution with "same" padding, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
