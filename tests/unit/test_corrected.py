"""Masks that people drew: found by name, cropped with their picture, and learned from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import tiny
from wsfcn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from wsfcn.config import DataSettings, ModelSettings, PseudoSettings, TrainSettings
from wsfcn.data.corrected import cropped
from wsfcn.data.dataset import TrainingSet, collate, open_data
from wsfcn.data.inspect import inspect_data, print_inspection
from wsfcn.data.loading import EpochOrder, training_loader
from wsfcn.data.transforms import training_transform
from wsfcn.deploy.pretrained import load_pretrained, save_pretrained
from wsfcn.errors import DataError, MaskError
from wsfcn.evaluation import background_curve, evaluate_folder
from wsfcn.exchange.convert import convert
from wsfcn.files import fingerprint, write_lines
from wsfcn.images import read_mask, was_taught, write_mask
from wsfcn.inference.folder import predict_folder
from wsfcn.inference.forms import predict_form
from wsfcn.inference.predictor import Predictor
from wsfcn.inference.pytorch import TorchNetwork
from wsfcn.maps import resize
from wsfcn.method.losses import dice_loss, labelled_loss
from wsfcn.method.step import make_labels, said_cells, training_losses
from wsfcn.models.segmenter import Segmenter, build_segmenter
from wsfcn.report import worst_and_best
from wsfcn.training.checks import check_corrected
from wsfcn.training.labels import write_labels
from wsfcn.training.run import train
from wsfcn.types import IGNORE, Batch, Classes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four pictures to learn from, two of them called 01, and two to validate on."""
    lines = ["image,tags"]
    for name in ("a/01", "b/01", "02", "03", "04", "05"):
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(path)
        lines.append(f"{name}.png,cat dog")
    (tmp_path / "tags.csv").write_text("\n".join(lines))
    (tmp_path / "val.txt").write_text("04\n05\n")
    return tmp_path


def correct(root: Path, name: str, mask: np.ndarray | None = None) -> Path:
    path = root / "corrected" / f"{name}.png"
    write_mask(path, np.full((6, 8), IGNORE, np.uint8) if mask is None else mask)
    return path


def opened(root: Path, **changes):
    return open_data(DataSettings(root=root, **changes))


def test_they_are_found_by_the_names_of_their_pictures(root):
    assert opened(root).corrected == {}
    found = {name: correct(root, name) for name in ("a/01", "02")}
    data = opened(root)
    assert data.corrected == found
    assert len(data.train) == 4  # masks are no pictures
    (root / "corrected").rename(root.parent / "elsewhere")
    elsewhere = opened(root, corrected=root.parent / "elsewhere").corrected
    assert {*elsewhere} == {"a/01", "02"}
    (root.parent / "elsewhere" / "02.png").rename(root.parent / "elsewhere" / "03.png")
    assert "03" in opened(root, corrected=root.parent / "elsewhere").corrected


def test_a_bare_name_does_where_one_picture_has_it(root):
    (root / "images/b/01.png").rename(root / "images/b/09.png")
    (root / "tags.csv").write_text((root / "tags.csv").read_text().replace("b/01", "b/09"))
    path = correct(root, "09")
    assert opened(root).corrected == {"b/09": path}
    correct(root, "b/09")
    with pytest.raises(DataError, match=r"corrects b/09, as .*09.png does; keep one"):
        opened(root)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("01", "2 pictures are called 01"),
        ("10", r"no tagged picture is called 10.*take it away"),
        ("a/02", "no tagged picture is called a/02"),
    ],
)
def test_a_mask_of_no_picture_is_one_line(root, name, message):
    path = correct(root, name)
    with pytest.raises(DataError, match=message) as caught:
        opened(root)
    assert str(path) in str(caught.value)


def test_a_mask_of_no_training_picture_is_one_line(root):
    (root / "train.txt").write_text("02\n03\n")
    correct(root, "a/01")
    with pytest.raises(DataError, match=r"a/01 is no training picture; .* into train.txt"):
        opened(root)
    with pytest.raises(DataError, match=r"data.corrected: .* is no folder"):
        opened(root, corrected=root / "nowhere")


