"""One training, from settings to a run folder."""

import logging
import signal
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.loggers import (
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.utilities import rank_zero_only

from wsfcn.checkpoint import LAST, PREVIOUS, find_checkpoint, read_checkpoint
from wsfcn.config import TrainSettings, to_dict
from wsfcn.data.dataset import TaggedPictures, open_data
from wsfcn.data.telling import told
from wsfcn.errors import DamageWarning, SettingError
from wsfcn.figures import Row, read_figures
from wsfcn.files import atomic, reason_of
from wsfcn.interrupts import Interrupts, TerminatedError
from wsfcn.models.segmenter import build_segmenter
from wsfcn.terminal import say
from wsfcn.training.averaging import MovingAverage
from wsfcn.training.beliefs import KeepBeliefs
from wsfcn.training.checkpoints import KeepCheckpoints, WholeFiles, validates_again
from wsfcn.training.checks import (
    check_compiler,
    check_data,
    check_processes,
    check_resumable,
    clear_folder,
    settled,
)
from wsfcn.training.evidence import fit_evidence, in_words
from wsfcn.training.failures import asked_for, explained, kept
from wsfcn.training.labels import Snapshots
from wsfcn.training.lock import locked
from wsfcn.training.memory import keep_freed_memory
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.precision import precision_of
from wsfcn.training.processes import share_norms
from wsfcn.training.progress import progress
from wsfcn.training.start import as_at_first, knows, like, start_of, take_over
from wsfcn.training.table import Table
from wsfcn.verdicts import in_words as in_words_of
from wsfcn.verdicts import read_beliefs


def train(
    settings: TrainSettings, resume: Path | None = None, *, callbacks: Sequence[Callback] = ()
) -> Path:
    """Train a segmenter from tagged pictures; returns the run folder.

    The folder gets ``settings.yaml``, ``metrics.csv``, TensorBoard events, ``checkpoints/``,
    ``beliefs.json``, what is believed of each class's masks, and ``snapshots/``, an epoch's masks
    and pseudo-labels of a few training pictures.
    With ``resume``, a run folder or one of its checkpoints, the training goes on from there; with
    such a one as ``model.weights`` a new training sets out from its network.
    ``callbacks`` are called by Lightning before our own.

    Raises DataError for data that cannot be used, SettingError for settings that do not fit or a
    folder in use, CheckpointError for a checkpoint that cannot be read, TrainingError where the
    training cannot go on, KeyboardInterrupt after Ctrl-C, and SystemExit after SIGTERM or SIGHUP.
    """
    checkpoint = find_checkpoint(resume, (LAST, PREVIOUS)) if resume else None
    check_processes(settings)
    data = open_data(settings.data)
    check_data(data, settings)
    settings = replace(settings, data=replace(settings.data, levels=data.levels))
    with locked(settings.run.out) if rank_zero_only.rank == 0 else nullcontext():
        return _train(settings, data, checkpoint, callbacks)


def _train(
    settings: TrainSettings,
    data: TaggedPictures,
    checkpoint: Path | None,
    callbacks: Sequence[Callback],
) -> Path:
    processes, out = settings.run.processes, settings.run.out
    L.seed_everything(settings.seed, verbose=False)
    keep_freed_memory()
    content = read_checkpoint(checkpoint) if checkpoint else None
    start = None if checkpoint else start_of(settings)
    last = out / "checkpoints" / LAST
    from_last = checkpoint is not None and checkpoint.resolve() == last.resolve()
    known, first = False, settings.model
    if content:
        known = content["wsfcn"]["settings"].get("pseudo", {}).get("known", False)
    elif start:
        known = knows(start, data.classes)
        settings = replace(settings, model=like(start, settings.model))
        first = settings.model if known else as_at_first(start, settings.model)
    settings = settled(replace(settings, pseudo=replace(settings.pseudo, known=known)))
    data = data if known else told(data)
    if checkpoint and content:
        check_resumable(checkpoint, content, settings, data.classes)
    model = build_segmenter(
        first,
        data.classes.channels,
        pretrained=not (content or known),
        background=data.classes.background,
    )
    module = SegmentationTraining(model.to(memory_format=torch.channels_last), data, settings)
    if processes > 1:
        share_norms(model)
    if settings.run.compile:
        check_compiler(settings)
        model.compile()
    clear_folder(settings.run, resumed=content is not None)
    _write_settings(out, settings)
    if rank_zero_only.rank == 0:
        for line in data.in_words():
            say(line)
    if not (content or known) and (judged := fit_evidence(model, data, settings)):
        say(in_words(judged, data.classes))
    if start:
        # Not before: evidence is judged by features that know nothing of these pictures.
        common = take_over(model, start, data.classes, evidence=known)
        module.learned_before = start.corrected
        share = f"{common} of the {len(data.classes.objects)} classes"
        if rank_zero_only.rank == 0:
            say(f"sets out from {settings.model.weights}, which knows {share}")
    del start
    shown = progress(settings.optim.batch)
    averaging = [MovingAverage(settings.optim.average)] if settings.optim.average else []
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    interrupts = Interrupts()
    trainer = L.Trainer(
        accelerator=settings.run.device,
        plugins=[WholeFiles(content, from_last=from_last)],
        devices=settings.run.devices,
        num_nodes=settings.run.nodes,
        # The masks' layers have no gradients before the warm-up ends.
        strategy="auto" if processes == 1 else "ddp_find_unused_parameters_true",
        precision=precision_of(settings, model),
        max_epochs=settings.optim.all_epochs,
        logger=[
            Table(out / "metrics.csv", _rows_before(content, out / "metrics.csv")),
            TensorBoardLogger(
                out,
                name="",
                version="tensorboard",
                purge_step=content["global_step"] if content else None,
            ),
            *_service(settings),
        ],
        callbacks=[
            *callbacks,
            KeepCheckpoints(
                out / "checkpoints",
                settings.run.save_every,
                settings.optim.best,
                interrupts,
            ),
            KeepBeliefs(out, settings.optim.best),
            Snapshots(out / "snapshots", data, settings),
            shown,
            *averaging,
        ],
        enable_progress_bar=isinstance(shown, ProgressBar),
        log_every_n_steps=settings.run.log_every,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
    )
    del content
    with warnings.catch_warnings(), interrupts:
        warnings.filterwarnings("ignore", module="lightning")
        try:
            trainer.fit(module, ckpt_path=checkpoint)
        except Exception as error:
            if not asked_for(error, interrupts):
                if known := explained(error, out):
                    raise known from error
                raise
        except SystemExit:
            # Lightning's answer to a second Ctrl-C; a library leaves the exit to its caller.
            raise KeyboardInterrupt(f"interrupted: {kept(out)}") from None
    if interrupts.received:
        if rank_zero_only.rank:  # the first process tells
            raise SystemExit(128 + interrupts.received)
        left = kept(out) if trainer.interrupted else f"the training in {out} is done"
        if interrupts.received == signal.SIGINT:
            raise KeyboardInterrupt(f"interrupted: {left}")
        raise TerminatedError(interrupts.received, f": {left}")
    if rank_zero_only.rank == 0 and (beliefs := read_beliefs(out)):
        say(f"masks of best.ckpt (epoch {beliefs.epoch}), judged without truth:")
        for name, belief in beliefs.classes.items():
            say(f"  {in_words_of(name, belief)}")
    return out


@rank_zero_only
def _write_settings(out: Path, settings: TrainSettings) -> None:
    try:
        with atomic(out / "settings.yaml") as name:
            name.write_text(yaml.safe_dump(to_dict(settings), sort_keys=False))
    except OSError as error:
        raise SettingError(f"run.out: cannot write to {out} ({reason_of(error)})") from None


def _rows_before(content: dict[str, Any] | None, table: Path) -> list[Row]:
    """The rows of a table that stay when a training goes on from a checkpoint."""
    if content is None:
        return []
    found = read_figures(table)
    if found.dropped and rank_zero_only.rank == 0:
        warnings.warn(found.dropped, DamageWarning, stacklevel=2)
    step = content["global_step"]
    again = step - 1 if validates_again(content) else None
    return [
        row
        for row in found.rows
        if row["step"] < step
        and not (row["step"] == again and any(name.startswith("val/") for name in row))
    ]


def _service(settings: TrainSettings) -> list[Logger]:
    """The logger of a tracking service, if one is asked for."""
    name, out = settings.run.logger, settings.run.out
    if name == "none":
        return []
    try:
        if name == "wandb":
            return [WandbLogger(out.name, save_dir=out, project="wsfcn", config=to_dict(settings))]
        logger = MLFlowLogger("wsfcn", run_name=out.name)
    except ModuleNotFoundError:
        raise SettingError(
            f"run.logger: {name} is not installed; pip install 'wsfcn[{name}]'"
        ) from None
    logger.log_hyperparams(to_dict(settings))
    return [logger]
