from collections import Counter

import numpy as np
import pytest
from PIL import Image

from wsfcn.data.classes import read_classes
from wsfcn.data.forms import read_tags
from wsfcn.images import read_mask
from wsfcn.scenes.scenes import (
    CLASSES,
    FAMILIES,
    VISIBLE,
    arrange,
    choose_cast,
    draw_scene,
    write_scenes,
)


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(seed, size=32) for seed in range(400)]


def casts(count):
    return [choose_cast(np.random.default_rng(seed)) for seed in range(count)]


def test_a_seed_is_a_scene():
    first, again, other = draw_scene(7), draw_scene(7), draw_scene(8)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.truth, again.truth)
    assert first.tags == again.tags
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("size", [48, 128])
def test_pictures_have_the_size_asked_for(size):
    scene = draw_scene(0, size)
    assert scene.image.shape == (size, size, 3)
    assert scene.truth.shape == (size, size)


def test_tags_are_the_classes_of_the_truth(scenes):
    for scene in scenes:
        assert scene.tags == tuple(CLASSES.names[i] for i in np.unique(scene.truth) if i > 0)


def test_a_tagged_class_can_be_seen():
    for scene in (draw_scene(seed) for seed in range(100)):
        for tag in scene.tags:
            assert np.count_nonzero(scene.truth == CLASSES.index(tag)) > 0.01 * 128**2


def test_one_to_three_objects_of_all_classes_each_also_alone():
    drawn = casts(1000)
    assert {len(cast) for cast in drawn} == {1, 2, 3}
    frequency = Counter(name for cast in drawn for name in cast)
    alone = Counter(cast[0] for cast in drawn if len(cast) == 1)
    for name in CLASSES.objects:
        assert frequency[name] == pytest.approx(2000 / 8, rel=0.25)
        assert alone[name] > 20


def test_families_come_together():
    pairs = [cast for cast in casts(1000) if len(cast) == 2]
    relatives = sum(any(set(pair) <= set(family) for family in FAMILIES) for pair in pairs)
    # by chance 22 of 64 pairs; as drawn 0.6 + 0.4 * 22 / 64 = 0.74 of them
    assert 0.64 < relatives / len(pairs) < 0.84


def test_upper_objects_hide_lower_ones():
    hiding = 0
    for seed in range(60):
        (lower, upper), truth = arrange(np.random.default_rng(seed), ["fish", "house"], 64)
        names = np.array(CLASSES.names)[truth]
        assert (names[upper.window][upper.distance < 0] == "house").all()
        shown = names[lower.window][lower.distance < 0] == "fish"
        assert shown.mean() >= VISIBLE
        hiding += not shown.all()
    assert hiding > 10


def histogram(values, bins):
    return np.sqrt(np.bincount(values.ravel(), minlength=bins) / values.size)


def separability(features, tags):
    """Mean area under the ROC curve of a ridge regression, fitted on one half, on the other."""
    features = np.column_stack([features, np.ones(len(features))])
    (seen, unseen), (known, truth) = np.array_split(features, 2), np.array_split(tags, 2)
    weights = np.linalg.solve(seen.T @ seen + np.eye(seen.shape[1]), seen.T @ known)
    areas = []
    for score, tagged in zip((unseen @ weights).T, truth.T > 0, strict=True):
        areas.append(np.mean(score[tagged, None] > score[None, ~tagged]))
    return np.mean(areas)


def test_colour_alone_tells_no_class(scenes):
    tags = np.array([[name in scene.tags for name in CLASSES.objects] for scene in scenes], float)
    colours = [histogram(scene.image // 64 @ np.array([16, 4, 1]), 64) for scene in scenes]
    assert separability(np.stack(colours), tags) < 0.6
    areas = [histogram(scene.truth, len(CLASSES)) for scene in scenes]
    assert separability(np.stack(areas), tags) > 0.95  # what a telling feature would reach


def test_native_layout(tmp_path):
    write_scenes(tmp_path, train=3, val=2, seed=5, size=48)
    assert read_classes(tmp_path / "classes.txt") == CLASSES
    train = (tmp_path / "train.txt").read_text().split()
    val = (tmp_path / "val.txt").read_text().split()
    assert (len(train), len(val)) == (3, 2)

    tags = {
        tagged.path.relative_to(tmp_path).as_posix(): tagged.tags
        for tagged in read_tags(tmp_path).pictures
    }
    pictures = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("images/*"))
    assert sorted(tags) == pictures == sorted(f"images/{name}.jpg" for name in train + val)
    for name in val:
        mask = read_mask(tmp_path / "masks" / f"{name}.png")
        assert mask.shape == (48, 48)
        present = tuple(CLASSES.names[i] for i in np.unique(mask) if i > 0)
        assert tags[f"images/{name}.jpg"] == present
    assert sorted(path.stem for path in tmp_path.glob("masks/*")) == sorted(val)
    with Image.open(tmp_path / "images" / f"{val[0]}.jpg") as picture:
        assert (picture.size, picture.mode) == ((48, 48), "RGB")


def test_val_does_not_depend_on_the_number_of_training_pictures(tmp_path):
    write_scenes(tmp_path / "few", train=1, val=1, size=32)
    write_scenes(tmp_path / "more", train=2, val=1, size=32)
    few, more = (tmp_path / name / "masks" / "val-0000.png" for name in ("few", "more"))
    assert np.array_equal(read_mask(few), read_mask(more))
