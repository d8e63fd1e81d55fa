"""Loading training batches in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from wsfcn.data.dataset import TrainingSet, collate
from wsfcn.interrupts import obey_parent


class EpochOrder(Sampler[tuple[int, int]]):
    """Each epoch a new order of all pictures, dealt to ``world`` processes in turn.

    Yields pairs (epoch, picture). The last pictures that fill no batch of ``batch`` pictures (over
    all processes) are left for a later epoch's order. ``skip`` pictures of this process are passed
    over in the epoch ``resumed``: those that a run had seen when it was cut off.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        batch: int,
        *,
        rank: int = 0,
        world: int = 1,
        resumed: int = 0,
        skip: int = 0,
    ) -> None:
        self.count, self.seed, self.rank, self.world = count, seed, rank, world
        self.used = max(count // batch, 1) * batch
        self.epoch = self.resumed = resumed
        self.skip = skip

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; called by the trainer."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.used // self.world

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        # A set smaller than one batch is gone through more than once.
        rounds = -(-self.used // self.count)
        order = [i for _ in range(rounds) for i in torch.randperm(self.count, generator=generator)]
        mine = order[self.rank : self.used : self.world]
        start = self.skip if self.epoch == self.resumed else 0
        return ((self.epoch, int(position)) for position in mine[start:])


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
