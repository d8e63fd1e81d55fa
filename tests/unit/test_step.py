"""The training step: equal to the published one, and true to what its settings say."""

from dataclasses import replace

import pytest
import torch

from plain_step import plain_step
from wsfcn.config import ModelSettings, PseudoSettings
from wsfcn.method.losses import complete, dice_loss, mask_loss
from wsfcn.method.pseudo import Candidates, activation_masks, banded_labels, object_masks
from wsfcn.method.step import make_labels, training_losses
from wsfcn.models.segmenter import Segmenter, build_segmenter
from wsfcn.types import IGNORE, Batch, Prediction

PUBLISHED = PseudoSettings(balance=1.0)


def build(**changes) -> Segmenter:
    torch.manual_seed(0)
    quiet = {"gate": 0.0, "dropout": 0.0, "drop_path": 0.0}
    settings = ModelSettings(weights="none", width=8, **quiet, **changes)
    return build_segmenter(settings, 4).train()


def batch(count: int = 3, size: int = 96) -> Batch:
    """Bright squares and discs on noise, tagged."""
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(count, 3, size, size, generator=generator) * 0.3
    image[:, :, 20:60, 30:80] += 0.6
    tags = torch.tensor([[1.0, 0, 0], [0, 1, 1], [1, 0, 1]])[:count]
    return Batch(image, tags, [f"p{n}" for n in range(count)])


@pytest.mark.parametrize("context", ["fca", "aspp"])
def test_agrees_with_the_published_step(context):
    model = build(scoring="masks", context=context)
    # Masks that are neither flat nor saturated, so that labels and mask loss exist.
    with torch.no_grad():
        model.head[-1].weight.mul_(20)
        model.head[-1].bias.fill_(1.0)
    grads = []
    for step in (
        lambda: plain_step(model, batch()),
        lambda: training_losses(model, batch(), PUBLISHED, warm=True).total,
    ):
        state = {name: value.clone() for name, value in model.state_dict().items()}
        model.zero_grad()
        loss = step()
        loss.backward()
        grads.append((loss.item(), [p.grad.clone() for p in model.parameters() if p.requires_grad]))
        model.load_state_dict(state)
    (expected, expected_grads), (found, found_grads) = grads
    assert found == pytest.approx(expected, rel=1e-5)
    largest = max(grad.abs().max() for grad in expected_grads)
    for one, other in zip(found_grads, expected_grads, strict=True):
        assert (one - other).abs().max() < 1e-4 * largest


def test_the_mask_loss_waits_for_the_warm_up():
    model = build()
    cold = training_losses(model, batch(), PseudoSettings(), warm=False)
    assert cold.masks == 0
    assert cold.total == cold.tags
    warm = training_losses(model, batch(), PseudoSettings(), warm=True)
    assert warm.total == warm.tags + warm.masks


def test_labels_hold_the_background_and_tagged_classes_alone():
    model = build()
    data = batch()
    labels = make_labels(data, model(data.image), PseudoSettings())
    for label, tags in zip(labels, data.tags, strict=True):
        allowed = {0, IGNORE, *(tags.nonzero()[:, 0] + 1).tolist()}
        assert set(label.unique().tolist()) <= allowed


def test_labels_do_not_depend_on_absent_classes():
    data = batch(2)
    prediction = build()(data.image)
    assert prediction.activations is not None
    louder = prediction.activations.clone()
    louder[data.tags == 0] = 100
    one = make_labels(data, prediction, PseudoSettings())
    other = make_labels(data, Prediction(*prediction[:2], louder), PseudoSettings())
    assert torch.equal(one, other)


def test_own_share_mixes_in_the_networks_masks():
    data = batch()
    prediction = build()(data.image)
    plain = make_labels(data, prediction, PseudoSettings())
    assert not torch.equal(plain, make_labels(data, prediction, PseudoSettings(), 1.0))


def test_banded_labels_by_hand():
    masks = torch.tensor([[[[0.0, 0.0, 0.0, 0.0]], [[1.0, 0.5, 0.3, 0.0]]]])
    found = banded_labels(Candidates(masks, torch.tensor([[0, 3]])), high=0.6, low=0.4)
    assert found.tolist() == [[[3, IGNORE, 0, 0]]]


def test_activation_masks_by_hand():
    maps = torch.tensor([[[[2.0, -1.0]], [[4.0, 4.0]]]])
    found = activation_masks(maps, torch.tensor([[1.0, 0.0]]))
    assert found.tolist() == [[[[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]]]]


def test_object_masks_by_hand():
    masks = torch.tensor([[[[0.2]], [[0.3]], [[0.5]]]])
    found = object_masks(masks, torch.tensor([[1.0, 0.0]]))
    assert found.flatten().tolist() == pytest.approx([0, 0.6, 0])


def test_dice_loss_by_hand():
    # Three classes with equal logits; the second has two of three labelled pixels.
    logits = torch.zeros(1, 3, 1, 4)
    labels = torch.tensor([[[0, 1, 1, IGNORE]]])
    second, third = torch.tensor([False, True, False]), torch.tensor([False, False, True])
    expected = 1 - (2 * 2 / 3 + 1) / (3 / 3 + 2 + 1)
    assert dice_loss(logits, labels, second).item() == pytest.approx(expected)
    assert dice_loss(logits, labels, second | third).item() == pytest.approx(expected)
    assert dice_loss(logits, labels, third) == 0
    assert dice_loss(logits, labels, torch.zeros(3, dtype=torch.bool)) == 0
    right = torch.nn.functional.one_hot(labels.clamp(max=2), 3).permute(0, 3, 1, 2) * 50.0
    assert dice_loss(right, labels, second).item() == pytest.approx(0, abs=1e-6)


def test_mask_loss_by_hand():
    # Two classes with equal logits: the cross-entropy is log 2 everywhere.
    logits = torch.zeros(1, 2, 1, 4)
    labels = torch.tensor([[[0, 0, 1, IGNORE]]])
    tags = torch.ones(1, 1)
    log2 = torch.tensor(2.0).log()
    # Three labelled pixels: weights 1/4, 1/4, 2/4; the unlabelled one counts as 0.
    assert mask_loss(logits, labels) == pytest.approx((log2 * (1 / 4)).item())
    assert mask_loss(logits, labels, 0.0) == pytest.approx((log2 * 3 / 4).item())
    rarity = torch.tensor([1.0, 5.0])
    assert mask_loss(logits, labels, 0.0, rarity) == pytest.approx((log2 * 7 / 4).item())
    assert complete(labels, tags)
    # A tagged class without a pixel, until it is shown elsewhere.
    assert not complete(torch.zeros_like(labels), tags)
    assert complete(torch.zeros_like(labels), tags, torch.tensor([[False, True]]))


def test_settings_reach_the_labels():
    data = batch()
    prediction = build()(data.image)
    wide = replace(PseudoSettings(), activation_low=0.05, activation_high=0.95)
    narrow = make_labels(data, prediction, PseudoSettings())
    assert (make_labels(data, prediction, wide) == IGNORE).sum() > (narrow == IGNORE).sum()
