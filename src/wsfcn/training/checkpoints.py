"""Which checkpoints a training keeps, at which moments, and how they are written.

A checkpoint is one moment: the end of a step, with its row in the table, or the end of an epoch. At
others the weights may be half a step ahead of their average, of the batch norms or of the counters,
and a training that goes on from there is another one.
"""

import math
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from wsfcn.checkpoint import BEST, LAST, PREVIOUS, unsound
from wsfcn.files import atomic
from wsfcn.interrupts import InterruptedTrainingError, Interrupts
from wsfcn.models.weights import write_file
from wsfcn.training.failures import SickNetworkError
from wsfcn.training.processes import gathered

FIRST_BEGUN = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
"""How Lightning counts where the first of several things was begun and not finished."""


SLACK = 5.0
"""Points of `val/score` that do not tell two moments of a training apart: docs/log.md, 59."""


class Best:
    """Which validation is the best so far: the last whose figure is about the highest.

    ``slack`` points below the highest the later one is better, as its rate has fallen further.

    >>> best = Best(slack=5)
    >>> [best.says(figure) for figure in (50, 60, 56, 54, math.nan)]
    [True, True, True, False, False]
    """

    def __init__(self, slack: float) -> None:
        self.slack, self.highest = slack, -math.inf

    @classmethod
    def of(cls, figure: str) -> "Best":
        """By the score, or by mIoU (`OptimSettings.best`), which is what is asked for."""
        return cls(SLACK if figure == "score" else 0.0)

    def says(self, figure: float) -> bool:
        """Whether the validation with this figure, the next one, is the best."""
        self.highest = max(self.highest, -math.inf if math.isnan(figure) else figure)
        return figure >= self.highest - self.slack


class KeepCheckpoints(Checkpoint):
    """``best.ckpt`` by a figure of validation, ``last.ckpt`` after each epoch and some steps.

    A training that is interrupted or fails leaves its ``last.ckpt`` too, of the last moment from
    which it can go on. Interrupts are obeyed at such moments, and in validation, which then is run
    again as a whole.
    """

    def __init__(self, folder: Path, every: int, figure: str, interrupts: Interrupts) -> None:
        self.folder, self.every, self.monitor = folder, every, f"val/{figure}"
        self.interrupts = interrupts
        self.best = Best.of(figure)
        self.moment: dict[str, Any] | None = None
        """The counters of the moment at which weights and averages are, or None between two."""
        self.saved = False
        """Whether ``last.ckpt`` is of this moment."""
        self.due = False
        """Whether it should be, as so many steps have gone by."""

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.best.highest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best.highest = state_dict["score"]

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.moment, self.saved = checkpoint["loops"]["fit_loop"], True

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Lightning has put up a handler of its own, which would act at other moments.
        self.interrupts.listen()

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # Not at the end of the step before: its row is written after that.
        self.pause(trainer)
        self.moment = None
        # The rows of the table are every so many steps of the whole training, resumed or not.
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.moment, self.saved = after_step(trainer), False
        self.due = (batch_idx + 1) % self.every == 0

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.pause(trainer)

    def on_validation_batch_start(self, trainer: L.Trainer, *_arguments: Any) -> None:
        if trainer.world_size == 1:  # several processes stop together, after the validation
            self.obey(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.best.says(float(trainer.callback_metrics.get(self.monitor, math.nan))):
            trainer.save_checkpoint(self.folder / BEST)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.moment, self.saved = after_epoch(trainer), False
        self.save(trainer)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["loops"]["fit_loop"] = self.moment

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        # After these, writing would fail again, or keep what is broken; a second Ctrl-C may come
        # at any moment.
        broken = isinstance(exception, SickNetworkError | OSError | KeyboardInterrupt)
        # Several processes save together or not at all, and the others may be elsewhere.
        together = trainer.world_size == 1 or isinstance(exception, InterruptedTrainingError)
        if self.moment and together and not broken:
            self.save(trainer)

    def pause(self, trainer: L.Trainer) -> None:
        """Between two steps: save where it is time to, and stop where that is asked for."""
        if self.moment and self.due:
            self.save(trainer)
        self.obey(trainer)

    def obey(self, trainer: L.Trainer) -> None:
        """Raise InterruptedTrainingError, in all processes, where a signal has come to one."""
        asked = self.interrupts.received is not None
        if trainer.strategy.reduce_boolean_decision(asked, all=False):
            self.interrupts.received = max(filter(None, gathered(self.interrupts.received)))
            raise InterruptedTrainingError

    def save(self, trainer: L.Trainer) -> None:
        """Write ``last.ckpt``, unless it is of this moment."""
        if not self.saved:
            trainer.save_checkpoint(self.folder / LAST)
            self.saved = True


def after_step(trainer: L.Trainer) -> dict[str, Any]:
    """The counters with which a training goes on after the step that is ending.

    After the last step of an epoch, that is with its validation, as a whole.
    """
    counters = trainer.fit_loop.state_dict()
    steps = counters["epoch_loop.batch_progress"]
    validates = trainer.enable_validation and sum(trainer.num_val_batches)
    if steps["is_last_batch"] and not validates:
        return counters  # for Lightning the step is in its end, and the epoch too
    for count in ("total", "current"):
        steps[count]["completed"] = steps[count]["processed"]
    if steps["is_last_batch"]:
        # It begins anew where its first picture was begun and not finished.
        validation = counters["epoch_loop.val_loop.batch_progress"]
        for count in ("total", "current"):
            validation[count] = FIRST_BEGUN.copy()
    return counters


def after_epoch(trainer: L.Trainer) -> dict[str, Any]:
    """The counters with which a training goes on after an epoch."""
    counters = trainer.fit_loop.state_dict()
    # A validation that was begun twice is counted so, as if it were not done yet.
    validation = counters["epoch_loop.val_loop.batch_progress"]
    validation["total"] = validation["current"].copy()
    return counters


def validates_again(checkpoint: dict[str, Any]) -> bool:
    """Whether a training that goes on from here does so with the validation of an epoch."""
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
    return progress["current"] == FIRST_BEGUN


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: it is whole or absent.

    The ``last.ckpt`` before the last stays as ``previous.ckpt``. ``resumed`` is the content of the
    checkpoint that a training goes on from, which has been read and checked already, and
    ``from_last`` whether that was a ``last.ckpt``; another may be damaged, and does not become the
    previous one.
    """

    def __init__(self, resumed: dict[str, Any] | None = None, *, from_last: bool = False) -> None:
        self.resumed, self.keep = resumed, from_last

    def load_checkpoint(self, path: Any, *_arguments: Any, **_options: Any) -> dict[str, Any]:
        content, self.resumed = self.resumed, None
        assert content is not None
        return content

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        path = Path(path)
        if sick := unsound(checkpoint):
            raise SickNetworkError(f"step {checkpoint['global_step']}: {sick}")
        with atomic(path) as name:
            write_file(name, checkpoint)
            if path.name == LAST:
                if self.keep and path.exists():
                    keep_previous(path)
                self.keep = True


def keep_previous(last: Path) -> None:
    """Give ``last.ckpt`` the name ``previous.ckpt`` too."""
    try:
        with atomic(last.with_name(PREVIOUS)) as name:
            name.unlink()
            name.hardlink_to(last)
    except OSError:  # a file system without links: for a moment there is no last one
        last.replace(last.with_name(PREVIOUS))
