"""How threads wait for each other; to be called before PyTorch is imported."""

import os


def wait_asleep() -> None:
    """Let OpenMP's threads sleep while they wait, unless the environment says otherwise.

    By default they spin: where another process wants their cores, two of them then hold each other
    up for most of the time. `benchmarks/threads.py` beside one busy process on two cores gave 0.27
    steps a second spinning and 2.29 asleep, another time, with more going on, 0.17 and 1.27; there
    one thread made 2.21, so on a machine that stays busy ``OMP_NUM_THREADS=1`` may be better still.

    >>> wait_asleep()
    >>> "OMP_WAIT_POLICY" in os.environ
    True
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
