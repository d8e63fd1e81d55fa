"""Backbones: a picture in, a shallow and a deep feature out.

A backbone states the channels of its two features and the input statistics it was trained with;
nothing else of it is known outside this package. A new one is a class and a line in `BACKBONES`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from wsfcn.errors import SettingError, did_you_mean
from wsfcn.models.efficientnet import SCALES, EfficientNetLite, FirstStages
from wsfcn.models.layers import conv_norm_relu, joined
from wsfcn.models.weights import fill, read_file, read_tensors
from wsfcn.models.wide_resnet import WideResNet38, from_published
from wsfcn.types import Features


@runtime_checkable
class Backbone(Protocol):
    """What the segmenter needs to know of a backbone, which is a Module."""

    @property
    def shallow_channels(self) -> int: ...
    @property
    def deep_channels(self) -> int: ...
    @property
    def mean(self) -> tuple[float, ...]: ...
    @property
    def std(self) -> tuple[float, ...]: ...

    def __call__(self, image: Float[Tensor, "b 3 h w"]) -> Features: ...

    def first_layers(self, stride: int) -> list[nn.Module]:
        """The layers up to a stride of 2 or 4, at least the stem and the first stage."""
        ...

    def pretrained_layers(self) -> list[nn.Module]:
        """The layers whose weights can be had: all but those that this package adds."""
        ...


class TimmBackbone(nn.Module):
    """Any timm model that offers feature maps.

    The shallow feature has stride 4; the deep one ``stride``, by dilation where the model can be
    dilated, else as the deepest feature that is as fine. A plain vision transformer has no
    stride 4: its shallow feature comes from a small convolutional stem, which is new. With
    ``middle`` a feature of stride 8, where there is one, is joined to the model's own of stride 4.
    """

    def __init__(
        self,
        name: str,
        weights: str,
        stride: int,
        drop_path: float = 0.0,
        middle: bool = False,
    ) -> None:
        super().__init__()
        net, dilated = create(name, weights, stride, drop_path)
        self.net: nn.Module = net
        info = net.feature_info
        reductions: list[int] = info.reduction()
        channels: list[int] = info.channels()
        names: list[str] = info.module_name()
        fine = [n for n, reduction in enumerate(reductions) if reduction <= stride]
        if not fine or (dilated and reductions[-1] != stride):
            raise SettingError(
                f"model.stride: {name} has no feature of stride {stride}; its strides are "
                f"{', '.join(map(str, sorted(set(reductions))))}"
            )
        self.deep_index = len(reductions) - 1 if dilated else fine[-1]
        self.deep_channels = channels[self.deep_index]
        self.channels_last = getattr(net, "output_fmt", "NCHW") == "NHWC"
        # Models of patches take whole patches alone.
        self.multiple = 1 if dilated else max(reductions)
        self.stem: nn.Module | None = None
        self.middle_index: int | None = None
        if 4 in reductions:
            self.shallow_index = reductions.index(4)
            self.shallow_channels = channels[self.shallow_index]
            if middle and 8 in reductions:
                self.middle_index = reductions.index(8)
                self.shallow_channels += channels[self.middle_index]
        else:
            self.stem = nn.Sequential(
                conv_norm_relu(3, 32, 3, stride=2), conv_norm_relu(32, 64, 3, stride=2)
            )
            self.shallow_channels = 64
        # A feature before the first stage, as ResNet's, is named after its activation.
        is_stem = names[0].startswith(("act", "relu", "stem"))
        first = names[min(int(is_stem), len(names) - 1)]
        self.last_of = {2: first, 4: names[reductions.index(4)] if 4 in reductions else first}
        self.mean: tuple[float, ...] = net.pretrained_cfg["mean"]
        self.std: tuple[float, ...] = net.pretrained_cfg["std"]

    def first_layers(self, stride: int) -> list[nn.Module]:
        if self.stem:
            return []
        last = (self.last_of[stride], self.last_of[stride].replace(".", "_"))
        leaves = []
        for name, module in self.net.named_modules():
            if name in last:
                return [*leaves, module]
            if not any(module.children()):
                leaves.append(module)
        return []

    def pretrained_layers(self) -> list[nn.Module]:
        return [self.net]

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        height, width = image.shape[2:]
        maps = self.net(F.pad(image, (0, -width % self.multiple, 0, -height % self.multiple)))
        if self.channels_last:
            maps = [feature.permute(0, 3, 1, 2) for feature in maps]
        deep = self._without_padding(maps[self.deep_index], height, width)
        if self.stem:
            return Features(self.stem(image), deep)
        shallow = maps[self.shallow_index]
        if self.middle_index is not None:
            shallow = joined(shallow, maps[self.middle_index])
        return Features(self._without_padding(shallow, height, width), deep)

    def _without_padding(
        self, maps: Float[Tensor, "b c y x"], height: int, width: int
    ) -> Float[Tensor, "b c h w"]:
        """The cells of a feature that see the picture itself."""
        if self.multiple == 1:
            return maps
        padded = height + -height % self.multiple
        rows, columns = ((s * maps.shape[2] + padded - 1) // padded for s in (height, width))
        return maps[:, :, :rows, :columns]


class VggBackbone(nn.Module):
    """VGG-16 without its classifier; pools beyond the stride are left out, what follows dilated.

    Paper: Very Deep Convolutional Networks (Simonyan and Zisserman, 2015); dilation as in DeepLab
    (Chen et al., 2015). Weights from timm.
    """

    shallow_channels, deep_channels = 256, 512

    def __init__(self, name: str, weights: str, stride: int, drop_path: float = 0.0) -> None:
        super().__init__()
        net: Any = timm_model(name, weights)
        self.mean: tuple[float, ...] = net.pretrained_cfg["mean"]
        self.std: tuple[float, ...] = net.pretrained_cfg["std"]
        stages: list[list[nn.Module]] = [[]]
        reached = dilation = 1
        for layer in net.features:
            if isinstance(layer, nn.MaxPool2d):
                stages.append([])
                if reached < stride:
                    stages[-1].append(layer)
                    reached *= 2
                else:
                    dilation *= 2
                continue
            if isinstance(layer, nn.Conv2d):
                layer.dilation = layer.padding = (dilation, dilation)
            stages[-1].append(layer)
        self.stages = nn.ModuleList(nn.Sequential(*stage) for stage in stages[:5])

    def first_layers(self, stride: int) -> list[nn.Module]:
        return list(self.stages[: 1 + stride // 2])

    def pretrained_layers(self) -> list[nn.Module]:
        return [self.stages]

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        shallow = image
        for stage in self.stages[:3]:
            shallow = stage(shallow)
        deep = shallow
        for stage in self.stages[3:]:
            deep = stage(deep)
        return Features(shallow, deep)


def wide_resnet38(name: str, weights: str, stride: int, drop_path: float = 0.0) -> WideResNet38:
    """WideResNet-38, its weights from a file in the published naming."""
    if stride != WideResNet38.stride:
        raise SettingError(f"model.stride: {name} is dilated to stride 8; set model.stride to 8")
    if weights == "imagenet":
        raise SettingError(
            f"model.weights: no package carries weights of {name}; name the file of its published "
            "ImageNet weights, or `none` to start from random ones"
        )
    net = WideResNet38()
    if weights != "none":
        state = read_tensors(weights)
        fill(net, from_published(state) or state, weights)
    return net


BACKBONES: dict[str, Callable[[str, str, int, float], Backbone]] = {
    "wide_resnet38": wide_resnet38,
    "vgg16": VggBackbone,
    "vgg16_bn": VggBackbone,
    **dict.fromkeys(SCALES, EfficientNetLite),
}
"""Backbones that are not taken from timm as they are."""


def build_backbone(
    name: str, weights: str, stride: int, drop_path: float = 0.0, middle: bool = False
) -> Backbone:
    """A backbone by name, with its initial weights: ``imagenet``, ``none`` or a file.

    ``drop_path`` is the rate of stochastic depth, where the backbone has it. With ``middle`` its
    feature of stride 8 is joined to the shallow one, in an EfficientNet-Lite or timm's models.
    Raises SettingError where the name, the stride or the weights cannot be had.
    """
    if name in SCALES:
        return EfficientNetLite(name, weights, stride, drop_path, middle)
    if name in BACKBONES:
        return BACKBONES[name](name, weights, stride, drop_path)
    return TimmBackbone(name, weights, stride, drop_path, middle)


def build_eyes(name: str, weights: str) -> tuple[nn.Module, list[int]] | None:
    """The first stages of a backbone, which give its maps of strides 4, 8 and 16, and the channels
    of each; None where a backbone has no such maps."""
    if name in SCALES:
        stages = FirstStages(name, weights)
        return stages, stages.channels
    if name in BACKBONES:
        return None
    try:
        net = timm_model(name, weights, features_only=True)
        reductions: list[int] = net.feature_info.reduction()
        wanted = [reductions.index(stride) for stride in (4, 8, 16)]
        net = timm_model(name, weights, features_only=True, out_indices=wanted)
    except (TypeError, AssertionError, NotImplementedError, ValueError):
        return None
    if getattr(net, "output_fmt", "NCHW") != "NCHW":
        return None
    return net, net.feature_info.channels()


def create(name: str, weights: str, stride: int, drop_path: float) -> tuple[Any, bool]:
    """A timm model that gives feature maps, and whether it could be dilated to ``stride``.

    Models differ in what they can be asked for: dilation, any picture size, stochastic depth.
    """
    extra: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    ways = ({"output_stride": stride}, {"dynamic_img_size": True}, {"strict_img_size": False}, {})
    for options in [way | extra for way in ways] + list(ways):
        try:
            net = timm_model(name, weights, features_only=True, **options)
        except (TypeError, AssertionError, NotImplementedError):
            continue
        return net, "output_stride" in options
    raise SettingError(f"model.backbone: timm's {name} offers no feature maps; choose another")


def timm_model(name: str, weights: str, **options: Any) -> Any:
    """A model from timm; its weights from the hub (``imagenet``), from a file, or random."""
    import timm  # takes its time

    if not timm.is_model(name.split(".")[0]):
        known = [*BACKBONES, *timm.list_models()]
        hint = did_you_mean(name, known)
        raise SettingError(f"model.backbone: timm has no model '{name}'.{hint}")
    if weights not in ("imagenet", "none"):
        if not Path(weights).is_file():
            raise SettingError(f"model.weights: {weights}: no such file")
        read_file(weights)  # older versions of timm would run what it holds
        options["pretrained_cfg_overlay"] = {"file": weights}
    try:
        return timm.create_model(name, pretrained=weights != "none", **options)
    except (OSError, RuntimeError) as error:
        if weights == "none":
            raise
        reason = str(error).strip().splitlines()[0]
        raise SettingError(
            f"model.weights: cannot load {name}'s weights ({reason}); name a file of them with "
            "model.weights, or `none` to start from random ones"
        ) from None
