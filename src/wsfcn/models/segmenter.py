"""The network: backbone, context, fusion, head. A method is a choice of these four."""

import math
from collections.abc import Sequence
from importlib import import_module
from os import PathLike

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from wsfcn.config import ModelSettings
from wsfcn.errors import SettingError, did_you_mean
from wsfcn.maps import Sizes
from wsfcn.models.backbones import Backbone, build_backbone, build_eyes
from wsfcn.models.context import CONTEXTS
from wsfcn.models.evidence import LocalEvidence
from wsfcn.models.folding import fold_norms
from wsfcn.models.fusion import FUSIONS
from wsfcn.models.layers import Dropout, IdleNorm2d, conv_norm_relu
from wsfcn.models.scoring import add_background, image_scores, log_odds
from wsfcn.types import Features, Prediction

SURER = math.log(9)
"""What is taken from the score of a tag of which masks say little: of a half it makes a tenth, at
which `predict` takes a class."""
LARGER = 1.5
"""Side, in training crops, of the square up to whose area pictures are enlarged."""


class Segmenter(nn.Module):
    """RGB pictures with values in [0, 1] to class logits (stride 4) and image scores.

    ``classes`` counts the background, whose mask is 0 without ``background``. The parts know only
    channel numbers of each other.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        context: nn.Module,
        fusion: nn.Module,
        classes: int,
        width: int = 256,
        *,
        dropout: float = 0.5,
        scoring: str = "masks",
        focal_power: float = 3.0,
        focal_floor: float = 0.01,
        frozen_stride: int = 4,
        frozen: str = "first",
        evidence: LocalEvidence | None = None,
        background: bool = True,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.idle: list[nn.Module] = []
        if frozen == "all":
            self._freeze(backbone.pretrained_layers())
        elif frozen_stride:
            assert isinstance(backbone, nn.Module)
            norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
            self._freeze(norms, backbone.first_layers(frozen_stride))
        self.context = context
        self.fusion = fusion
        self.head = nn.Sequential(
            conv_norm_relu(width, width, 3),
            Dropout(dropout),
            conv_norm_relu(width, width, 3),
            Dropout(dropout / 5),
            nn.Conv2d(width, classes - 1, 1),
        )
        self.tag_head = (
            nn.Conv2d(backbone.deep_channels, classes - 1, 1) if scoring == "activations" else None
        )
        self.evidence = evidence
        self.background = background
        self.focal_power, self.focal_floor = focal_power, focal_floor
        self.register_buffer("mean", _column(backbone.mean), persistent=False)
        self.register_buffer("std", _column(backbone.std), persistent=False)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Prediction:
        features = self.features(image)
        context = self.context(features.deep)
        fused = self.fusion(features.shallow, context)
        return self.prediction(features.deep, self.head(fused))

    def scores(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n"]:
        """The image scores; alone, where they do not come from masks."""
        if self.tag_head is None:
            return self(image).scores
        return self.tag_head(self.features(image).deep).float().mean((2, 3))

    def sizes(self, crop: int) -> Sizes:
        """In which sizes it sees whole pictures best, after a training on crops of ``crop``.

        Things are found best somewhat larger than whole pictures show them, as random crops did
        (FixRes, Touvron et al., 2019, section 3; docs/log.md, 51 and 55). Networks whose scores
        come from masks see pictures as published.
        """
        return Sizes() if self.tag_head is None else Sizes(crop, round(LARGER * crop))

    def local_evidence(
        self, image: Float[Tensor, "b 3 h w"], tags: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b n y x"] | None:
        """Strengths of local evidence (stride 4 or 8) of tagged classes, which training alone looks
        for."""
        return self.evidence((image - self.mean) / self.std, tags) if self.evidence else None

    @classmethod
    def from_pretrained(cls, source: str | PathLike[str]) -> "Segmenter":
        """The network of a folder, of a repository (`hf://user/name`) or of a ready model.

        Users of other libraries look for it here; the floor that does it is asked by name.
        """
        return import_module("wsfcn.deploy.load").open_checkpoint(source).model

    def save_pretrained(
        self, folder: str | PathLike[str], classes: Sequence[str], settings: ModelSettings
    ) -> None:
        """Write ``model.safetensors`` and ``config.json``, with the names of the classes, the
        background first, and the settings the network was built with."""
        import_module("wsfcn.deploy.pretrained").save_network(folder, self, classes, settings)

    def _freeze(self, idle: Sequence[nn.Module], layers: Sequence[nn.Module] = ()) -> None:
        """Fix parts of the backbone: ``idle`` ones stay in evaluation mode, as do their norms.

        Autograd keeps nothing of what lies before the first layer that learns.
        """
        assert isinstance(self.backbone, nn.Module)
        for module in (*idle, *layers):
            module.requires_grad_(False)
        self.idle = [*idle]
        if not next(self.backbone.parameters()).is_meta:  # there it would show shapes alone
            fold_norms(self.backbone, {m for part in idle for m in part.modules()})

    def train(self, mode: bool = True) -> "Segmenter":
        super().train(mode)
        for module in self.idle:
            module.train(False)
        return self

    def features(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        """What the backbone sees in RGB values in [0, 1]."""
        return self.backbone((image - self.mean) / self.std)

    def prediction(
        self, deep: Float[Tensor, "b d y x"], logits: Float[Tensor, "b n h w"]
    ) -> Prediction:
        """Logits with the background's and the `offset`, and the scores of the picture."""
        logits = add_background(logits, empty=not self.background).float()
        offset = self.evidence.offset(logits) if self.evidence else None
        if offset is not None:
            logits = logits + offset
        if self.tag_head:
            activations = self.tag_head(deep).float()
            scores = activations.mean((2, 3))
            if self.evidence and not self.training:
                # What is small hardly moves a mean: there the masks themselves tell. Where these
                # learned from what resembles the cells that tell, both must.
                strongest = F.avg_pool2d(logits.softmax(1)[:, 1:], 3, 1, 1).amax((2, 3))
                odds = log_odds(strongest, 1e-4)
                # Where masks begin early they say little, and the whole must be surer.
                both = torch.minimum(odds, scores - SURER * self.evidence.is_silent)
                told = torch.where(self.evidence.has_direction, both, odds)
                scores = torch.where(self.evidence.local, told, scores)
            return Prediction(logits, scores, activations, self.background, offset)
        scores = image_scores(logits, power=self.focal_power, floor=self.focal_floor)
        return Prediction(logits, scores, background=self.background)


