"""A network pushed to a Hub comes back as it was; what is refused there is one line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from exporting import CLASSES, checkpoint
from hub import TOKEN, hub
from wsfcn.checkpoint import load_checkpoint, save_checkpoint
from wsfcn.cli import main
from wsfcn.deploy.hub import push
from wsfcn.deploy.load import load, open_checkpoint
from wsfcn.deploy.pretrained import load_pretrained, save_pretrained
from wsfcn.errors import CheckpointError
from wsfcn.models.segmenter import Segmenter


@pytest.fixture
def content(monkeypatch, tmp_path):
    """What the Hub of the library's own settings holds."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with hub() as (address, found):
        point_at(monkeypatch, address)
        yield found


def point_at(monkeypatch, address: str) -> None:
    """What HF_ENDPOINT does when the library is imported."""
    from huggingface_hub import constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + template)
    monkeypatch.setattr(constants, "ENDPOINT", address)


def wsfcn(*arguments: object) -> int:
    """Exit code of the command line."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return exit_.value.code or 0


@pytest.fixture
def run(tmp_path):
    """A run folder with figures."""
    made = checkpoint(width=8)
    save_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt", made)
    rows = dict.fromkeys(CLASSES.names, 50.0)
    figures = {"miou": 51.25, "iou": rows, "precision": rows, "recall": rows, "pixel_accuracy": 60}
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(figures))
    return tmp_path / "run"


def test_a_run_is_pushed_and_predicts_from_there(content, run, tmp_path, capsys):
    assert wsfcn("push", run, "user/pets", "--license", "mit") == 0, capsys.readouterr().err
    files = content.repositories["user/pets"]
    assert {"README.md", "config.json", "model.safetensors"} <= set(files)
    card = files["README.md"].decode()
    for words in ("license: mit", "cat, dog, traffic light", "mIoU 51.2", "tags alone", "width: 8"):
        assert words in card
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "p.png")
    done = wsfcn("predict", "hf://user/pets", tmp_path / "p.png", "-o", tmp_path / "out")
    assert done == 0, capsys.readouterr().err
    expected = load(run, device="cpu").predict(tmp_path / "p.png").mask
    assert (np.array(Image.open(tmp_path / "out" / "p.png")) == expected).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("user/absent", "no such repository"),
        ("user/gated", "let you in first"),
        ("user/other", "no model of WS-FCN"),
        ("user/pets@v2", "no such revision"),
        ("a/b/c", "which is user/name"),
    ],
)
def test_what_the_hub_refuses_is_one_line(content, name, message):
    content.repositories["user/other"] = {"config.json": b'{"library": "something"}'}
    content.repositories["user/pets"] = {}
    content.gated.add("user/gated")
    with pytest.raises(CheckpointError, match=message) as error:
        load(f"hf://{name}")
    assert "\n" not in str(error.value)


@pytest.mark.slow  # the Hub library tries again and again
def test_without_a_network_or_a_token_it_is_one_line(content, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(CheckpointError, match=r"user/new: .+") as error:
        push(run, open_checkpoint(run), "user/new", license="mit")
    assert "\n" not in str(error.value)
    point_at(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match="cannot be reached"):
        load("hf://user/pets")


def test_a_folder_keeps_the_network(tmp_path):
    made = checkpoint(width=8)
    save_pretrained(tmp_path / "whole", made)
    save_pretrained(tmp_path / "half", made, half=True)
    again = load_pretrained(tmp_path / "whole")
    assert again.classes == made.classes
    assert again.settings.model == made.settings.model
    image = torch.rand(1, 3, 33, 40)
    with torch.inference_mode():
        expected = made.model(image).logits
        assert torch.equal(again.model(image).logits, expected)
        half = open_checkpoint(tmp_path / "half").model(image).logits
    assert torch.allclose(half, expected, atol=0.1)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.55 * sizes[1]


def test_segmenters_are_saved_and_loaded_as_elsewhere(tmp_path):
    made = checkpoint(width=8)
    made.model.save_pretrained(tmp_path, CLASSES.names, made.settings.model)
    again = Segmenter.from_pretrained(tmp_path)
    for name, value in made.model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_a_damaged_folder_is_one_line(tmp_path):
    made = checkpoint(width=8)
    save_pretrained(tmp_path, made)
    config = json.loads((tmp_path / "config.json").read_text())
    for change, message in (
        ({"library": "other"}, "another library"),
        ({"format": 2}, "format 2"),
        ({"classes": ["background", "cat"]}, "do not fit"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(CheckpointError, match=message):
            load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        load_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="no such run"):
        load_checkpoint(tmp_path / "nowhere")
