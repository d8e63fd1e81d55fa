"""What can be known to fail is said before a training starts, in one line."""

import os
import shutil
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only

from wsfcn.config import EPOCHS, KNOWN_EPOCHS, PICTURES, RunSettings, TrainSettings, to_dict
from wsfcn.data.dataset import TaggedPicture, TaggedPictures
from wsfcn.errors import CheckpointError, PictureError, SettingError
from wsfcn.files import is_temporary
from wsfcn.images import read_picture
from wsfcn.training.relabel import FOLDER as SECOND_ROUND
from wsfcn.truth import Truth, check_size, check_values
from wsfcn.types import Classes
from wsfcn.verdicts import FILE as BELIEFS


def settled(settings: TrainSettings) -> TrainSettings:
    """Settings that mean the same in whichever folder, and to whatever epoch, training goes on."""
    data, model, optim = settings.data, settings.model, settings.optim
    if not optim.epochs:
        epochs = KNOWN_EPOCHS if settings.pseudo.known else EPOCHS
        optim = replace(optim, epochs=epochs, pictures=optim.pictures or PICTURES)
    if data.root:
        data = replace(data, root=data.root.absolute())
    if data.corrected:
        data = replace(data, corrected=data.corrected.absolute())
    if model.weights not in ("imagenet", "none"):
        model = replace(model, weights=str(Path(model.weights).absolute()))
    return replace(settings, data=data, model=model, optim=optim)


def check_processes(settings: TrainSettings) -> None:
    """Raise SettingError for GPUs that are not there, or work that cannot be shared evenly."""
    processes = settings.run.processes
    if settings.run.device == "gpu" and not torch.cuda.is_available():
        raise SettingError("run.device: PyTorch finds no GPU here; use --run.device cpu")
    gpus = torch.cuda.device_count()
    if settings.run.device != "cpu" and gpus and settings.run.devices > gpus:
        raise SettingError(f"run.devices: {settings.run.devices}, but there are {gpus} GPUs here")
    if settings.optim.batch % processes:
        raise SettingError(
            f"optim.batch: {settings.optim.batch} pictures cannot be shared evenly by "
            f"{processes} processes"
        )
    if processes > 1 and settings.optim.skip_nonfinite:
        raise SettingError("optim.skip-nonfinite: works in one process alone")


def check_data(data: TaggedPictures, settings: TrainSettings) -> None:
    """Look at corrected masks, and the validation pictures, else met an epoch later.

    Raises SettingError where they are too few, or lack a truth to choose by; PictureError where
    none of them can be read; MaskError for a truth or corrected mask that does not fit its picture,
    or the classes.
    """
    check_corrected(data)
    processes = settings.run.processes
    if data.val and len(data.val) < processes:
        raise SettingError(
            f"run.devices: {processes} processes share {len(data.val)} validation pictures; "
            "each needs one"
        )
    if settings.optim.best == "miou" and not any(data.truth(p.name) for p in data.val):
        raise SettingError("optim.best: no validation picture has a truth mask; choose by `score`")
    check_readable([picture.path for picture in data.val])
    for picture in data.val:
        if truth := data.truth(picture.name):
            check_size(picture.path, truth.path)


def check_corrected(data: TaggedPictures) -> None:
    """Raise MaskError for a corrected mask that does not fit its picture, or the classes."""
    pictures = [picture for picture in data.train if picture.name in data.corrected]

    def look(picture: TaggedPicture) -> None:
        mask = data.corrected[picture.name]
        check_size(picture.path, mask, "corrected")
        check_values(Truth(mask), len(data.classes))

    with ThreadPoolExecutor() as pool:
        deque(pool.map(look, pictures), maxlen=0)


def check_readable(paths: Sequence[Path]) -> None:
    """Raise PictureError where no picture can be read; looks no further than the first that can."""
    errors = []
    for path in paths:
        try:
            read_picture(path)
        except PictureError as error:
            errors.append(error)
        else:
            return
    if errors:
        raise PictureError(f"none of {len(errors)} validation pictures can be read: {errors[0]}")


def check_resumable(
    path: Path, content: dict[str, Any], settings: TrainSettings, classes: Classes
) -> None:
    """Raise SettingError where a training cannot go on from a checkpoint, as it is set."""
    if not {"loops", "epoch", "global_step", "optimizer_states"} <= content.keys():
        raise CheckpointError(f"{path}: holds weights alone, with no training to go on with")
    known = tuple(content["wsfcn"]["classes"])
    if known != classes.names:
        raise SettingError(
            f"{path}: knows the classes {', '.join(known)}, the data has "
            f"{', '.join(classes.names)}; start a new training"
        )
    saved, asked = content["wsfcn"]["settings"]["model"], to_dict(settings.model)
    for name, value in asked.items():
        if name != "weights" and saved.get(name, value) != value:
            raise SettingError(
                f"model.{name.replace('_', '-')}: {value}, but {path} was trained with "
                f"{saved[name]}; start a new training"
            )
    epochs = settings.optim.all_epochs
    if content["epoch"] >= epochs:
        raise SettingError(f"optim.epochs: {epochs}, but {path} is in epoch {content['epoch'] + 1}")


def check_compiler(settings: TrainSettings) -> None:
    """Raise SettingError where ``torch.compile`` would not find its C++ compiler."""
    compiler = os.environ.get("CXX", "g++")
    on_cpu = settings.run.device == "cpu" or not torch.cuda.is_available()
    if on_cpu and not shutil.which(compiler):
        raise SettingError(
            f"run.compile: needs a C++ compiler on a CPU, and there is no {compiler}; install one, "
            "name it in CXX, or train without"
        )


def clear_folder(run: RunSettings, *, resumed: bool) -> None:
    """Make room for a training. Raises SettingError where that would delete another one unasked.

    Of one that was killed, files may be left whose writing had begun.
    """
    folders = [run.out, *(run.out / name for name in ("checkpoints", "snapshots", SECOND_ROUND))]
    if rank_zero_only.rank == 0:
        for path in (path for folder in folders for path in folder.glob(".*")):
            if is_temporary(path):
                path.unlink(missing_ok=True)
    if resumed or not any((run.out / "checkpoints").glob("*.ckpt")):
        return
    if not run.overwrite:
        raise SettingError(
            f"run.out: {run.out} holds a training; go on with --resume {run.out}, name another "
            "folder, or delete it with --run.overwrite"
        )
    if rank_zero_only.rank == 0:
        for folder in folders[1:]:
            shutil.rmtree(folder, ignore_errors=True)
        (run.out / BELIEFS).unlink(missing_ok=True)
