"""One training, from settings to a run folder."""

import csv
import logging
import os
import shutil
import signal
import sys
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint, ProgressBar
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import nn

from wsfcn.checkpoint import BEST, LAST, find_checkpoint, read_checkpoint
from wsfcn.config import RunSettings, TrainSettings, to_dict
from wsfcn.data.dataset import open_data
from wsfcn.errors import SettingError
from wsfcn.files import atomic
from wsfcn.models.segmenter import Segmenter, build_segmenter
from wsfcn.training.averaging import MovingAverage
from wsfcn.training.failures import NonFiniteLossError, explained
from wsfcn.training.labels import Snapshots
from wsfcn.training.memory import keep_freed_memory
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.processes import share_norms
from wsfcn.training.progress import progress
from wsfcn.types import Classes


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
    _check_device(settings)
    processes = settings.run.devices * settings.run.nodes
    if settings.optim.batch % processes:
        raise SettingError(
            f"optim.batch: {settings.optim.batch} pictures cannot be shared evenly by "
            f"{processes} processes"
        )
    if processes > 1 and settings.optim.skip_nonfinite:
        raise SettingError("optim.skip-nonfinite: works in one process alone")
    L.seed_everything(settings.seed, verbose=False)
    keep_freed_memory()
    data = open_data(settings.data)
    if checkpoint:
        _check_resumable(checkpoint, settings, data.classes)
    else:
        _clear(settings.run)
    if data.val and len(data.val) < processes:
        raise SettingError(
            f"run.devices: {processes} processes share {len(data.val)} validation pictures; "
            "each needs one"
        )
    model = build_segmenter(settings.model, len(data.classes))
    if settings.optim.best == "miou" and not any(data.truth(p.name) for p in data.val):
        raise SettingError("optim.best: no validation picture has a truth mask; choose by `score`")
    module = SegmentationTraining(model.to(memory_format=torch.channels_last), data, settings)
    if processes > 1:
        share_norms(model)
    if settings.run.compile:
        _check_compiler(settings)
        model.compile()
    out = settings.run.out
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
        precision=_precision(settings, model),
        max_epochs=settings.optim.epochs,
        logger=[
            _table(out, checkpoint),
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


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: it is whole or absent."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        content = BytesIO()
        torch.save(checkpoint, content)
        with atomic(path) as name:
            name.write_bytes(content.getbuffer())


def _check_device(settings: TrainSettings) -> None:
    """Raise SettingError for GPUs that are not there."""
    if settings.run.device == "gpu" and not torch.cuda.is_available():
        raise SettingError("run.device: PyTorch finds no GPU here; use --run.device cpu")
    gpus = torch.cuda.device_count()
    if settings.run.device != "cpu" and gpus and settings.run.devices > gpus:
        raise SettingError(f"run.devices: {settings.run.devices}, but there are {gpus} GPUs here")


def _check_resumable(path: Path, settings: TrainSettings, classes: Classes) -> None:
    """Raise SettingError where a training cannot go on from a checkpoint as it is set."""
    content = read_checkpoint(path)
    known = tuple(content["wsfcn"]["classes"])
    if known != classes.names:
        raise SettingError(
            f"{path}: knows the classes {', '.join(known[1:])}, the data has "
            f"{', '.join(classes.objects)}; start a new training"
        )
    saved, asked = content["wsfcn"]["settings"]["model"], to_dict(settings.model)
    for name, value in asked.items():
        if name != "weights" and saved.get(name) != value:
            raise SettingError(
                f"model.{name.replace('_', '-')}: {value}, but {path} was trained with "
                f"{saved.get(name)}; start a new training"
            )
    if content["epoch"] >= settings.optim.epochs:
        raise SettingError(
            f"optim.epochs: {settings.optim.epochs}, but {path} is in epoch {content['epoch'] + 1}"
        )


def _clear(run: RunSettings) -> None:
    """Make room for a new training. Raises SettingError where that would delete one unasked."""
    if not any((run.out / "checkpoints").glob("*.ckpt")):
        return
    if not run.overwrite:
        raise SettingError(
            f"run.out: {run.out} holds a training; go on with --resume {run.out}, name another "
            "folder, or delete it with --run.overwrite"
        )
    if rank_zero_only.rank == 0:
        for name in ("checkpoints", "snapshots"):
            shutil.rmtree(run.out / name, ignore_errors=True)


@rank_zero_only
def _write_settings(out: Path, settings: TrainSettings) -> None:
    try:
        with atomic(out / "settings.yaml") as name:
            name.write_text(yaml.safe_dump(to_dict(settings), sort_keys=False))
    except OSError as error:
        raise SettingError(f"run.out: cannot write to {out} ({error.strerror})") from None


def _table(out: Path, checkpoint: Path | None) -> CSVLogger:
    """The logger of ``metrics.csv``; after a resume, with the rows up to it."""
    table = out / "metrics.csv"
    kept: list[dict[str, Any]] = []
    if checkpoint and table.exists() and rank_zero_only.rank == 0:
        step = read_checkpoint(checkpoint)["global_step"]
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


def _check_compiler(settings: TrainSettings) -> None:
    """Raise SettingError where ``torch.compile`` would not find its C++ compiler."""
    compiler = os.environ.get("CXX", "g++")
    on_cpu = settings.run.device == "cpu" or not torch.cuda.is_available()
    if on_cpu and not shutil.which(compiler):
        raise SettingError(
            f"run.compile: needs a C++ compiler on a CPU, and there is no {compiler}; install one, "
            "name it in CXX, or train without"
        )


def _precision(settings: TrainSettings, model: Segmenter) -> Any:
    """The Trainer's name for the arithmetic; `auto` is bfloat16 where the device is fast at it."""
    if settings.run.precision != "auto":
        return {"32": "32-true", "bf16": "bf16-mixed"}[settings.run.precision]
    if settings.run.device != "cpu" and torch.cuda.is_available():
        quick = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16-mixed" if quick else "32-true"
    return "bf16-mixed" if cpu_has_bfloat16() and is_dense(model) else "32-true"


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies in bfloat16 by itself (known on Linux alone)."""
    words = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    return bool(words & {"avx512_bf16", "amx_bf16"})


def is_dense(model: Segmenter) -> bool:
    """Whether no convolution of the backbone is depthwise: those gain nothing from bfloat16."""
    modules = cast(nn.Module, model.backbone).modules()
    return all(m.groups == 1 for m in modules if isinstance(m, nn.Conv2d))
