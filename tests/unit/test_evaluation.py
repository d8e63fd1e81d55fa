"""Evaluation agrees with cases worked by hand and with torchmetrics."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from wsfcn.errors import MaskError
from wsfcn.evaluation import (
    ConfusionMatrix,
    background_curve,
    evaluate_folder,
    inner_border,
    tag_map,
)
from wsfcn.images import write_mask
from wsfcn.types import Classes

CLASSES = Classes(("background", "cat", "dog"))


def metrics_of(truth: list[list[int]], guess: list[list[int]]):
    counts = ConfusionMatrix(CLASSES)
    counts.update(np.array(truth, np.uint8), np.array(guess, np.uint8))
    return counts.compute()


def test_by_hand():
    found = metrics_of([[0, 1], [1, 1]], [[0, 1], [0, 1]])
    assert found.iou["background"] == pytest.approx(50)
    assert found.iou["cat"] == pytest.approx(200 / 3)
    assert found.precision == pytest.approx(
        {"background": 50, "cat": 100, "dog": math.nan}, nan_ok=True
    )
    assert found.recall["cat"] == pytest.approx(200 / 3)
    assert found.pixel_accuracy == pytest.approx(75)


def test_a_class_that_nobody_shows_does_not_count():
    found = metrics_of([[0, 1]], [[0, 1]])
    assert math.isnan(found.iou["dog"])
    assert found.miou == pytest.approx(100)
    assert found.to_dict()["iou"]["dog"] is None


def test_a_class_only_guessed_counts_as_zero():
    assert metrics_of([[0, 1]], [[2, 1]]).miou == pytest.approx(100 / 3)


def test_ignored_pixels_count_nowhere():
    assert metrics_of([[0, 255]], [[0, 2]]).miou == pytest.approx(100)


def test_agrees_with_torchmetrics():
    draw = np.random.default_rng(0)
    truth, guess = draw.integers(0, 3, (2, 50, 60), np.uint8)
    expected = MulticlassJaccardIndex(3, average="macro")(
        torch.from_numpy(guess).long(), torch.from_numpy(truth).long()
    )
    assert metrics_of(truth.tolist(), guess.tolist()).miou == pytest.approx(100 * expected.item())


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    mask = np.array([[0, 1, 2]], np.uint8)
    for folder in ("masks", "truth"):
        for name in ("a", "b"):
            write_mask(tmp_path / folder / f"{name}.png", mask)
    return tmp_path / "masks", tmp_path / "truth"


def test_folders_are_paired_by_name(folders):
    assert evaluate_folder(*folders, CLASSES).miou == pytest.approx(100)
    assert evaluate_folder(*folders, CLASSES, ["a"]).confusion.sum() == 3


def test_every_truth_needs_its_mask(folders):
    (folders[0] / "b.png").unlink()
    with pytest.raises(MaskError, match=r"b\.png: no such mask"):
        evaluate_folder(*folders, CLASSES)


@pytest.mark.parametrize(
    ("mask", "message"),
    [([[0, 1]], "the mask is 2 x 1, its truth 3 x 1"), ([[0, 1, 7]], "has value 7")],
)
def test_masks_that_do_not_fit_are_refused(folders, mask, message):
    write_mask(folders[0] / "b.png", np.array(mask, np.uint8))
    with pytest.raises(MaskError, match=rf"b\.png.*{message}"):
        evaluate_folder(*folders, CLASSES)


def test_an_empty_truth_folder_is_refused(tmp_path):
    with pytest.raises(MaskError, match=r"no \.png"):
        evaluate_folder(tmp_path, tmp_path, CLASSES)


def test_tag_map_by_hand():
    # Ranked: hit, miss, hit: precisions 1 and 2/3 at the hits. The second class has no tag.
    scores = np.array([[0.9, 0.5], [0.8, 0.4], [0.1, 0.3]])
    tags = np.array([[1, 0], [0, 0], [1, 0]])
    assert tag_map(scores, tags) == pytest.approx(100 * (1 + 2 / 3) / 2)


def test_inner_borders_agree_with_filters():
    from scipy.ndimage import maximum_filter, minimum_filter

    rng = np.random.default_rng(0)
    for size in ((40, 60), (7, 90), (3, 3), (1, 5)):
        labels = rng.integers(0, 3, (5, 6), np.uint8).repeat(size[0] // 5 + 1, 0)
        labels = labels.repeat(size[1] // 6 + 1, 1)[: size[0], : size[1]]
        for ratio in (0.02, 0.1):
            reach = max(1, round(ratio * float(np.hypot(*size))))
            window = {"size": 2 * reach + 1, "mode": "constant", "cval": 99}
            expected = maximum_filter(labels.astype(int), **window) != labels
            expected |= minimum_filter(labels.astype(int), **(window | {"cval": -1})) != labels
            assert (inner_border(labels, ratio) == expected).all()


def test_boundary_iou_by_hand():
    # A square of 8 x 8 in 20 x 20; the reach is one pixel. Its border has 28 pixels.
    truth = np.zeros((20, 20), np.uint8)
    truth[6:14, 6:14] = 1
    guess = np.zeros((20, 20), np.uint8)
    guess[6:14, 6:15] = 1
    counts = ConfusionMatrix(Classes(("background", "cat")), boundary=True)
    counts.update(truth, guess)
    found = counts.compute().boundary_iou
    assert found is not None
    # The guess is one column wider: 30 border pixels; the left side and the two rows agree.
    assert found["cat"] == pytest.approx(100 * 22 / (28 + 30 - 22))


def test_unlabelled_pixels_are_left_out_and_counted():
    truth = np.array([[0, 1, 1, 255]], np.uint8)
    guess = np.array([[0, 1, 255, 255]], np.uint8)
    counts = ConfusionMatrix(Classes(("background", "cat")), labels=True)
    counts.update(truth, guess)
    metrics = counts.compute()
    assert metrics.miou == 100
    assert metrics.labelled == pytest.approx(200 / 3)
    with pytest.raises(MaskError, match="255"):
        ConfusionMatrix(Classes(("background", "cat"))).update(truth, guess)


def test_the_background_curve_by_hand(tmp_path):
    (tmp_path / "truth").mkdir()
    write_mask(tmp_path / "truth" / "a.png", np.array([[0, 1, 1, 2]], np.uint8))
    soft = np.array([[[9, 9, 9, 9]], [[0.1, 0.4, 0.8, 0.3]]], np.float16)
    np.savez(tmp_path / "a.npz", classes=np.array(["background", "cat"]), probabilities=soft)
    classes = Classes(("background", "cat", "dog"))
    curve = background_curve(tmp_path, tmp_path / "truth", classes, values=(0.2, 0.5))
    # At 0.2: background right, cat on three pixels of which two are right; at 0.5 one cat is left.
    assert curve[0.2] == pytest.approx(100 * (1 + 2 / 3 + 0) / 3)
    assert curve[0.5] == pytest.approx(100 * (1 / 3 + 1 / 2 + 0) / 3)
    with pytest.raises(MaskError, match="no such file of soft masks"):
        background_curve(tmp_path / "truth", tmp_path / "truth", classes)


def test_masks_in_folders_are_paired_by_their_paths(tmp_path):
    classes = Classes(("background", "cat"))
    truth = np.eye(4, dtype=np.uint8)
    for name, mask in (("a/1", truth), ("b/1", 1 - truth)):
        write_mask(tmp_path / "truth" / f"{name}.png", mask)
        write_mask(tmp_path / "masks" / f"{name}.png", mask)
    write_mask(tmp_path / "masks" / "b/2.png", truth)  # a picture without a truth
    assert evaluate_folder(tmp_path / "masks", tmp_path / "truth", classes).miou == 100
    labels = evaluate_folder(tmp_path / "masks", tmp_path / "truth", classes, labels=True)
    assert labels.confusion.sum() == 32
    write_mask(tmp_path / "bare" / "2.png", truth)
    bare = evaluate_folder(tmp_path / "masks", tmp_path / "bare", classes, ["b/2"])
    assert bare.miou == 100


def test_a_validation_set_takes_seconds(tmp_path):
    from time import perf_counter

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 21, (12, 16), np.uint8).repeat(32, 0).repeat(32, 1)
    for folder in ("truth", "masks"):
        for n in range(30):
            write_mask(tmp_path / folder / f"{n}.png", np.roll(truth, n, 1))
    classes = Classes(tuple(map(str, range(21))))
    started = perf_counter()
    evaluate_folder(tmp_path / "masks", tmp_path / "truth", classes)
    # VOC has 1,449, which must take less than 20 s on one core; the rest is room for a busy one.
    assert (perf_counter() - started) * 1449 / 30 < 60
