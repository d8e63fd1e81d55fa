"""Which checkpoints a training keeps, and how they are written."""

from io import BytesIO
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import SIGTERMException

from wsfcn.checkpoint import BEST, LAST
from wsfcn.files import atomic
from wsfcn.training.failures import NonFiniteLossError


class KeepCheckpoints(ModelCheckpoint):
    """``best.ckpt`` by a figure of validation; ``last.ckpt`` after each epoch and some steps.

    A training that is interrupted or fails leaves its ``last.ckpt`` too.
    """

    def __init__(self, folder: Path, every: int, monitor: str) -> None:
        super().__init__(
            folder, Path(BEST).stem, monitor=monitor, mode="max", enable_version_counter=False
        )
        self.last = folder / LAST
        self.every = every

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if (batch_idx + 1) % self.every == 0:
            trainer.save_checkpoint(self.last)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        trainer.save_checkpoint(self.last)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        # After these, writing would fail again, or keep what is broken.
        broken = isinstance(exception, NonFiniteLossError | OSError)
        # Several processes save together or not at all, and the others may be elsewhere, but for
        # SIGTERM, which the training loop tells to all.
        together = trainer.world_size == 1 or isinstance(exception, SIGTERMException)
        if trainer.global_step and together and not broken:
            trainer.save_checkpoint(self.last)


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: it is whole or absent."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        content = BytesIO()
        torch.save(checkpoint, content)
        with atomic(path) as name:
            name.write_bytes(content.getbuffer())
