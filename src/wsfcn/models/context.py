"""Context over deep features: flexible context aggregation (FCA), and the parent's ASPP.

Papers: Coupling Global Context and Local Contents for WSSS (Wang et al., 2023), section III;
CBAM (Woo et al., 2018) for the attentions; DeepLab v3 (Chen et al., 2017) for ASPP.
One channel attention serves all branches of FCA, as in the published checkpoint.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsfcn.models.layers import Dropout, IdleNorm2d


class LargeKernelBranch(nn.Module):
    """A k x k window as two separable paths, (k x 1)(1 x k) + (1 x k)(k x 1), linear throughout."""

    def __init__(self, inputs: int, width: int, kernel: int, dilation: int) -> None:
        super().__init__()

        def conv(channels: int, shape: tuple[int, int]) -> nn.Conv2d:
            return nn.Conv2d(channels, width, shape, padding="same", dilation=dilation, bias=False)

        column, row = (kernel, 1), (1, kernel)
        self.column_row = nn.Sequential(conv(inputs, column), conv(width, row))
        self.row_column = nn.Sequential(conv(inputs, row), conv(width, column))

    def forward(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b c h w"]:
        return self.column_row(x) + self.row_column(x)


class ChannelAttention(nn.Module):
    """Gate per channel from average- and max-pooled features (CBAM, section 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Conv2d(width, width, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1, bias=False),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        average = self.mlp(x.mean((2, 3), keepdim=True))
        maximum = self.mlp(x.amax((2, 3), keepdim=True))
        return torch.sigmoid(average + maximum)


class SpatialAttention(nn.Module):
    """Gate per cell from the mean and maximum over channels (CBAM, section 3.2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return torch.sigmoid(self.conv(pooled))


class GlobalAverage(nn.Module):
    """The picture's mean feature, reduced and spread over the grid."""

    def __init__(self, inputs: int, width: int, norm: type[nn.BatchNorm2d]) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), norm(width), nn.ReLU(inplace=True)
        )

    def forward(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b c h w"]:
        return self.reduce(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])


class FlexibleContext(nn.Module):
    """FCA: large-kernel branches under one channel attention, global average, spatial attention."""

    def __init__(
        self,
        inputs: int,
        width: int = 256,
        kernels: Sequence[int] = (1, 3, 5, 7),
        dilations: Sequence[int] = (1, 12, 24, 36),
        norm: type[nn.BatchNorm2d] = IdleNorm2d,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            LargeKernelBranch(inputs, width, kernel, dilation)
            for kernel, dilation in zip(kernels, dilations, strict=True)
        )
        self.channel_attention = ChannelAttention(width)
        self.global_average = GlobalAverage(inputs, width, norm)
        self.merge = nn.Sequential(
            nn.Conv2d((len(self.branches) + 1) * width, width, 1, bias=False), norm(width)
        )
        self.spatial_attention = SpatialAttention()
        self.dropout = Dropout(dropout)

    def forward(self, deep: Float[Tensor, "b d h w"]) -> Float[Tensor, "b c h w"]:
        contexts = [branch(deep) for branch in self.branches]
        contexts = [x * self.channel_attention(x) for x in contexts]
        z = self.merge(torch.cat([*contexts, self.global_average(deep)], 1))
        return self.dropout(z + z * self.spatial_attention(z))


class AtrousPyramid(nn.Module):
    """ASPP: dilated convolutions and the global average, merged (AE's context)."""

    def __init__(
        self,
        inputs: int,
        width: int = 256,
        kernels: Sequence[int] = (1, 3, 3, 3),
        dilations: Sequence[int] = (1, 12, 24, 36),
        norm: type[nn.BatchNorm2d] = IdleNorm2d,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, width, kernel, padding="same", dilation=dilation, bias=False),
                norm(width),
                nn.ReLU(inplace=True),
            )
            for kernel, dilation in zip(kernels, dilations, strict=True)
        )
        self.global_average = GlobalAverage(inputs, width, norm)
        self.merge = nn.Sequential(
            nn.Conv2d((len(self.branches) + 1) * width, width, 1, bias=False),
            norm(width),
            nn.ReLU(inplace=True),
            Dropout(dropout),
        )

    def forward(self, deep: Float[Tensor, "b d h w"]) -> Float[Tensor, "b c h w"]:
        contexts = [branch(deep) for branch in self.branches]
        return self.merge(torch.cat([*contexts, self.global_average(deep)], 1))


class NoContext(nn.Module):
    """The ablation: deep features reduced, nothing around them seen."""

    def __init__(
        self,
        inputs: int,
        width: int = 256,
        kernels: Sequence[int] = (),
        dilations: Sequence[int] = (),
        norm: type[nn.BatchNorm2d] = IdleNorm2d,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), norm(width), nn.ReLU(inplace=True)
        )

    def forward(self, deep: Float[Tensor, "b d h w"]) -> Float[Tensor, "b c h w"]:
        return self.reduce(deep)


CONTEXTS: dict[str, Callable[..., nn.Module]] = {
    "fca": FlexibleContext,
    "aspp": AtrousPyramid,
    "none": NoContext,
}
