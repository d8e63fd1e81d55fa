"""How a command ends: whatever stops it is one line and an exit code."""

import os
import sys
from collections.abc import Callable

from cyclopts import CycloptsError

from wsfcn.errors import WsfcnError
from wsfcn.files import reason_of
from wsfcn.interrupts import TerminatedError, terminating
from wsfcn.terminal import complain

NO_MEMORY = ("can't allocate memory", "out of memory")
"""What PyTorch says, in a RuntimeError, where there is none."""


def exit_code(command: Callable[[], int | None]) -> int:
    """Run a command. Returns its exit code; 2 after an error of the user or the system.

    After Ctrl-C that is 130, after SIGTERM 143; what was half done is undone. An error that is ours
    is raised.
    """
    try:
        with terminating():
            code = command() or 0
            sys.stdout.flush()  # or a full disk is told by the interpreter, when nobody listens
            return code
    except (WsfcnError, CycloptsError) as error:
        complain(error)
        return 2
    except BrokenPipeError:
        # Whoever read the output has enough; what is left of it must not be written at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        complain(told(error))
        return 2
    except KeyboardInterrupt as error:
        complain(error if str(error) else "interrupted")
        return 130
    except TerminatedError as error:
        complain(error.message)
        return int(str(error.code))
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(t in str(error) for t in NO_MEMORY):
            raise
        complain("out of memory")
        return 2


def told(error: OSError) -> str:
    """An error of the system in our words.

    >>> told(OSError(28, "No space left on device", "masks/a.png"))
    'masks/a.png: No space left on device: make room'
    """
    return ": ".join(str(part) for part in (error.filename, reason_of(error)) if part)
