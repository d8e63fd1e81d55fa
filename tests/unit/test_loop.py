"""From tags to corrected masks and back into training; the person is played by truth."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import tiny
from wsfcn.checkpoint import load_checkpoint
from wsfcn.config import DataSettings
from wsfcn.data.dataset import open_data
from wsfcn.deploy.load import open_network
from wsfcn.errors import MaskError
from wsfcn.evaluation import evaluate_folder
from wsfcn.exchange.convert import convert
from wsfcn.files import fingerprint
from wsfcn.images import read_mask, write_mask
from wsfcn.inference.folder import predict_folder
from wsfcn.inference.predictor import Predictor
from wsfcn.review import review_data
from wsfcn.scenes.scenes import CLASSES, draw_scene, write_scenes
from wsfcn.training.run import train

TRAIN, VAL, FIRST = 24, 12, 10


def truths() -> dict[str, np.ndarray]:
    """The truth of all pictures that `write_scenes` draws, those of training too."""
    seeds = np.random.default_rng(0).integers(2**63, size=VAL + TRAIN).tolist()
    names = [f"val-{i:04}" for i in range(VAL)] + [f"train-{i:04}" for i in range(TRAIN)]
    return {n: draw_scene(s, tiny.SIZE).truth for n, s in zip(names, seeds, strict=True)}


def annotated(batch: Path, folder: Path) -> Path:
    """What Label Studio exports after a person has drawn the truth of each task of a batch."""
    tasks = json.loads(batch.read_text())
    truth = truths()
    names = [Path(task["data"]["file"]).stem for task in tasks]
    for name in names:
        write_mask(folder / "truth" / f"{name}.png", truth[name])
    (folder / "classes.txt").write_text("\n".join(CLASSES.names))
    convert(folder / "truth", "labelstudio", folder / "truth.json", classes=folder / "classes.txt")
    drawn = {
        Path(task["data"]["file"]).stem: task["predictions"][0]["result"]
        for task in json.loads((folder / "truth.json").read_text())
    }
    for name, task in zip(names, tasks, strict=True):
        task |= {"annotations": [{"id": 1, "result": drawn[name], "was_cancelled": False}]}
    export = folder / "export.json"
    export.write_text(json.dumps(tasks))
    return export


@pytest.mark.slow
def test_tags_masks_corrections_and_on(tmp_path):
    root, run = tmp_path / "scenes", tmp_path / "run"
    write_scenes(root, train=TRAIN, val=VAL, size=tiny.SIZE)
    settings = tiny.settings(root, run, optim={"epochs": 1, "warmup": 0})
    train(settings)

    network = open_network(run, "cpu")
    done = review_data(network, settings.data, tmp_path / "list", first=FIRST, to="labelstudio")
    assert (done.count, done.batch, done.broken) == (TRAIN + VAL, FIRST, [])
    with (tmp_path / "list" / "review.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    worth = [float(row["worth"]) for row in listed]
    assert worth == sorted(worth, reverse=True)
    assert all(row["reasons"] for row in listed)
    assert (tmp_path / "list" / "review.html").read_text().count("<figure") == FIRST

    export = annotated(tmp_path / "list" / "batch.json", tmp_path / "person")
    corrected = root / "corrected"
    convert(
        export, "masks", corrected, pictures=root / "images", classes=root / "classes.txt"
    )  # fmt: skip
    chosen = [row["name"] for row in listed[:FIRST]]
    truth = truths()
    for name in chosen:
        assert np.array_equal(read_mask(corrected / f"{name}.png"), truth[name])

    data = open_data(DataSettings(root=root))
    assert {*data.corrected} == {*chosen} <= {picture.name for picture in data.train}
    assert not {*chosen} & {picture.name for picture in data.val}
    longer = tiny.settings(root, run, optim={"epochs": 2, "warmup": 0})
    train(longer, resume=run)
    pictures = {picture.name: picture.path for picture in (*data.train, *data.val)}
    known = load_checkpoint(run / "checkpoints" / "last.ckpt").corrected
    assert known == {fingerprint(pictures[name]) for name in chosen}

    network = open_network(run / "checkpoints" / "last.ckpt", "cpu")
    assert review_data(network, settings.data, tmp_path / "next").count == TRAIN + VAL - FIRST
    other = data.val[0].name
    write_mask(tmp_path / "truth" / f"{other}.png", truth[other])
    for names, refused in (([other], False), ([other, chosen[0]], True)):
        write_mask(tmp_path / "truth" / f"{names[-1]}.png", truth[names[-1]])
        predict_folder(Predictor(network), [pictures[name] for name in names], tmp_path / "out")
        if refused:
            with pytest.raises(MaskError, match="learned from a corrected mask"):
                evaluate_folder(tmp_path / "out", tmp_path / "truth", data.classes, names)
        else:
            evaluate_folder(tmp_path / "out", tmp_path / "truth", data.classes, names)
