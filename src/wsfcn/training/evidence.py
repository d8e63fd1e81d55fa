"""Before a training: local evidence is fitted, and judged against the whole picture's.

Frozen features are computed once, so this takes some minutes. What is fitted on four fifths of
the training pictures is judged on the rest, three times, by tags alone: a class whose tag single
cells tell as well as the mean of the frozen deep feature does is a *local* one, a lesion or a
defect. A face tells a person as well, and is not all of it. So this is asked of sets whose pictures
are alike, of leaves or of tiles; and where none is without any tag, which would show the same
leaves without a lesion, cells must tell the classes about as well on the mean. Of photographs,
which are not alike, a class is local where cells tell it far better than the whole does, and better
than neighbourhoods of cells do: a hat, not a face.

The cells that tell are a part of the lesion, those at which it differs most. Where pictures are
alike, labels are all that differs as these cells do from the pictures without the class. If each of
those has a tag, none is normal: then it must be rarer there, and hang together with a cell that
tells; and where most of it tells, as of what is large, the cells that tell are the labels. Pictures
then go on beyond their edge, mirrored, as the shade there tells in which light a class was taken.
"""

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from wsfcn.config import TrainSettings
from wsfcn.data.dataset import TaggedPicture, TaggedPictures, tag_matrix, tag_vector
from wsfcn.data.splits import spread
from wsfcn.data.transforms import drawn, jittered, to_tensor
from wsfcn.errors import PictureError
from wsfcn.evaluation import average_precisions
from wsfcn.images import reduced
from wsfcn.models.evidence import (
    BEGINS,
    HEADS,
    SINCE,
    LocalEvidence,
    evidence_loss,
    log_mean_exp,
    mean_around,
    reconstructed,
    to_strengths,
)
from wsfcn.models.segmenter import Segmenter
from wsfcn.training.judge import directions
from wsfcn.types import Classes

MOST, MOST_UNLIKE = 1200, 600
"""Pictures that are looked at, spread over the training set; fewer where they are not alike."""
STEPS, BATCH, RATE, DECAY = 900, 8, 2e-3, 1e-3
PROBE_STEPS = 300
HELD_OUT = 5
"""One of every so many pictures is kept to judge by."""
PRIOR = 10
"""Held-out pictures whose word the other classes have on one."""
NORMAL = 10
"""Pictures without any tag from which on these show what is normal; fewer may lack theirs."""
OTHERS = 100
"""Pictures without a class, where those are too few, that must be looked at for it to be local."""
ROUGHLY = 5.0
"""Points by which cells may tell the classes worse, on the mean, where too few pictures are without
any tag: there all that differs between pictures of two classes, the slice of a body, the camera,
tells the tags from the whole (docs/log.md, 60). Where there are such pictures, points by which they
may tell a class worse (70)."""
SAMPLE, NEAR, ALIKE = 100, 5, 0.55
"""Pictures that are compared with each other, how many of them are of the kind of each, and what
their likeness then is; docs/log.md, 55, has that of some sets."""
FAR, BETTER = 15.0, 10.0
"""Of pictures that are not alike: points by which cells must tell a class better than the whole
does, and than neighbourhoods do (docs/log.md, 68)."""
NEIGHBOURHOOD = 11
"""Side of a neighbourhood, in cells."""
RATE_UNLIKE = 1e-2
"""Of such pictures: the rate at which a head is fitted."""
SEED = 0.55
"""Part of a picture's strongest logit above which a cell tells."""
ALONE = 1 / 3
"""Part of what sets the cells that tell apart, below which single cells tell too little of it, and
what is around them is asked as well (docs/log.md, 73)."""
PART = 0.3
"""Part of a picture's strongest cell at which such a class begins."""
QUANTILES = (0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.998)
"""Of the cells of pictures without a class: where what resembles the class may begin."""
RARE = 0.99
"""The least of them where each picture has a tag: others are not normal, and classes differ as a
whole (docs/log.md, 75)."""
MOSTLY = 0.4
"""Part of what resembles the cells that tell a class above which these are enough, where each
picture has a tag: large things have 0.5 to 0.8, lesions beside which nothing is normal 0.2 to 0.35
(docs/log.md, 76)."""
SMALL = 0.02
"""Part of the pictures of a class below which they are not, whatever part tells: so small a thing
tells as a whole (docs/log.md, 77)."""
DOUBTFUL = 2
"""How many times as many cells of pictures without a class as are wrong are unsure or wrong."""
SINGLE = 5
"""How many times as many single cells as medians of them may be false alarms: medians do not see
thin edges, which every picture has. On leaves and tiles there are 1.7 to 4.6 as many."""
ONLY = 10
"""Pictures of a class and no other from which on these alone are asked how much there is of it."""


