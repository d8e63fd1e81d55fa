"""Local evidence: which small pieces of a picture tell that a class is in it.

A lesion, a crack or a stain is told by a few cells of a fine feature, on an object that pictures
without it show just as well. A network that is trained end to end spreads what it knows of a
picture over its deep features, so that the whole object answers for the lesion. Here the features
are those of a frozen copy of the backbone's first stages (strides 4, 8 and 16), which see no more
than a neighbourhood and never learn to see more. Two things are fitted to them before the training,
in `training/evidence.py`: small perceptrons over single cells, and where pictures are alike a
linear discriminant. The first find the cells that tell a class best, which are few; the second
finds all that differs as those do from pictures without the class, by what is around a cell too
where single cells tell too little. Where no picture is without a tag, only what hangs together with
a cell that tells is the rest of the lesion, and nothing is where most of it tells.

Papers: patch features of frozen networks, PatchCore (Roth et al., 2022), section 3.1;
log-sum-exp pooling, From Image-level to Pixel-level Labeling (Pinheiro and Collobert, 2015),
section 3.2; The Use of Multiple Measurements in Taxonomic Problems (Fisher, 1936) for the
discriminant. That every cell of a picture without the class is an example against it is ours, and
so is what resembles the cells that tell (docs/log.md, 70, 73, 75 and 76).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from wsfcn.maps import nearest, resize, size_of
from wsfcn.models.folding import fold_norms
from wsfcn.models.layers import joined
from wsfcn.models.scoring import log_odds

HIDDEN, HEADS = 64, 3
"""Units of a perceptron over cells, and how many there are, which tell by their mean: what single
ones tell beside a lesion is another thing each time (docs/log.md, 77)."""
WINDOWS = (5, 11)
"""Sides, in cells of stride 8, of the surroundings whose means tell what a single cell does not."""
SINCE = ("direction", "bias", "part", "all_tagged", "cut", "margins")
"""What networks of earlier versions lack; nothing resembles the cells that tell there."""
LEVEL = 0.55
"""Strength of what is of a class; labels are cut there by default."""
BEGINS = 0.45
"""Strength at which what resembles the cells that tell begins: where surroundings tell it, on the
way from the mean of the usual cells, 0, to that of those that tell, 1 (docs/log.md, 73)."""
UNSURE = 0.75
"""Part of that below which a cell has no strength at all."""
BINS, PER_NAT = 240, 10
"""Of the histograms of margins, which are centred on 0: how many, and how many a nat."""
FADING, FEW, LEAST = 0.99, 0.02, 0.05
"""What is left after a step of the cells counted; with fewer than the second, in pictures,
a class begins at 0, and with a lower IoU than the third not before."""
ALIKE = 0.98
"""Beginnings with this part of the highest IoU are as good; the median of them is taken."""
NEARLY = 0.3
"""Part of a picture's highest odds of a silent class below which a cell is not of it."""
TELLS = 0.15
"""Part of a picture's strongest cell above which one tells that what hangs together with it is of
the class (docs/log.md, 75)."""
BEYOND = 32
"""Pixels for which a picture goes on beyond its edges; a multiple of the strides."""
RAREST = 0.01
"""Share of cells at which the weight of a class grows no further."""


