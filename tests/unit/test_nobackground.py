"""Where every pixel belongs to a class: from the class list to masks, files and figures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import exporting
import tiny
from colours import PATCHES, Colours, draw
from wsfcn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from wsfcn.config import DataSettings, ModelSettings, PredictSettings, TrainSettings
from wsfcn.data.dataset import open_data, tag_vector
from wsfcn.deploy.load import open_network
from wsfcn.errors import DataError, MaskError, SettingError
from wsfcn.evaluation import background_curve, evaluate_folder
from wsfcn.exchange.convert import convert
from wsfcn.figures import read_figures
from wsfcn.images import read_mask, write_mask
from wsfcn.inference.folder import predict_folder
from wsfcn.inference.forms import predict_form
from wsfcn.inference.predictor import Predictor
from wsfcn.inference.pytorch import TorchNetwork
from wsfcn.method.losses import complete
from wsfcn.method.pseudo import banded_labels, candidates, shares
from wsfcn.models.segmenter import build_segmenter
from wsfcn.scenes.textures import CLASSES, draw_textures, write_textures
from wsfcn.training import evidence
from wsfcn.training.run import train
from wsfcn.types import IGNORE, Classes


def test_a_class_list_without_a_background(tmp_path):
    write_textures(tmp_path, train=6, val=2, size=32)
    data = open_data(DataSettings(root=tmp_path))
    assert data.classes == CLASSES
    assert not data.classes.background
    assert tag_vector(("dots", "stripes"), data.classes).tolist() == [1, 0, 0, 0, 1]
    (tmp_path / "classes.txt").unlink()
    assert open_data(DataSettings(root=tmp_path)).classes.background
    none = open_data(DataSettings(root=tmp_path, background="none")).classes
    assert set(none.names) == set(none.objects) <= set(CLASSES.names)


def test_a_background_in_the_wrong_place_or_missing_tags_are_told(tmp_path):
    write_textures(tmp_path, train=6, val=2, size=32)
    table = tmp_path / "tags.csv"
    whole = table.read_text()
    table.write_text("\n".join([*whole.splitlines()[:-1], "images/train-0005.png,"]))
    with pytest.raises(DataError, match="line 9: no tag, but without a background"):
        open_data(DataSettings(root=tmp_path))
    table.write_text(whole)
    (tmp_path / "classes.txt").write_text("stripes\nbackground\n")
    with pytest.raises(DataError, match="line 2: 'background' stands first"):
        open_data(DataSettings(root=tmp_path))
    (tmp_path / "classes.txt").write_text("\n".join(["background", *CLASSES.names]))
    with pytest.raises(SettingError, match=r"data\.background: none, but .*classes\.txt starts"):
        open_data(DataSettings(root=tmp_path, background="none"))


def test_a_lone_tag_is_the_whole_picture():
    masks = torch.tensor([0.0, 0.2, 0.9]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    tags = torch.tensor([[1.0, 0.0]])
    labels = banded_labels(candidates(shares(masks, tags), tags), background=False)
    assert labels.tolist() == [[[1, 1], [1, 1]]]


def test_labels_are_tagged_classes_or_nothing():
    masks = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    tags = torch.tensor([[1.0, 1, 0], [1, 1, 1]])
    found = shares(masks, tags)
    assert torch.allclose(found.sum(1), torch.ones(2, 8, 8), atol=1e-5)
    assert (found[:, 0] == 0).all()
    labels = banded_labels(candidates(found, tags), background=False)
    assert set(labels[0].unique().tolist()) == {1, 2, IGNORE}
    assert set(labels[1].unique().tolist()) <= {1, 2, 3, IGNORE}


def test_labels_are_complete_without_a_background():
    labels, tags = torch.tensor([[[1, 1], [2, 2]]]), torch.ones(1, 2)
    assert not complete(labels, tags)
    assert complete(labels, tags, background=False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A network with random weights, whose first class wins nearly everywhere."""
    settings = TrainSettings(model=ModelSettings(width=8, weights="none"))
    torch.manual_seed(0)
    model = build_segmenter(settings.model, CLASSES.channels, background=False)
    path = tmp_path_factory.mktemp("network") / "a.ckpt"
    save_checkpoint(path, Checkpoint(model.eval(), settings, CLASSES))
    return path


@pytest.fixture(scope="module")
def predictor(checkpoint) -> Predictor:
    return Predictor(TorchNetwork(load_checkpoint(checkpoint)), PredictSettings(background=0.99))


def test_every_pixel_gets_a_class(predictor):
    found = predictor.predict(draw_textures(0).image)
    assert found.mask.max() < len(CLASSES)
    assert set(found.probabilities) <= set(CLASSES.names)
    total = np.sum([m.astype(np.float32) for m in found.probabilities.values()], axis=0)
    if len(found.probabilities) == len(CLASSES):
        assert np.allclose(total, 1, atol=0.01)
    strict = Predictor(predictor.network, PredictSettings(class_cut=1.0))
    lone = strict.predict(draw_textures(0).image)
    assert len(lone.probabilities) == 1
    assert (lone.mask == CLASSES.index(*lone.probabilities)).all()