class Looked(NamedTuple):
    """What is kept of a picture: its cells (d y x) as they are and under other colours, of the
    finer ones (e y x) every second, the mean of its deep feature, its tags."""

    cells: tuple[Tensor, Tensor]
    fine: Float[Tensor, "e y x"]
    whole: Float[Tensor, "e"]
    tags: Float[Tensor, "n"]


class Told(NamedTuple):
    """Average precision of the tags in held-out pictures, in per cent (NaN without any), and how
    many of these have each."""

    from_cells: Float[np.ndarray, "n"]
    from_whole: Float[np.ndarray, "n"]
    count: Float[np.ndarray, "n"]


class Judged(NamedTuple):
    """How well tags are told, and which classes are local therefore."""

    told: Told
    local: Bool[np.ndarray, "n"]


def fit_evidence(model: Segmenter, data: TaggedPictures, settings: TrainSettings) -> Judged | None:
    """Fit the local evidence of ``model``, and choose its local classes.

    None, and no local class, where the network has no such evidence, pictures are too few, or few
    are without any tag and few are without some class.
    """
    evidence = model.evidence
    if evidence is None:
        return None
    for fitted in ("local", *SINCE):
        getattr(evidence, fitted).zero_()
    normal = sum(not picture.tags for picture in data.train) >= NORMAL
    looked_at = spread(data.train, MOST)
    without = pictures_without(looked_at, data.classes)
    known = (normal | (without >= OTHERS)) & (without < len(looked_at))
    if not known.any():
        return None
    on_gpu = settings.run.device != "cpu" and torch.cuda.is_available()
    model.eval().to("cuda" if on_gpu else "cpu")
    few = spread(data.train, SAMPLE)
    alike = likeness(whole_features(model, few, settings.data.longest_side)) >= ALIKE
    looked_at = looked_at if alike else spread(data.train, MOST_UNLIKE)
    evidence.all_tagged.fill_(alike and not normal)
    seen = look_at(model, looked_at, data, settings)
    model.train().to("cpu")
    if len(seen) - -(-len(seen) // HELD_OUT) < BATCH:
        return None
    if alike:
        told, margin = fit_heads(evidence, seen, settings.seed, RATE), settings.pseudo.local_margin
        # What resembles the cells that tell is more than these: they need not tell everything.
        margin = max(margin, ROUGHLY) if normal else margin
        local = judge(told, margin, known, normal=normal)
        fit_resemblance(evidence, seen)
    else:
        told = fit_heads(evidence, seen, settings.seed, RATE_UNLIKE)
        local = known & (drawn_in(told.from_cells - told.from_whole, told.count) >= FAR)
        if local.any():
            around = [neighbourhoods(look) for look in seen]
            wider = fit_heads(copy.deepcopy(evidence), around, settings.seed, RATE_UNLIKE)
            local &= drawn_in(told.from_cells - wider.from_cells, told.count) >= BETTER
    evidence.local.copy_(torch.from_numpy(local))
    return Judged(told, local)


def precisions_of(
    scores: Float[np.ndarray, "b n"], tags: Float[np.ndarray, "b n"]
) -> Float[np.ndarray, "n"]:
    """Average precision of each tag, in per cent; NaN of one that no picture has."""
    return average_precisions(scores, tags.astype(np.int64))


def fit_heads(evidence: LocalEvidence, seen: Sequence[Looked], seed: int, rate: float) -> Told:
    """Fit the perceptrons over cells, each with another fifth of the pictures held out, and what
    their mean usually reaches; how well each tells the tags held out from it, on the mean.

    One fifth is a poor judge: of a class of 40 pictures, two differ by 30 points (docs/log.md, 77).
    """
    fit_norm(evidence, seen)
    tags, tries = torch.stack([look.tags for look in seen]), []
    for n, (head, held_out) in enumerate(zip(evidence.heads, parts(len(seen)), strict=True)):
        left = [look for k, look in enumerate(seen) if k not in held_out]
        asked = [seen[k] for k in held_out]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + n)
            for layer in head.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.reset_parameters()
        fit_head(evidence, head, left, seed + n, rate)
        probe = fit_probe(left)
        with torch.no_grad():
            whole = probe(torch.stack([look.whole for look in asked]))
            maps = (logits_of(evidence, look.cells[0], head) for look in asked)
            cells = torch.cat([log_mean_exp(each) for each in maps])
        there = tags[held_out].numpy()
        told = [precisions_of(each.numpy(), there) for each in (cells, whole)]
        tries.append(Told(told[0], told[1], there.sum(0)))
    peaks = torch.cat([logits_of(evidence, look.cells[0]).amax((2, 3)) for look in seen])
    evidence.usual.copy_((peaks.clamp(min=0) * tags).sum(0) / tags.sum(0).clamp(min=1))
    return on_the_mean(tries)


