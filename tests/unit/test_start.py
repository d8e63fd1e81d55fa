"""A training that sets out from another one's network: its weights, its classes, what it saw."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

import tiny
from wsfcn.checkpoint import Checkpoint, load_checkpoint, read_checkpoint
from wsfcn.config import EPOCHS, KNOWN_EPOCHS, ModelSettings, TrainSettings
from wsfcn.data.dataset import open_data
from wsfcn.errors import SettingError
from wsfcn.figures import read_figures
from wsfcn.images import write_mask
from wsfcn.models.segmenter import build_segmenter
from wsfcn.training import checks
from wsfcn.training.averaging import MovingAverage
from wsfcn.training.checks import settled
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.relabel import second_round
from wsfcn.training.run import train
from wsfcn.training.start import class_tensors, knows, take_over
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


def test_it_goes_on_as_it_began_whatever_is_asked_for_then(root, run, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "PICTURES", STEPS * tiny.BATCH)
    out = tmp_path / "on"
    asked = onward(root, out, run, optim={"epochs": None})
    with pytest.raises(KeyboardInterrupt):
        train(asked, callbacks=[InterruptAt(1)])
    assert read_checkpoint(out / "checkpoints" / "last.ckpt")["global_step"] == 1
    whole = train(onward(root, tmp_path / "whole", run, optim={"epochs": None}))
    elsewhere = onward(root, out, Path("imagenet"), optim={"epochs": None})
    for path in (whole, train(elsewhere, resume=out)):
        found = load_checkpoint(path).settings
        assert (found.pseudo.known, found.optim.epochs) == (True, KNOWN_EPOCHS)
        rows = [row for row in read_figures(path / "metrics.csv").rows if "loss/masks" in row]
        assert len(rows) == STEPS * KNOWN_EPOCHS
    one, other = (load_checkpoint(path).model.state_dict() for path in (whole, out))
    assert all(torch.equal(one[name], other[name]) for name in one)


class InterruptAt(Callback):
    """Ctrl-C in a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, *_arguments) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("evidence", [True, False])
def test_other_classes_keep_what_is_known_of_them_and_learn_the_rest(run, evidence):
    start = load_checkpoint(run)
    first, second, *_ = start.classes.objects
    classes = Classes(("background", "hare", second, first))
    assert not knows(start, classes)
    model = build_segmenter(start.settings.model, classes.channels, pretrained=False)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    assert take_over(model, start, classes, evidence=evidence) == 2
    old, new = start.model.state_dict(), model.state_dict()
    for name in ("tag_head.weight", "tag_head.bias", "evidence.heads.1.2.weight"):
        source = fresh if name.startswith("evidence") and not evidence else None
        torch.testing.assert_close(new[name][0], fresh[name][0])
        torch.testing.assert_close(new[name][1], source[name][1] if source else old[name][1])
        torch.testing.assert_close(new[name][2], source[name][2] if source else old[name][0])
    shared = [name for name in new if name.startswith(("backbone", "context", "fusion"))]
    assert len(shared) > 100
    assert all(torch.equal(new[name], old[name]) for name in shared)


def test_it_knows_classes_in_whatever_order_and_some_of_them(run):
    start = load_checkpoint(run)
    names = start.classes.objects
    assert knows(start, Classes(("background", *names[::-1])))
    assert knows(start, Classes(("background", *names[2:4])))
    assert not knows(start, Classes(names))  # without a background masks are others


def test_evidence_for_other_classes_is_judged_by_features_that_have_not_learned(
    root, run, tmp_path, monkeypatch
):
    def deepest(model) -> torch.Tensor:
        return [p.detach().clone() for p in model.backbone.parameters() if p.ndim == 4][-1]

    seen = []

    def fit(model, data, settings):
        seen.append(deepest(model))

    monkeypatch.setattr("wsfcn.training.run.fit_evidence", fit)
    nothing = {"epochs": 1, "rate": 0.0, "average": 0.0}
    out = train(onward(with_a_hare(root, tmp_path), tmp_path / "run", run, optim=nothing))
    (first,) = seen
    learned, after = (deepest(load_checkpoint(path).model) for path in (run, out))
    assert not torch.equal(first, learned)
    assert torch.equal(after, learned)


def with_a_hare(root: Path, folder: Path) -> Path:
    """The same pictures, and a class more."""
    copy = folder / "scenes"
    copy.mkdir()
    (copy / "images").symlink_to(root / "images")
    for name in ("tags.csv", "val.txt", "train.txt"):
        (copy / name).write_text((root / name).read_text())
    (copy / "classes.txt").write_text((root / "classes.txt").read_text() + "hare\n")
    return copy


def test_with_other_classes_it_begins_with_tags_alone(root, run, tmp_path, capsys):
    copy = with_a_hare(root, tmp_path)
    out = train(onward(copy, tmp_path / "run", run, optim={"epochs": 1, "warmup": 1}))
    rows = [row for row in read_figures(out / "metrics.csv").rows if "loss/masks" in row]
    assert {row["loss/masks"] for row in rows} == {0}
    assert f"sets out from {run}, which knows 8 of the 9 classes" in capsys.readouterr().out
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


def test_another_network_than_the_runs_is_one_line(root, run, tmp_path):
    with pytest.raises(SettingError) as caught:
        train(onward(root, tmp_path / "run", run, model={"width": 12}))
    assert str(caught.value) == f"model.width: 12, but {run} was trained with 8; leave it out"
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_what_is_not_asked_for_is_as_in_the_run(root, run, tmp_path):
    usual = ModelSettings(weights=str(run))
    assert usual.width != 8
    settings = replace(tiny.settings(root, tmp_path / "run", optim={"epochs": 1}), model=usual)
    assert load_checkpoint(train(settings)).settings.model.width == 8


def test_the_folder_of_the_start_is_not_written_over(root, run):
    with pytest.raises(SettingError, match=r"lies in run\.out; name another"):
        train(onward(root, run, run, run={"overwrite": True}))
    assert load_checkpoint(run)


def test_nobody_but_a_training_says_that_classes_are_known(root, tmp_path):
    out = train(tiny.settings(root, tmp_path / "run", pseudo={"known": True}, optim={"epochs": 1}))
    assert not load_checkpoint(out).settings.pseudo.known


def test_as_many_classes_as_a_mask_holds():
    names = ("background", *(f"kind {n}" for n in range(254)))
    settings = tiny.settings(Path(), Path())
    model = build_segmenter(settings.model, 255, pretrained=False)
    assert "tag_head.weight" in class_tensors(Checkpoint(model, settings, Classes(names)))


def test_the_average_goes_where_the_network_computes(root, tmp_path):
    module = SegmentationTraining(
        build_segmenter(tiny.settings(root, tmp_path).model, 9, pretrained=False),
        open_data(tiny.settings(root, tmp_path).data),
        tiny.settings(root, tmp_path),
    )
    average = MovingAverage(0.9)
    average.setup(L.Trainer(logger=False), module, "fit")
    module.to("meta")  # as a GPU, after the setup
    average.on_fit_start(L.Trainer(logger=False), module)
    assert {value.device.type for value in average.model.parameters()} == {"meta"}


def test_what_matters_in_training_alone_may_differ(root, run, tmp_path):
    model = {"dropout": 0.5, "gate": 0.0, "frozen_stride": 2}
    out = train(onward(root, tmp_path / "run", run, model=model, optim={"epochs": 1}))
    assert load_checkpoint(out).settings.model.dropout == 0.5
