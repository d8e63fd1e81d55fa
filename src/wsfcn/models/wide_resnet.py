"""WideResNet-38: the wide, shallow residual network with pre-activation blocks.

Paper: Wider or Deeper: Revisiting the ResNet Model for Visual Recognition (Wu et al., 2016), model
A1, dilated to stride 8 as for segmentation. Its published weights name layers after Caffe's habits;
`from_published` gives them our names.
"""

import re
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from wsfcn.types import Features

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Block(nn.Module):
    """Norm and ReLU before each convolution; a projection of the activated input where needed."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.norm1 = nn.BatchNorm2d(inputs)

    def shortcut(self, stride: int = 1) -> nn.Module | None:
        """The 1x1 projection, or None where shapes agree."""
        if stride == 1 and self.inputs == self.outputs:
            return None
        return nn.Conv2d(self.inputs, self.outputs, 1, stride, bias=False)


class BasicBlock(Block):
    """Two 3x3 convolutions. The first has a dilation of its own, as where the stride would be."""

    def __init__(
        self,
        inputs: int,
        middle: int,
        outputs: int,
        *,
        stride: int = 1,
        first_dilation: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__(inputs, outputs)
        first = first_dilation
        self.conv1 = nn.Conv2d(inputs, middle, 3, stride, first, first, bias=False)
        self.norm2 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, outputs, 3, 1, dilation, dilation, bias=False)
        self.project = self.shortcut(stride)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o y x"]:
        active = F.relu(self.norm1(x))
        residual = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return residual + (self.project(active) if self.project else x)


class BottleneckBlock(Block):
    """1x1, 3x3, 1x1 with channel dropout before the latter two."""

    def __init__(self, inputs: int, outputs: int, *, dilation: int, dropout: float) -> None:
        super().__init__(inputs, outputs)
        self.conv1 = nn.Conv2d(inputs, outputs // 4, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs // 4)
        self.conv2 = nn.Conv2d(outputs // 4, outputs // 2, 3, 1, dilation, dilation, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs // 2)
        self.conv3 = nn.Conv2d(outputs // 2, outputs, 1, bias=False)
        self.dropout = nn.Dropout2d(dropout)
        self.project = self.shortcut()

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        active = F.relu(self.norm1(x))
        middle = self.conv2(self.dropout(F.relu(self.norm2(self.conv1(active)))))
        residual = self.conv3(self.dropout(F.relu(self.norm3(middle))))
        return residual + (self.project(active) if self.project else x)


class WideResNet38(nn.Module):
    """Shallow feature: 256 channels at stride 4. Deep feature: 4096 channels at stride 8."""

    shallow_channels, deep_channels, stride = 256, 4096, 8
    mean, std = IMAGENET_MEAN, IMAGENET_STD

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.stage2 = self.stage(3, 64, 128, stride=2)
        self.stage3 = self.stage(3, 128, 256, stride=2)
        self.stage4 = self.stage(6, 256, 512, stride=2)
        self.stage5 = nn.Sequential(
            BasicBlock(512, 512, 1024, first_dilation=1, dilation=2),
            *(BasicBlock(1024, 512, 1024, first_dilation=2, dilation=2) for _ in range(2)),
        )
        self.stage6 = nn.Sequential(BottleneckBlock(1024, 2048, dilation=4, dropout=0.3))
        self.stage7 = nn.Sequential(BottleneckBlock(2048, 4096, dilation=4, dropout=0.5))
        self.norm = nn.BatchNorm2d(4096)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    @staticmethod
    def stage(count: int, inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
        """Blocks of one width, the first of them with the stride."""
        first = BasicBlock(inputs, outputs, outputs, stride=stride)
        others = (BasicBlock(outputs, outputs, outputs) for _ in range(count - 1))
        return nn.Sequential(first, *others)

    def first_layers(self, stride: int) -> list[nn.Module]:
        """The stem, and the stages that go down to a stride of 2 or 4."""
        return [self.stem, self.stage2, self.stage3][: 1 + stride // 2]

    def pretrained_layers(self) -> list[nn.Module]:
        return list(self.children())

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        shallow = self.stage3(self.stage2(self.stem(image)))
        deep = self.stage7(self.stage6(self.stage5(self.stage4(shallow))))
        return Features(shallow, F.relu(self.norm(deep)))


PUBLISHED = {
    "bn_branch2a": "norm1",
    "conv_branch2a": "conv1",
    "bn_branch2b1": "norm2",
    "conv_branch2b1": "conv2",
    "bn_branch2b2": "norm3",
    "conv_branch2b2": "conv3",
    "conv_branch1": "project",
}
"""Our name of each published layer of a block."""


def published_name(name: str) -> str | None:
    """Our name of a published tensor of the backbone; None for one of something else.

    >>> published_name("b4_2.conv_branch2b1.weight")
    'stage4.2.conv2.weight'
    """
    layer, _, tensor = name.rpartition(".")
    if layer in ("conv1a", "bn7"):
        return f"{'stem' if layer == 'conv1a' else 'norm'}.{tensor}"
    found = re.fullmatch(r"b(\d)(?:_(\d))?\.(\w+)", layer)
    if not found or found[3] not in PUBLISHED:
        return None
    return f"stage{found[1]}.{found[2] or 0}.{PUBLISHED[found[3]]}.{tensor}"


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's part of a published state dict, under our names."""
    named = {published_name(name): value for name, value in state.items()}
    return {name: value for name, value in named.items() if name}