def parts(count: int) -> list[list[int]]:
    """For each perceptron a fifth of so many pictures, of each five that follow one another one,
    drawn by lot; no picture is in two.

    >>> [len(part) for part in parts(24)], len({n for part in parts(24) for n in part})
    ([5, 5, 5], 15)
    """
    lot = random.Random(0)
    found: list[list[int]] = [[] for _ in range(HEADS)]
    for start in range(0, count, HELD_OUT):
        some = range(start, min(start + HELD_OUT, count))
        for part, n in zip(found, lot.sample(some, len(some)), strict=False):
            part.append(n)
    return found


def on_the_mean(tries: Sequence[Told]) -> Told:
    """The mean of several fits, by how many held-out pictures have each class."""
    cells, whole, counts = (np.stack(each) for each in zip(*tries, strict=True))
    count = counts.sum(0)
    with np.errstate(invalid="ignore"):
        cells, whole = ((np.nan_to_num(each) * counts).sum(0) / count for each in (cells, whole))
    return Told(cells, whole, count)


def neighbourhoods(look: Looked) -> Looked:
    """The same with each cell the mean of the `NEIGHBOURHOOD` around it."""
    plain, other = (mean_around(cells.float(), NEIGHBOURHOOD).half() for cells in look.cells)
    return look._replace(cells=(plain, other))


def pictures_without(
    pictures: Sequence[TaggedPicture], classes: Classes
) -> Integer[np.ndarray, "n"]:
    """How many of the pictures are without each class.

    >>> from pathlib import Path
    >>> cat, dog = (TaggedPicture(Path(name), (name,), name) for name in ("cat", "dog"))
    >>> pictures_without([cat, cat, dog], Classes(("background", "cat", "dog")))
    array([1, 2])
    """
    return (tag_matrix(pictures, classes) == 0).sum(0).numpy()


