"""Classes that most pictures have: what tags tell of them, and that they leave others room."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tiny
from wsfcn.checkpoint import load_checkpoint
from wsfcn.config import DataSettings, PseudoSettings
from wsfcn.data.dataset import open_data
from wsfcn.data.inspect import inspect_data
from wsfcn.data.telling import NEVER, prior_of, told
from wsfcn.errors import DataError
from wsfcn.images import read_mask, write_mask
from wsfcn.method.pseudo import beyond
from wsfcn.method.step import make_labels
from wsfcn.training.labels import write_labels
from wsfcn.training.run import train
from wsfcn.types import IGNORE, Batch, Prediction
from wsfcn.verdicts import read_beliefs, verdict


def folder(root: Path, *tags: str, classes: str = "background leaf rust") -> Path:
    """A data set of pictures with such tags; every fifth is validated on."""
    rows = ["image,tags"]
    for n, tag in enumerate(tags):
        path = root / "images" / f"{n:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (9 * n, 90, 90)).save(path)
        rows.append(f"images/{n:02}.png,{tag}")
    (root / "tags.csv").write_text("\n".join(rows))
    (root / "classes.txt").write_text(classes.replace(" ", "\n"))
    (root / "val.txt").write_text("\n".join(f"{n:02}" for n in range(0, len(tags), 5)))
    return root


def opened(root: Path):
    return open_data(DataSettings(root=root))


LEAVES = ["leaf", "leaf rust"] * 5


def test_a_tag_on_every_picture_is_left_out(tmp_path):
    data = told(opened(folder(tmp_path, *LEAVES)))
    assert data.untold == {"leaf"}
    assert {picture.tags for picture in (*data.train, *data.val)} == {(), ("rust",)}
    assert any("no masks of 'leaf'" in line for line in data.in_words())


def test_one_on_nearly_every_picture_is_too_and_others_stay(tmp_path):
    few = told(opened(folder(tmp_path / "few", *LEAVES, "leaf", "rust")))  # one is without
    assert not few.untold
    notes = inspect_data(DataSettings(root=tmp_path / "few")).notes
    assert not any("no mask" in note for note in notes)
    many = told(opened(folder(tmp_path / "many", *LEAVES * 6, "leaf", "rust")))
    assert many.untold == {"leaf"}
    notes = inspect_data(DataSettings(root=tmp_path / "many")).notes
    assert sum("'leaf' is on all training pictures but 1" in note for note in notes) == 1


def test_people_who_draw_a_class_teach_it(tmp_path):
    root = folder(tmp_path, *LEAVES)
    write_mask(root / "corrected" / "01.png", np.full((6, 8), 2, np.uint8))
    assert told(opened(root)).untold == {"leaf"}
    write_mask(root / "corrected" / "02.png", np.full((6, 8), 1, np.uint8))
    data = told(opened(root))
    assert not data.untold
    # Yet no activation tells where it is.
    assert prior_of(data.train, data.classes)[0] == NEVER


def test_where_no_other_tag_is_left_a_training_cannot_be(tmp_path):
    root = folder(tmp_path, *["leaf"] * 10)
    with pytest.raises(DataError, match=r"every training picture is tagged 'leaf'.* add "):
        told(opened(root))
    found = inspect_data(DataSettings(root=root))
    assert any("tagged 'leaf'" in error for error in found.errors)


def test_without_a_background_a_class_of_every_picture_is_the_rest(tmp_path):
    root = folder(tmp_path, *["sand", "sand rock"] * 5, classes="sand rock")
    data = told(opened(root))
    assert not data.untold
    sand, rock = prior_of(data.train, data.classes).tolist()
    assert sand == pytest.approx(np.log(9))  # 8 with it, none without
    assert rock == 0


def test_a_frequent_class_counts_beyond_its_odds():
    """Its map is positive everywhere, and would leave no background."""
    maps = torch.tensor([[[[2.0, 2.0, 2.0, 5.0]], [[-1.0, 3.0, -1.0, -1.0]]]])
    logits = torch.zeros(1, 3, 1, 4)
    prediction = Prediction(logits, maps.mean((2, 3)), maps)
    data = Batch(torch.rand(1, 3, 4, 16), torch.ones(1, 2), ["a"])
    settings = PseudoSettings(pamr_iterations=0, activation_high=0.3)
    assert make_labels(data, prediction, settings).tolist() == [[[1, 2, 1, 1]]]
    prediction = beyond(prediction, torch.tensor([3.0, 0.0]))
    assert make_labels(data, prediction, settings).tolist() == [[[0, 2, 0, 1]]]
    never = beyond(prediction, torch.tensor([NEVER, 0.0]))
    assert make_labels(data, never, settings).tolist() == [[[0, 2, 0, 0]]]


def test_a_training_learns_the_others_and_says_so(tmp_path, capsys):
    root = tiny.scenes(tmp_path / "scenes", steps=2)
    rows = (root / "tags.csv").read_text().splitlines()
    (root / "tags.csv").write_text("\n".join([rows[0], *(f"{row} paper" for row in rows[1:])]))
    with (root / "classes.txt").open("a") as classes:
        classes.write("paper\n")
    out = tmp_path / "run"
    train(tiny.settings(root, out))
    said = capsys.readouterr().out
    assert "no masks of 'paper'" in said
    assert "paper: unusable (nearly every training picture has it)" in said
    found = read_beliefs(out)
    assert found
    assert verdict(found.classes["paper"]).word == "unusable"
    # Labels are the training's: none of the class, and pictures keep theirs.
    labels = tmp_path / "labels"
    count, _ = write_labels(out, DataSettings(root=root), labels)
    paper = load_checkpoint(out).classes.index("paper")
    masks = [read_mask(path) for path in sorted(labels.glob("*.png"))]
    assert len(masks) == count
    assert not any((mask == paper).any() for mask in masks)
    assert any((mask != IGNORE).any() for mask in masks)
