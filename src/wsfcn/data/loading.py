"""Loading training batches in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from wsfcn.data.dataset import TrainingSet, collate
from wsfcn.data.rounds import PASSES
from wsfcn.interrupts import obey_parent

MOST = 4
"""Times that a pass shows a picture of a rare class, at most."""
MOST_CORRECTED = 8
"""Factor by which corrected pictures are shown more often than others, at most."""


def repeats(tags: Float[Tensor, "b n"], rarest: float) -> Float[Tensor, "b"]:
    """How often a pass shows each picture, so that rare classes are seen.

    A class that has less than ``rarest`` of an even share of the pictures, which is one in n, is
    shown more often by what it lacks, up to `MOST` times; a picture by its rarest class.
    (Repeat-factor sampling, LVIS, Gupta et al., 2019, appendix B, without its square root.)

    >>> tags = torch.tensor([[1.0, 0], [1, 0], [1, 0], [1, 0], [1, 0], [1, 0], [1, 0], [1, 1]])
    >>> repeats(tags, 0.5).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0]
    """
    least = rarest / tags.shape[1]
    often = (least / tags.mean(0).clamp(min=1e-9)).clamp(1, MOST)
    return (tags * often).amax(1).clamp(min=1)


def corrected_too(
    often: Float[Tensor, "b"], corrected: Bool[Tensor, "b"], share: float
) -> Float[Tensor, "b"]:
    """How often a pass shows each picture, so that a few ``corrected`` ones are not lost.

    They are at least ``share`` of what it shows, if no picture comes more than `MOST_CORRECTED`
    times as often for it.

    >>> corrected_too(torch.ones(8), torch.arange(8) < 2, 0.5).tolist()
    [3.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    theirs, others = often[corrected].sum(), often[~corrected].sum()
    if not theirs or not others:
        return often
    factor = (share / (1 - share) * others / theirs).clamp(1, MOST_CORRECTED)
    return torch.where(corrected, often * factor, often)


class EpochOrder(Sampler[tuple[int, int]]):
    """Each epoch a new order of all ``count`` pictures, dealt to ``world`` processes in turn.

    Yields pairs (draw, picture), and ``used`` of them over all processes: the pictures left over
    wait for a later epoch's order, and where there are too few, one order follows another, each
    with a draw of its own. With ``often`` an order holds each picture so many times, of a fraction
    by chance. ``skip`` pictures of this process are passed over in the epoch
    ``resumed``: those that a run had seen when it was cut off.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        used: int,
        *,
        rank: int = 0,
        world: int = 1,
        resumed: int = 0,
        skip: int = 0,
        often: Float[Tensor, "b"] | None = None,
    ) -> None:
        self.count, self.seed, self.rank, self.world = count, seed, rank, world
        self.often = often
        self.used = used
        self.epoch = self.resumed = resumed
        self.skip = skip

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; called by the trainer."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.used // self.world

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        drawn: list[tuple[int, int]] = []
        times = [0] * self.count
        while len(drawn) < self.used:
            for position in self._pass(generator):
                drawn.append((self.epoch + times[position] * PASSES, position))
                times[position] += 1
        start = self.skip if self.epoch == self.resumed else 0
        return iter(drawn[self.rank : self.used : self.world][start:])

    def _pass(self, generator: torch.Generator) -> list[int]:
        """All pictures in a random order, rare ones several times."""
        held = torch.arange(self.count)
        if self.often is not None and bool((self.often != 1).any()):
            copies = (self.often + torch.rand(self.count, generator=generator)).long()
            held = held.repeat_interleave(copies)
        return held[torch.randperm(len(held), generator=generator)].tolist()


def training_loader(
    data: TrainingSet, order: EpochOrder, batch: int, workers: int
) -> DataLoader[Any]:
    """Batches of ``batch`` pictures, decoded by ``workers`` processes."""
    return DataLoader(
        data,
        batch,
        sampler=order,
        num_workers=workers,
        collate_fn=collate,
        drop_last=True,
        worker_init_fn=obey_parent,
        persistent_workers=False,
        pin_memory=torch.cuda.is_available(),
    )
