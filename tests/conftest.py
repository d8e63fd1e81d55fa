"""Shapes in signatures are enforced while tests run."""

import os
import signal
from pathlib import Path

import torch
from jaxtyping import install_import_hook

SOURCE = Path(__file__).parents[1] / "src"
install_import_hook(
    [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in SOURCE.rglob("*.py")
        # numba compiles functions as they are; settings and shortcuts check themselves
        if path.name not in ("kernels.py", "__init__.py", "config.py", "shortcuts.py")
    ],
    "typechecker.check",
)
torch.set_num_threads(1)  # pytest runs one process a core
os.environ["OMP_NUM_THREADS"] = "1"  # and so do those that tests start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)
