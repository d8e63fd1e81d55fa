"""How threads wait for each other; to be called before PyTorch is imported."""

import os


def wait_asleep() -> None:
    """Let OpenMP's threads sleep while they wait, unless the environment says otherwise.

    By default they spin: where another process wants their cores, two of them then hold each other
    up for most of the time (`benchmarks/threads.py` has the figures).

    >>> wait_asleep()
    >>> "OMP_WAIT_POLICY" in os.environ
    True
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