def in_words(judged: Judged, classes: Classes) -> str:
    """What was found, in a line.

    >>> told = Told(np.array([90.0, 40.0]), np.array([80.0, 95.0]), np.array([7, 7]))
    >>> in_words(Judged(told, np.array([True, False])), Classes(("background", "rust", "cat")))
    'labels from local evidence: rust (tags told to 90 from cells, 80 from the whole)'
    """
    parts = [
        f"{name} (few pictures; as the other classes)"
        if np.isnan(cells)
        else f"{name} (tags told to {cells:.0f} from cells, {whole:.0f} from the whole)"
        for name, cells, whole, _, local in zip(
            classes.objects, *judged.told, judged.local, strict=True
        )
        if local
    ]
    return f"labels from local evidence: {', '.join(parts) or 'of no class'}"


def judge(
    told: Told, margin: float, known: Bool[np.ndarray, "n"], *, normal: bool
) -> Bool[np.ndarray, "n"]:
    """A class is local where cells tell its tag at most ``margin`` points worse than the whole.

    A few held-out pictures are a poor judge, and the classes of a set are alike: the gain of a
    class is drawn towards the mean of the classes, as by `PRIOR` more pictures with that gain.
    Without ``normal`` pictures, those without any tag, that mean must not be lower than `ROUGHLY`.
    Classes that are not ``known`` are not local, and say nothing of the others.
    """
    count, gain = told.count * known, np.nan_to_num(told.from_cells - told.from_whole)
    if not count.any():
        return np.zeros(len(count), bool)
    mean = gain[count > 0].mean()
    near = drawn_in(gain, count, mean) >= -margin
    return known & near & (normal or mean >= -max(margin, ROUGHLY))


def drawn_in(
    gain: Float[np.ndarray, "n"], count: Float[np.ndarray, "n"], mean: float = 0.0
) -> Float[np.ndarray, "n"]:
    """The gain of each class, of so many held-out pictures, drawn towards a mean, as by `PRIOR`
    more pictures that have it; NaN counts as none."""
    return (count * np.nan_to_num(gain) + PRIOR * mean) / (count + PRIOR)


def readable(
    pictures: Sequence[TaggedPicture], side: int
) -> Iterator[tuple[TaggedPicture, Image.Image]]:
    """Those that can be read, `reduced`; of the others training says so, and counts them."""
    for picture in pictures:
        try:
            opened = picture.open(side)
        except PictureError:
            continue
        yield picture, reduced(opened, side)


def normalised(model: Segmenter, picture: Image.Image) -> Float[Tensor, "1 3 h w"]:
    """A picture as the backbone takes it."""
    return (to_tensor(picture)[None].to(model.mean.device) - model.mean) / model.std


@torch.no_grad()
def whole_features(
    model: Segmenter, pictures: Sequence[TaggedPicture], side: int
) -> Float[Tensor, "b e"] | None:
    """The frozen deep features, each a picture's mean, of those that can be read; None of none."""
    found = [
        model.backbone(normalised(model, opened)).deep.float().mean((2, 3)).cpu()
        for _, opened in readable(pictures, side)
    ]
    return torch.cat(found) if found else None


def likeness(features: Float[Tensor, "b e"] | None) -> float:
    """Cosine similarity of a picture to the `NEAR`-th most similar, the median over the pictures; 0
    of fewer than two. So a set may hold several kinds of pictures.

    Features that are never negative find any alike.

    >>> round(likeness(torch.eye(2).repeat_interleave(6, 0)), 3), likeness(torch.eye(6))
    (1.0, 0.0)
    """
    if features is None or len(features) < 2:
        return 0.0
    features = F.normalize(features)
    similar = (features @ features.T).fill_diagonal_(-torch.inf)
    near = similar.topk(min(NEAR, len(features) - 1)).values[:, -1]
    return near.median().item()