class LocalEvidence(nn.Module):
    """A map a class from frozen local features; nothing of it learns in a training.

    ``local`` says of which classes the maps make labels; ``usual`` is the mean of the logits'
    maxima in tagged pictures. Where a ``direction`` was fitted, the maps show what resembles the
    cells that tell: how far a cell lies in that direction, with its ``bias``. What is above
    `BEGINS` is of the class, and above a ``part`` of the picture's strongest cell. In sets that are
    ``all_tagged`` it must hang together with a cell that tells, too, and pictures go on beyond
    their edge. ``margins`` counts the odds a training gave a class, of cells that were of it and of
    others; ``cut`` is from which odds on a cell is of it, in whole tenths of a nat, as averages of
    weights leave whole numbers as they are.
    """

    local: Tensor
    usual: Tensor
    direction: Tensor
    bias: Tensor
    part: Tensor
    all_tagged: Tensor
    cut: Tensor
    margins: Tensor

    def __init__(self, eyes: nn.Module, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.eyes = eyes.eval()
        if not any(p.is_meta for p in eyes.parameters()):
            fold_norms(self.eyes)
        self.norm = nn.BatchNorm2d(sum(channels[1:]), affine=False)
        self.heads = nn.ModuleList(perceptron(sum(channels[1:]), classes - 1) for _ in range(HEADS))
        self.register_buffer("local", torch.zeros(classes - 1, dtype=torch.bool))
        self.register_buffer("usual", torch.zeros(classes - 1))
        self.parts = (*channels[:2], len(WINDOWS) * channels[1])
        self.register_buffer("direction", torch.zeros(classes - 1, sum(self.parts)))
        self.register_buffer("bias", torch.zeros(classes - 1))
        self.register_buffer("part", torch.zeros(classes - 1))
        self.register_buffer("all_tagged", torch.zeros((), dtype=torch.bool))
        self.register_buffer("cut", torch.zeros(classes - 1, dtype=torch.long))
        self.register_buffer("margins", torch.zeros(classes - 1, 2, BINS))  # in pictures
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> "LocalEvidence":
        return super().train(False)

    def maps(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Maps of strides 4, 8 and 16. In an `all_tagged` set as if the picture went on, mirrored:
        cells at an edge know of it, and without a normal picture the shade there tells a class
        that was taken in other light (docs/log.md, 76)."""
        if not self.all_tagged:
            return list(self.eyes(image))
        mode = "reflect" if min(size_of(image)) > BEYOND else "replicate"
        maps = self.eyes(F.pad(image, [BEYOND] * 4, mode=mode))
        found = []
        for each, stride in zip(maps, (4, 8, 16), strict=True):
            first = BEYOND // stride
            height, width = (-(-side // stride) for side in size_of(image))
            found.append(each[..., first : first + height, first : first + width])
        return found

    def look(
        self, image: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b d y x"], Float[Tensor, "b e v u"]]:
        """Frozen features: each the mean of 3 x 3 cells, on the grid of stride 8; and finer ones,
        on the grid of stride 4.

        ``image`` is normalised as the backbone takes it.
        """
        maps = self.maps(image)
        return coarser(maps), finer(maps)

    def cells(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d y x"]:
        """The first of what a `look` gives."""
        return coarser(self.maps(image))

    def forward(
        self, image: Float[Tensor, "b 3 h w"], tags: Float[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n y x"]:
        """Strengths, none below 0: on the grid of stride 4 of what resembles the cells that tell,
        where that was fitted of any class, and otherwise on the grid of stride 8 of these. With
        ``tags`` those of other classes may be 0, which takes less time."""
        maps = self.maps(image)
        if not self.resembles:
            return self.telling(coarser(maps)).relu()
        found = self.resembling(maps).relu()
        if not self.all_tagged:
            return found
        tell = self.telling(coarser(maps)).relu()
        seeds = nearest(self.seeds(tell), size_of(found))
        strengths = resize(tell, size_of(found), align_corners=False)
        strengths[:, self.has_direction] = 0
        asked = self.has_direction.expand(len(found), -1)
        asked = asked if tags is None else asked & (tags > 0)
        strengths[asked] = reconstructed(found[asked][:, None], seeds[asked][:, None])[:, 0]
        return strengths

    def seeds(self, tell: Float[Tensor, "b n v u"]) -> Float[Tensor, "b n v u"]:
        """1 for cells that tell a class, and those beside them: above `TELLS` of the strongest of
        their picture, or of half the usual."""
        return F.max_pool2d((tell > TELLS * self.in_full(tell)).float(), 3, 1, 1)

    def in_full(self, tell: Float[Tensor, "b n v u"]) -> Float[Tensor, "b n 1 1"]:
        """How much a cell tells that tells its class in full: as the strongest of its picture does,
        or half the usual."""
        usual = self.usual[:, None, None] / 2
        return torch.maximum(tell.amax((2, 3), keepdim=True), usual).clamp(min=1e-4)

    @property
    def has_direction(self) -> Bool[Tensor, "_"]:
        """Classes of which something may resemble the cells that tell."""
        return self.direction.abs().amax(1) > 0

    @property
    def resembles(self) -> bool:
        """Whether maps show what resembles the cells that tell."""
        return bool(self.has_direction.any())

    def offset(self, learned: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """What is added to the logits that a training ``learned``, so that a class begins at its
        cut; a silent one, whose odds say more beside those of the same picture, nowhere below
        `NEARLY` of the odds of its strongest cell. The background's is 0."""
        begins = self.cut / PER_NAT
        nearly = margins_of(learned.detach()).amax((2, 3)) + math.log(NEARLY)
        begins = torch.where(self.is_silent, nearly.maximum(begins).clamp(max=0), begins)
        return F.pad(-begins, (1, 0))[..., None, None]

    @property
    def is_silent(self) -> Bool[Tensor, "_"]:
        """Classes that are told from others, at probabilities below a half."""
        return self.cut < 0

    @property
    def rarity(self) -> Float[Tensor, "_"]:
        """The weight of a cell of each class in the mask loss: of silent ones, one over the root
        of the share of the cells of tagged pictures that are of them; else 1."""
        cells = self.margins.sum(2)
        share = cells[:, 0] / cells.sum(1).clamp(min=1e-6)
        weights = torch.where(self.is_silent, share.clamp(min=RAREST).rsqrt(), 1.0)
        return F.pad(weights, (1, 0), value=1.0)

    def move_cuts(
        self,
        margins: Float[Tensor, "b n y x"],
        there: Bool[Tensor, "b n y x"],
        known: Bool[Tensor, "b n y x"],
    ) -> None:
        """Count the ``known`` cells of a batch by class, by margin, and by whether the class is
        ``there``, and begin each class where what lies above has the highest IoU with what is
        there.

        What was counted fades, by a hundredth a step. A cut is below 0 only where that IoU is
        above `LEAST`, and above twice that of all cells and that of those above 0. Classes of which
        nothing resembles the cells that tell, and of which there are few (`FEW`), begin at 0.
        """
        places = ((margins * PER_NAT).round().long() + BINS // 2).clamp(0, BINS - 1)
        kinds = (known & there, known & ~there)
        for k in (self.local & self.has_direction).nonzero()[:, 0].tolist():
            for n, chosen in enumerate(kinds):
                counted = torch.bincount(places[:, k][chosen[:, k]], minlength=BINS)
                self.margins[k, n].mul_(FADING).add_(counted / math.prod(size_of(margins)))
            cells, others = self.margins[k]
            if cells.sum() < FEW:
                continue
            found, wrong = (each.flip(0).cumsum(0).flip(0) for each in (cells, others))
            iou = found / (cells.sum() + wrong)
            best = (iou >= ALIKE * iou.max()).nonzero()[:, 0].median() - BINS // 2
            least = max(LEAST, 2 * iou[0].item(), 2 * iou[BINS // 2].item())
            self.cut[k] = best if iou.max() > least else best.clamp(min=0)

    def telling(self, cells: Float[Tensor, "b d y x"]) -> Float[Tensor, "b n y x"]:
        """Logits: how much each cell tells each class, by the mean of the perceptrons."""
        cells = self.norm(cells)
        return torch.stack([head(cells).float() for head in self.heads]).mean(0)

    def resembling(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b n y x"]:
        """How much each cell of stride 4 is like those that tell a class; from `BEGINS` on it is of
        the class. ``maps`` are of strides 4, 8 and 16."""
        fine, coarse, wide = self.parts
        near, beyond = self.direction[..., None, None].split((fine + coarse, wide), 1)
        with torch.autocast(maps[0].device.type, enabled=False):  # distances are large beside it
            alone = F.conv2d(finer(maps).float(), near, self.bias)
            if not beyond.any():
                return alone
            around = F.conv2d(surroundings(maps[1].float()), beyond)
        return alone + resize(around, size_of(alone), align_corners=False)

    def surrounded(self, fine: Float[Tensor, "e v u"]) -> Float[Tensor, "f v u"]:
        """Every second of the finer cells of a picture, with the means around each."""
        return torch.cat([fine, surroundings(fine[self.parts[0] :])])

    def masks(
        self, strengths: Float[Tensor, "b n y x"], tags: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b n+1 y x"]:
        """Strengths of the tagged classes in [0, 1], `LEVEL` where something begins to resemble.

        Of the logits the strongest, or half the usual, is 1. So a crop that misses the lesion shows
        none. The background's mask is 0.
        """
        objects = strengths * tags[..., None, None]
        strongest = objects.amax((2, 3), keepdim=True)
        begins = (self.part[:, None, None] * strongest).clamp(min=BEGINS)
        alike = (LEVEL * (objects / begins - UNSURE) / (1 - UNSURE)).clamp(0, 1)
        telling = objects / self.in_full(objects)
        objects = torch.where(self.has_direction[:, None, None], alike, telling)
        return torch.cat([torch.zeros_like(objects[:, :1]), objects], 1)

    @property
    def is_local(self) -> Bool[Tensor, "_"]:
        """`local` with the background, which is not."""
        return torch.cat([torch.zeros_like(self.local[:1]), self.local])

    def brought_up(self, weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
        """Weights of a network of an earlier version as they would be now.

        It may have one perceptron, of which each is then a copy. Its direction may know no
        surroundings; then a ``band`` says from where to where something began to resemble the cells
        that tell.
        """
        weights = dict(weights)
        for name in [name for name in weights if name.startswith(prefix + "head.")]:
            value, layer = weights.pop(name), name.removeprefix(prefix + "head.")
            weights.update({f"{prefix}heads.{n}.{layer}": value.clone() for n in range(HEADS)})
        band, direction = weights.get(prefix + "band"), weights.get(prefix + "direction")
        fine, coarse, wide = self.parts
        if band is not None and direction is not None and direction.shape[-1] == fine + coarse:
            del weights[prefix + "band"]
            slope, bias = to_strengths(band)
            weights[prefix + "direction"] = F.pad(slope[:, None] * direction, (0, wide))
            weights[prefix + "bias"] = torch.where(direction.abs().amax(1) > 0, bias, 0.0)
        for name in SINCE:
            weights.setdefault(prefix + name, torch.zeros_like(getattr(self, name)))
        return weights

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        weights = self.brought_up(state_dict, prefix)
        state_dict.clear()
        state_dict.update(weights)  # from which the perceptrons are read next
        super()._load_from_state_dict(state_dict, prefix, *rest)


def perceptron(channels: int, classes: int) -> nn.Sequential:
    """How much each cell tells each class."""
    return nn.Sequential(nn.Conv2d(channels, HIDDEN, 1), nn.ReLU(), nn.Conv2d(HIDDEN, classes, 1))


def margins_of(logits: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c-1 h w"]:
    """By how much the logit of each object is above those of all others together: the odds of the
    class, in logarithms."""
    return log_odds(logits.float().softmax(1)[:, 1:])


def to_strengths(band: Float[Tensor, "*n 2"]) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]]:
    """Factor and summand that make strengths of distances: of where something may begin to resemble
    the cells that tell, the strength below which there is none, of where it does, `BEGINS`."""
    first, second = band.unbind(-1)
    slope = BEGINS * (1 - UNSURE) / (second - first).clamp(min=1e-6)
    return slope, BEGINS - slope * second


def reconstructed(
    strengths: Float[Tensor, "b n y x"], seeds: Float[Tensor, "b n y x"]
) -> Float[Tensor, "b n y x"]:
    """What of the strengths hangs together with seeds: of each cell the weakest on the best way to
    it from one, 0 where there is none. Morphological Grayscale Reconstruction in Image Analysis
    (Vincent, 1993), by dilation.

    >>> strengths = torch.tensor([[[[2.0, 3.0, 1.0, 2.0, 0.0, 4.0]]]])
    >>> reconstructed(strengths, torch.eye(6)[None, None, :1]).tolist()
    [[[[2.0, 2.0, 1.0, 1.0, 0.0, 0.0]]]]
    """
    grown = strengths * seeds
    for _ in range(math.prod(size_of(strengths))):
        wider = F.max_pool2d(grown, 3, 1, 1).minimum(strengths)
        if wider.equal(grown):
            break
        grown = wider
    return grown


def coarser(maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b d y x"]:
    """Of maps of strides 4, 8 and 16 the last two, each cell the mean of 3 x 3, at stride 8."""
    shown = [mean_around(each) for each in maps[1:]]
    return torch.cat([resize(each, size_of(maps[1]), align_corners=False) for each in shown], 1)


def finer(maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b e y x"]:
    """Of maps of strides 4, 8 and 16 the first, each cell the mean of 3 x 3, and the second as it
    is, at stride 4."""
    return joined(mean_around(maps[0]), maps[1])


def surroundings(coarse: Float[Tensor, "*b d v u"]) -> Float[Tensor, "*b e v u"]:
    """Means of `WINDOWS` around each cell of stride 8."""
    return torch.cat([mean_around(coarse, side) for side in WINDOWS], -3)


def mean_around(maps: Float[Tensor, "*b d y x"], side: int = 3) -> Float[Tensor, "*b d y x"]:
    """Each cell the mean of 3 x 3, or of that ``side``."""
    return F.avg_pool2d(maps, side, 1, side // 2, count_include_pad=False)


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
