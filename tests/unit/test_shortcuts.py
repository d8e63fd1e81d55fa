"""Python as people write it: keywords, strings for paths, and one line for what is wrong."""

import csv
from pathlib import Path

import numpy as np
import pytest
from lightning.pytorch.callbacks import Callback
from PIL import Image

import tiny
import wsfcn
from wsfcn.checkpoint import Checkpoint
from wsfcn.config import ModelSettings, OptimSettings, TrainSettings, to_dict
from wsfcn.errors import DataError, PictureError, SettingError, WsfcnError
from wsfcn.inference.predictor import Predictor
from wsfcn.inference.pytorch import TorchNetwork
from wsfcn.models.segmenter import build_segmenter
from wsfcn.recipe import settings_of_run
from wsfcn.scenes.scenes import CLASSES
from wsfcn.shortcuts import groups_of_settings, homes_of_settings, with_changes

SMALL = {"crop": tiny.SIZE, "batch": tiny.BATCH, "width": 8, "weights": "none", "workers": 0}
SMALL |= {"device": "cpu", "log_every": 1, "warmup": 0.5, "evidence": False}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tiny.scenes(tmp_path_factory.mktemp("data") / "scenes", steps=1)


class Steps(Callback):
    """Counts the steps."""

    def __init__(self) -> None:
        self.count = 0

    def on_train_batch_end(self, *_: object) -> None:
        self.count += 1


def test_the_whole_road_in_strings(root, tmp_path, monkeypatch):
    steps = Steps()
    out = str(tmp_path / "run")
    run = wsfcn.train(data=str(root), epochs=1, out=out, callbacks=[steps], **SMALL)
    assert run == Path(out)
    assert steps.count == 1
    again = wsfcn.train(resume=out, epochs=2, callbacks=steps)  # under its own settings
    assert again == run
    assert steps.count == 2
    assert settings_of_run(run)["model"]["width"] == 8
    with (run / "metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file) if row["loss/tags"]] == ["0", "1"]
    predictor = wsfcn.load(out)
    masks = tmp_path / "masks"
    assert predictor.predict_folder(f"{root}/images", str(masks), overlays=True) == []
    assert len(list(masks.glob("*.jpg"))) == len(list((root / "images").iterdir()))
    metrics = wsfcn.evaluate(str(masks), f"{root}/masks", names=f"{root}/val.txt")
    assert metrics.classes == CLASSES
    assert "<th" in metrics._repr_html_()
    assert wsfcn.evaluate(masks, root / "masks", CLASSES.names).miou >= 0
    found = wsfcn.inspect(str(root))
    assert found.errors == []
    assert found.pictures == {"train": tiny.BATCH, "val": 4}
    assert CLASSES.objects[0] in found._repr_html_()


def test_each_setting_has_one_name():
    names = [name for kind in groups_of_settings().values() for name in vars(kind())]
    assert len(names) == len(set(names)) == len(homes_of_settings())
    assert not set(names) & {*groups_of_settings(), "seed", "resume", "callbacks", "settings"}


def test_settings_recipes_and_keywords_are_one():
    whole = TrainSettings(optim=OptimSettings(epochs=3, rate=1e-3), seed=2)
    assert with_changes(
        to_dict(TrainSettings()), {"epochs": 3, "rate": 1e-3, "seed": 2}
    ) == to_dict(whole)
    changed = with_changes({}, {"epochs": 3, "optim": OptimSettings(rate=1e-3)})
    assert changed["optim"]["epochs"] == 3
    assert changed["optim"]["rate"] == 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wsfcn.train(epoch=3), "train has no setting 'epoch'. Did you mean 'epochs'?"),
        (lambda: wsfcn.train(epochs=3), "data.root"),
        (lambda: wsfcn.train(data="nowhere"), "nowhere: no such folder"),
        (lambda: wsfcn.train(data=3), "data: a folder, as an object or a dictionary; got 3"),
        (lambda: wsfcn.train(data=OptimSettings()), "data: not OptimSettings"),
        (lambda: wsfcn.train(data="x", epochs="many"), "optim.epochs: a whole number, at least 1"),
        (lambda: wsfcn.train(data={"rot": "x"}), "data has no setting 'rot'. Did you mean 'root'?"),
        (lambda: wsfcn.train("voc-animals-bst"), "Did you mean 'voc-animals-best'?"),
        (lambda: wsfcn.train(7), "settings: a path; got 7"),
        (lambda: wsfcn.train(resume="nowhere"), "nowhere/settings.yaml: no such file"),
        (lambda: wsfcn.train(data="x", callbacks=3), "a list of Lightning's callbacks; got 3"),
        (lambda: wsfcn.train(data="x", callbacks=["a"]), "callbacks: objects of lightning"),
        (lambda: wsfcn.load("nowhere"), "nowhere"),
        (lambda: wsfcn.load("x", "fats"), "no preset 'fats'. Did you mean 'fast'?"),
        (lambda: wsfcn.load("x", flp=True), "no setting 'flp'. Did you mean 'flip'?"),
        (
            lambda: wsfcn.evaluate("masks", "truth"),
            "classes: name them, as there is no classes.txt",
        ),
        (lambda: wsfcn.evaluate("masks", "truth", "nowhere.txt"), "nowhere.txt: no such file"),
        (lambda: wsfcn.evaluate("masks", "truth", 3), "classes: texts; got 3"),
        (lambda: wsfcn.evaluate("masks", "truth", ["one"]), "are the least; got"),
        (lambda: wsfcn.evaluate(3, "truth"), "masks: a path; got 3"),
        (lambda: wsfcn.inspect(3), "data: a path; got 3"),
        (lambda: wsfcn.inspect("x", tag="csv"), "data has no setting 'tag'. Did you mean 'tags'?"),
    ],
)
def test_mistakes_are_one_line(monkeypatch, tmp_path, call, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WsfcnError) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    settings = TrainSettings(model=ModelSettings(width=8, weights="none", evidence=False))
    model = build_segmenter(settings.model, len(CLASSES))
    return Predictor(TorchNetwork(Checkpoint(model, settings, CLASSES), "cpu"))


def test_a_list_of_pictures_gives_a_list(predictor, tmp_path):
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.png")
    kinds = [str(tmp_path / "a.png"), Image.new("RGB", (20, 10)), np.zeros((8, 9, 3), np.uint8)]
    found = predictor.predict(kinds)
    assert [segmentation.mask.shape for segmentation in found] == [(30, 40), (10, 20), (8, 9)]
    assert predictor.predict([]) == []
    with pytest.raises(PictureError, match="missing"):
        predictor.predict([kinds[0], "missing.png"])


def test_a_folder_in_strings_keeps_what_can_be_read(predictor, tmp_path):
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    broken = predictor.predict_folder(str(tmp_path), str(tmp_path / "out"))
    assert [type(error) for error in broken] == [PictureError]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
    with pytest.raises(SettingError, match="out: a path; got ''"):
        predictor.predict_folder(str(tmp_path), "")


def test_a_segmentation_shows_itself_without_obeying_names(predictor):
    found = predictor.predict(Image.new("RGB", (40, 30), "teal"))
    page = found._repr_html_()
    assert page.count("<img") == 2
    assert all(name in page for name in sorted(found.tags, key=found.tags.get)[-8:])
    assert repr(found).startswith("Segmentation(40 x 30: ")


def test_a_notebook_shows_the_line_alone():
    error = DataError("a\x1b[2J\nb")
    assert error._render_traceback_() == ["DataError: a\\x1b[2J b"]