@torch.no_grad()
def look_at(
    model: Segmenter,
    pictures: Sequence[TaggedPicture],
    data: TaggedPictures,
    settings: TrainSettings,
) -> list[Looked]:
    """The frozen features of the pictures that can be read."""
    assert model.evidence is not None
    seen = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        for picture, opened in readable(pictures, settings.data.longest_side):
            views = (opened, jittered(opened, *drawn(settings.data.jitter)))
            plain, other = (normalised(model, view) for view in views)
            whole = model.backbone(plain).deep.mean((2, 3))[0].float()
            (cells, fine), (others, _) = (model.evidence.look(view) for view in (plain, other))
            fewer = fine[..., ::2, ::2][..., : cells.shape[-2], : cells.shape[-1]]
            kept = [each[0].half().cpu() for each in (cells, others, fewer)]
            tags = tag_vector(picture.tags, data.classes)
            seen.append(Looked((kept[0], kept[1]), kept[2], whole.cpu(), tags))
    return seen


def logits_of(
    evidence: LocalEvidence, cells: Float[Tensor, "d y x"], head: nn.Module | None = None
) -> Float[Tensor, "1 n y x"]:
    """The map of one picture, from its cells; of one perceptron, or of their mean."""
    given = cells[None].to(evidence.usual.device).float()
    return (head(evidence.norm(given)) if head else evidence.telling(given)).cpu()


def fit_norm(evidence: LocalEvidence, seen: Sequence[Looked]) -> None:
    """Fit by what cells are normalised."""
    sample = torch.cat([look.cells[0].flatten(1)[:, ::7] for look in seen], 1).float()
    assert evidence.norm.running_mean is not None
    assert evidence.norm.running_var is not None
    evidence.norm.running_mean.copy_(sample.mean(1))
    evidence.norm.running_var.copy_(sample.var(1))


def fit_head(
    evidence: LocalEvidence, head: nn.Module, seen: Sequence[Looked], seed: int, rate: float
) -> None:
    """Fit one perceptron over cells."""
    tags = torch.stack([look.tags for look in seen])
    rarity = ((len(tags) - tags.sum(0)) / tags.sum(0).clamp(min=1)).clamp(1 / 20, 20)
    generator = torch.Generator().manual_seed(seed)
    head.requires_grad_(True)
    optimizer = torch.optim.AdamW(head.parameters(), rate, weight_decay=DECAY)
    order: list[int] = []
    for step in range(STEPS):
        if len(order) < BATCH:
            order += torch.randperm(len(seen), generator=generator).tolist()
        batch, order = order[:BATCH], order[BATCH:]
        optimizer.param_groups[0]["lr"] = rate * (1 - step / STEPS)
        optimizer.zero_grad()
        for n in batch:
            logits = logits_of(evidence, seen[n].cells[(step + n) % 2], head)
            (evidence_loss(logits, tags[n : n + 1], rarity) / BATCH).backward()
        optimizer.step()
    head.requires_grad_(False)


