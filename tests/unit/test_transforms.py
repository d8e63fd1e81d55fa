"""Crop, flip and jitter: torchvision's results where they should be, in less time."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as TF

from wsfcn.config import DataSettings
from wsfcn.data.transforms import GREY, crop_of, drawn, jittered, training_transform


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Soft colours in the middle of the range, so that nothing is cut off."""
    generator = np.random.default_rng(0)
    small = generator.integers(70, 180, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((80, 60), Image.Resampling.BICUBIC)


def difference(one: Image.Image, other: Image.Image) -> int:
    return np.abs(np.asarray(one, int) - np.asarray(other, int)).max()


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("brightness", (1.3, 1, 1, 0)),
        ("contrast", (1, 0.7, 1, 0)),
        ("saturation", (1, 1, 1.3, 0)),
    ],
)
def test_each_factor_is_torchvisions(picture, name, factors):
    factor = next(value for value in factors if value != 1)
    expected = getattr(TF, f"adjust_{name}")(picture, factor)
    assert difference(jittered(picture, *factors), expected) <= 1
    assert difference(picture, expected) > 10


def test_without_change_nothing_changes(picture):
    assert difference(jittered(picture, 1, 1, 1, 0), picture) == 0


def test_hue_turns_colours_and_keeps_brightness(picture):
    turned = jittered(picture, 1, 1, 1, 0.1)
    assert difference(turned, picture) > 10
    before, after = (np.asarray(p, float) @ np.array(GREY) for p in (picture, turned))
    assert np.abs(before - after).max() < 2
    assert difference(jittered(turned, 1, 1, 1, -0.1), picture) <= 3
    # The same way round as torchvision's: red goes to yellow.
    red = Image.new("RGB", (2, 2), (160, 90, 90))
    for found in (jittered(red, 1, 1, 1, 0.1), TF.adjust_hue(red, 0.1)):
        r, g, b = found.getpixel((0, 0))
        assert r > g > b


def test_factors_spread_over_their_range():
    torch.manual_seed(0)
    factors = torch.tensor([drawn((0.3, 0.3, 0.3, 0.1)) for _ in range(500)])
    assert factors.amin(0).tolist() == pytest.approx([0.7, 0.7, 0.7, -0.1], abs=0.01)
    assert factors.amax(0).tolist() == pytest.approx([1.3, 1.3, 1.3, 0.1], abs=0.01)


def test_crops_of_a_narrow_picture_show_all_of_it():
    wide = Image.new("L", (400, 50))
    boxes = [crop_of(wide, (0.4, 1.0), (0.75, 4 / 3)) for _ in range(200)]
    assert {(top, height) for top, _, height, _ in boxes} == {(0, 50)}
    assert {width for *_, width in boxes} == {67}  # the widest that is allowed
    lefts = [left for _, left, _, _ in boxes]
    assert min(lefts) < 20
    assert max(lefts) > 400 - 67 - 20
    tall = wide.transpose(Image.Transpose.ROTATE_90)
    boxes = [crop_of(tall, (0.4, 1.0), (0.75, 1)) for _ in range(200)]
    assert {(left, height, width) for _, left, height, width in boxes} == {(0, 67, 50)}
    tops = [top for top, *_ in boxes]
    assert min(tops) < 20
    assert max(tops) > 400 - 67 - 20


def test_a_crop_has_its_size_and_depends_on_the_seed_alone(picture):
    transform = training_transform(DataSettings(crop=48))
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(transform(picture, None).image)
    assert found[0].shape == (3, 48, 48)
    assert found[0].min() >= 0
    assert found[0].max() <= 1
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_crop_in_its_own_colours_is_the_same_crop(picture):
    for jitter in ((0.3, 0.3, 0.3, 0.1), (0.0,) * 4):
        crops = []
        for plain in (False, True):
            torch.manual_seed(3)
            transform = training_transform(DataSettings(crop=48, jitter=jitter), plain=plain)
            crops.append(transform(picture))
        assert crops[0].plain is None
        assert crops[1].plain is not None
        assert torch.equal(crops[0].image, crops[1].image)
        assert torch.equal(crops[1].plain, crops[1].image) == (not any(jitter))
        torch.manual_seed(3)
        still = training_transform(DataSettings(crop=48, jitter=(0.0,) * 4))
        assert torch.equal(crops[1].plain, still(picture).image)
