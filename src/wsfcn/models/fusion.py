"""Fusing shallow and deep features: SF2 (align, fuse), the parent's global cue injection, the gate.

Papers: Coupling Global Context and Local Contents for WSSS (Wang et al., 2023), section III;
SFNet (Li et al., 2020) for the alignment; F3Net (Wei et al., 2020) for the cross fusion;
Single-Stage Semantic Segmentation from Image Labels (Araslanov and Roth, 2020), sections 3.3
and 3.4, for the stochastic gate and global cue injection.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from wsfcn.maps import resize
from wsfcn.models.layers import coins, conv_norm_relu


class StochasticGate(nn.Module):
    """Mix of a high and a low path that keeps the network from fitting its own noise.

    In training each element comes from one path alone: ``low`` with probability ``psi``, else
    ``(high - psi low) / (1 - psi)``, so that the mean equals the mix used at test time,
    ``(1 - psi) high + psi low`` (AE, section 3.3).
    """

    def __init__(self, psi: float = 0.3) -> None:
        super().__init__()
        self.psi = psi

    def forward(
        self, high: Float[Tensor, "b c h w"], low: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        if not self.training or self.psi == 0:
            return torch.lerp(high, low, self.psi)
        return torch.where(
            coins(high, 1 - self.psi), torch.lerp(low, high, 1 / (1 - self.psi)), low
        )


class FlowAlignment(nn.Module):
    """Warps a deep feature to the shallow grid along a learned flow (SFNet, section 3.2).

    The flow is divided by the grid's width and height, as in the published checkpoints, so one
    unit of it moves by half a cell.
    """

    def __init__(self, deep: int, shallow: int, width: int = 128) -> None:
        super().__init__()
        self.reduce_deep = nn.Conv2d(deep, width, 1, bias=False)
        self.reduce_shallow = nn.Conv2d(shallow, width, 1, bias=False)
        self.flow = nn.Conv2d(2 * width, 2, 3, padding=1, bias=False)

    def forward(
        self, deep: Float[Tensor, "b d y x"], shallow: Float[Tensor, "b s h w"]
    ) -> Float[Tensor, "b d h w"]:
        height, width = shallow.shape[2:]
        coarse = resize(self.reduce_deep(deep), (height, width), align_corners=False)
        flow = self.flow(torch.cat([coarse, self.reduce_shallow(shallow)], 1)).permute(0, 2, 3, 1)
        # In float32 throughout: bfloat16 cannot tell neighbouring cells apart.
        rows = torch.linspace(-1, 1, height, device=deep.device)
        columns = torch.linspace(-1, 1, width, device=deep.device)
        identity = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)
        across, down = flow.float().unbind(-1)
        grid = identity + torch.stack([across / width, down / height], -1)
        # Without a cast that changes nothing, by which parts of an ONNX file lose their names.
        exact = deep if deep.dtype == torch.float32 else deep.float()
        with torch.autocast(deep.device.type, enabled=False):
            return F.grid_sample(exact, grid, align_corners=True)


class Interpolation(nn.Module):
    """The ablation of the alignment: plain bilinear upsampling."""

    def forward(
        self, deep: Float[Tensor, "b d y x"], shallow: Float[Tensor, "b s h w"]
    ) -> Float[Tensor, "b d h w"]:
        return resize(deep, (shallow.shape[2], shallow.shape[3]), align_corners=False)


class ConsistentFusion(nn.Module):
    """SF2: align the context, keep what both features agree on, give it back to each, mix."""

    def __init__(
        self, shallow: int, context: int, width: int = 256, psi: float = 0.3, align: bool = True
    ) -> None:
        super().__init__()

        def conv(inputs: int) -> nn.Sequential:
            return conv_norm_relu(inputs, width, 3, bias=True)

        self.align = FlowAlignment(context, shallow, width // 2) if align else Interpolation()
        self.l1, self.h1 = conv(shallow), conv(context)
        self.l2, self.l3, self.l4 = conv(width), conv(width), conv(width)
        self.h2, self.h3, self.h4 = conv(width), conv(width), conv(width)
        self.gate = StochasticGate(psi)

    def forward(
        self, shallow: Float[Tensor, "b s h w"], context: Float[Tensor, "b d y x"]
    ) -> Float[Tensor, "b c h w"]:
        l1 = self.l1(shallow)
        h1 = self.h1(self.align(context, shallow))
        agreed = self.l2(l1) * self.h2(h1)
        low = self.l4(self.l3(agreed) + l1)
        high = self.h4(self.h3(agreed) + h1)
        return self.gate(high, low)


class GlobalCueInjection(nn.Module):
    """AE's fusion: a deep path, and a shallow one modulated by the deep path's maximum (GCI)."""

    def __init__(
        self, shallow: int, context: int, width: int = 256, psi: float = 0.3, align: bool = False
    ) -> None:
        super().__init__()
        self.skip = conv_norm_relu(shallow, 48)
        self.deep = conv_norm_relu(context + 48, width, 3)
        self.cues = conv_norm_relu(width, 2 * width)
        self.shallow = nn.Sequential(
            nn.Conv2d(shallow, width, 1, bias=False), nn.BatchNorm2d(width, affine=False)
        )
        self.low = conv_norm_relu(width, width)
        self.gate = StochasticGate(psi)

    def forward(
        self, shallow: Float[Tensor, "b s h w"], context: Float[Tensor, "b d y x"]
    ) -> Float[Tensor, "b c h w"]:
        upsampled = resize(context, (shallow.shape[2], shallow.shape[3]), align_corners=True)
        high = self.deep(torch.cat([upsampled, self.skip(shallow)], 1))
        factor, offset = self.cues(high).amax((2, 3), keepdim=True).chunk(2, 1)
        low = self.low(F.relu(self.shallow(shallow) * (factor + 1) + offset))
        return self.gate(high, low)


class DeepOnly(nn.Module):
    """The ablation: the context on the shallow grid, no shallow feature."""

    def __init__(
        self, shallow: int, context: int, width: int = 256, psi: float = 0.3, align: bool = False
    ) -> None:
        super().__init__()
        self.upsample = Interpolation()
        self.reduce = conv_norm_relu(context, width, 3)

    def forward(
        self, shallow: Float[Tensor, "b s h w"], context: Float[Tensor, "b d y x"]
    ) -> Float[Tensor, "b c h w"]:
        return self.reduce(self.upsample(context, shallow))


FUSIONS: dict[str, Callable[..., nn.Module]] = {
    "sf2": ConsistentFusion,
    "gci": GlobalCueInjection,
    "none": DeepOnly,
}
