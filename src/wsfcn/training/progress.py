"""What a training shows in the terminal: losses, coverage, pictures per second, time left."""

import time

import lightning as L
from lightning.pytorch.callbacks import Callback, RichProgressBar

from wsfcn.terminal import is_watched, say


class TrainingProgress(RichProgressBar):
    """A bar an epoch, with pictures per second beside the losses."""

    def __init__(self, batch: int) -> None:
        super().__init__(leave=True)
        self.batch = batch
        self.started = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_epoch_start(trainer, pl_module)
        self.started, self.first_step = time.perf_counter(), trainer.global_step

    def get_metrics(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        seen = (trainer.global_step - self.first_step) * self.batch
        rate = seen / (time.perf_counter() - self.started)
        return metrics | {"pictures/s": f"{rate:.1f}"}


class TrainingLines(Callback):
    """One line an epoch, for logs and other places without a terminal."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        shown = {
            name: f"{value.item():.4g}"
            for name, value in sorted(trainer.logged_metrics.items())
            if "/" in name or name == "coverage"
        }
        minutes = (time.perf_counter() - self.started) / 60
        values = "  ".join(f"{name} {value}" for name, value in shown.items())
        say(f"epoch {trainer.current_epoch + 1}  {minutes:.1f} min  {values}")


def progress(batch: int) -> Callback:
    """A bar where people watch, lines where they do not."""
    return TrainingProgress(batch) if is_watched() else TrainingLines()
