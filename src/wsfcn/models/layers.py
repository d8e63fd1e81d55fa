"""Small layers that context, fusion and head share."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class IdleNorm2d(nn.BatchNorm2d):
    """Batch norm that keeps its statistics, in training too; only scale and offset learn.

    With fresh statistics (mean 0, variance 1) this is the context norm of the published
    checkpoints; with loaded ones, the frozen norm of their backbones.
    """

    def train(self, mode: bool = True) -> "IdleNorm2d":
        return super().train(False)


def conv_norm_relu(
    inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, bias: bool = False
) -> nn.Sequential:
    """Convolution with "same" padding, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def resize(
    x: Float[Tensor, "b c _ _"], size: tuple[int, int], *, align_corners: bool
) -> Float[Tensor, "b c h w"]:
    """Bilinear interpolation to ``size`` = (h, w)."""
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)
