"""Loading training batches in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from wsfcn.data.dataset import TrainingSet, collate
from wsfcn.interrupts import obey_parent

PASSES = 1_000_003
"""More than there are epochs: the draws of an epoch's second pass lie beyond all first ones."""


class EpochOrder(Sampler[tuple[int, int]]):
    """Each epoch a new order of all ``count`` pictures, dealt to ``world`` processes in turn.

    Yields pairs (draw, picture), and ``used`` of them over all processes: the pictures left over
    wait for a later epoch's order, and where there are too few, one order follows another, each
    with a draw of its own. ``skip`` pictures of this process are passed over in the epoch
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
    ) -> None:
        self.count, self.seed, self.rank, self.world = count, seed, rank, world
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
        orders = -(-self.used // self.count)
        drawn = [
            (self.epoch + again * PASSES, int(position))
            for again in range(orders)
            for position in torch.randperm(self.count, generator=generator)
        ]
        start = self.skip if self.epoch == self.resumed else 0
        return iter(drawn[self.rank : self.used : self.world][start:])


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
