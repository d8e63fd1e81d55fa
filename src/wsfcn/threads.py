"""How threads wait for each other, and work ahead of who needs them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AHEAD = 4
"""Items that are worked out before they are needed, or written behind."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def wait_asleep() -> None:
    """Let OpenMP's threads sleep while they wait, unless the environment says otherwise.

    It has to be called before PyTorch is imported. By default they spin: where another process
    wants their cores, two of them then hold each other up for most of the time.
    `benchmarks/threads.py` beside one busy process on two cores gave 0.27 steps a second spinning
    and 2.29 asleep, another time, with more going on, 0.17 and 1.27; there one thread made 2.21, so
    on a machine that stays busy ``OMP_NUM_THREADS=1`` may be better still.

    >>> wait_asleep()
    >>> "OMP_WAIT_POLICY" in os.environ
    True
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    most: int = AHEAD,
) -> Iterator[tuple[Item, Result]]:
    """Each item with ``function`` of it, worked out up to ``most`` items ahead.

    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(ahead(pool, abs, [-1, 2, -3]))
    [(-1, 1), (2, 2), (-3, 3)]
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(function, item)))
        if len(waiting) > most:
            first, result = waiting.popleft()
            yield first, result.result()
    for item, result in waiting:
        yield item, result.result()
