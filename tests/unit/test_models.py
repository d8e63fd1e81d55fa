"""Ready models are found by name, in whatever takes a network."""

import pytest
from PIL import Image

from exporting import checkpoint
from wsfcn import load
from wsfcn.checkpoint import save_checkpoint
from wsfcn.cli import main
from wsfcn.deploy import models
from wsfcn.deploy.models import MODELS, Ready, installed, make_ready
from wsfcn.errors import CheckpointError
from wsfcn.models.segmenter import Segmenter


@pytest.fixture
def made_up(monkeypatch, tmp_path):
    """A ready model of two classes, tiny, beside those that there are."""
    made = checkpoint(width=8)
    save_checkpoint(tmp_path / "made-up.ckpt", made)
    monkeypatch.setattr(models, "READY", tmp_path / "ready")
    make_ready(tmp_path / "made-up.ckpt", "pets")
    monkeypatch.setitem(MODELS, "pets", Ready("cat, dog", "made up"))
    return made


def test_a_ready_model_predicts_by_name(made_up, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 30), "teal").save("p.png")
    found = load("pets", device="cpu").predict("p.png")
    assert set(found.tags) == set(made_up.classes.objects)
    with pytest.raises(SystemExit) as exit_:
        main(["predict", "pets", "p.png", "-o", "out", "--overlays"])
    assert exit_.value.code in (None, 0)
    assert (tmp_path / "out" / "p-overlay.jpg").exists()
    assert Segmenter.from_pretrained("pets").head[-1].out_channels == len(made_up.classes) - 1


def test_models_are_listed(made_up, capsys):
    with pytest.raises(SystemExit):
        main(["models"])
    assert "pets: cat, dog (made up)" in capsys.readouterr().out


def test_a_folder_of_that_name_comes_first(made_up, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets").mkdir()
    with pytest.raises(CheckpointError, match="is it the folder of a run"):
        load("pets")


def test_a_model_that_is_not_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(models, "READY", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="this installation has not got the model"):
        load("animals")


@pytest.mark.parametrize("name", installed())
def test_what_is_installed_has_its_card_and_classes(name):
    card = (models.READY / name / "README.md").read_text()
    for words in ("wsfcn train", "mIoU", "license:"):
        assert words in card
    found = load(name, device="cpu")
    assert ", ".join(found.classes.objects) == MODELS[name].finds
