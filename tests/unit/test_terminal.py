"""No name can do more in a terminal than be read."""

import io
import warnings

import numpy as np
import pytest

from wsfcn import terminal
from wsfcn.evaluation import ConfusionMatrix, print_metrics
from wsfcn.types import Classes

NAMES = ("background", "[/]", "[bold]cat", "a\x1b[2Jb", "c\rd", "e\u202ef", "g\x9bh", "\udcff", "ü")


@pytest.mark.parametrize("write", [terminal.say, terminal.complain, terminal.warned])
@pytest.mark.parametrize("name", NAMES)
def test_a_line_holds_no_control_characters(capsys, write, name):
    write(f"picture {name}.jpg")
    found = "".join(capsys.readouterr())
    assert found.endswith(".jpg\n")
    assert found[:-1].isprintable()


def test_an_error_is_one_line(capsys):
    terminal.complain(ValueError("a\nb"))
    assert capsys.readouterr().err == "wsfcn: a b\n"


def test_a_table_shows_class_names_as_they_are(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    counts = ConfusionMatrix(Classes(NAMES))
    counts.update(np.array([[0, 1]], np.uint8), np.array([[0, 1]], np.uint8))
    print_metrics(counts.compute())
    found = capsys.readouterr().out
    assert "[bold]cat" in found
    assert "[/]" in found
    assert r"a\x1b[2Jb" in found
    assert all(line.isprintable() for line in found.splitlines())


def test_letters_that_a_terminal_lacks_are_written_out(monkeypatch):
    poor = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", poor)
    terminal.say("Käse")
    poor.flush()
    assert poor.buffer.getvalue() == b"K\\xe4se\n"


def test_a_warning_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", terminal.warned)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("passed over: a\x1b.jpg", stacklevel=1)
    assert capsys.readouterr().err == "wsfcn: warning: passed over: a\\x1b.jpg\n"
