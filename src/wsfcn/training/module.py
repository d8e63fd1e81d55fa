"""The training as Lightning runs it: optimiser, seeds, logging, validation without masks."""

import warnings
from functools import cached_property
from typing import Any, TypeVar

import lightning as L
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader

from wsfcn.checkpoint import header
from wsfcn.config import TrainSettings
from wsfcn.data.dataset import (
    TaggedPictures,
    TrainingSet,
    ViewingSet,
    only,
    tag_matrix,
    tag_vector,
)
from wsfcn.data.loading import EpochOrder, corrected_too, repeats, training_loader
from wsfcn.data.rounds import SecondRound
from wsfcn.data.telling import prior_of
from wsfcn.data.transforms import at_size, smallest_side, training_transform
from wsfcn.errors import DataError, MaskError, PictureError, PictureWarning
from wsfcn.evaluation import ConfusionMatrix
from wsfcn.files import fingerprint
from wsfcn.images import reduced_size
from wsfcn.interrupts import obey_parent
from wsfcn.maps import Sizes, nearest, resize, size_of
from wsfcn.method.step import training_losses
from wsfcn.models.segmenter import Segmenter
from wsfcn.terminal import say
from wsfcn.training.averaging import MovingAverage
from wsfcn.training.beliefs import Masks, beliefs_of, figures_of
from wsfcn.training.checkpoints import KeepCheckpoints
from wsfcn.training.guard import Guard, finite_prediction
from wsfcn.training.judge import Look, cells_of, judge, overlap_of, sample_of, shares_of
from wsfcn.training.optim import build_optimizer, build_schedule
from wsfcn.training.processes import gathered
from wsfcn.training.relabel import (
    clear,
    is_made,
    labels_anew,
    mark,
    missing,
    second_round,
    write_round,
)
from wsfcn.truth import Truth
from wsfcn.types import Batch
from wsfcn.verdicts import Belief

Kind = TypeVar("Kind")
LEARNED = 200
"""Steps before a network's own masks can be worth anything, however few pictures an epoch has."""
VISIBLE = 0.0005
"""Share of the picture that the mask of a tagged class must win to count as covered: small lesions
and defects do."""


