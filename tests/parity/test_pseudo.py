"""From logits on, our numbers agree with the published implementation (see README.md)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wsfcn.config import PseudoSettings
from wsfcn.maps import resize, size_of
from wsfcn.method.losses import complete, mask_loss, tag_loss
from wsfcn.method.step import make_labels
from wsfcn.models.scoring import image_scores
from wsfcn.refine.pamr import pamr
from wsfcn.types import Batch, Prediction


@pytest.fixture(scope="module")
def reference() -> dict[str, torch.Tensor]:
    arrays = np.load(Path(__file__).with_name("pseudo.npz"))
    return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture(scope="module")
def batch(reference) -> Batch:
    return Batch(reference["image"].float() / 255, reference["tags"], ["first", "second"])


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest deviation, relative to the largest expected value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize(("name", "floor"), [("scores_voc", 0.01), ("scores_coco", 0.1)])
def test_image_scores(reference, name, floor):
    assert error(image_scores(reference["logits"], floor=floor), reference[name]) < 1e-5


def test_tag_loss(reference):
    loss = tag_loss(reference["scores_voc"], reference["tags"])
    assert error(loss, reference["tag_loss"]) < 1e-5


@pytest.mark.parametrize("iterations", [5, 10])
def test_refined_masks(reference, batch, iterations):
    masks = reference["logits"].softmax(1)
    guide = resize(batch.image, size_of(masks), align_corners=True)
    assert error(pamr(guide, masks, iterations), reference[f"refined_{iterations}"]) < 1e-4


def test_pseudo_labels(reference, batch):
    labels = make_labels(
        batch, Prediction(reference["logits"], reference["scores_voc"]), PseudoSettings()
    )
    assert (labels == reference["pseudo"]).float().mean() >= 0.999


def test_mask_loss_and_gradient(reference, batch):
    logits = reference["logits"].clone().requires_grad_()
    upsampled = resize(logits, size_of(batch.image), align_corners=True)
    labels = reference["pseudo"].long()
    losses = mask_loss(upsampled, labels) * complete(labels, batch.tags)
    assert error(losses.detach(), reference["mask_loss"]) < 1e-5
    (gradient,) = torch.autograd.grad(losses.mean(), logits)
    assert error(gradient, reference["mask_loss_grad"]) < 1e-5
