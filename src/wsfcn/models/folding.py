"""Frozen batch norms as part of the convolutions before them.

A batch norm that never changes is a factor and an offset per channel. On the weights of the
convolution before it, instead of its output, they cost no pass over feature maps and no memory.
"""

from collections.abc import Collection
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from wsfcn.models.depthwise import depthwise_conv2d
from wsfcn.models.efficientnet import SameConv2d, pad_same


class FoldedConv2d(nn.Conv2d):
    """A convolution that applies the frozen batch norm behind it; made by `fold` alone."""

    same: bool
    norms: tuple[nn.BatchNorm2d]
    """In a tuple, so that the norm's state is not this module's too."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        (norm,) = self.norms
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        offset = norm.bias - norm.running_mean * scale
        bias = offset if self.bias is None else offset + self.bias * scale
        weight = self.weight * scale[:, None, None, None]
        if self.same:
            x = pad_same(x, self)
        options: Any = (self.stride, self.padding, self.dilation)
        if self.groups == self.in_channels == self.out_channels and _even(*options):
            return depthwise_conv2d(x, weight, bias, *(numbers[0] for numbers in options))
        convolve: Any = F.conv2d
        return convolve(x, weight, bias, *options, self.groups)


class FoldedNorm2d(nn.BatchNorm2d):
    """What is left of the norm: its activation, where timm has put one into it."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        activation = getattr(self, "act", None)
        return activation(x) if activation else x


def fold_norms(net: nn.Module, frozen: Collection[nn.Module] | None = None) -> None:
    """Fold every frozen batch norm of ``net`` that follows a convolution directly.

    Those of ``frozen``, or all. Parameters keep their names. The caller keeps the norms in
    evaluation mode for good.
    """
    for conv, norm in _pairs(net):
        if frozen is not None and norm not in frozen:
            continue
        same = is_same(conv)
        conv.__class__, norm.__class__ = FoldedConv2d, FoldedNorm2d
        conv.same, conv.norms = same, (norm,)


def is_same(module: nn.Module) -> bool:
    """Whether it is a convolution, of ours or of timm's, that pads as its input's size asks."""
    return isinstance(module, SameConv2d) or type(module).__name__ == "Conv2dSame"


def _pairs(net: nn.Module) -> list[tuple[Any, Any]]:
    """Convolutions and the norms that take their outputs, seen in a pass over a small picture."""
    made: dict[int, tuple[nn.Module, Tensor]] = {}
    taken: dict[nn.Module, nn.Module] = {}
    hooks = []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        made[id(output)] = (module, output)

    def take(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if source := made.get(id(inputs[0])):
            taken[module] = source[0]

    for module in net.modules():
        if type(module) is nn.Conv2d or is_same(module):
            hooks.append(module.register_forward_hook(note))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(take))
    mode = net.training
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, 64, 64))
    net.train(mode)
    for hook in hooks:
        hook.remove()
    return [(conv, norm) for norm, conv in taken.items()]


def _even(*options: Any) -> bool:
    """Whether stride, padding and dilation are one number in both directions."""
    return all(isinstance(numbers, tuple) and len(set(numbers)) == 1 for numbers in options)
