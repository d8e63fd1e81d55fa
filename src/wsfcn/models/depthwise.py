"""Depthwise convolution whose backward pass is as quick as its forward pass on a CPU.

oneDNN, PyTorch's library on CPUs, takes about ten times as long for the gradients of 5x5 and of
dilated depthwise convolutions as for the convolutions themselves.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def depthwise_conv2d(
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "c 1 k k"],
    bias: Float[Tensor, "c"] | None,
    stride: int,
    padding: int,
    dilation: int,
) -> Float[Tensor, "b c y x"]:
    """``F.conv2d`` with one filter a channel; the result and its gradients are the same."""
    if quick(x, weight):
        return DepthwiseConv2d.apply(x, weight, bias, stride, padding, dilation)
    return F.conv2d(x, weight, bias, stride, padding, dilation, len(weight))


def quick(x: Tensor, weight: Tensor) -> bool:
    """Whether a gradient is due that our own kernels can compute."""
    return (
        weight.requires_grad
        and torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class DepthwiseConv2d(torch.autograd.Function):
    """Forward by oneDNN; gradients as sums over one tap of the kernel after the other."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        x, weight, bias, *geometry = arguments
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return F.conv2d(x, weight, bias, *geometry, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        from wsfcn.models.kernels import input_gradient, weight_gradient  # numba takes its time

        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        stride, padding, dilation = ctx.geometry
        to_x = to_weight = to_bias = None
        if ctx.needs_input_grad[0] and stride == 1:
            # The convolution with the mirrored kernel.
            back = dilation * (weight.shape[-1] - 1) - padding
            mirrored = weight.flip(2, 3)
            to_x = F.conv2d(gradient, mirrored, None, 1, back, dilation, len(weight))
        rows = _rows(gradient)
        taps = np.ascontiguousarray(weight.detach()[:, 0].permute(1, 2, 0).numpy())
        if ctx.needs_input_grad[0] and to_x is None:
            to_x = torch.empty_like(x, memory_format=torch.channels_last)
            _share(input_gradient, len(x), rows, taps, _rows(to_x), *ctx.geometry)
        if ctx.needs_input_grad[1]:
            parts = np.empty((torch.get_num_threads(), *taps.shape), np.float32)
            _share(weight_gradient, len(x), rows, _rows(x), parts, *ctx.geometry)
            to_weight = torch.empty_like(weight)
            to_weight.copy_(torch.from_numpy(parts.sum(0)).permute(2, 0, 1)[:, None])
        if ctx.needs_input_grad[2]:
            to_bias = gradient.sum((0, 2, 3))
        return to_x, to_weight, to_bias, None, None, None


def _share(kernel: Any, count: int, *arguments: Any) -> None:
    """Split ``count`` pictures over PyTorch's number of threads.

    These are plain threads, which sleep when they are done. Numba's own would go on spinning for a
    while, on the cores that PyTorch's need next.
    """
    threads = torch.get_num_threads()
    edges = [part * count // threads for part in range(threads + 1)]
    others = [
        _pool(threads).submit(kernel, part, edges[part], edges[part + 1], *arguments)
        for part in range(1, threads)
    ]
    kernel(0, edges[0], edges[1], *arguments)
    for other in others:
        other.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def _rows(x: Float[Tensor, "b c h w"]) -> Any:
    return x.detach().permute(0, 2, 3, 1).contiguous().numpy()
