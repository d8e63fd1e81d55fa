"""EfficientNet-Lite: the small backbone for processors without a GPU.

Papers: EfficientNet (Tan and Le, 2019), without squeeze-and-excitation and with ReLU6, as its Lite
variants are; MobileNetV2 (Sandler et al., 2018) for the inverted residual; Deep Networks with
Stochastic Depth (Huang et al., 2016). TensorFlow's padding, whose weights these are. It is written
out here, though timm has it, because timm and torchvision take seconds to import. Names of
parameters are timm's.
"""

import math
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from wsfcn.errors import SettingError
from wsfcn.models.layers import joined
from wsfcn.models.weights import fill, load_in_order, packaged_weights, read_tensors
from wsfcn.types import Features

SCALES = {
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
}
"""Factors of width and depth."""


class Stage(NamedTuple):
    """Blocks of one kind; the first of them has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM = 32
SHALLOW = 1
"""The stage whose output has stride 4."""


class EfficientNetLite(nn.Module):
    """The backbone: features of stride 4, and of ``stride`` by dilation.

    With ``middle`` that of stride 8 is joined to that of stride 4.
    """

    mean = std = (0.5, 0.5, 0.5)

    def __init__(
        self,
        name: str,
        weights: str,
        stride: int,
        drop_path: float = 0.0,
        middle: bool = False,
    ) -> None:
        super().__init__()
        if stride not in (8, 16, 32):
            raise SettingError(f"model.stride: {name} has strides 8, 16 and 32, not {stride}")
        self.net = Net(*SCALES[name], stride, drop_path)
        self.middle = middle
        shallow = self.net.channels[SHALLOW : SHALLOW + 1 + middle]
        self.shallow_channels, self.deep_channels = sum(shallow), self.net.channels[-1]
        if weights == "imagenet":
            load_in_order(self.net, packaged_weights(name))
        elif weights != "none":
            fill(self.net, read_tensors(weights), weights)

    def first_layers(self, stride: int) -> list[nn.Module]:
        stages = self.net.blocks[: {2: 1, 4: SHALLOW + 1}[stride]]
        return [self.net.conv_stem, self.net.bn1, *stages]

    def pretrained_layers(self) -> list[nn.Module]:
        return [self.net]

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        x = self.net.bn1(self.net.conv_stem(image))
        for stage in self.net.blocks[: SHALLOW + 1]:
            x = stage(x)
        shallow = x
        middle = x = self.net.blocks[SHALLOW + 1](x)
        for stage in self.net.blocks[SHALLOW + 2 :]:
            x = stage(x)
        return Features(joined(shallow, middle) if self.middle else shallow, x)


class FirstStages(nn.Module):
    """The stages up to stride 16, as they were trained on ImageNet: their last maps of strides 4,
    8 and 16."""

    def __init__(self, name: str, weights: str) -> None:
        super().__init__()
        net = EfficientNetLite(name, weights, 16).net
        self.stem = nn.Sequential(net.conv_stem, net.bn1)
        self.stages = nn.ModuleList([net.blocks[:3], net.blocks[3:5]])
        self.channels = [net.channels[n] for n in (1, 2, 4)]

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b d y x"]]:
        first: Any = self.stages[0]
        fine = first[:2](self.stem(image))
        middle = first[2](fine)
        return [fine, middle, self.stages[1](middle)]


class Net(nn.Module):
    """Stem and stages, named as in timm."""

    def __init__(self, width: float, depth: float, stride: int, drop_path: float) -> None:
        super().__init__()
        self.channels = [rounded(stage.channels * width) for stage in STAGES]
        counts = [math.ceil(stage.blocks * depth) for stage in STAGES]
        counts[0], counts[-1] = STAGES[0].blocks, STAGES[-1].blocks
        self.conv_stem = SameConv2d(3, STEM, 3, 2, bias=False)
        self.bn1 = NormReLU6(STEM)
        for _ in range(2):
            # timm draws these here, for a trial; with them, seeds give the networks they gave.
            nn.Conv2d(8, 8, 1)
        reached, dilation, inputs, done = 2, 1, STEM, 0
        stages = []
        for stage, count, outputs in zip(STAGES, counts, self.channels, strict=True):
            blocks = []
            for n in range(count):
                step, spread = (stage.stride if n == 0 else 1), dilation
                if reached * step > stride:
                    step, dilation = 1, dilation * step
                reached *= step
                rate = drop_path * done / sum(counts)
                block = DepthwiseSeparable if stage.expansion == 1 else InvertedResidual
                hidden = inputs * stage.expansion
                blocks.append(block(inputs, hidden, outputs, stage.kernel, step, spread, rate))
                inputs, done = outputs, done + 1
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.out_channels * math.prod(module.kernel_size) // module.groups
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))


class DepthwiseSeparable(nn.Module):
    """A depthwise convolution and a pointwise one."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        kernel: int,
        stride: int,
        dilation: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.conv_dw = depthwise(hidden, kernel, stride, dilation)
        self.bn1 = NormReLU6(hidden)
        self.conv_pw = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.bn2 = norm(outputs)
        self.skips, self.drop_path = stride == 1 and inputs == outputs, drop_path

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        y = self.bn2(self.conv_pw(self.bn1(self.conv_dw(x))))
        return x + dropped(y, self.drop_path, self.training) if self.skips else y


