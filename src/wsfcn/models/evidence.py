"""Local evidence: which small pieces of a picture tell that a class is in it.

A lesion, a crack or a stain is told by a few cells of a fine feature, on an object that pictures
without it show just as well. A network that is trained end to end spreads what it knows of a
picture over its deep features, so that the whole object answers for the lesion. Here the features
are those of a frozen copy of the backbone's first stages (strides 8 and 16), which see no more than
a neighbourhood and never learn to see more; only a small perceptron over single cells is fitted, in
`training/evidence.py`, before the training.

Papers: patch features of frozen networks, PatchCore (Roth et al., 2022), section 3.1;
log-sum-exp pooling, From Image-level to Pixel-level Labeling (Pinheiro and Collobert, 2015),
section 3.2. That every cell of a picture without the class is an example against it is ours.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from wsfcn.maps import resize, size_of
from wsfcn.models.folding import fold_norms

HIDDEN = 64


class LocalEvidence(nn.Module):
    """A map of logits a class from frozen local features; nothing of it learns in a training.

    ``local`` says of which classes the maps make labels; ``usual`` is the mean of the maps' maxima
    in tagged pictures.
    """

    local: Tensor
    usual: Tensor

    def __init__(self, eyes: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.eyes = eyes.eval()
        if not any(p.is_meta for p in eyes.parameters()):
            fold_norms(self.eyes)
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.head = nn.Sequential(
            nn.Conv2d(channels, HIDDEN, 1), nn.ReLU(), nn.Conv2d(HIDDEN, classes - 1, 1)
        )
        self.register_buffer("local", torch.zeros(classes - 1, dtype=torch.bool))
        self.register_buffer("usual", torch.zeros(classes - 1))
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> "LocalEvidence":
        return super().train(False)

    def cells(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d y x"]:
        """Frozen features, each the mean of 3 x 3 cells, on the grid of stride 8.

        ``image`` is normalised as the backbone takes it.
        """
        maps = [F.avg_pool2d(m, 3, 1, 1, count_include_pad=False) for m in self.eyes(image)]
        grid = size_of(maps[0])
        return torch.cat([resize(m, grid, align_corners=False) for m in maps], 1)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n y x"]:
        """Logits on the grid of stride 8."""
        return self.head(self.norm(self.cells(image))).float()

    def masks(
        self, logits: Float[Tensor, "b n y x"], tags: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b n+1 y x"]:
        """Positive logits of tagged classes, of which the strongest, or half the usual, is 1.

        So a crop that misses the lesion shows none. The background's mask is 0.
        """
        objects = logits.relu() * tags[..., None, None]
        peak = torch.maximum(objects.amax((2, 3)), self.usual / 2).clamp(min=1e-4)
        objects = objects / peak[..., None, None]
        return torch.cat([torch.zeros_like(objects[:, :1]), objects], 1)

    @property
    def is_local(self) -> Bool[Tensor, "_"]:
        """`local` with the background, which is not."""
        return torch.cat([torch.zeros_like(self.local[:1]), self.local])


def log_mean_exp(logits: Float[Tensor, "b n y x"]) -> Float[Tensor, "b n"]:
    """Between the mean of the cells and their maximum: a few strong cells count."""
    return logits.flatten(2).logsumexp(2) - math.log(logits[0, 0].numel())


def evidence_loss(
    logits: Float[Tensor, "b n y x"], tags: Float[Tensor, "b n"], rarity: Float[Tensor, "n"]
) -> Float[Tensor, ""]:
    """Tags against the log-mean-exp of the cells; in pictures without a class, every cell.

    ``rarity`` is the weight of the pictures with a class.
    """
    weights = torch.where(tags > 0, rarity, 1.0)
    bags = F.binary_cross_entropy_with_logits(log_mean_exp(logits), tags, weights)
    return bags + ((1 - tags) * F.softplus(logits).mean((2, 3))).mean()
