"""What a training can be gone on with: its folder, wherever that is, and data that fit."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
import yaml

import tiny
from wsfcn.checkpoint import load_checkpoint
from wsfcn.cli import main
from wsfcn.errors import SettingError
from wsfcn.models.evidence import SINCE
from wsfcn.training import checks
from wsfcn.training.run import train

STEPS = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tiny.scenes(tmp_path_factory.mktemp("data") / "scenes", STEPS)


def losses(out: Path) -> dict[int, float]:
    """The loss of each step in a run's table."""
    with (out / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["loss/total"]]
    return {int(row["step"]): float(row["loss/total"]) for row in rows}


@pytest.fixture(scope="module")
def short(root, tmp_path_factory) -> Path:
    """A finished training of one epoch."""
    return train(tiny.settings(root, tmp_path_factory.mktemp("short") / "run", optim={"epochs": 1}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"width": 12}}, "model.width: 12, but .* was trained with 8"),
        ({"optim": {"epochs": 1, "warmup": 0}, "names": "kite"}, "knows the classes"),
    ],
)
def test_what_does_not_fit_the_checkpoint_is_refused(root, short, tmp_path, change, message):
    if name := change.pop("names", None):
        classes = (root / "classes.txt").read_text().splitlines()
        copy = tmp_path / "scenes"
        shutil.copytree(root, copy)
        (copy / "classes.txt").write_text("\n".join([*classes, f"{name}-like"]))
        root = copy
    with pytest.raises(SettingError, match=message):
        train(tiny.settings(root, short, **change), short)


def test_a_run_of_an_earlier_version_goes_on(root, tmp_path):
    """Its network, and the average of it, know nothing of what resembles the cells that tell, and
    its settings do not say which feature is shallow."""
    model = {"evidence": True, "middle": False}
    settings = tiny.settings(
        root, tmp_path / "run", optim={"epochs": 1, "average": 0.9}, model=model
    )
    run = train(settings)
    noted = yaml.safe_load((run / "settings.yaml").read_text())
    del noted["model"]["middle"]
    (run / "settings.yaml").write_text(yaml.safe_dump(noted))
    last = run / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    assert without_newer(content) >= len(SINCE)
    del content["wsfcn"]["settings"]["model"]["middle"]
    torch.save(content, last)
    assert not load_checkpoint(last).model.evidence.resembles
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--resume", str(run), "--optim.epochs", "2"])
    assert not exit_.value.code
    assert sorted(losses(run)) == list(range(2 * STEPS))


def without_newer(content: dict) -> int:
    """Take out of a checkpoint what networks lacked before; how many values that were. Of its
    perceptrons the first alone stays, under the name it had."""
    newer = [name for name in content if str(name).endswith(tuple(f"evidence.{n}" for n in SINCE))]
    for name in newer:
        del content[name]
    for name in [name for name in content if ".heads." in str(name)]:
        value = content.pop(name)
        if ".heads.0." in name:
            content[name.replace(".heads.0.", ".head.")] = value
    inner = (value for value in content.values() if isinstance(value, dict))
    return len(newer) + sum(map(without_newer, inner))


def test_a_used_folder_is_not_overwritten_unasked(root, short):
    before = (short / "checkpoints" / "last.ckpt").read_bytes()
    with pytest.raises(SettingError, match="holds a training; go on with --resume"):
        train(tiny.settings(root, short))
    assert (short / "checkpoints" / "last.ckpt").read_bytes() == before


def test_a_checkpoint_may_be_named_to_go_on_from(root, short, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(short, run)
    (run / "checkpoints" / "last.ckpt").write_bytes(b"damaged")
    named = str(run / "checkpoints" / "best.ckpt")
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--resume", named, "--optim.epochs", "2"])
    assert not exit_.value.code
    assert sorted(losses(run)) == list(range(2 * STEPS))


def test_data_that_were_named_from_here_are_found_from_elsewhere(
    root, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(root.parent)
    run = tmp_path / "run"
    train(tiny.settings(Path(root.name), run, optim={"epochs": 1}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--resume", "run", "--optim.epochs", "2"])
    assert not exit_.value.code
    assert sorted(losses(run)) == list(range(2 * STEPS))


def test_the_folder_that_is_resumed_is_the_one_that_is_written(root, short, tmp_path, monkeypatch):
    moved = tmp_path / "elsewhere"
    shutil.copytree(short, moved)
    shutil.rmtree(short)
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--resume", str(moved), "--optim.epochs", "2"])
    assert not exit_.value.code
    assert not short.exists()
    assert sorted(losses(moved)) == list(range(2 * STEPS))


def test_a_training_without_a_number_of_epochs_goes_on_with_epochs_as_long(
    root, tmp_path, monkeypatch
):
    monkeypatch.setattr(checks, "EPOCHS", 1)
    monkeypatch.setattr(checks, "PICTURES", 2 * tiny.BATCH)
    out = train(tiny.settings(root, tmp_path / "run", optim={"epochs": None}))
    assert sorted(losses(out)) == [0, 1]  # where a pass over the set would be four steps
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--resume", str(out), "--optim.epochs", "2"])
    assert exit_.value.code in (None, 0)
    assert sorted(losses(out)) == [0, 1, 2, 3]
