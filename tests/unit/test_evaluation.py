"""Evaluation agrees with cases worked by hand and with torchmetrics."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from wsfcn.errors import MaskError
from wsfcn.evaluation import ConfusionMatrix, evaluate_folder, tag_map
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
