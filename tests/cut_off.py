"""A training that is cut off by signals, and what it leaves behind against one that was not."""

import csv
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import torch

import tiny
from wsfcn.training.run import train

STEPS, EPOCHS = 5, 2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def run(root: Path, out: Path, *, workers: int = 0, **changes: Any) -> Path:
    """The training, from the start or from where it was cut off; on one thread, whoever calls."""
    torch.set_num_threads(1)
    settings = tiny.settings(
        root,
        out,
        optim={"epochs": EPOCHS, "average": 0.9},
        # Rows of the table and checkpoints come at steps of their own.
        run={"workers": workers, "save_every": 2, "log_every": 3} | changes,
    )
    begun = (out / "checkpoints" / "last.ckpt").exists()
    return train(settings, out if begun else None)


def child(root: Path, out: Path, **changes: Any) -> int:
    """The training in a process of its own, which leads a group."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with open(os.devnull, "w") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        run(root, out, **changes)
        code = 0
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        os._exit(code)


def cut_at_random(root: Path, out: Path, seed: int, longest: float) -> list[str]:
    """A training that is cut off and resumed at random moments until it is done.

    Returns the signals that came, each to the process or to its whole group, with the exit code.
    """
    chance = random.Random(seed)
    told = []
    while True:
        process = child(root, out, workers=chance.choice((0, 0, 1)))
        ends = time.monotonic() + chance.uniform(0.1, longest)
        while time.monotonic() < ends:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                assert os.waitstatus_to_exitcode(status) == 0, "it failed by itself"
                return told
            time.sleep(0.005)
        which = chance.choice(SIGNALS)
        group = which != signal.SIGKILL and chance.random() < 0.5
        (os.killpg if group else os.kill)(process, which)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code == 0:  # it was done before the signal came
            return told
        told.append(f"{which.name}{' to all' if group else ''}: {code}")


def rows(out: Path) -> list[dict[str, str]]:
    """The table of a run, but for the order of its columns."""
    with (out / "metrics.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


def tensors(out: Path, name: str) -> dict[str, torch.Tensor]:
    """All weights in a checkpoint of a run, with the averages and what the optimiser keeps."""
    content = torch.load(out / "checkpoints" / name, weights_only=True)
    found = {f"average {key}": value for key, value in content["state_dict"].items()}
    found |= {f"weight {key}": value for key, value in content["current_model_state"].items()}
    for number, state in content["optimizer_states"][0]["state"].items():
        found |= {f"optimiser {number} {key}": value for key, value in state.items()}
    return found


def differences(out: Path, whole: Path) -> list[str]:
    """In what a run differs from the one that was never cut off; empty where it does not."""
    found = []
    if rows(out) != rows(whole):
        odd = [row for row in rows(out) if row not in rows(whole)]
        found.append(f"table: {len(rows(out))} rows for {len(rows(whole))}, {len(odd)} of them odd")
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = tensors(out, name), tensors(whole, name)
        odd = [key for key in theirs if not torch.equal(ours[key], theirs[key])]
        if odd:
            found.append(f"{name}: {len(odd)} of {len(theirs)} tensors, such as {odd[0]}")
    left = [path.name for path in out.rglob(".*")]
    if left:
        found.append(f"left behind: {left}")
    return found


def main() -> None:
    """As many trials as asked for: python tests/cut_off.py FOLDER TRIALS [SEED]."""
    import sys
    import traceback

    folder, trials = Path(sys.argv[1]), int(sys.argv[2])
    seed = int(sys.argv[3]) if sys.argv[3:] else 0
    root = tiny.scenes(folder / "scenes", STEPS)
    began = time.monotonic()
    whole = run(root, folder / "whole")
    longest = 1.2 * (time.monotonic() - began)
    done, faults = 0, 0
    while done < trials:
        out = folder / f"cut{seed}"
        try:
            told = cut_at_random(root, out, seed, longest)
            wrong = differences(out, whole)
        except Exception as error:
            traceback.print_exc()
            told, wrong = ["?"], [f"{type(error).__name__}: {error}"]
        done, faults, seed = done + max(len(told), 1), faults + bool(wrong), seed + 1
        print(f"{done}: {'; '.join(told) or 'not cut off'} -> {wrong or 'the same'}", flush=True)
    print(f"{done} signals, {faults} trainings that differ")


if __name__ == "__main__":
    main()