def test_a_corrected_validation_picture_is_learned_from(root):
    correct(root, "04")
    data = opened(root)
    assert [picture.name for picture in data.val] == ["05"]
    assert data.train[-1].name == "04"
    assert "1 validation pictures are corrected, such as 04" in data.notes[-1]
    correct(root, "05")
    with pytest.raises(DataError, match="none is left to validate on"):
        opened(root)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((8, 6), np.uint8), "6 x 8, its picture 8 x 6; a corrected mask has"),
        (np.full((6, 8), 3, np.uint8), "value 3, but there are 3 classes"),
    ],
)
def test_masks_that_do_not_fit_are_refused_before_a_training(root, mask, message):
    correct(root, "02")
    check_corrected(opened(root))
    path = correct(root, "03", mask)
    with pytest.raises(MaskError, match=message) as caught:
        check_corrected(opened(root))
    assert str(path) in str(caught.value)


def test_a_pixel_stays_when_the_mask_shrinks_and_spreads_when_it_grows():
    mask = np.full((9, 9), IGNORE, np.uint8)
    mask[4, 7] = 2
    small = cropped(mask, (0, 0, 1, 1), 3)
    assert small.tolist() == [[IGNORE] * 3, [IGNORE, IGNORE, 2], [IGNORE] * 3]
    assert (cropped(mask, (2 / 3, 1 / 3, 1, 2 / 3), 9) == 2).sum() == 9
    assert (cropped(mask, (0, 0, 0.5, 0.5), 9) == IGNORE).all()


@pytest.mark.parametrize("factor", [1, 2])
def test_a_mask_is_cut_and_mirrored_as_its_picture_is(factor):
    """Also where the picture was decoded at half its size."""
    mask = np.zeros((120, 160), np.uint8)
    mask[30:80, 40:70] = 1
    size = (160 // factor, 120 // factor)
    picture = Image.fromarray(mask * 255).resize(size, Image.Resampling.BOX).convert("RGB")
    transform = training_transform(DataSettings(crop=64, jitter=(0, 0, 0, 0)))
    shares = []
    for seed in range(20):
        torch.manual_seed(seed)
        crop = transform(picture, mask)
        image, corrected = crop.image, crop.corrected
        assert corrected is not None
        assert corrected.shape == (64, 64)
        torch.manual_seed(seed)
        assert torch.equal(transform(picture, None).image, image)
        shares.append(((image[0] > 0.5) == (corrected == 1)).float().mean())
    assert min(shares) > 0.97


def test_batches_hold_what_was_said_or_none(root):
    correct(root, "02", np.ones((6, 8), np.uint8))
    data = opened(root, crop=16)
    view = TrainingSet(
        data.train, data.classes, training_transform(DataSettings(crop=16)), 0,
        corrected=data.corrected,
    )  # fmt: skip
    place = [picture.name for picture in data.train].index("02")
    one, other = view[0, place], view[0, place - 1]
    assert one.corrected is not None
    assert other.corrected is None
    assert collate([other, other]).corrected is None
    both = collate([one, other]).corrected
    assert both is not None
    assert both[0].unique().tolist() == [1]
    assert both[1].unique().tolist() == [IGNORE]
    loader = training_loader(view, EpochOrder(4, 0, 4), 4, workers=1)
    loaded = next(iter(loader))
    row = loaded.names.index("02")
    assert (loaded.corrected == 1).flatten(1).all(1).nonzero().tolist() == [[row]]


def network(**changes) -> ModelSettings:
    quiet = {"gate": 0.0, "dropout": 0.0, "drop_path": 0.0}
    return ModelSettings(weights="none", width=8, **quiet, **changes)


def build(**changes) -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter(network(**changes), 4).train()


def batch(size: int = 64) -> Batch:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, size, size, generator=generator) * 0.3
    image[:, :, 20:40, 20:50] += 0.6
    return Batch(image, torch.tensor([[1.0, 0, 0], [0, 1, 1]]), ["p", "q"])


def said(size: int = 64) -> torch.Tensor:
    return torch.full((2, size, size), IGNORE, dtype=torch.uint8)