def build_segmenter(
    settings: ModelSettings, classes: int, *, pretrained: bool = True, background: bool = True
) -> Segmenter:
    """The network that the settings describe. ``classes`` counts the background, be it empty.

    Without ``pretrained`` no initial weights are read, as when a checkpoint follows. Raises
    SettingError where a name is unknown or numbers do not fit each other.
    """
    if len(settings.kernels) != len(settings.dilations):
        raise SettingError(
            f"model.kernels names {len(settings.kernels)} branches, "
            f"model.dilations {len(settings.dilations)}: give both the same length"
        )
    for setting, known in (("context", CONTEXTS), ("fusion", FUSIONS)):
        name = getattr(settings, setting)
        if name not in known:
            raise SettingError(f"model.{setting}: no '{name}'.{did_you_mean(name, [*known])}")
    weights = settings.weights if pretrained else "none"
    backbone = build_backbone(
        settings.backbone, weights, settings.stride, settings.drop_path, settings.middle
    )
    norm = IdleNorm2d if settings.context_norm == "idle" else nn.BatchNorm2d
    context = CONTEXTS[settings.context](
        backbone.deep_channels,
        settings.width,
        settings.kernels,
        settings.dilations,
        norm,
        settings.dropout,
    )
    fusion = FUSIONS[settings.fusion](
        backbone.shallow_channels, settings.width, settings.width, settings.gate, settings.align
    )
    evidence = None
    if settings.evidence and settings.scoring == "activations":
        with torch.random.fork_rng(devices=[]):  # the rest starts from the same values without it
            eyes = build_eyes(settings.backbone, weights)
            evidence = LocalEvidence(*eyes, classes) if eyes else None
    return Segmenter(
        backbone,
        context,
        fusion,
        classes,
        settings.width,
        dropout=settings.dropout,
        scoring=settings.scoring,
        focal_power=settings.focal_power,
        focal_floor=settings.focal_floor,
        frozen_stride=settings.frozen_stride,
        frozen=settings.frozen,
        evidence=evidence,
        background=background,
    )


def _column(values: tuple[float, ...]) -> Float[Tensor, "1 3 1 1"]:
    return torch.tensor(values).view(1, 3, 1, 1)
