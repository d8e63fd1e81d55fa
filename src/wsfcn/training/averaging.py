"""Moving average of the weights (EMA), which validation and checkpoints use."""

from typing import Any

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from wsfcn.models.segmenter import Segmenter


class MovingAverage(WeightAveraging):
    """Averages over about ``1 / (1 - decay)`` steps; over fewer while there are not so many."""

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=self.update)
        self.decay = decay

    @property
    def model(self) -> Segmenter:
        """The averaged network, in evaluation mode."""
        assert self._average_model is not None
        module: Any = self._average_model.module
        return module.model.eval()

    def update(self, averages: list[Tensor], values: list[Tensor], count: Any) -> None:
        """Move each average towards its value, after ``count`` such moves."""
        weight = 1 - min(self.decay, (1 + int(count)) / (10 + int(count)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, weight)
            else:
                average.copy_(value)
