"""One training at a time in a run folder."""

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import tiny
from wsfcn.errors import SettingError
from wsfcn.training.lock import LOCK, locked
from wsfcn.training.run import train

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_child(function) -> int:
    """The exit code of a function in another process: 0, or 1 for a SettingError."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    code = 2
    try:
        function()
        code = 0
    except SettingError:
        code = 1
    finally:
        os._exit(code)


def hold(folder: Path) -> None:
    with locked(folder):
        pass


def test_a_folder_in_use_is_refused_and_says_by_whom(tmp_path):
    with locked(tmp_path):
        named = json.loads((tmp_path / LOCK).read_text())
        assert (named["pid"], named["host"]) == (os.getpid(), socket.gethostname())
        with pytest.raises(SettingError, match="in use by another training of this process"):
            hold(tmp_path)
        assert in_child(lambda: hold(tmp_path)) == 1
    assert not (tmp_path / LOCK).exists()
    assert in_child(lambda: hold(tmp_path)) == 0


def test_another_process_is_named(tmp_path):
    code = (
        "import sys; from pathlib import Path; from wsfcn.training.lock import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(SettingError, match=rf"in use by process {other.pid} on .*, since 20"):
        hold(tmp_path)
    other.kill()
    other.wait()
    # What was killed has left its file behind, and no more.
    assert (tmp_path / LOCK).exists()
    hold(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"pid": "x"}', '{"pid": 1}', "\0" * 100])
def test_what_was_left_behind_is_taken_over(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    hold(tmp_path)


def test_where_the_system_has_no_locks_the_named_process_counts(tmp_path, monkeypatch):
    import fcntl

    def refuse(*_arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    dead = os.fork()
    if not dead:
        os._exit(0)
    os.waitpid(dead, 0)
    for pid, host, free in (
        (os.getppid(), socket.gethostname(), False),
        (dead, socket.gethostname(), True),
        (dead, "elsewhere", False),
    ):
        content = {"pid": pid, "host": host, "started": "2026-01-01T00:00:00+00:00"}
        (tmp_path / LOCK).write_text(json.dumps(content))
        if free:
            hold(tmp_path)
        else:
            with pytest.raises(SettingError, match=rf"process {pid} on {host}.* if it has ended"):
                hold(tmp_path)


def test_two_trainings_do_not_mix(tmp_path):
    root = tiny.scenes(tmp_path / "scenes", 2)
    settings = tiny.settings(root, tmp_path / "run", optim={"epochs": 1})
    with locked(tmp_path / "run"):
        assert in_child(lambda: train(settings)) == 1
    assert [path.name for path in (tmp_path / "run").iterdir()] == []
    train(settings)
    with locked(tmp_path / "run"):
        assert in_child(lambda: train(settings, tmp_path / "run")) == 1