@torch.no_grad()
def fit_resemblance(evidence: LocalEvidence, seen: Sequence[Looked]) -> None:
    """Fit what resembles the cells that tell a class, after `fit_heads`.

    For each class a linear discriminant (Fisher, 1936) tells these cells from all cells of pictures
    without it: of a few that differ most from the usual it makes the way in which they differ. It
    knows what is around a cell only where single cells tell too little of the class, and pictures
    without it then have less than half as many such cells (docs/log.md, 74). In sets that are
    all tagged it does not, what it finds begins later and must hang together with a cell that
    tells (75), and of a class whose cells that tell are most of that these are enough (76), unless
    all of it is small (77).
    """
    for name in ("direction", "bias", "part"):
        getattr(evidence, name).zero_()

    def cells(look: Looked) -> Float[Tensor, "m f"]:
        return evidence.surrounded(look.fine.float()).flatten(1).T

    sample = torch.cat([cells(look)[::7] for look in seen])
    mean, std = sample.mean(0), sample.std(0) + 1e-3
    told, usual = torch.zeros(2, len(evidence.usual), len(mean))
    tells, without = torch.zeros(2, len(evidence.usual))
    for look in seen:
        x = (cells(look) - mean) / std
        logits = logits_of(evidence, look.cells[0])[0].relu().flatten(1)
        tell = (logits > SEED * logits.amax(1, keepdim=True)) * look.tags[:, None]
        told, tells = told + tell.float() @ x, tells + tell.sum(1)
        usual, without = usual + torch.outer(1 - look.tags, x.mean(0)), without + 1 - look.tags
    usual = usual / without.clamp(min=1)[:, None]
    apart = told / tells.clamp(min=1)[:, None] - usual
    sample, single = (sample - mean) / std, sum(evidence.parts[:2])
    ways = directions(sample, apart.T).T
    near = directions(sample[:, :single], apart[:, :single].T).T / std[:single]
    normal = not evidence.all_tagged
    least = QUANTILES[0] if normal else RARE
    known, device = (tells > 0) & (without > 0), evidence.direction.device
    towards = ways * apart
    around = known & normal & (towards[:, :single].sum(1) < ALONE * towards.sum(1))
    # 0 at the mean of the usual, 1 at that of those that tell
    wide = ways / towards.sum(1, keepdim=True) / std
    bias = -(wide * (usual * std + mean)).sum(1)
    if around.any():
        called = (wide @ cells(look).T + bias[:, None] > BEGINS for look in seen)
        around &= more_right([each.float().mean(1) for each in called], seen)
    for k in known.nonzero()[:, 0].tolist():
        if around[k]:
            evidence.direction[k], evidence.bias[k] = wide[k].to(device), bias[k]
            evidence.part[k] = PART
        else:
            slope, evidence.bias[k] = to_strengths(band_of(near[k], seen, k, least))
            evidence.direction[k, :single] = (slope * near[k]).to(device)
    if not normal:
        share, part = found_and_told(evidence, seen)
        enough = (share > SMALL) & (part > MOSTLY)
        evidence.direction[enough], evidence.bias[enough] = 0, 0


