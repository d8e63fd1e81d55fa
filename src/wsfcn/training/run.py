"""One training, from settings to a run folder."""

import csv
import logging
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException

from wsfcn.checkpoint import LAST, find_checkpoint
from wsfcn.config import TrainSettings, to_dict
from wsfcn.data.dataset import open_data
from wsfcn.errors import SettingError
from wsfcn.files import atomic
from wsfcn.models.segmenter import build_segmenter
from wsfcn.training.averaging import MovingAverage
from wsfcn.training.checkpoints import KeepCheckpoints, WholeFiles
from wsfcn.training.checks import (
    check_compiler,
    check_data,
    check_processes,
    check_resumable,
    clear_folder,
)
from wsfcn.training.failures import explained
from wsfcn.training.labels import Snapshots
from wsfcn.training.memory import keep_freed_memory
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.precision import precision_of
from wsfcn.training.processes import share_norms
from wsfcn.training.progress import progress


def train(settings: TrainSettings, resume: Path | None = None) -> Path:
    """Train a segmenter from tagged pictures; returns the run folder.

    The folder gets ``settings.yaml``, ``metrics.csv``, TensorBoard events, ``checkpoints/`` and
    ``snapshots/``, an epoch's masks and pseudo-labels of a few training pictures.
    With ``resume``, a run folder, the training goes on from its last checkpoint.

    Raises DataError for data that cannot be used, SettingError for settings that do not fit,
    CheckpointError for a checkpoint that cannot be read, TrainingError where the training cannot go
    on, KeyboardInterrupt after Ctrl-C, and SystemExit after SIGTERM.
    """
    checkpoint = find_checkpoint(resume, (LAST,)) if resume else None
    check_processes(settings)
    processes = settings.run.processes
    L.seed_everything(settings.seed, verbose=False)
    keep_freed_memory()
    data = open_data(settings.data)
    check_data(data, settings)
    step = check_resumable(checkpoint, settings, data.classes) if checkpoint else 0
    model = build_segmenter(settings.model, len(data.classes))
    module = SegmentationTraining(model.to(memory_format=torch.channels_last), data, settings)
    if processes > 1:
        share_norms(model)
    if settings.run.compile:
        check_compiler(settings)
        model.compile()
    out = settings.run.out
    if not checkpoint:
        clear_folder(settings.run)
    _write_settings(out, settings)
    shown = progress(settings.optim.batch)
    averaging = [MovingAverage(settings.optim.average)] if settings.optim.average else []
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = L.Trainer(
        accelerator=settings.run.device,
        plugins=[WholeFiles()],
        devices=settings.run.devices,
        num_nodes=settings.run.nodes,
        # The masks' layers have no gradients before the warm-up ends.
        strategy="auto" if processes == 1 else "ddp_find_unused_parameters_true",
        precision=precision_of(settings, model),
        max_epochs=settings.optim.epochs,
        logger=[
            _table(out, step),
            TensorBoardLogger(out, name="", version="tensorboard"),
            *_service(settings),
        ],
        callbacks=[
            KeepCheckpoints(
                out / "checkpoints", settings.run.save_every, f"val/{settings.optim.best}"
            ),
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
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        try:
            trainer.fit(module, ckpt_path=checkpoint)
        except SIGTERMException:
            pass
        except SystemExit:
            # Lightning's answer to Ctrl-C; a library leaves the exit to its caller.
            raise KeyboardInterrupt from None
        except Exception as error:
            if known := explained(error, out):
                raise known from error
            raise
    if trainer.received_sigterm:
        sys.exit(128 + signal.SIGTERM)
    return out


@rank_zero_only
def _write_settings(out: Path, settings: TrainSettings) -> None:
    try:
        with atomic(out / "settings.yaml") as name:
            name.write_text(yaml.safe_dump(to_dict(settings), sort_keys=False))
    except OSError as error:
        raise SettingError(f"run.out: cannot write to {out} ({error.strerror})") from None


def _table(out: Path, step: int) -> CSVLogger:
    """The logger of ``metrics.csv``, with the rows up to the step from which a training goes on."""
    table = out / "metrics.csv"
    kept: list[dict[str, Any]] = []
    if step and table.exists() and rank_zero_only.rank == 0:
        with table.open(newline="") as file:
            for row in csv.DictReader(file):
                if int(row["step"]) < step:
                    kept.append({key: float(value) for key, value in row.items() if value})
    # Lightning deletes the table of an earlier run when it starts a new one.
    if rank_zero_only.rank == 0:
        table.unlink(missing_ok=True)
    logger = CSVLogger(out, name="", version="", flush_logs_every_n_steps=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*exists and is not empty")
        for values in kept:
            logger.log_metrics(values, int(values["step"]))
        logger.save()
    return logger


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
