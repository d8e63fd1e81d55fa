import numpy as np
import pytest

from wsfcn.scenes.motifs import MOTIFS, box, checks, disc, folded, half_plane, lens, limb, stripes


def at(distance, x, y):
    """Value of a distance at one point."""
    return float(distance(np.float32([[x]]), np.float32([[y]]))[0, 0])


@pytest.mark.parametrize(
    ("distance", "point", "expected"),
    [
        (lambda x, y: disc(x, y, 2.0), (3, 4), 3),
        (lambda x, y: box(x, y, 2.0, 1.0), (5, 0), 3),
        (lambda x, y: lens(x, y, 2.0, 1.0), (0, 0.5), -0.5),
        (lambda x, y: lens(x, y, 2.0, 1.0), (2, 0), 0),
        (lambda x, y: half_plane(x, y, (0.0, 0.0), (1.0, 0.0)), (7, 2), -2),
        (lambda x, y: limb(x, y, (0.0, 0.0), (4.0, 0.0), (2.0, 1.0)), (2, 3), 1.5),
        (lambda x, y: stripes(x, 4.0), (8, 0), -1),
        (lambda x, y: stripes(x, 4.0), (10, 0), 1),
        (lambda x, y: checks(x, y, 4.0), (0, 0), 1),
        (lambda x, y: checks(x, y, 4.0), (2, 0), -1),
    ],
)
def test_distances_by_hand(distance, point, expected):
    assert at(distance, *point) == pytest.approx(expected)


@pytest.mark.parametrize("arms", [5, 6])
def test_folding_maps_all_arms_onto_one(arms):
    angle = 2 * np.pi * np.arange(arms) / arms + 0.1
    x, y = folded(np.float32([np.sin(angle)]), np.float32([-np.cos(angle)]), arms)
    assert x == pytest.approx(np.full((1, arms), np.sin(0.1)), abs=1e-6)
    assert y == pytest.approx(np.full((1, arms), -np.cos(0.1)), abs=1e-6)


@pytest.mark.parametrize("name", MOTIFS)
def test_motifs_fill_the_unit_circle_and_carry_both_colours(name):
    y, x = np.mgrid[-150:151, -150:151].astype(np.float32) / 100
    inside = MOTIFS[name].outline(x, y) < 0
    assert 0.9 < np.sqrt(x**2 + y**2)[inside].max() < 1.05
    second = MOTIFS[name].texture(x, y) < 0
    for part in (x < -0.2, x > 0.2, y < -0.2, y > 0.2):
        assert 0.2 < second[inside & part].mean() < 0.8
