"""Every reader, tried on files that people of ill will or bad luck may have made.

Only our own errors come out, each one line, within bounded time and memory. With
``WSFCN_FUZZ=10`` there are ten times as many files, other ones each time.
"""

import os
import resource
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from readers import READERS
from wsfcn.errors import WsfcnError

TIMES = int(os.environ.get("WSFCN_FUZZ", "1"))
EXAMPLES = 90
"""Files a reader; there are some 30 readers."""

SECONDS = 5
"""The longest that a file of a few hundred bytes may take, on a busy machine."""

MEMORY = 2 * 2**30
"""Bytes that it may take."""


@pytest.fixture
def bounded_memory() -> Iterator[None]:
    """A process that asks for more memory gets a MemoryError, which is no error of ours."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's limits")
@pytest.mark.parametrize("name", READERS)
def test_only_our_own_errors_come_out(bounded_memory, name):
    reader = READERS[name]

    @settings(
        max_examples=EXAMPLES * TIMES,
        deadline=1000 * SECONDS,
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(reader.contents)
    def attempt(content: bytes) -> None:
        folder = Path(tempfile.mkdtemp(prefix="wsfcn-"))
        try:
            path = folder / reader.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader.read(folder)
        except WsfcnError as error:
            assert "\n" not in str(error)  # noqa: PT017 (an error may come, or none)
        finally:
            shutil.rmtree(folder)

    attempt()
