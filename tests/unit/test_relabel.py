"""The second round: which labels are made, from what and when, and what an interrupt leaves."""

import os
import signal

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch.nn import functional as F

import tiny
from wsfcn.checkpoint import load_checkpoint
from wsfcn.config import DataSettings, ModelSettings, OptimSettings, PseudoSettings, TrainSettings
from wsfcn.data.dataset import TrainingSet, open_data, tag_vector
from wsfcn.data.rounds import PASSES, SecondRound
from wsfcn.data.transforms import to_tensor, training_transform
from wsfcn.errors import DataError
from wsfcn.figures import read_figures
from wsfcn.images import read_mask, write_mask
from wsfcn.maps import nearest, resize
from wsfcn.method.step import training_losses
from wsfcn.models.segmenter import build_segmenter
from wsfcn.training import relabel
from wsfcn.training.labels import write_labels
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.relabel import second_round, sure_labels
from wsfcn.training.run import train
from wsfcn.types import IGNORE, Batch, Prediction

EPOCHS, STEPS, FIRST = 5, 2, 3
ASKED = {"relabel_after": 0.6}


@pytest.fixture(scope="module", autouse=True)
def soon():
    """Trainings of a few steps have a second round here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relabel, "RIPE", 0)
        yield


class Bright(torch.nn.Module):
    """Sees the first class where it is red, the second where it is green, as sure as it is so."""

    def forward(self, image):
        logits = torch.cat([torch.full_like(image[:, :1], 2), 8 * image[:, :2]], 1)
        return Prediction(logits, logits[:, 1:].amax((2, 3)))


def test_labels_are_those_that_are_sure_of_the_tagged_classes():
    image = torch.zeros(1, 3, 64, 96)
    image[:, 0, :, :32] = 1  # sure of the first
    image[:, 1, :, 32:64] = 1  # of the second, which is not tagged
    image[:, 0, :, 64:] = 0.25  # as much background as the first
    labels, share = sure_labels(Bright(), image, torch.tensor([[1.0, 0]]), PseudoSettings())
    assert (labels[:, :24] == 1).all()
    assert (labels[:, 40:56] == 0).all()
    assert (labels[:, 72:] == IGNORE).all()
    assert share == pytest.approx((labels != IGNORE).float().mean().item())


def test_a_picture_in_which_a_tagged_class_is_nowhere_has_no_labels():
    image = torch.zeros(1, 3, 64, 64)
    image[:, 0, :, :32] = 1
    labels, share = sure_labels(Bright(), image, torch.ones(1, 2), PseudoSettings())
    assert (labels == IGNORE).all()
    assert share == 0
    alone, _ = sure_labels(Bright(), image, torch.tensor([[1.0, 0]]), PseudoSettings())
    assert {0, 1} <= set(alone.unique().tolist())


def test_labels_of_mirrored_views_lie_where_the_picture_does():
    image = torch.zeros(1, 3, 64, 64)
    image[:, 0, :, :32] = 1
    settings = PseudoSettings(relabel_scales=(1.0,))  # the mirrored view alone
    labels, _ = sure_labels(Bright(), image, torch.tensor([[1.0, 0]]), settings)
    assert (labels[:, :32] == 1).all()


@pytest.mark.parametrize(
    ("after", "epochs", "first"),
    [(0.6, 8, 5), (0.6, 5, 3), (0, 8, None), (0.6, 3, None), (1, 8, None)],
)
def test_it_begins_when_the_networks_masks_have_learned(after, epochs, first):
    settings = TrainSettings(
        optim=OptimSettings(epochs=epochs), pseudo=PseudoSettings(relabel_after=after)
    )
    found = second_round(settings, pictures=3200)
    assert (found and found.epoch) == first


def test_a_short_training_has_none(monkeypatch):
    monkeypatch.setattr(relabel, "RIPE", 600)
    settings = TrainSettings(
        optim=OptimSettings(epochs=8),
        pseudo=PseudoSettings(relabel_after=0.6),  # it would begin with the sixth
    )
    assert second_round(settings, pictures=120 * 16) is not None
    assert second_round(settings, pictures=119 * 16) is None


def test_where_local_evidence_makes_labels_there_is_none(tmp_path):
    scenes = tiny.scenes(tmp_path / "scenes", 1)
    settings = tiny.settings(scenes, tmp_path / "run", optim={"epochs": EPOCHS}, pseudo=ASKED)
    data = open_data(settings.data)
    model = build_segmenter(settings.model, data.classes.channels)
    training = SegmentationTraining(model, data, settings)
    assert training.second == SecondRound(tmp_path / "run/second-round", FIRST)
    assert model.evidence is not None
    model.evidence.local.fill_(True)
    assert training.second is None


def test_pictures_of_a_local_class_have_none(root, tmp_path, monkeypatch):
    """The others of the set have it, and the training goes through with both."""
    settings = tiny.settings(root, tmp_path / "run", optim={"epochs": EPOCHS}, pseudo=ASKED)
    data = open_data(settings.data)
    name = data.classes.objects[0]
    plain = {picture.name for picture in data.train if name not in picture.tags}
    assert 0 < len(plain) < len(data.train)

    def local(model, *_more):
        model.evidence.local[0] = True

    monkeypatch.setattr("wsfcn.training.run.fit_evidence", local)
    run = train(settings)
    assert {path.stem for path in (run / "second-round").glob("*.png")} == plain


def test_samples_bring_their_labels_from_its_first_epoch_on(tmp_path):
    settings = tiny.settings(tiny.scenes(tmp_path / "scenes", 1), tmp_path / "run").data
    data = open_data(settings)
    made = SecondRound(tmp_path / "labels", 2)
    drawn = np.full((64, 64), IGNORE, np.uint8)
    drawn[:, :32] = 3
    write_mask(made.path(data.train[0].name), drawn)
    pictures = TrainingSet(data.train, data.classes, training_transform(settings), 0, second=made)
    assert pictures[1, 0].labels is None
    assert pictures[1 + PASSES, 0].labels is None  # its second time in the same epoch
    assert pictures[2, 1].labels is None  # it has none
    later = pictures[2 + PASSES, 0].labels
    assert later is not None
    assert later.unique().tolist() == [3, IGNORE]
    columns = (later == 3).float().mean(0)
    assert set(columns.tolist()) == {0.0, 1.0}  # mirrored or not, they go along


def test_where_it_is_not_sure_a_picture_goes_on_with_tags():
    torch.manual_seed(0)
    model = build_segmenter(ModelSettings(width=8, weights="none"), 3).eval()
    image = torch.rand(2, 3, 64, 64)
    batch = Batch(image, torch.tensor([[1.0, 0], [0, 1]]), ["a", "b"])
    settings = PseudoSettings(teacher=False)

    def losses(labels):
        return training_losses(model, batch._replace(labels=labels), settings, warm=True)

    nothing = torch.full((2, 64, 64), IGNORE, dtype=torch.uint8)
    assert losses(nothing) == losses(None)
    half = nothing.clone()
    half[:, :32] = 1
    assert losses(half).masks != losses(None).masks
    whole = torch.zeros_like(nothing)
    logits = resize(model(image).logits, (16, 16), align_corners=True)
    expected = F.cross_entropy(logits, torch.zeros(2, 16, 16, dtype=torch.long))
    assert losses(whole).masks.item() == pytest.approx(expected.item(), rel=1e-5)
    assert losses(whole).coverage == 1


def test_labels_come_back_to_the_masks_grid_where_they_were():
    torch.manual_seed(0)
    masks = torch.rand(1, 5, 12, 9)
    full = resize(masks, (97, 70), align_corners=True).argmax(1)
    again = nearest(full, (12, 9), align_corners=True)
    assert (again == masks.argmax(1)).float().mean() > 0.9
    shifted = nearest(full, (12, 9))
    assert (shifted == masks.argmax(1)).float().mean() < 0.9


class Stop(Callback):
    """Ctrl-C at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, *_more):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tiny.scenes(tmp_path_factory.mktemp("data") / "scenes", STEPS)


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    """A training that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return train(tiny.settings(root, out, optim={"epochs": EPOCHS}, pseudo=ASKED))


def losses(run):
    rows = read_figures(run / "metrics.csv").rows
    return {row["step"]: row["loss/total"] for row in rows if "loss/total" in row}


def test_labels_lie_in_the_run_folder(root, whole):
    folder = whole / "second-round"
    paths = [*folder.glob("*.png")]
    assert {path.stem for path in paths} == set((root / "train.txt").read_text().split())
    assert len(paths) == tiny.BATCH * STEPS
    assert (folder / "made.txt").read_text().startswith("labels of 16 training pictures")
    found = {int(k) for path in paths for k in np.unique(read_mask(path))}
    assert found - {IGNORE} <= set(range(9))


def test_labels_of_a_run_are_made_as_its_second_round_made_them(root, whole, tmp_path, monkeypatch):
    count, broken = write_labels(whole, DataSettings(root=root), tmp_path / "labels")
    data, checkpoint = open_data(DataSettings(root=root)), load_checkpoint(whole)
    assert (count, broken) == (len(data.train), [])
    picture = data.train[0]
    image, tags = to_tensor(picture.open())[None], tag_vector(picture.tags, data.classes)[None]
    expected, _ = sure_labels(checkpoint.model, image, tags, checkpoint.settings.pseudo)
    written = read_mask(tmp_path / "labels" / f"{picture.name}.png")
    assert (written == expected.numpy()).all()
    monkeypatch.setattr(relabel, "RIPE", 600)  # as if it had had none
    write_labels(whole, DataSettings(root=root), tmp_path / "steps")
    assert (read_mask(tmp_path / "steps" / f"{picture.name}.png") != written).any()


@pytest.mark.slow
@pytest.mark.parametrize("step", [FIRST * STEPS, FIRST * STEPS + 1])
def test_a_training_that_was_stopped_goes_on_with_its_labels(root, whole, tmp_path, step):
    settings = tiny.settings(root, tmp_path / "run", optim={"epochs": EPOCHS}, pseudo=ASKED)
    with pytest.raises(KeyboardInterrupt):
        train(settings, callbacks=[Stop(step)])
    train(settings, tmp_path / "run")
    assert losses(tmp_path / "run") == losses(whole)


def test_one_stopped_while_it_labels_labels_again(root, whole, tmp_path, monkeypatch):
    settings = tiny.settings(root, tmp_path / "run", optim={"epochs": EPOCHS}, pseudo=ASKED)
    own = tmp_path / "run/labels/own.txt"  # somebody's labels, which are not ours to clear
    own.parent.mkdir(parents=True)
    own.touch()
    written = []

    def write(path, mask, **more):
        written.append(path)
        if len(written) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        write_mask(path, mask, **more)

    monkeypatch.setattr(relabel, "write_mask", write)
    with pytest.raises(KeyboardInterrupt):
        train(settings)
    assert len(written) == 3
    assert not (tmp_path / "run/second-round/made.txt").exists()
    train(settings, tmp_path / "run")
    assert losses(tmp_path / "run") == losses(whole)
    assert own.exists()


@pytest.mark.slow
def test_without_its_labels_it_does_not_go_on(root, tmp_path):
    settings = tiny.settings(root, tmp_path / "run", optim={"epochs": EPOCHS}, pseudo=ASKED)
    with pytest.raises(KeyboardInterrupt):
        train(settings, callbacks=[Stop(FIRST * STEPS + 1)])
    relabel.clear(SecondRound(tmp_path / "run/second-round", FIRST))
    with pytest.raises(DataError, match="labels that the training made before epoch 4"):
        train(settings, tmp_path / "run")