def test_masks_overlays_and_objects(predictor, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(draw_textures(0).image).save(path)
    predict_folder(predictor, [path], tmp_path / "out", overlays=True, coco=tmp_path / "all.json")
    mask = read_mask(tmp_path / "out" / "a.png")
    shown = Image.open(tmp_path / "out" / "a.png")
    assert shown.getpalette()[:6] == [128, 0, 0, 0, 128, 0]  # class 0 is no black hole
    content = json.loads((tmp_path / "all.json").read_text())
    assert [c["name"] for c in content["categories"]] == list(CLASSES.names)
    areas = {item["category_id"]: item["area"] for item in content["annotations"]}
    assert areas == {k + 1: int((mask == k).sum()) for k in np.unique(mask)}


def test_a_notebook_shows_the_first_class_too():
    found = Predictor(Colours(PATCHES)).predict(draw(classes=PATCHES))
    assert repr(found) == "Segmentation(100 x 75: red 21.3 %, green 5.3 %, blue 73.3 %)"
    page = found._repr_html_()
    # The colours are those of the overlay.
    assert all(f"background:rgb({colour})" in page for colour in ("128 0 0", "0 128 0"))
    assert "background:rgb(0 0 0)" not in page


def test_other_tools_and_back(predictor, tmp_path):
    path = tmp_path / "in" / "a.png"
    path.parent.mkdir()
    Image.fromarray(draw_textures(0).image).save(path)
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES.names))
    mask = predictor.predict(path).mask
    predict_form(predictor, [path], "labelstudio", tmp_path / "tasks.json")
    source, back = tmp_path / "tasks.json", tmp_path / "back"
    convert(source, "masks", back, pictures=path.parent, classes=tmp_path / "classes.txt")
    assert (read_mask(back / "a.png") == mask).all()
    assert (back / "classes.txt").read_text().split() == list(CLASSES.names)
    predict_form(predictor, [path], "masks", tmp_path / "own")
    assert (read_mask(tmp_path / "own" / "a.png") == mask).all()
    convert(tmp_path / "own", "coco", tmp_path / "own.json")
    names = [c["name"] for c in json.loads((tmp_path / "own.json").read_text())["categories"]]
    assert names == list(CLASSES.names)


def test_onnx(checkpoint, predictor, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    exporting.export(tmp_path / "a.onnx", load_checkpoint(checkpoint))
    image = draw_textures(0).image
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    given = image.transpose(2, 0, 1)[None].astype(np.float32) / 255
    probabilities, tags = session.run(None, {"image": given})
    assert probabilities.shape == (1, 5, 96, 96)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-4)
    assert tags.shape == (1, 5)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["palette"])[0] == [128, 0, 0]
    other = Predictor(open_network(tmp_path / "a.onnx", "cpu"), predictor.settings).predict(image)
    assert (other.mask == predictor.predict(image).mask).mean() > 0.99


def test_evaluation(tmp_path):
    truth = draw_textures(0).truth
    for folder in ("masks", "truth"):
        write_mask(tmp_path / folder / "a.png", truth, background=False)
    assert evaluate_folder(tmp_path / "masks", tmp_path / "truth", CLASSES).miou == 100
    with pytest.raises(MaskError, match="no background among stripes"):
        background_curve(tmp_path / "masks", tmp_path / "truth", CLASSES)


def test_indices_go_both_ways():
    labels = np.array([[0, 1, 254, 255]], np.uint8)
    one = Classes(("sand", "rock"))
    assert one.of_channels(one.to_channels(labels[:, :2])).tolist() == [[0, 1]]
    assert Classes(("background", "cat")).to_channels(labels) is labels


@pytest.mark.parametrize("local", [False, True])
def test_a_training_judges_its_masks_too(tmp_path, monkeypatch, local):
    if local:
        for name, value in (("OTHERS", 1), ("ALIKE", -1), ("STEPS", 10)):
            monkeypatch.setattr(evidence, name, value)
    write_textures(tmp_path / "textures", train=2 * tiny.BATCH, val=4, size=64)
    settings = tiny.settings(
        tmp_path / "textures",
        tmp_path / "run",
        optim={"epochs": 1},
        pseudo={"local_margin": 100},
    )
    out = train(settings)
    found = load_checkpoint(out / "checkpoints" / "last.ckpt").model.evidence
    assert found is not None
    assert found.local.any() == local
    (row,) = [row for row in read_figures(out / "metrics.csv").rows if "val/score" in row]
    assert {"val/miou", "val/agreement"} <= set(row)