SETTINGS = PseudoSettings(balance=0.5, dice=0)


def losses_of(corrected: torch.Tensor | None, settings: PseudoSettings = SETTINGS, **changes):
    return training_losses(
        build(**changes), batch()._replace(corrected=corrected), settings, warm=True
    )


@pytest.mark.parametrize("scoring", ["activations", "masks"])
def test_where_nothing_is_said_losses_are_what_they_were(scoring):
    one, other = losses_of(None, scoring=scoring), losses_of(said(), scoring=scoring)
    for before, after in zip(one, other, strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("scoring", ["activations", "masks"])
def test_a_whole_mask_is_full_supervision_of_its_picture(scoring):
    """With classes that are tagged and not drawn, and the other way round."""
    corrected = said()
    corrected[0] = 0
    corrected[0, 20:40, 20:50] = 3
    corrected[1] = 2
    model = build(scoring=scoring)
    found = training_losses(model, batch()._replace(corrected=corrected), SETTINGS, warm=True)
    logits = resize(build(scoring=scoring)(batch().image).logits, (64, 64), align_corners=True)
    expected = F.cross_entropy(logits, corrected.long())
    assert found.masks.item() == pytest.approx(expected.item(), rel=1e-5)
    assert found.coverage == 1
    found.total.backward()
    assert model.head[-1].weight.grad.abs().max() > 0


def test_what_was_drawn_has_a_dice_loss_however_small():
    corrected = said()
    corrected[0] = 0
    corrected[0, 20:22, 20:22] = 3
    logits = resize(build()(batch().image).logits, (64, 64), align_corners=True)
    drawn = torch.tensor([False, True, True, True])
    expected = dice_loss(logits[:1], corrected[:1].long(), drawn)
    plain, both = losses_of(corrected), losses_of(corrected, replace(SETTINGS, dice=1.0))
    # One picture of two.
    assert (both.masks - plain.masks).item() == pytest.approx(expected.item() / 2, rel=1e-3)
    assert losses_of(None, replace(SETTINGS, dice=1.0)).masks == losses_of(None).masks


def test_one_pixel_counts_and_its_pseudo_label_does_not():
    model, data = build(), batch()
    labels = make_labels(data, model(data.image), SETTINGS)
    cell = (labels[0] != IGNORE).nonzero()[0].tolist()
    corrected = said()
    corrected[0, 4 * cell[0] + 1, 4 * cell[1] + 2] = 3
    cells = said_cells(corrected, labels.shape[1:])
    assert cells.nonzero().tolist() == [[0, *cell]]
    without = losses_of(corrected, replace(SETTINGS, corrected_weight=0))
    assert without.masks != losses_of(None).masks
    one, two = (losses_of(corrected, replace(SETTINGS, corrected_weight=w)) for w in (1, 2))
    assert one.masks > without.masks
    assert (two.masks - one.masks).item() == pytest.approx(
        (one.masks - without.masks).item(), rel=1e-3
    )


def test_the_weight_of_a_correction_lies_between_its_area_and_one():
    logits = torch.zeros(1, 2, 64, 64)
    whole = torch.zeros(1, 64, 64, dtype=torch.long)
    point = torch.full_like(whole, IGNORE)
    point[0, 5, 7] = 1
    most, least = labelled_loss(logits, whole).item(), labelled_loss(logits, point).item()
    assert most == pytest.approx(np.log(2))
    assert least == pytest.approx(np.log(2) * 64 ** (-2 * 0.25))
    assert labelled_loss(logits, torch.full_like(whole, IGNORE)).item() == 0


def test_a_class_that_a_person_shows_needs_no_pseudo_label():
    """A picture whose labels miss a class is not trusted; one whose class was drawn is."""
    model, data = build(), batch()
    labels = make_labels(data, model(data.image), SETTINGS)
    missing = [k for k in (2, 3) if not (labels[1] == k).any()]
    corrected = said()
    for k in {0, *missing}:
        corrected[1, 0, k] = k
    settings = replace(SETTINGS, corrected_weight=0)
    if missing:
        assert losses_of(corrected, settings).masks > losses_of(None).masks
    else:
        assert losses_of(corrected, settings).masks > 0


def test_masks_say_what_their_network_learned_and_are_measured_nowhere(root, tmp_path):
    Image.new("RGB", (8, 6), "red").save(root / "images/02.png")  # no two are the same file
    made = Checkpoint(
        build(evidence=False).eval(),
        TrainSettings(data=DataSettings(crop=64), model=network(evidence=False)),
        Classes(("background", "a", "b", "c")),
        frozenset({fingerprint(root / "images/02.png"), "of another picture"}),
    )
    save_checkpoint(tmp_path / "made.ckpt", made)
    save_pretrained(tmp_path / "made", made)
    assert load_pretrained(tmp_path / "made").corrected == made.corrected
    predictor = Predictor(TorchNetwork(load_checkpoint(tmp_path / "made.ckpt"), "cpu"))
    pictures = [root / f"images/{name}.png" for name in ("02", "03")]
    out, truth = tmp_path / "out", tmp_path / "truth"
    assert predict_folder(predictor, pictures, out, probabilities=True) == []
    for name in ("02", "03"):
        write_mask(truth / f"{name}.png", np.zeros((6, 8), np.uint8))
    assert [was_taught(out / f"{name}.png") for name in ("02", "03")] == [True, False]
    # It stays with the masks, whichever way they go.
    write_lines(out / "classes.txt", made.classes.names)
    predict_form(predictor, pictures, "masks", tmp_path / "straight")
    convert(out, "voc", tmp_path / "voc")
    convert(tmp_path / "voc", "masks", tmp_path / "back")
    for folder in ("straight", "voc/SegmentationClass", "back"):
        found = [was_taught(tmp_path / folder / f"{name}.png") for name in ("02", "03")]
        assert found == [True, False], folder
    for compare in (evaluate_folder, background_curve):
        with pytest.raises(MaskError, match=r"learned from a corrected mask .* --names FILE"):
            compare(out, truth, made.classes)
        compare(out, truth, made.classes, ["03"])
    with pytest.raises(MaskError, match="1 of the 2 compared"):
        worst_and_best({path: path.stem for path in pictures}, out, truth, made.classes)


def test_inspection_counts_corrections_and_names_forgotten_tags(root, capsys):
    mask = np.full((6, 8), IGNORE, np.uint8)
    mask[0, :3] = 0, 1, 2
    correct(root, "02", mask)
    tags = (root / "tags.csv").read_text()
    (root / "tags.csv").write_text(tags.replace("02.png,cat dog", "02.png,cat"))
    wrong = correct(root, "03", np.zeros((2, 2), np.uint8))
    found = inspect_data(DataSettings(root=root))
    assert found.corrected == 2
    assert found.shown == {"background": 1, "cat": 1, "dog": 1}
    assert any("02.png shows dog, which" in note for note in found.notes)
    assert found.errors[0].startswith(f"{wrong}: 2 x 2, its picture 8 x 6")
    print_inspection(found)
    assert "2 corrected pictures" in capsys.readouterr().out


def test_a_training_takes_corrections_and_another_goes_on_without(tmp_path):
    root = tiny.scenes(tmp_path / "scenes", steps=1)
    names = (root / "train.txt").read_text().split()
    mask = np.full((tiny.SIZE, tiny.SIZE), IGNORE, np.uint8)
    mask[10:50, 20:30] = 1
    for name in names:
        correct(root, name, mask)
    out = train(tiny.settings(root, tmp_path / "run", optim={"epochs": 2, "warmup": 1}))
    assert "nan" not in (out / "metrics.csv").read_text()
    expected = {fingerprint(path) for path in (root / "images").glob("train-*")}
    assert load_checkpoint(out).corrected == expected
    assert write_labels(out, DataSettings(root=root), tmp_path / "labels") == (len(names), [])
    labels = tmp_path / "labels" / f"{names[0]}.png"
    assert (read_mask(labels)[mask == 1] == 1).all()
    assert was_taught(labels)
    (root / "corrected" / f"{names[0]}.png").write_bytes(b"broken")
    with pytest.raises(MaskError, match="cannot be read as a mask"):
        train(tiny.settings(root, tmp_path / "other"))