class InvertedResidual(nn.Module):
    """Few channels widened, filtered one by one, and narrowed again."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        kernel: int,
        stride: int,
        dilation: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.conv_pw = nn.Conv2d(inputs, hidden, 1, bias=False)
        self.bn1 = NormReLU6(hidden)
        self.conv_dw = depthwise(hidden, kernel, stride, dilation)
        self.bn2 = NormReLU6(hidden)
        self.conv_pwl = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.bn3 = norm(outputs)
        self.skips, self.drop_path = stride == 1 and inputs == outputs, drop_path

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        y = self.bn2(self.conv_dw(self.bn1(self.conv_pw(x))))
        y = self.bn3(self.conv_pwl(y))
        return x + dropped(y, self.drop_path, self.training) if self.skips else y


class SameConv2d(nn.Conv2d):
    """A convolution whose output has one cell for every ``stride`` cells, however many there are.

    The padding that this takes depends on the input's size.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        return super().forward(pad_same(x, self))


def pad_same(x: Float[Tensor, "b c h w"], conv: nn.Conv2d) -> Float[Tensor, "b c _ _"]:
    """``x`` with the zeros around it that let ``conv`` keep all cells; an odd one comes last."""
    columns, rows = (
        padding(x.shape[axis], conv.kernel_size[axis], conv.stride[axis], conv.dilation[axis])
        for axis in (-1, -2)
    )
    return F.pad(x, (*columns, *rows))


def padding(length: Any, kernel: int, stride: int, dilation: int) -> tuple[Any, Any]:
    """Zeros before and after a row of cells; its length is a tensor while PyTorch traces.

    >>> padding(75, 3, 2, 1), padding(96, 3, 2, 1)
    ((1, 1), (0, 1))
    """
    cells = (length + stride - 1) // stride
    total = (cells - 1) * stride + dilation * (kernel - 1) + 1 - length
    total = total.clamp(min=0) if isinstance(total, Tensor) else max(total, 0)
    return total // 2, total - total // 2


def depthwise(channels: int, kernel: int, stride: int, dilation: int) -> nn.Conv2d:
    """A filter of its own for each channel."""
    if stride > 1:
        return SameConv2d(
            channels, channels, kernel, stride, dilation=dilation, groups=channels, bias=False
        )
    around = dilation * (kernel - 1) // 2
    return nn.Conv2d(channels, channels, kernel, 1, around, dilation, channels, bias=False)


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with TensorFlow's epsilon."""
    return nn.BatchNorm2d(channels, eps=1e-3)


class NormReLU6(nn.BatchNorm2d):
    """Batch norm and ReLU6."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3)
        self.act = nn.ReLU6(inplace=True)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self.act(super().forward(x))


def dropped(x: Float[Tensor, "b c h w"], rate: float, training: bool) -> Float[Tensor, "b c h w"]:
    """Stochastic depth: ``x`` of some pictures is zero in training, that of the others grows."""
    if rate == 0 or not training:
        return x
    kept = x.new_empty(len(x), 1, 1, 1).bernoulli_(1 - rate)
    return x * kept.div_(1 - rate)


def rounded(channels: float) -> int:
    """The nearest multiple of 8 that takes away at most a tenth.

    >>> rounded(35.2), rounded(26.4)
    (32, 24)
    """
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
