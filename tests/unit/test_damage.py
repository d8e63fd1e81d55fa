"""Damaged files of a run: what is whole is used, what is not is refused in one line."""

import random
import shutil
from pathlib import Path

import pytest
import torch

import tiny
from wsfcn.checkpoint import load_checkpoint, read_checkpoint
from wsfcn.errors import CheckpointError, DamageWarning
from wsfcn.figures import read_figures
from wsfcn.models import weights
from wsfcn.models.weights import read_file
from wsfcn.report import read_curves
from wsfcn.training.run import train

STEPS = 3


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tiny.scenes(tmp_path_factory.mktemp("data") / "scenes", STEPS)


def run(root: Path, out: Path, resume: Path | None = None, epochs: int = 2) -> Path:
    settings = tiny.settings(root, out, optim={"epochs": epochs}, run={"save_every": 1})
    return train(settings, resume)


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory) -> Path:
    return run(root, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """A run that may be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def flipped(content: bytearray, chance: random.Random) -> None:
    for _ in range(3):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def zeroed(content: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(content) - 2**16)
    content[start : start + 2**16] = bytes(2**16)


def cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def same(one: object, other: object) -> bool:
    """Whether two contents of a checkpoint are equal."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("damage", [flipped, zeroed, cut])
def test_a_damaged_checkpoint_is_never_taken_for_another(copied, damage):
    """Between the parts of the file there are bytes that mean nothing; others are all summed up."""
    last = copied / "checkpoints" / "last.ckpt"
    whole, content = last.read_bytes(), read_checkpoint(last)
    refusals = []
    for seed in range(16):
        changed, chance = bytearray(whole), random.Random(seed)
        while changed == whole:  # zeros may have been zeros
            damage(changed, chance)
        last.write_bytes(changed)
        try:
            assert same(read_checkpoint(last), content)
        except CheckpointError as error:
            refusals.append(str(error))
    assert len(refusals) >= 12
    for text in refusals:
        assert text.startswith(f"{last}: ")
        assert f"whole, and to name in its place: {last.with_name('previous.ckpt')}" in text
        assert "\n" not in text


def test_a_training_goes_on_from_the_checkpoint_before_a_damaged_one(root, finished, copied):
    last, previous = (copied / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous"))
    assert read_checkpoint(last)["global_step"] == 2 * STEPS
    assert read_checkpoint(previous)["global_step"] == 2 * STEPS
    last.write_bytes(last.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"previous\.ckpt"):
        run(root, copied, copied)
    run(root, copied, previous)
    found, expected = read_checkpoint(last), read_checkpoint(finished / "checkpoints" / "last.ckpt")
    for key in expected.keys() - {"wsfcn"}:  # that names the folder
        assert same(found[key], expected[key]), key
    # The damaged one has not taken its place.
    assert read_checkpoint(previous)


def test_of_a_run_without_a_last_checkpoint_the_one_before_is_used(root, copied):
    (copied / "checkpoints" / "last.ckpt").unlink()
    run(root, copied, copied)
    assert read_checkpoint(copied / "checkpoints" / "last.ckpt")["global_step"] == 2 * STEPS


def test_weights_alone_cannot_be_resumed(root, copied):
    last = copied / "checkpoints" / "last.ckpt"
    content = read_checkpoint(last)
    torch.save({key: content[key] for key in ("state_dict", "wsfcn")}, last)
    with pytest.raises(CheckpointError, match="holds weights alone"):
        run(root, copied, copied)


@pytest.mark.parametrize("key", ["state_dict", "current_model_state", "optimizer_states"])
def test_a_network_that_has_failed_is_refused(root, copied, key):
    last = copied / "checkpoints" / "last.ckpt"
    content = read_checkpoint(last)
    values = content[key]
    while not isinstance(values, torch.Tensor):
        if isinstance(values, list):
            values = values[0]
        else:
            found = (v for v in values.values() if isinstance(v, dict) or v.is_floating_point())
            values = next(found)
    values.fill_(torch.nan)
    torch.save(content, last)
    with pytest.raises(CheckpointError, match=r"the network has failed: its weights .*previous"):
        load_checkpoint(last)
    with pytest.raises(CheckpointError, match="the network has failed"):
        run(root, copied, copied, epochs=3)


DAMAGES = {
    "a row that was cut off": lambda lines: [*lines[:-1], lines[-1][:-4]],
    "zeros": lambda lines: [*lines[:2], bytes(len(lines[2])), *lines[3:]],
    "text": lambda lines: [*lines[:3], b"no figure, at all", *lines[3:]],
    "no text": lambda lines: [*lines[:2], bytes(range(128, 256)), *lines[3:]],
    "a row of many cells": lambda lines: [*lines[:2], lines[2] * 2, *lines[3:]],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_stops_neither_training_nor_report(root, copied, damage):
    table = copied / "metrics.csv"
    before = read_figures(table).rows
    table.write_bytes(b"\n".join(DAMAGES[damage](table.read_bytes().split(b"\n")[:-1])))
    with pytest.warns(DamageWarning, match=r"dropped what is damaged \(line \d"):
        assert read_curves(table)
    kept = read_figures(table).rows
    with pytest.warns(DamageWarning):
        run(root, copied, copied, epochs=3)
    after = read_figures(table)
    assert not after.dropped
    assert len(kept) < len(before)
    assert [row for row in after.rows if row["step"] < 2 * STEPS] == kept
    assert [row["step"] for row in after.rows if row["step"] >= 2 * STEPS] == [6, 7, 8, 8]


def test_a_table_without_its_header_is_dropped_as_a_whole(tmp_path):
    table = tmp_path / "metrics.csv"
    for content in (b"", b"\x00\x00\x00,step\n1,2\n", b"loss\n0.5\n", b"step,step\n1,2\n"):
        table.write_bytes(content)
        found = read_figures(table)
        assert not found.rows
        assert "its header is damaged" in found.dropped


def test_figures_that_are_not_finite_are_none(tmp_path):
    table = tmp_path / "metrics.csv"
    table.write_text("loss,step\nnan,1\ninf,2\n0.5,3\n0.5,nan\n0.5,-1\n0.5,1.5\n")
    found = read_figures(table)
    assert found.rows == [{"step": 1}, {"step": 2}, {"loss": 0.5, "step": 3}]
    assert "line 5, 6, 7" in found.dropped


def test_a_small_file_that_asks_for_all_memory_is_damaged(tmp_path, monkeypatch):
    def load(*_arguments, **_more):
        raise MemoryError

    path = tmp_path / "w.pt"
    path.write_bytes(b"\x80\x02X\xff\xff\xff\x7f")
    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(CheckpointError, match="asks for more memory than there is"):
        read_file(path)
    monkeypatch.setattr(weights, "SMALL", 3)
    with pytest.raises(MemoryError):
        read_file(path)
