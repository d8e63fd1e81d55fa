"""A training that sets out from another one's network: its weights, its classes, what it saw."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from wsfcn.checkpoint import load_checkpoint
from wsfcn.config import EPOCHS, KNOWN_EPOCHS, TrainSettings
from wsfcn.data.dataset import open_data
from wsfcn.errors import SettingError
from wsfcn.figures import read_figures
from wsfcn.images import write_mask
from wsfcn.models.segmenter import build_segmenter
from wsfcn.training import checks
from wsfcn.training.checks import settled
from wsfcn.training.relabel import second_round
from wsfcn.training.run import train
from wsfcn.training.start import take_over
from wsfcn.types import Classes

STEPS = 2


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tiny.scenes(tmp_path_factory.mktemp("data") / "scenes", STEPS)


@pytest.fixture(scope="module")
def run(root, tmp_path_factory) -> Path:
    """A finished training, which learned from one corrected mask."""
    corrected = tmp_path_factory.mktemp("corrected")
    first = open_data(tiny.settings(root, corrected).data).train[0]
    write_mask(corrected / f"{first.name}.png", np.zeros((tiny.SIZE, tiny.SIZE), np.uint8))
    settings = tiny.settings(root, tmp_path_factory.mktemp("runs") / "run")
    return train(replace(settings, data=replace(settings.data, corrected=corrected)))


def onward(root: Path, out: Path, weights: Path, **changes) -> TrainSettings:
    """Settings of a training that sets out from ``weights``."""
    model = {"weights": str(weights)} | changes.pop("model", {})
    return tiny.settings(root, out, model=model, **changes)


def test_it_sets_out_with_the_network_of_the_run_and_labels_from_it_at_once(root, run, tmp_path):
    nothing = {"epochs": 1, "rate": 0.0, "average": 0.0}
    same = train(onward(root, tmp_path / "same", run, optim=nothing))
    before, after = (load_checkpoint(path) for path in (run, same))
    weights = after.model.state_dict()
    learned = [name for name, _ in after.model.named_parameters()]
    for name, value in before.model.state_dict().items():
        if name in learned:
            torch.testing.assert_close(weights[name], value, rtol=0, atol=0)
    assert after.settings.pseudo.known
    assert after.corrected == before.corrected != frozenset()
    rows = [row for row in read_figures(same / "metrics.csv").rows if "loss/masks" in row]
    assert len(rows) == STEPS
    assert all(row["coverage"] > 0 for row in rows)  # though tags alone are asked for at first
    assert any((same / "second-round").glob("*.png"))


def test_it_goes_on_after_an_interrupt_as_it_began(root, run, tmp_path):
    out = tmp_path / "on"
    train(onward(root, out, run, optim={"epochs": 1}))
    more = train(onward(root, out, run, optim={"epochs": 2}), resume=out)
    assert load_checkpoint(more).settings.pseudo.known
    elsewhere = onward(root, out, Path("imagenet"), optim={"epochs": 3})
    assert load_checkpoint(train(elsewhere, resume=out)).settings.pseudo.known


def test_other_classes_keep_what_is_known_of_them_and_learn_the_rest(run):
    start = load_checkpoint(run)
    first, second, *_ = start.classes.objects
    classes = Classes(("background", "hare", second, first))
    model = build_segmenter(start.settings.model, classes.channels, pretrained=False)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    assert take_over(model, start, classes) == 2
    old, new = start.model.state_dict(), model.state_dict()
    for name in ("tag_head.weight", "tag_head.bias", "evidence.head.2.weight"):
        torch.testing.assert_close(new[name][1], old[name][1])
        torch.testing.assert_close(new[name][2], old[name][0])
        torch.testing.assert_close(new[name][0], fresh[name][0])
    shared = [name for name in new if name.startswith(("backbone", "context", "fusion"))]
    assert len(shared) > 100
    assert all(torch.equal(new[name], old[name]) for name in shared)


def test_with_other_classes_it_begins_with_tags_alone(root, run, tmp_path):
    copy = tmp_path / "scenes"
    copy.mkdir()
    (copy / "images").symlink_to(root / "images")
    for name in ("tags.csv", "val.txt", "train.txt"):
        (copy / name).write_text((root / name).read_text())
    (copy / "classes.txt").write_text((root / "classes.txt").read_text() + "hare\n")
    out = train(onward(copy, tmp_path / "run", run, optim={"epochs": 1, "warmup": 1}))
    rows = [row for row in read_figures(out / "metrics.csv").rows if "loss/masks" in row]
    assert {row["loss/masks"] for row in rows} == {0}
    assert not load_checkpoint(out).settings.pseudo.known


def test_it_is_shorter_unless_epochs_are_given(root, run, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "PICTURES", tiny.BATCH)
    out = train(onward(root, tmp_path / "short", run, optim={"epochs": None}))
    assert load_checkpoint(out).settings.optim.epochs == KNOWN_EPOCHS
    kept = settled(tiny.settings(root, tmp_path, optim={"epochs": None}))
    assert kept.optim.epochs == EPOCHS


def test_a_second_round_comes_first_or_not_at_all(root, tmp_path):
    settings = onward(root, tmp_path, Path("run"), pseudo={"known": True})
    made = second_round(settings, 16)
    assert made
    assert made.epoch == 0
    settings = onward(root, tmp_path, Path("run"), pseudo={"known": True, "relabel_after": 0})
    assert second_round(settings, 16) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"width": 12}}, "model.width: 12, but .* was trained with 8; train with the"),
        ({"pseudo": {"known": True}, "weights": "none"}, "pseudo.known: .*model.weights"),
    ],
)
def test_what_does_not_fit_is_one_line(root, run, tmp_path, change, message):
    weights = Path(change.pop("weights", run))
    with pytest.raises(SettingError, match=message):
        train(onward(root, tmp_path / "run", weights, **change))
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_what_matters_in_training_alone_may_differ(root, run, tmp_path):
    model = {"dropout": 0.5, "gate": 0.0, "frozen_stride": 2}
    out = train(onward(root, tmp_path / "run", run, model=model, optim={"epochs": 1}))
    assert load_checkpoint(out).settings.model.dropout == 0.5
