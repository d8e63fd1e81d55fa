"""Whatever ends a command is one line and an exit code, and nothing half-written stays behind."""

import errno
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny
from wsfcn.cli import main
from wsfcn.ending import exit_code
from wsfcn.files import atomic
from wsfcn.training.run import train

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished training, with the pictures it learned from in ``scenes``."""
    folder = tmp_path_factory.mktemp("run")
    root = tiny.scenes(folder / "scenes", 2)
    return train(tiny.settings(root, folder / "run", optim={"epochs": 1}))


def command(*arguments: object, before=lambda: None) -> tuple[int, str, str]:
    """Exit code, output and errors of a command in a process of its own."""
    process, out, err = start(*arguments, before=before)
    return finish(process, out, err)


def start(*arguments: object, before=lambda: None) -> tuple[int, int, int]:
    """Begin a command in a process that leads a group; its output and errors are read here."""
    out, err = os.pipe(), os.pipe()
    process = os.fork()
    if process:
        os.close(out[1])
        os.close(err[1])
        return process, out[0], err[0]
    code = 99
    try:
        os.setsid()
        os.dup2(out[1], 1)
        os.dup2(err[1], 2)
        for number in (1, 2):
            stream = os.fdopen(number, "w", buffering=1)
            setattr(sys, ("stdout", "stderr")[number - 1], stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        before()
        main([str(argument) for argument in arguments])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 98
    finally:
        os._exit(code)


def finish(process: int, out: int, err: int) -> tuple[int, str, str]:
    texts = []
    for end in (err, out):
        with os.fdopen(end) as file:
            texts.append(file.read())
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code, texts[1], texts[0]


def wait_until(condition) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def small_files() -> None:
    """No file may grow beyond 600 bytes, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "RUN", "SCENES/images", "-o", "OUT/masks", "--probabilities"],
        ["predict", "RUN", "SCENES/images", "-o", "OUT/masks", "--overlays"],
        ["label", "RUN", "--data.root", "SCENES", "-o", "OUT/labels"],
        ["inspect", "SCENES", "--page", "OUT/page.html"],
        ["report", "COPY"],
        ["train", "--data.root", "SCENES", "--run.out", "OUT/new", "--run.workers", "0"],
        ["evaluate", "MASKS", "MASKS", "--classes", "SCENES/classes.txt", "--json", "OUT/m.json"],
        ["demo", "--out", "OUT/demo"],
    ],
    ids=lambda arguments: " ".join(arguments[::20]) + arguments[-1].replace("/", " "),
)
def test_a_full_disk_is_one_line(run, tmp_path, arguments):
    (tmp_path / "copy").mkdir()
    for name in ("settings.yaml", "metrics.csv"):
        (tmp_path / "copy" / name).write_bytes((run / name).read_bytes())
    places = {"RUN": run, "SCENES": run.parent / "scenes", "OUT": tmp_path / "out"}
    places |= {"COPY": tmp_path / "copy", "MASKS": run.parent / "scenes" / "masks"}
    for name, place in places.items():
        arguments = [argument.replace(name, str(place)) for argument in arguments]
    code, _, errors = command(*arguments, before=small_files)
    assert code == 2
    (line,) = errors.splitlines()
    assert line.startswith("wsfcn: ")
    assert "make room" in line
    assert str(tmp_path) in line
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_an_output_that_nobody_can_write_is_one_line():
    full = os.open("/dev/full", os.O_WRONLY)
    code, _, errors = command("--help", before=lambda: os.dup2(full, 1))
    assert code == 2
    assert errors == "wsfcn: No space left on device: make room\n"


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "SIGTERM")],
)
def test_a_prediction_that_is_stopped_keeps_what_is_done(run, tmp_path, number, code, word):
    folder, masks = tmp_path / "many", tmp_path / "masks"
    folder.mkdir()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    for n in range(2000):
        picture.save(folder / f"{n}.png")
    process = start("predict", run, folder, "-o", masks)
    wait_until(lambda: any(masks.glob("*.png")))
    os.killpg(process[0], number)
    ended, _, errors = finish(*process)
    assert ended == code
    (line,) = errors.splitlines()
    assert word in line
    done = list(masks.iterdir())
    assert 0 < len(done) < 2000
    for path in done:
        assert Image.open(path).size == (64, 64)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_stopped_says_where_to_go_on(run, tmp_path, number):
    out = tmp_path / "run"
    process = start(
        *("train", "--data.root", run.parent / "scenes", "--run.out", out, "--data.crop", 64),
        *("--model.backbone", "test_resnet", "--model.weights", "none", "--optim.epochs", 500),
        *("--optim.batch", 8, "--run.workers", 1, "--run.log-every", 1),
    )
    table = out / "metrics.csv"
    wait_until(lambda: table.exists() and len(table.read_text()) > 200)
    os.killpg(process[0], number)  # and the process that decodes pictures
    code, _, errors = finish(*process)
    assert code == 128 + number
    line = errors.splitlines()[-1]
    assert line.startswith("wsfcn: ")
    assert f"go on with --resume {out}" in line
    assert "memory" not in errors


def test_whoever_reads_the_output_may_stop(monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert exit_code(lambda: print("a line")) == 141
        monkeypatch.undo()
    assert capsys.readouterr().err == ""


def raised(error: BaseException):
    raise error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.EIO, "Input/output error"), "wsfcn: Input/output error\n"),
        (OSError("encoder error -2"), "wsfcn: encoder error -2\n"),
        (MemoryError(), "wsfcn: out of memory\n"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "wsfcn: out of memory\n"),
    ],
)
def test_errors_of_the_system_are_one_line(capsys, error, line):
    assert exit_code(lambda: raised(error)) == 2
    assert capsys.readouterr().err == line


def test_an_error_of_ours_is_not_hidden():
    with pytest.raises(RuntimeError, match="shapes"):
        exit_code(lambda: raised(RuntimeError("shapes cannot be multiplied")))


def test_a_writer_without_room_is_told_with_the_files_name(tmp_path):
    path = tmp_path / "mask.png"
    for name in (None, "temporary"):
        with pytest.raises(OSError, match=r"mask\.png"), atomic(path) as temporary:
            raise OSError(errno.ENOSPC, "No space left on device", name and str(temporary))
    with pytest.raises(OSError, match=r"other\.png"), atomic(path):
        raise OSError(errno.ENOENT, "No such file", "other.png")
