"""What a whole training leaves behind, and the settings that change how it runs."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

import tiny
from wsfcn.checkpoint import BEST, read_checkpoint
from wsfcn.config import DataSettings, ModelSettings
from wsfcn.errors import PictureWarning, SettingError
from wsfcn.evaluation import evaluate_folder
from wsfcn.models.segmenter import build_segmenter
from wsfcn.scenes.scenes import CLASSES
from wsfcn.training import module
from wsfcn.training.labels import write_labels
from wsfcn.training.precision import cpu_has_bfloat16, is_dense
from wsfcn.training.run import train
from wsfcn.verdicts import read_beliefs


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tiny.scenes(tmp_path_factory.mktemp("data") / "scenes", steps=2)


def column(out: Path, name: str) -> list[float]:
    """The figures of a column of the run's table, in order."""
    with (out / "metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def test_on_request_miou_chooses_the_best_checkpoint(root, tmp_path):
    settings = tiny.settings(root, tmp_path, optim={"best": "miou", "epochs": 3, "average": 0})
    train(settings)
    mious = column(tmp_path, "val/miou")
    assert len(mious) == 3
    best = read_checkpoint(tmp_path / "checkpoints" / BEST)
    assert best["epoch"] == max(n for n, miou in enumerate(mious) if miou == max(mious))

    # A snapshot shows six pictures in two columns, each with mask, refined masks and labels.
    sheet = Image.open(tmp_path / "snapshots" / "epoch-003.jpg")
    assert sheet.size == (2 * (4 * tiny.SIZE + 3 * 4 + 6), 3 * (tiny.SIZE + 6))


@pytest.mark.parametrize(
    ("scores", "best"), [((60, 50, 56), 2), ((60, 50, 54), 0), ((0, 60, 70), 2)]
)
def test_the_best_is_the_last_whose_score_is_about_the_highest(
    root, tmp_path, monkeypatch, scores, best
):
    given = iter(scores)
    monkeypatch.setattr(module, "figures_of", lambda *_: {"val/score": float(next(given))})
    out = train(tiny.settings(root, tmp_path / "run", optim={"epochs": 3}))
    assert read_checkpoint(out / "checkpoints" / BEST)["epoch"] == best
    beliefs = read_beliefs(out)
    assert beliefs
    assert beliefs.epoch == best + 1


def test_broken_pictures_stop_neither_validation_nor_labels(root, tmp_path):
    data = tmp_path / "scenes"
    shutil.copytree(root, data)
    for split in ("train", "val"):
        first = (data / f"{split}.txt").read_text().split()[0]
        (data / "images" / f"{first}.jpg").write_bytes(b"broken")
    with pytest.warns(PictureWarning):
        out = train(tiny.settings(data, tmp_path / "run", optim={"epochs": 1}))
    assert len(column(out, "val/miou")) == 1
    assert (out / "snapshots" / "epoch-001.jpg").exists()
    settings = DataSettings(root=data)
    count, broken = write_labels(out, settings, tmp_path / "labels")
    assert count == len(list((tmp_path / "labels").iterdir())) == 2 * tiny.BATCH - 1
    assert len(broken) == 1
    # Those of training pictures alone are measured, though other pictures have a truth.
    shutil.copy(next((tmp_path / "labels").iterdir()), data / "masks")
    metrics = evaluate_folder(tmp_path / "labels", data / "masks", CLASSES, labels=True)
    assert metrics.pixel_accuracy == 100
    with pytest.raises(SettingError, match="holds the truth masks"):
        write_labels(out, settings, data / "masks")


def test_without_truth_miou_cannot_choose(root, tmp_path):
    blind = tmp_path / "blind"
    shutil.copytree(root, blind, ignore=shutil.ignore_patterns("masks"))
    with pytest.raises(SettingError, match="no validation picture has a truth mask"):
        train(tiny.settings(blind, tmp_path / "run", optim={"best": "miou"}))


def test_compiling_needs_a_compiler(root, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SettingError, match=r"run.compile: .* there is no no-such-compiler"):
        train(tiny.settings(root, tmp_path, run={"compile": True}))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_a_compiled_network_has_the_same_losses(root, tmp_path):
    for name, compiled in (("plain", False), ("compiled", True)):
        torch._dynamo.reset()
        small = {"fusion": "none", "context": "none", "dropout": 0}
        train(
            tiny.settings(
                root,
                tmp_path / name,
                model=small,
                optim={"epochs": 1, "warmup": 0},
                run={"compile": compiled, "precision": "32"},
            )
        )
    losses = [column(tmp_path / name, "loss/total") for name in ("plain", "compiled")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.parametrize(("name", "dense"), [("efficientnet_lite0", False), ("test_resnet", True)])
def test_depthwise_backbones_stay_in_float32(name, dense):
    model = build_segmenter(ModelSettings(backbone=name, weights="none", width=8), 3)
    assert is_dense(model) == dense


def test_bfloat16_instructions_are_read_off_the_processors_flags(tmp_path):
    flags = tmp_path / "cpuinfo"
    assert not cpu_has_bfloat16(flags)
    flags.write_text("flags\t\t: fpu avx512f avx512_vnni\n")
    assert not cpu_has_bfloat16(flags)
    flags.write_text("flags\t\t: fpu amx_bf16 avx512f\n")
    assert cpu_has_bfloat16(flags)
