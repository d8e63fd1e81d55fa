"""When a training cannot go on: what happened, and the cure, in one line."""

from pathlib import Path

import torch

from wsfcn.checkpoint import LAST
from wsfcn.errors import PictureError, TrainingError, WsfcnError
from wsfcn.files import reason_of
from wsfcn.interrupts import InterruptedTrainingError, Interrupts


class SickNetworkError(TrainingError):
    """Losses, gradients or weights that are infinite or not numbers. No checkpoint has them."""


def explained(error: BaseException, out: Path) -> WsfcnError | None:
    """The error of a run in ``out`` in the user's terms, or None where it is of no known kind."""
    if isinstance(error, SickNetworkError):
        return TrainingError(f"{error}; {kept(out)}")
    text = str(error)
    if isinstance(error, PictureError):
        # A worker process sends its whole traceback along.
        return PictureError(text.strip().splitlines()[-1].rpartition("PictureError: ")[2])
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return TrainingError(f"out of memory: lower optim.batch or data.crop; {kept(out)}")
    if isinstance(error, RuntimeError) and "DataLoader worker" in text:
        return TrainingError(
            "a process that decodes pictures died, often for want of memory: lower run.workers; "
            f"{kept(out)}"
        )
    if isinstance(error, OSError):
        return TrainingError(f"{error.filename or out}: {reason_of(error)}; {kept(out)}")
    return None


def asked_for(error: Exception, interrupts: Interrupts) -> bool:
    """Whether a training ends because a signal came: also to the processes that it started."""
    from_loader = isinstance(error, RuntimeError) and "DataLoader worker" in str(error)
    stopped = isinstance(error, InterruptedTrainingError)
    return interrupts.received is not None and (stopped or from_loader)


def kept(out: Path) -> str:
    """What is left of a training in ``out``, and how to go on."""
    last = out / "checkpoints" / LAST
    if last.exists():
        return f"the last good checkpoint is {last}: go on with --resume {out}"
    return "there is no checkpoint yet"
