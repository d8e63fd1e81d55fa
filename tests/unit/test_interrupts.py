"""An interrupt at any moment leaves a training that goes on as if nothing had been."""

import os
import signal
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector

import cut_off
import tiny
from wsfcn.checkpoint import read_checkpoint
from wsfcn.errors import TrainingError
from wsfcn.interrupts import Interrupts, obey_parent
from wsfcn.training import module
from wsfcn.training.averaging import MovingAverage
from wsfcn.training.labels import Snapshots
from wsfcn.training.module import SegmentationTraining


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tiny.scenes(tmp_path_factory.mktemp("data") / "scenes", cut_off.STEPS)


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory) -> Path:
    """The training that was never cut off."""
    return cut_off.run(root, tmp_path_factory.mktemp("whole") / "run")


def at_call(monkeypatch, where: object, name: str, call: int, act) -> None:
    """Let something happen within the so-many-th call of a function, before it does its work."""
    honest, count = getattr(where, name), 0

    def function(*arguments, **options):
        nonlocal count
        count += 1
        if count == call:
            act()
        return honest(*arguments, **options)

    monkeypatch.setattr(where, name, function)


STEP = [
    (module, "training_losses", 1),
    (module, "training_losses", 2),
    (SegmentationTraining, "backward", 1),
    (SegmentationTraining, "on_before_optimizer_step", 1),
    (MovingAverage, "update", 1),
    (module, "training_losses", 3),
]
"""In forward passes, a backward pass, between that and the optimiser, where it is the last step of
an epoch, between the weights and their average; and later in the next epoch."""

EPOCH = [
    (module, "training_losses", cut_off.STEPS),
    (SegmentationTraining, "validation_step", 1),
    (SegmentationTraining, "validation_step", 3),
    (Snapshots, "on_validation_end", 1),
    (_CheckpointConnector, "dump_checkpoint", 1),
    (SegmentationTraining, "validation_step", 2),
]
"""In the last step of an epoch, at the first picture of its validation, the third, in what follows
on validation, while a checkpoint is saved, and in the last validation."""


@pytest.mark.parametrize("moments", [STEP, EPOCH], ids=["steps", "validation"])
def test_a_training_goes_on_exactly_after_interrupts(root, whole, tmp_path, monkeypatch, moments):
    out = tmp_path / "run"
    for moment in moments:
        at_call(monkeypatch, *moment, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt, match=r"go on with --resume|no checkpoint yet"):
            cut_off.run(root, out)
        monkeypatch.undo()
    cut_off.run(root, out)
    assert cut_off.differences(out, whole) == []


def test_one_that_is_terminated_says_so_and_has_its_exit_code(root, tmp_path, monkeypatch):
    at_call(monkeypatch, module, "training_losses", 3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as exit_:
        cut_off.run(root, tmp_path / "run")
    assert exit_.value.code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM: the last good checkpoint is " in exit_.value.message
    assert read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["global_step"] == 3
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_failure_within_a_step_keeps_the_last_moment_that_was_whole(
    root, whole, tmp_path, monkeypatch
):
    out = tmp_path / "run"

    def fail():
        raise MemoryError

    at_call(monkeypatch, SegmentationTraining, "backward", 4, fail)
    with pytest.raises(TrainingError, match="out of memory"):
        cut_off.run(root, out)
    # Step 3 is done and not saved; that of step 2 stands.
    assert read_checkpoint(out / "checkpoints" / "last.ckpt")["global_step"] == 2
    monkeypatch.undo()
    cut_off.run(root, out)
    assert cut_off.differences(out, whole) == []


def test_a_second_ctrl_c_stops_at_once_and_saves_nothing(monkeypatch):
    monkeypatch.setattr("wsfcn.interrupts.PATIENCE", 0.0)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.received == signal.SIGINT
        os.kill(os.getpid(), signal.SIGTERM)  # managers often send two
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_signals_that_a_process_ignores_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interrupts.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_training_runs_outside_the_main_thread(root, tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(cut_off.run(root, tmp_path / "run")))
    thread.start()
    thread.join(120)
    assert done == [tmp_path / "run"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("seed", [1, 2])
def test_signals_at_random_moments(root, whole, tmp_path, seed):
    """A few of the trials that `python tests/cut_off.py FOLDER TRIALS` makes by the hundred."""
    for trial in range(seed, seed + 20, 2):
        run = tmp_path / f"run{trial}"
        if cut_off.cut_at_random(root, run, trial, longest=4.0):
            break  # a quick machine may be done before a signal comes
    else:
        pytest.fail("no training was cut off")
    assert cut_off.differences(run, whole) == []


def serve(ready) -> None:
    obey_parent()
    ready.set()
    time.sleep(60)


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="needs sigwaitinfo")
def test_a_process_that_serves_another_is_ended_by_it_alone():
    context = get_context("fork")
    ready = context.Event()
    server = context.Process(target=serve, args=(ready,), daemon=True)
    server.start()
    assert ready.wait(20)
    stranger = context.Process(target=os.kill, args=(server.pid, signal.SIGTERM))
    stranger.start()
    stranger.join()
    server.join(0.5)
    assert server.is_alive()
    server.terminate()  # as Python does at its exit, and then waits
    server.join(20)
    assert server.exitcode == 0
