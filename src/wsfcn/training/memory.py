"""Keeping memory that a training frees, for the next step to use."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Parameters of ``mallopt``, from glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Tell the C library not to give the memory of feature maps back to the system.

    By default it does so after every use of a large block, and the next use pays for fresh pages,
    which can be a quarter of a step's time on a CPU. Without glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