class SegmentationTraining(L.LightningModule):
    """Trains ``model`` on ``data``; `method/step.py` holds the algorithm."""

    def __init__(self, model: Segmenter, data: TaggedPictures, settings: TrainSettings) -> None:
        super().__init__()
        self.model = model
        self.data = data
        self.settings = settings
        self.guard = Guard(model, skip=settings.optim.skip_nonfinite)
        self.learned_before: frozenset[str] = frozenset()
        self.asked = second_round(settings, len(data.train))
        """The second round that the settings ask for."""
        self.relabelled = False
        """Whether the labels of the second round were made since this training was started."""
        self.sample = {name: n for n, name in enumerate(sample_of(data.val, data.classes))}
        self.cells: dict[int, Tensor | None] = {}
        """Frozen features of sampled validation pictures, by their place; they never change."""
        self.new_cells: dict[int, Tensor | None] = {}
        """Those that the other processes do not have yet."""
        self.beliefs: dict[str, Belief] = {}
        """What the last validation says of each class's masks."""
        self._forget_validation()

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return self.settings.optim.steps_per_epoch(len(self.data.train))

    @property
    def second(self) -> SecondRound | None:
        """The second round; none where all labels come from local evidence."""
        evidence = self.model.evidence
        return None if evidence is not None and evidence.local.all() else self.asked

    def train_dataloader(self) -> DataLoader[Any]:
        """The training batches; after a resume, those of the epoch that are left."""
        settings, trainer = self.settings, self.trainer
        world = trainer.world_size
        per_process = settings.optim.batch // world
        # The loop counts an epoch as done once its last batch is, wherever a run was cut off. A
        # loader with workers draws its order at once, before the trainer names the epoch.
        loop: Any = trainer.fit_loop
        epoch = loop.epoch_progress.current.processed
        seen = loop.epoch_loop.batch_progress.current.processed if loop.restarting else 0
        if seen >= self.steps_per_epoch:
            epoch, seen = epoch + 1, 0
        self._look_for_labels(epoch, seen)
        order = EpochOrder(
            len(self.data.train),
            settings.seed,
            self.steps_per_epoch * settings.optim.batch,
            rank=trainer.global_rank,
            world=world,
            resumed=epoch,
            skip=seen * per_process,
            often=self.often,
        )
        evidence = self.model.evidence
        local = evidence is not None and bool(evidence.local.any())
        pictures = TrainingSet(
            self.data.train,
            self.data.classes,
            training_transform(settings.data, plain=local and any(settings.data.jitter)),
            settings.seed,
            settings.data.broken,
            smallest_side(settings.data),
            self.data.corrected,
            self.second,
        )
        return training_loader(pictures, order, per_process, settings.run.workers)

    def _look_for_labels(self, epoch: int, seen: int) -> None:
        """Before an epoch is loaded, in which some steps were ``seen``: labels of a second round
        are there when it has come, and none before."""
        second = self.second
        if second is None:
            return
        if epoch < second.epoch:
            if self.trainer.is_global_zero:
                clear(second)
        elif epoch == second.epoch and not seen:
            self._relabel(second)
        elif not is_made(second):
            raise DataError(missing(second))

    def on_train_epoch_start(self) -> None:
        # Its pictures are loaded after this; those of a resumed training were before.
        second = self.second
        if second and self.current_epoch == second.epoch and not self.relabelled:
            self._relabel(second)

    def _relabel(self, second: SecondRound) -> None:
        """Make the labels of the second round, of the pictures that it will show."""
        trainer, settings = self.trainer, self.settings
        shown = self.steps_per_epoch * settings.optim.batch
        order = EpochOrder(len(self.data.train), settings.seed, shown, often=self.often)
        places: set[int] = set()
        for epoch in range(second.epoch, settings.optim.all_epochs):
            order.set_epoch(epoch)
            places.update(place for _, place in order)
        pictures = (self.data.train[n] for n in sorted(places))
        chosen = [
            picture
            for picture in pictures
            if labels_anew(self.model, tag_vector(picture.tags, self.data.classes))
        ]
        mine = chosen[trainer.global_rank :: trainer.world_size]
        if trainer.is_global_zero:
            clear(second)
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            mine = track(mine, "Labelling", transient=True)
        model = self.teacher or self.model
        learns = model.training
        sure = write_round(second, model.eval(), mine, self.data.classes, settings, self._between)
        model.train(learns)
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            mark(second, len(chosen))
            made = f"labels of {len(chosen)} pictures made anew"
            say(f"{made}: sure of {100 * sure:.0f} % of the pixels of tagged ones")
        self.relabelled = True

    def _between(self) -> None:
        """Between two pictures a training that was asked to stop does."""
        keeper = self._callback(KeepCheckpoints)
        if keeper and self.trainer.world_size == 1:
            keeper.obey(self.trainer)

    def _callback(self, kind: type[Kind]) -> Kind | None:
        """The trainer's callback of a kind, where there is one."""
        callbacks: list[Any] = self.trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
        return next((each for each in callbacks if isinstance(each, kind)), None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Whole validation pictures, one at a time; each process has its share of them."""
        mine = self.data.val[self.trainer.global_rank :: self.trainer.world_size]
        pictures = ViewingSet(mine, self.data.classes, self.settings.data.longest_side)
        workers = self.settings.run.workers
        return DataLoader(
            pictures, 1, num_workers=workers, collate_fn=only, worker_init_fn=obey_parent
        )

    def training_step(self, batch: Batch, index: int) -> Tensor | None:
        # Gate and dropout depend on the seed and the step alone, so a resumed run repeats them.
        state = (self.settings.seed, self.global_step, self.global_rank)
        torch.manual_seed(hash(state) % 2**63)
        self.guard.before_step()
        losses = training_losses(
            self.model,
            batch,
            self.settings.pseudo,
            warm=self.settings.pseudo.known or self.epochs_done >= self.settings.optim.warmup,
            own_share=self.own_share,
            teacher=self.teacher,
            prior=self.prior,
        )
        finite = bool(torch.isfinite(losses.total))
        if not self.trainer.strategy.reduce_boolean_decision(finite):
            self.guard.not_finite(
                f"step {self.global_step}: the loss is {losses.total.item()} with the pictures "
                f"{', '.join(batch.names)}"
            )
            return None
        self.log("loss", losses.total, prog_bar=True, logger=False)
        values = {"total": losses.total, "tags": losses.tags, "masks": losses.masks}
        self.log_dict({f"loss/{name}": value for name, value in values.items()})
        self.log("coverage", losses.coverage, prog_bar=True)
        # The loggers' own count goes astray after a step that was cut off.
        self.log("step", float(self.global_step))
        return losses.total

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.guard.after_backward(self.global_step)

    @property
    def epochs_done(self) -> float:
        """Epochs so far, the one that runs in part."""
        return self.global_step / self.steps_per_epoch

    @property
    def own_share(self) -> float:
        """Share of the network's own masks in labels from activations, at this time."""
        pseudo = self.settings.pseudo
        learned = self.epochs_done >= pseudo.own_after and self.global_step >= LEARNED
        return pseudo.own_share if learned or pseudo.known else 0.0

    @cached_property
    def prior(self) -> Tensor:
        """The prior odds of each class, in logarithms."""
        return prior_of(self.data.train, self.data.classes)

    @property
    def teacher(self) -> Segmenter | None:
        """The network that makes the pseudo-labels, where it is not the one that learns."""
        if not self.settings.pseudo.teacher:
            return None
        average = self._callback(MovingAverage)
        return average.model if average else None

    @property
    def sizes(self) -> Sizes:
        """In which sizes the network sees whole pictures best."""
        return self.model.sizes(self.settings.data.crop)

    def validation_step(self, batch: Batch | None, index: int) -> None:
        if batch is None:
            return
        size = size_of(batch.image)
        seen = at_size(batch.image, self.sizes.best(size))
        prediction = self.model(seen)
        if not finite_prediction(prediction):
            self.val_failed = True
            return
        labels = resize(prediction.logits, size, align_corners=True).argmax(1)[0]
        shares = (
            torch.bincount(labels.flatten(), minlength=self.data.classes.channels) / labels.numel()
        )
        self.val_scores.append(prediction.scores[0].sigmoid().cpu())
        self.val_tags.append(batch.tags[0].int().cpu())
        self.val_shares.append(shares[1:].cpu())
        if batch.names[0] in self.sample:
            self._look(batch, seen, labels)
        if truth := self.data.truth(batch.names[0]):  # shown; it teaches nothing
            self._compare(truth, labels.byte())

    def _look(
        self, batch: Batch, seen: Float[Tensor, "1 3 y x"], labels: Int[Tensor, "h w"]
    ) -> None:
        """Keep what the judge asks about; every second time, the masks of another view as well."""
        place, count = self.sample[batch.names[0]], self.data.classes.channels
        if place not in self.cells:
            self.new_cells[place] = self.cells[place] = cells_of(self.model, batch.image)
        cells, overlap = self.cells[place], torch.zeros(2, count - 1, dtype=torch.long)
        if place % 2 == 0:
            overlap = overlap_of(self.model, seen, labels, self.sizes)
        grid = (1, 1) if cells is None else size_of(cells)
        tags = batch.tags[0].cpu()
        self.val_looks.append(Look(place, shares_of(labels, grid, count), tags, overlap))

    def _compare(self, known: Truth, guess: UInt8[Tensor, "h w"]) -> None:
        """Count a guess against its truth, or warn of one that is broken."""
        try:
            truth = known.read()
            height, width = truth.shape
            if reduced_size((height, width), self.settings.data.longest_side) == guess.shape:
                guess = nearest(guess, truth.shape)
            self.val_confusion.update(truth, self.data.classes.of_channels(guess.cpu().numpy()))
        except MaskError as error:
            named = str(error).removeprefix(f"{known.path}: ")
            warnings.warn(f"not in val/miou: {known.path}: {named}", PictureWarning, stacklevel=2)

    def on_validation_epoch_end(self) -> None:
        if any(gathered(self.val_failed)):
            # The figures of a network whose masks are not numbers would mean nothing.
            none = {f"val/{name}": float("nan") for name in {"score", self.settings.optim.best}}
            self.log_dict(none | {"step": float(self.global_step - 1)})
            self._forget_validation()
            return
        seen = (
            *(self.val_scores, self.val_tags, self.val_shares, self.val_looks),
            *([self.val_confusion.matrix], list(self.new_cells.items())),
        )
        scores, tags, shares, looks, matrices, cells = (
            [item for part in parts for item in part] for parts in zip(*gathered(seen), strict=True)
        )
        if not scores:
            raise PictureError("no validation picture could be read: see the warnings above")
        self.cells.update(cells)
        self.new_cells.clear()
        self.val_confusion.matrix = np.sum(matrices, axis=0)
        masks = Masks(*(torch.stack(part).float().numpy() for part in (scores, tags, shares)))
        looks.sort(key=lambda look: look.place)
        evidence = self.model.evidence
        local = evidence is not None and bool(evidence.local.float().mean() >= 0.5)
        judged = judge([self.cells[look.place] for look in looks], looks, local=local)
        values = figures_of(masks, judged, VISIBLE)
        self.beliefs = beliefs_of(masks, judged, self.data.classes, VISIBLE, self.data.untold)
        if self.val_confusion.matrix.any():
            values["val/miou"] = self.val_confusion.compute().miou
        values["step"] = float(self.global_step - 1)
        self.log_dict(values)
        self._forget_validation()

    def _forget_validation(self) -> None:
        self.val_failed = False
        self.val_scores: list[Tensor] = []
        self.val_tags: list[Tensor] = []
        self.val_shares: list[Tensor] = []
        self.val_looks: list[Look] = []
        self.val_confusion = ConfusionMatrix(self.data.classes)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = build_optimizer(self.model, self.settings.optim)
        steps = self.steps_per_epoch * self.settings.optim.all_epochs
        schedule = build_schedule(optimizer, self.settings.optim, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        weights = {
            name.removeprefix("model."): value for name, value in checkpoint["state_dict"].items()
        }
        checkpoint["state_dict"] = weights
        checkpoint["wsfcn"] = header(self.settings, self.data.classes, self.corrected)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["state_dict"] = {
            f"model.{name}": value for name, value in checkpoint["state_dict"].items()
        }
        self.learned_before = frozenset(checkpoint["wsfcn"].get("corrected", ()))

    @cached_property
    def often(self) -> Tensor:
        """How often each training picture is shown in a pass."""
        settings, pictures = self.settings.data, self.data.train
        tags = tag_matrix(pictures, self.data.classes)
        corrected = torch.tensor([picture.name in self.data.corrected for picture in pictures])
        often = repeats(tags, settings.rarest)
        return corrected_too(often, corrected, settings.corrected_share)

    @cached_property
    def corrected(self) -> frozenset[str]:
        """Fingerprints of the pictures whose corrected masks it has learned from, now or before."""
        now = (p.path for p in self.data.train if p.name in self.data.corrected)
        return self.learned_before | {fingerprint(path) for path in now if path.is_file()}
