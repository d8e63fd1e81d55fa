"""Moving average of the weights (EMA), which validation and checkpoints use."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from wsfcn.models.segmenter import Segmenter


class MovingAverage(WeightAveraging):
    """Averages over about ``1 / (1 - decay)`` steps; over fewer while there are not so many."""

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=self.update)
        self.decay = decay
        self.exchanged = False

    @property
    def model(self) -> Segmenter:
        """The averaged network, in evaluation mode."""
        assert self._average_model is not None
        module: Any = self._average_model.module
        return module.model.eval()

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Lightning makes the average before it moves the network to where it computes.
        if self._average_model is not None:
            self._average_model.to(pl_module.device)
        super().on_fit_start(trainer, pl_module)

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_validation_epoch_start(trainer, pl_module)
        self.exchanged = True

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_validation_epoch_end(trainer, pl_module)
        self.exchanged = False

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """A validation that is cut off leaves the average in the network's place: put both back.

        Checkpoints are written after this.
        """
        if self.exchanged:
            super().on_validation_epoch_end(trainer, pl_module)
            self.exchanged = False

    def update(self, averages: list[Tensor], values: list[Tensor], count: Any) -> None:
        """Move each average towards its value, after ``count`` such moves.

        What is not finite is left out: it would never leave the average again.
        """
        weight = 1 - min(self.decay, (1 + int(count)) / (10 + int(count)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(torch.where(value.isfinite(), value, average), weight)
            else:
                average.copy_(value)