def found_and_told(
    evidence: LocalEvidence, seen: Sequence[Looked]
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """How much of the pictures of a class resembles the cells that tell it, and hangs together with
    one; and which part of that does tell it."""
    found, told, cells = torch.zeros(3, len(evidence.usual), dtype=torch.double)
    near, bias = evidence.direction[:, : sum(evidence.parts[:2])], evidence.bias
    for look in seen:
        tell = logits_of(evidence, look.cells[0]).relu()
        alike = torch.einsum("ne,eyx->nyx", near, look.fine.float()) + bias[:, None, None]
        alike = reconstructed(alike.relu()[None], evidence.seeds(tell)) > BEGINS
        alike &= look.tags[:, None, None] > 0
        found += alike.sum((0, 2, 3))
        told += (alike & (tell > SEED * evidence.in_full(tell))).sum((0, 2, 3))
        cells += look.tags * tell[0, 0].numel()
    return (found / cells.clamp(min=1)).float(), (told / found.clamp(min=1)).float()


def more_right(shares: Sequence[Float[Tensor, "n"]], seen: Sequence[Looked]) -> Bool[Tensor, "n"]:
    """Classes of which a cell of a tagged picture is more likely right than a false alarm, by the
    ``shares`` of each picture's cells that are called each class."""
    tags, found = torch.stack([look.tags for look in seen]), torch.stack([*shares])
    here, elsewhere = (((found * of).sum(0) / of.sum(0).clamp(min=1)) for of in (tags, 1 - tags))
    return here > 2 * elsewhere


def band_of(
    way: Float[Tensor, "e"], seen: Sequence[Looked], k: int, least: float = QUANTILES[0]
) -> Float[Tensor, "2"]:
    """How far in a direction class ``k`` may begin, and how far it does: beyond the ``least`` of
    the quantiles.

    It does where a cell of a tagged picture is more likely right than a false alarm, by the shares
    of cells that lie so far in tagged pictures and in the others: of medians of cells, as a single
    one that is far from the usual is mostly noise.
    """
    tags = torch.stack([look.tags for look in seen]) > 0
    only = tags[:, k] & (tags.sum(1) == 1)
    there = only if only.sum() >= ONLY else tags[:, k]
    maps = [torch.einsum("e,eyx->yx", way, look.fine.float()) for look in seen]
    around = [median_around(each) for each in maps]
    alarms, found = cells_in(around, ~tags[:, k]), cells_in(around, there)
    single = cells_in(maps, ~tags[:, k])
    end = max(least, end_of(found, alarms))
    shares = (DOUBTFUL * (1 - end), 1 - end)
    return torch.tensor([max(cut_at(alarms, x), cut_at(single, SINGLE * x)) for x in shares])


def median_around(values: Float[Tensor, "y x"]) -> Float[Tensor, "y x"]:
    """Each cell the median of 3 x 3; beyond the edge its cells go on."""
    padded = F.pad(values[None], [1] * 4, mode="replicate")[0]
    return padded.unfold(0, 3, 1).unfold(1, 3, 1).flatten(2).median(-1).values


def cells_in(maps: Sequence[Float[Tensor, "_ _"]], chosen: Bool[Tensor, "b"]) -> Float[Tensor, "m"]:
    """The cells of the chosen maps, sorted."""
    return torch.cat([maps[n].flatten() for n in chosen.nonzero()[:, 0].tolist()]).sort().values


def cut_at(cells: Float[Tensor, "m"], share: float) -> float:
    """The value above which so large a share of sorted cells lies.

    >>> cut_at(torch.arange(101.0), 0.05)
    95.0
    """
    return cells[int((1 - share) * len(cells))].item()


def end_of(found: Float[Tensor, "m"], alarms: Float[Tensor, "a"]) -> float:
    """The quantile of ``alarms`` where what is usual ends: sorted scores of the cells of pictures
    without a class, as ``found`` are of those with it.

    There the share of cells found beyond it exceeds twice that of false alarms by most. Where that
    has several maxima above 0, the strictest counts: pictures of sick leaves differ a little as a
    whole, and their lesions much.

    >>> usual = torch.linspace(0, 1, 10001)
    >>> lesions, leaves = torch.full((300,), 0.991), torch.full((3000,), 0.955)
    >>> end_of(torch.cat([usual, lesions]).sort().values, usual)
    0.99
    >>> end_of(torch.cat([usual, lesions, leaves]).sort().values, usual)
    0.99
    """
    shares = torch.tensor(QUANTILES, dtype=torch.double)
    cuts = alarms[(shares * len(alarms)).long()]
    beyond = 1 - torch.searchsorted(found, cuts, right=True) / len(found)
    gain = (beyond - 2 * (1 - shares)).flip(0)  # the strictest first
    if not (gain > 0).any():
        return QUANTILES[::-1][int(gain.argmax())]
    best = int((gain > 0).int().argmax())
    while best + 1 < len(gain) and gain[best + 1] >= gain[best]:
        best += 1
    return QUANTILES[::-1][best]


def fit_probe(seen: Sequence[Looked]) -> Callable[[Tensor], Tensor]:
    """Logistic regression of the tags on the mean of the frozen deep feature."""
    whole = torch.stack([look.whole for look in seen])
    tags = torch.stack([look.tags for look in seen])
    mean, std = whole.mean(0), whole.std(0) + 1e-3
    weight = torch.zeros(tags.shape[1], whole.shape[1], requires_grad=True)
    bias = torch.zeros(tags.shape[1], requires_grad=True)
    optimizer = torch.optim.AdamW([weight, bias], 1e-2, weight_decay=0.1)

    def scores(x: Tensor) -> Tensor:
        return F.linear((x - mean) / std, weight, bias)

    for _ in range(PROBE_STEPS):
        optimizer.zero_grad()
        F.multilabel_soft_margin_loss(scores(whole), tags).backward()
        optimizer.step()
    return scores
