"""When a training cannot go on: what happened, and the cure, in one line."""

import errno
from pathlib import Path

import torch

from wsfcn.checkpoint import LAST
from wsfcn.errors import PictureError, TrainingError, WsfcnError


class NonFiniteLossError(TrainingError):
    """A loss that is infinite or not a number. The step that had it changed no weight."""


def explained(error: BaseException, out: Path) -> WsfcnError | None:
    """The error of a run in ``out`` in the user's terms, or None where it is of no known kind."""
    if isinstance(error, NonFiniteLossError):
        return TrainingError(f"{error}; {_kept(out)}")
    text = str(error)
    if isinstance(error, PictureError):
        # A worker process sends its whole traceback along.
        return PictureError(text.strip().splitlines()[-1].rpartition("PictureError: ")[2])
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return TrainingError(f"out of memory: lower optim.batch or data.crop; {_kept(out)}")
    if isinstance(error, RuntimeError) and "DataLoader worker" in text:
        return TrainingError(
            "a process that decodes pictures died, often for want of memory: lower run.workers; "
            f"{_kept(out)}"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return TrainingError(f"{out}: cannot write ({error.strerror}): make room; {_kept(out)}")
    if isinstance(error, PermissionError):
        return TrainingError(f"{error.filename or out}: cannot write ({error.strerror})")
    return None


def _kept(out: Path) -> str:
    last = out / "checkpoints" / LAST
    if last.exists():
        return f"the last good checkpoint is {last}: go on with --resume {out}"
    return "there is no checkpoint yet"
