"""What a downloaded file may not do: run code, write elsewhere, take memory without bound."""

import pickle
import zipfile

import pytest
import torch

from wsfcn.checkpoint import header, load_checkpoint
from wsfcn.config import TrainSettings
from wsfcn.errors import CheckpointError
from wsfcn.models.backbones import build_backbone
from wsfcn.models.weights import read_tensors
from wsfcn.published import import_file
from wsfcn.types import Classes

CATS = Classes(("background", "cat"))


class Evil:
    def __reduce__(self):
        return (print, ("code has run",))


def save_evil(path, **options):
    torch.save({"state_dict": {"a": Evil()}, "wsfcn": Evil()}, path, **options)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "read",
    [
        load_checkpoint,
        read_tensors,
        lambda path: import_file(path, path.with_name("out.ckpt")),
        lambda path: build_backbone("mobilenetv3_small_050", str(path), 16),
        lambda path: build_backbone("efficientnet_lite0", str(path), 16),
        lambda path: build_backbone("wide_resnet38", str(path), 8),
    ],
)
def test_weights_run_no_code_and_nobody_is_told_how(tmp_path, capsys, read, zipped):
    path = tmp_path / "a.pth"
    save_evil(path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert "code has run" not in capsys.readouterr().out
    assert str(caught.value).startswith(f"{path}: ")
    assert "weights_only" not in str(caught.value)


def test_a_bare_pickle_is_no_checkpoint(tmp_path, capsys):
    (tmp_path / "a.ckpt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match=r"not read|not a file of weights"):
        load_checkpoint(tmp_path / "a.ckpt")
    assert "code has run" not in capsys.readouterr().out


def test_a_compressed_checkpoint_is_refused_unread(tmp_path):
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "whole.pth")
    with (
        zipfile.ZipFile(tmp_path / "whole.pth") as whole,
        zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for entry in whole.infolist():
            small.writestr(entry.filename, whole.read(entry))
    assert (tmp_path / "a.pth").stat().st_size < 10**5
    with pytest.raises(CheckpointError, match="parts are compressed"):
        read_tensors(tmp_path / "a.pth")


def test_a_header_cannot_ask_for_a_network_larger_than_its_weights(tmp_path):
    content = {"state_dict": {}, "wsfcn": header(TrainSettings(), CATS)}
    content["wsfcn"]["settings"]["model"] |= {"width": 8192, "kernels": [255] * 4}
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="weights do not fit its settings"):
        load_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    "change",
    [
        {"wsfcn": None},
        {"wsfcn": {}},
        {"wsfcn": {"format": 2}},
        {"wsfcn": {"format": 1, "settings": [], "classes": []}},
        {"wsfcn": {"format": 1, "settings": {}, "classes": ["background", 3]}},
        {"wsfcn": {"format": 1, "settings": {}, "classes": ["background"]}},
        {"wsfcn": {"format": 1, "settings": {"optim": 5}, "classes": ["background", "cat"]}},
        {"state_dict": None},
        {"state_dict": {"a": 1}},
        {"state_dict": {1: torch.zeros(1)}},
    ],
)
def test_a_damaged_header_is_one_line(tmp_path, change):
    content = {"state_dict": {}, "wsfcn": header(TrainSettings(), CATS)}
    torch.save(content | change, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match=r"a\.ckpt: "):
        load_checkpoint(tmp_path / "a.ckpt")
