"""Local evidence: which cells tell a class, and when its maps make labels."""

import math
from dataclasses import replace

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image

import tiny
from wsfcn.config import DataSettings, ModelSettings, PseudoSettings, TrainSettings
from wsfcn.data.dataset import TaggedPicture, TaggedPictures, open_data
from wsfcn.files import write_lines
from wsfcn.method.pseudo import Candidates, banded_labels
from wsfcn.method.step import local_masks, make_labels, training_losses
from wsfcn.models.backbones import build_eyes
from wsfcn.models.evidence import (
    BEGINS,
    FADING,
    LEVEL,
    NEARLY,
    SINCE,
    TELLS,
    UNSURE,
    WINDOWS,
    LocalEvidence,
    evidence_loss,
    log_mean_exp,
    reconstructed,
)
from wsfcn.models.segmenter import Segmenter, build_segmenter
from wsfcn.training import evidence as fitting
from wsfcn.training.averaging import MovingAverage
from wsfcn.training.evidence import (
    Looked,
    Told,
    drawn_in,
    end_of,
    fit_evidence,
    fit_heads,
    fit_resemblance,
    in_words,
    judge,
    likeness,
    look_at,
    more_right,
    neighbourhoods,
    precisions_of,
    whole_features,
)
from wsfcn.training.module import SegmentationTraining
from wsfcn.types import Batch, Classes


class Colours(torch.nn.Module):
    """Eyes that see the picture's own colours, at strides 4, 8 and 16."""

    def forward(self, image):
        pooled = torch.nn.functional.avg_pool2d
        return [pooled(image, stride) for stride in (4, 8, 16)]


def evidence(classes: int = 3) -> LocalEvidence:
    torch.manual_seed(0)
    return LocalEvidence(Colours(), (3, 3, 3), classes)


def looks(found: LocalEvidence, image: torch.Tensor, tags: torch.Tensor) -> list[Looked]:
    """What is kept of pictures, without another view."""
    cells, fine = (each.half() for each in found.look(image))
    fewer = fine[..., ::2, ::2]
    return [
        Looked((c, c), f, torch.zeros(4), t) for c, f, t in zip(cells, fewer, tags, strict=True)
    ]


def spotted(count: int = 8, size: int = 128) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A green leaf in every picture; in the even ones a brown spot of a sixteenth of its area."""
    image = torch.full((count, 3, size, size), 0.9)
    image[:, :, 16:-16, 16:-16] = torch.tensor([0.1, 0.6, 0.1])[:, None, None]
    truth = torch.zeros(count, size, size, dtype=torch.bool)
    for n in range(0, count, 2):
        top = 24 + 8 * (n % 7)
        truth[n, top : top + 24, 40:64] = True
    brown = torch.tensor([0.5, 0.3, 0.1])[:, None, None]
    image = torch.where(truth[:, None], brown, image)
    tags = torch.tensor([[1.0 - n % 2] for n in range(count)])
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return image + 0.02 * noise, tags, truth


def test_log_mean_exp_by_hand():
    # The mean of e^0 and e^(log 3) is 2.
    logits = torch.tensor([[[[0.0, math.log(3)]]]])
    assert log_mean_exp(logits).item() == pytest.approx(math.log(2))


def test_masks_by_hand():
    found = evidence()
    found.usual.copy_(torch.tensor([4.0, 4.0]))
    strengths = torch.tensor([[[[8.0, 4.0, 0.0]], [[0.5, 1.0, 0.0]]]])
    masks = found.masks(strengths, torch.tensor([[1.0, 1.0]]))
    # The first class is stronger than usual; the second is weaker than half of it.
    assert masks.tolist() == [[[[0.0, 0.0, 0.0]], [[1.0, 0.5, 0.0]], [[0.25, 0.5, 0.0]]]]
    assert found.masks(strengths, torch.zeros(1, 2)).sum() == 0


def seen_maps(values: torch.Tensor) -> list[torch.Tensor]:
    """Maps whose grids are all as fine, with values in the first channel of the second."""
    maps = torch.zeros(3, 1, 3, *values.shape)
    maps[1, 0, 0] = values
    return [*maps]


def test_what_resembles_by_hand():
    found = evidence()
    assert not found.resembles
    found.direction[0, 3] = 2
    found.bias[0] = -1
    assert found.resembles
    # Of the second class nothing was fitted.
    strengths = found.resembling(seen_maps(torch.tensor([[0.5, 0.75, 1.0]])))
    assert strengths.tolist() == [[[[0, 0.5, 1]], [[0, 0, 0]]]]


def test_what_is_around_a_cell_is_seen_too():
    found = evidence()
    values = torch.zeros(23, 23)
    values[11, 11] = 1
    for n, side in enumerate(WINDOWS):
        found.direction.zero_()
        found.direction[0, 6 + 3 * n] = side**2
        strengths = found.resembling(seen_maps(values))[0, 0]
        reach = side // 2
        around = slice(11 - reach, 12 + reach)
        assert strengths[around, around].min().item() == pytest.approx(1)
        assert strengths.sum().item() == pytest.approx(side**2)


def test_cells_that_tell_are_a_part_of_the_strongest_or_of_half_the_usual():
    found = evidence()
    found.usual.copy_(torch.tensor([8.0, 0.0]))
    tell = torch.zeros(1, 2, 1, 8)
    tell[0, 0, 0, [0, 4]] = 4 * TELLS + torch.tensor([-0.01, 0.01])  # of a picture that shows none
    tell[0, 1, 0, [1, 7]] = torch.tensor([1.1 * TELLS, 1.0])
    seeds = found.seeds(tell)
    assert seeds[0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 0, 0]  # and those beside them
    assert seeds[0, 1, 0].tolist() == [1, 1, 1, 0, 0, 0, 1, 1]
    assert found.seeds(torch.zeros(1, 2, 3, 3)).sum() == 0


def test_what_does_not_hang_together_with_a_cell_that_tells_is_something_else():
    found = evidence(2)
    found.direction[0, 3] = 1
    found.all_tagged.fill_(True)
    values = torch.zeros(1, 10)
    values[0, 1:4], values[0, 6:9] = torch.tensor([1.0, 3.0, 2.0]), 5.0
    found.maps = lambda _: seen_maps(values)
    telling = torch.full((1, 1, 1, 10), -1.0)
    telling[..., 2] = 1
    found.telling = lambda _cells: telling
    image = torch.zeros(1, 3, 4, 40)
    assert found(image).tolist() == [[[[0, 1, 3, 2, 0, 0, 0, 0, 0, 0]]]]
    telling[..., 7] = 0.5
    assert found(image).tolist() == [[[[0, 1, 3, 2, 0, 0, 5, 5, 5, 0]]]]
    assert torch.equal(found(image, torch.ones(1, 1)), found(image))
    assert found(image, torch.zeros(1, 1)).tolist() == [[[[0] * 10]]]  # none is tagged
    found.all_tagged.fill_(False)  # as where some pictures have no tag
    assert found(image).tolist() == [[[[0, 1, 3, 2, 0, 0, 5, 5, 5, 0]]]]


def test_of_a_class_that_nothing_resembles_the_cells_that_tell_are_the_label():
    """Where every picture has a tag, beside one that something does resemble."""
    found = evidence()
    found.all_tagged.fill_(True)
    found.direction[0, 3] = 1
    found.usual.copy_(torch.tensor([1.0, 4.0]))
    values = torch.zeros(1, 8)
    values[0, 2:5] = 3.0
    found.maps = lambda _: seen_maps(values)
    telling = torch.full((1, 2, 1, 8), -1.0)
    telling[0, 0, 0, 3], telling[0, 1, 0, 5:7] = 1.0, torch.tensor([1.0, 2.0])
    found.telling = lambda _cells: telling
    tags = torch.ones(1, 2)
    strengths = found(torch.zeros(1, 3, 4, 32), tags)
    assert strengths[0, :, 0].tolist() == [[0, 0, 3, 3, 3, 0, 0, 0], [0, 0, 0, 0, 0, 1, 2, 0]]
    masks = found.masks(strengths, tags)[0, 1:, 0]
    assert masks.tolist() == [[0, 0, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0.5, 1, 0]]


def test_how_much_of_what_resembles_a_class_tells_it_by_hand():
    found = evidence()
    found.all_tagged.fill_(True)
    found.direction[:, 0] = 1
    found.usual.fill_(2.0)
    fine = torch.zeros(2, 6, 1, 8)
    fine[0, 0, 0, 1:6] = 1.0  # of which the second and third tell the first class
    fine[1, 0, 0, 1:6] = 1.0  # of a picture without it
    cells = torch.full((2, 6, 1, 8), -1.0)
    cells[0, 0, 0, 2:4], cells[0, 1, 0, 2], cells[1, 1, 0, 2] = 2.0, 0.1, 2.0
    found.telling = lambda cells: cells[:, :2]
    seen = [
        Looked((c, c), f, torch.zeros(4), t)
        for c, f, t in zip(cells, fine, torch.eye(2), strict=True)
    ]
    share, part = fitting.found_and_told(found, seen)
    assert share.tolist() == pytest.approx([5 / 8, 5 / 8])
    assert part.tolist() == pytest.approx([2 / 5, 1 / 5])
    share, part = fitting.found_and_told(found, seen[:1])
    assert share.tolist() == pytest.approx([5 / 8, 0])
    assert part.tolist() == pytest.approx([2 / 5, 0])


@pytest.mark.parametrize("size", [(64, 96), (50, 70), (20, 24)])
def test_cells_at_an_edge_know_nothing_of_it_where_every_picture_has_a_tag(size):
    """Without a normal picture the shade at the edges would tell in which light one was taken."""
    torch.manual_seed(0)
    found = build_segmenter(ModelSettings(), 3, pretrained=False).evidence
    image = torch.full((1, 3, *size), 0.5)
    plain = found.maps(image)
    assert not plain[0].allclose(plain[0].mean((2, 3), keepdim=True), atol=1e-4)
    found.all_tagged.fill_(True)
    mirrored = found.maps(image)
    assert [each.shape for each in mirrored] == [each.shape for each in plain]
    assert mirrored[0].allclose(mirrored[0].mean((2, 3), keepdim=True), atol=1e-4)


def test_over_a_weak_bridge_nothing_is_stronger_than_the_bridge():
    strengths = torch.tensor([[[[3.0, 0.5, 3.0], [0.0, 0.0, 0.0], [3.0, 3.0, 3.0]]]])
    seeds = torch.zeros_like(strengths)
    seeds[..., 0, 0] = 1
    grown = reconstructed(strengths, seeds)
    assert grown.tolist() == [[[[3, 0.5, 0.5], [0, 0, 0], [0, 0, 0]]]]


def test_a_path_may_wind_through_the_whole_picture():
    size = 13
    strengths = torch.zeros(1, 1, size, size)
    strengths[..., ::2, :] = 1
    strengths[..., 1::4, -1] = strengths[..., 3::4, 0] = 1  # one line from corner to corner
    seeds = torch.zeros_like(strengths)
    seeds[..., 0, 0] = 1
    assert torch.equal(reconstructed(strengths, seeds), strengths)


@pytest.mark.parametrize("strongest", [1.0, 3.0])
def test_a_class_begins_between_the_usual_and_what_tells_and_at_a_part_of_the_strongest(strongest):
    found = evidence()
    found.direction[0, 3] = 1
    found.part[0] = 0.3
    begins = max(BEGINS, 0.3 * strongest)
    assert begins in (BEGINS, 0.3 * 3)
    strengths = torch.zeros(1, 2, 1, 4)
    strengths[0, 0, 0] = torch.tensor([UNSURE * begins - 0.01, UNSURE * begins, begins, strongest])
    masks = found.masks(strengths, torch.tensor([[1.0, 1.0]]))
    expected = [0, pytest.approx(0, abs=1e-6), pytest.approx(LEVEL), 1]
    assert masks.tolist() == [[[[0] * 4], [expected], [[0] * 4]]]
    assert found.masks(strengths, torch.tensor([[0.0, 1.0]])).sum() == 0


def test_every_cell_of_a_picture_without_the_class_counts():
    logits = torch.tensor([[[[-5.0, 3.0, -5.0]]]], requires_grad=True)
    evidence_loss(logits, torch.zeros(1, 1), torch.ones(1)).backward()
    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_a_class_is_local_where_cells_tell_its_tag_as_well_as_the_whole():
    tags = np.array([[1.0, 1, 1]] * 50 + [[0.0, 0, 0]] * 50)
    right, wrong = np.arange(100)[::-1] * 1.0, np.arange(100) * 1.0
    cells, whole = np.stack([right, wrong, right], 1), np.stack([right, right, right], 1)
    cells[:, 0] = whole[:, 0]
    told = told_by(cells, whole, tags)
    assert judge(told, 20, np.ones(3, bool), normal=True).tolist() == [True, False, True]
    assert told.from_cells[0] == told.from_whole[0] == 100


def test_a_class_with_few_held_out_pictures_goes_with_the_others():
    tags = np.array([[1.0, 1]] * 50 + [[0.0, 0]] * 50)
    tags[1:, 1] = 0
    right, wrong = np.arange(100)[::-1] * 1.0, np.arange(100) * 1.0
    better, worse = np.stack([right, wrong], 1), np.stack([wrong, right], 1)
    assert local_of(better, worse, tags) == [True, False]
    tags[0, 1] = 0  # nothing is known of it
    assert local_of(better, worse, tags) == [True, True]
    assert local_of(worse, better, tags) == [False, False]


def told_by(cells, whole, tags) -> Told:
    return Told(precisions_of(cells, tags), precisions_of(whole, tags), tags.sum(0))


def local_of(cells, whole, tags, known=(True, True), *, normal=True) -> list[bool]:
    return judge(told_by(cells, whole, tags), 0, np.array(known), normal=normal).tolist()


def test_without_held_out_pictures_that_have_tags_no_class_is_local():
    scores = np.ones((2, 2))
    assert local_of(scores, scores, np.zeros((2, 2))) == [False, False]


def test_without_normal_pictures_cells_have_to_tell_the_classes_about_as_well_on_the_mean():
    tags = np.array([[1.0] * 3] * 50 + [[0.0] * 3] * 50)
    right, wrong = np.arange(100)[::-1] * 1.0, np.arange(100) * 1.0
    cells, whole = np.stack([right, wrong, wrong], 1), np.stack([wrong, right, right], 1)
    everything = (True, True, True)
    assert local_of(cells, whole, tags, everything) == [True, False, False]
    assert local_of(cells, whole, tags, everything, normal=False) == [False, False, False]
    # What is in nearly every picture cannot be compared, and says nothing of the others.
    first = (True, False, False)
    assert local_of(cells, whole, tags, first, normal=False) == [True, False, False]
    assert local_of(cells, whole, tags, (False, False, False)) == [False, False, False]


def test_without_normal_pictures_a_little_worse_on_the_mean_will_do():
    tags = np.array([[1.0] * 3] * 50 + [[0.0] * 3] * 50)
    right = np.arange(100)[::-1] * 1.0
    # One of three classes is told by 12 points less, four on the mean.
    cells, whole = np.stack([right] * 3, 1), np.stack([right] * 3, 1)
    cells[[35, 64], 1] = cells[[64, 35], 1]
    cells[30:45, 1], cells[50:65, 1] = cells[50:65, 1].copy(), cells[30:45, 1].copy()
    told = told_by(cells, whole, tags)
    assert -3 * fitting.ROUGHLY < told.from_cells[1] - told.from_whole[1] < -fitting.ROUGHLY
    # drawn towards that mean by ten pictures
    assert not judge(told, 0, np.ones(3, bool), normal=False).any()
    assert judge(told, 2, np.ones(3, bool), normal=False).tolist() == [True, False, True]


def test_it_learns_the_spot_and_not_the_leaf(monkeypatch):
    monkeypatch.setattr(fitting, "STEPS", 300)
    image, tags, truth = spotted(16)
    found = evidence(2)
    seen = looks(found, image, tags)
    fit_heads(found, seen, 0, fitting.RATE)
    masks = found.masks(found(image), tags)[:, 1]
    assert overlap(masks, truth, 8) > 0.4
    leaf = 12 * 12 * 8  # cells of the leaf in the eight tagged pictures
    assert (masks > 0.5).sum() < 0.25 * leaf
    assert found.usual > 1

    fit_resemblance(found, seen)
    masks = found.masks(found(image), tags)[:, 1]
    spot = cells_of(truth, 4)
    assert (masks > 0.5)[spot].all()
    assert overlap(masks, truth, 4) > 0.3  # of six cells, two more on each side and edges
    assert found(image)[tags[:, 0] == 0].mean() < 0.03


def cells_of(truth: torch.Tensor, stride: int) -> torch.Tensor:
    """Cells of that stride more than half of which are in the truth."""
    return torch.nn.functional.avg_pool2d(truth[:, None].float(), stride)[:, 0] > 0.5


def overlap(masks: torch.Tensor, truth: torch.Tensor, stride: int) -> float:
    """IoU of masks on a grid of that stride."""
    spot, guess = cells_of(truth, stride), masks > 0.5
    return ((guess & spot).sum() / (guess | spot).sum()).item()


def test_what_resembles_does_not_hang_on_the_precision_of_a_training():
    found = evidence(2)
    found.direction[0, 3:5] = torch.tensor([10.0, -10.0])
    maps = [torch.full((1, 3, 1, 2), 30.0) for _ in range(3)]
    maps[1][0, 0] += torch.tensor([0.02, 0.13])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        strengths = found.resembling(maps)
    assert strengths.flatten().tolist() == pytest.approx([0.2, 1.3], abs=1e-4)


def test_what_resembles_reaches_beyond_the_cells_that_tell(monkeypatch):
    image, tags, truth = spotted()
    found = evidence(2)
    seen = looks(found, image, tags)
    # One cell of each spot tells, the one in its middle.
    corner = [each.nonzero()[0].tolist() for each in truth[::2]]
    maps = torch.full((8, 1, 1, 16, 16), -1.0)
    for n, (top, left) in enumerate(corner):
        maps[2 * n, 0, 0, top // 8 + 1, left // 8 + 1] = 1
    shown = iter(maps)
    monkeypatch.setattr(fitting, "logits_of", lambda *_: next(shown))
    fit_resemblance(found, seen)
    assert not found.all_tagged
    assert (found(image)[:, 0] > 0.5)[cells_of(truth, 4)].all()
    assert overlap(found(image)[:, 0], truth, 4) > 0.3 > 2 * overlap(maps[:, 0, 0], truth, 8)


def test_of_a_class_that_is_nowhere_or_everywhere_nothing_resembles():
    image, tags, _ = spotted()
    found = evidence(4)
    of_classes = torch.cat([tags, torch.zeros_like(tags), torch.ones_like(tags)], 1)
    fit_resemblance(found, looks(found, image, of_classes))
    strengths = found(image)
    assert strengths[:, 1:].sum() == 0
    assert strengths.isfinite().all()


@pytest.mark.parametrize("strength", [0.965, 0.991, 0.999])
def test_what_resembles_begins_where_tagged_pictures_have_more(strength):
    usual = torch.linspace(0, 1, 10_001)
    found = torch.cat([usual, torch.full((600,), strength)]).sort().values
    begins = end_of(found, usual)
    assert begins == max(q for q in fitting.QUANTILES if q < strength)


def test_it_begins_at_the_strictest_of_several_such_places():
    usual = torch.linspace(0, 1, 10_001)
    lesions, leaves = torch.full((300,), 0.991), torch.full((3000,), 0.955)
    assert end_of(torch.cat([usual, leaves]).sort().values, usual) == 0.95
    assert end_of(torch.cat([usual, lesions, leaves]).sort().values, usual) == 0.99


def test_one_cell_far_from_the_usual_is_noise_and_a_spot_is_not():
    maps = torch.zeros(8, 8)
    maps[1, 6] = 9
    maps[3:6, 2:5] = 5
    found = fitting.median_around(maps)
    assert found[1, 6] == 0
    assert found[4, 3] == 5
    assert found.shape == maps.shape


def test_thin_edges_of_every_picture_are_false_alarms(monkeypatch):
    # A spot differs; every picture has a line of one cell's width, which differs more.
    spot, line = torch.zeros(16, 16), torch.zeros(16, 16)
    spot[2:6, 2:6], line[:, 8] = 2, 3
    noise = 0.1 * torch.randn(24, 6, 16, 16, generator=torch.Generator().manual_seed(0))
    seen = []
    for n, fine in enumerate(noise):
        fine[0] += line + spot * (n % 2)
        cells = (spot * (n % 2)).expand(10, -1, -1)
        seen.append(Looked((cells, cells), fine, torch.zeros(3), torch.tensor([n % 2.0])))
    ends = []
    for single in (fitting.SINGLE, 9):
        monkeypatch.setattr(fitting, "SINGLE", single)
        ends.append(fitting.band_of(torch.eye(6)[0], seen, 0)[1].item())
    assert ends[0] > ends[1]


def fitted(spot: torch.Tensor, always: torch.Tensor, noise: float, alike: torch.Tensor | float = 0):
    """What resembles a spot that every second of 24 pictures has, beside what all have, and what
    all have that is like the spot; strengths in these pictures."""
    seen = []
    # torch's own normal numbers differ between processors
    drawn = torch.from_numpy(np.random.default_rng(0).normal(size=(24, 6, 16, 16))).float()
    for n, fine in enumerate(noise * drawn):
        fine[[0, 3]] += spot * (n % 2) + alike
        fine[3] += always
        cells = (spot * (n % 2) - 1).expand(10, -1, -1)
        seen.append(Looked((cells, cells), fine, torch.zeros(3), torch.tensor([n % 2.0])))
    found = evidence(2)
    found.telling = lambda cells: cells[:, :1]
    fit_resemblance(found, seen)
    features = torch.stack([found.surrounded(look.fine) for look in seen])
    return found, torch.einsum("e,neyx->nyx", found.direction[0], features) + found.bias[0]


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_what_every_picture_has_is_usual(noise):
    """The line is one cell wide, and differs more than the spot does."""
    spot, line = torch.zeros(16, 16), torch.zeros(16, 16)
    spot[2:8, 2:8], line[:, 12] = 2, 3
    _, strengths = fitted(spot, line, noise)
    tagged, others = strengths[1::2], strengths[::2]
    assert (tagged[:, spot > 0] > BEGINS).float().mean() > 0.8
    assert (others > BEGINS).float().mean() < 0.05
    assert tagged[:, spot > 0].mean() > 2 * others[:, line > 0].mean()


def test_a_class_of_which_single_cells_tell_little_is_told_by_what_is_around_them():
    large = torch.zeros(16, 16)
    large[2:12, 2:12] = 2
    (clear, _), (faint, strengths) = (fitted(large, 0 * large, noise) for noise in (0.1, 5))
    assert clear.part[0] == 0
    assert not clear.direction[0, 6:].any()
    assert faint.part[0] == fitting.PART
    assert faint.direction[0, 6:].any()
    tagged, others = strengths[1::2], strengths[::2]
    assert others.mean().item() == pytest.approx(0, abs=1e-3)
    assert tagged[:, large > 0].mean().item() == pytest.approx(1, abs=1e-3)


def test_surroundings_are_not_asked_where_all_pictures_have_what_is_like_the_class():
    upper, lower = torch.zeros(2, 16, 16)
    upper[:6], lower[7:] = 2, 3
    (told, _), (spoilt, _) = (fitted(upper, 0 * upper, 5, alike) for alike in (0, lower))
    assert told.part[0] == fitting.PART
    assert spoilt.part[0] == 0
    assert not spoilt.direction[0, 6:].any()


def test_called_more_than_twice_as_often_a_class_is_more_likely_right():
    seen = [Looked((x, x), x[0], x[0, 0], x[0, 0, 0]) for x in torch.zeros(3, 1, 1, 1, 3)]
    tags = torch.tensor([[1.0, 1, 0], [0, 1, 1], [0, 0, 0]])
    seen = [look._replace(tags=of) for look, of in zip(seen, tags, strict=True)]
    shares = [torch.tensor(each) for each in ([0.4, 0.2, 0.1], [0.3, 0.3, 0.3], [0.0, 0.1, 0.2])]
    assert more_right(shares, seen).tolist() == [True, True, False]


def test_a_network_of_an_earlier_version_shows_the_cells_that_tell():
    old, new = evidence(), evidence()
    new.direction.fill_(1)
    state = old.state_dict()
    new.cut.fill_(-30)
    for name in SINCE:
        del state[name]
    new.load_state_dict(state)
    assert not new.resembles
    assert not new.offset(torch.randn(2, 3, 4, 5)).any()


def test_a_network_of_an_earlier_version_has_one_perceptron():
    new = evidence()
    state, old = new.state_dict(), new.heads[1]
    for name in [name for name in state if name.startswith("heads.")]:
        del state[name]
    state |= {f"head.{name}": value for name, value in old.state_dict().items()}
    new.load_state_dict(state)
    cells = torch.randn(1, 6, 4, 5)
    torch.testing.assert_close(new.telling(cells), old(new.norm(cells)))
    assert len(state) < len(new.state_dict())  # what was given is as it was


def test_what_resembled_in_an_earlier_version_does_so_now():
    """Its direction knew no surroundings, and it began between two places of it."""
    state = evidence().state_dict()
    del state["bias"]
    state["direction"], state["band"] = torch.zeros(2, 6), torch.zeros(2, 2)
    state["direction"][0, 3], state["band"][0] = 2, torch.tensor([0.75, 1.0])
    found = evidence()
    found.load_state_dict(state)
    strengths = found.resembling(seen_maps(torch.tensor([[0.3, 0.4375, 0.5]]))).relu()
    masks = found.masks(strengths, torch.tensor([[1.0, 1.0]]))
    assert masks[0, 1, 0].tolist() == [0, pytest.approx(LEVEL / 2), pytest.approx(LEVEL)]
    assert masks[0, 2].sum() == 0


def test_pictures_are_alike_where_each_has_some_of_its_kind():
    one, other = torch.eye(3)[:2]
    assert likeness(torch.stack([one] * 8 + [other] * 8)) == pytest.approx(1)
    assert likeness(torch.stack([one] * 3 + [other] * 3)) == pytest.approx(0)
    assert likeness(torch.stack([one, 3 * one])) == pytest.approx(1)
    assert likeness(one[None]) == likeness(None) == 0


def test_pictures_that_cannot_be_read_are_not_compared(tmp_path):
    model = build().eval()
    for name in "abc":
        Image.new("RGB", (40, 40), "red").save(tmp_path / f"{name}.png")
    pictures = [TaggedPicture(path, (), path.stem) for path in sorted(tmp_path.iterdir())]
    pictures[1].path.write_bytes(b"broken")
    found = whole_features(model, pictures, 64)
    assert found is not None
    assert len(found) == 2
    assert whole_features(model, pictures[1:2], 64) is None


@pytest.mark.parametrize(
    ("far", "better", "local"), [(101, -100, False), (-100, 101, False), (-100, -100, True)]
)
def test_of_pictures_that_are_not_alike_a_class_is_local_that_cells_tell_far_better(
    tmp_path, monkeypatch, far, better, local
):
    """Better than the whole does, and better than neighbourhoods of cells."""
    values = {"OTHERS": 1, "ALIKE": 1.1, "STEPS": 1, "FAR": far, "BETTER": better}
    for name, value in values.items():
        monkeypatch.setattr(fitting, name, value)
    scenes = tiny.settings(tiny.scenes(tmp_path / "scenes", 4), tmp_path / "run")
    data = open_data(scenes.data)
    torch.manual_seed(0)
    model = build_segmenter(scenes.model, len(data.classes))
    judged = fit_evidence(model, data, scenes)
    assert judged is not None
    assert model.evidence is not None
    assert judged.local.any() == model.evidence.local.any() == local
    assert model.training


def test_each_perceptron_is_judged_by_pictures_held_out_from_it(monkeypatch):
    image, tags, _ = spotted(15)
    found = evidence(2)
    seen = looks(found, image, tags)
    told, left, asked = iter([70.0, 60.0, 60.0, 40.0, 80.0, 80.0]), [], []  # of cells and the whole
    monkeypatch.setattr(fitting, "fit_head", lambda _e, _h, pictures, *_: left.append(pictures))

    def precisions(scores, _tags):
        asked.append(len(scores))
        return np.array([next(told)])

    monkeypatch.setattr(fitting, "precisions_of", precisions)
    judged = fit_heads(found, seen, 0, fitting.RATE)
    parts = fitting.parts(15)
    assert asked == [len(part) for part in parts for _ in range(2)]
    for pictures, part in zip(left, parts, strict=True):
        assert len(pictures) == 15 - len(part)
        assert not any(picture is seen[n] for picture in pictures for n in part)
    counts = [sum(tags[n, 0].item() for n in part) for part in parts]
    assert judged.count.tolist() == [sum(counts)]
    expected = np.average([70.0, 60.0, 80.0], weights=counts)
    assert judged.from_cells.tolist() == [pytest.approx(expected)]


def test_perceptrons_tell_by_their_mean():
    found = evidence()
    cells = torch.randn(2, 6, 4, 5)
    alone = [fitting.logits_of(found, cells[0], head) for head in found.heads]
    assert not alone[0].allclose(alone[1])
    torch.testing.assert_close(fitting.logits_of(found, cells[0]), sum(alone) / 3)


def test_a_class_that_no_held_out_picture_has_is_not_told():
    tries = [Told(np.array([90.0, np.nan]), np.array([80.0, np.nan]), np.array([3, 0]))] * 2
    found = fitting.on_the_mean(tries)
    assert found.from_cells[0] == 90
    assert np.isnan(found.from_cells[1])


@pytest.mark.parametrize("count", [10, 11, 12, 14, 100])
def test_each_fit_holds_out_other_pictures_from_all_over(count):
    found = fitting.parts(count)
    assert len({n for part in found for n in part}) == sum(map(len, found))
    for part in found:
        assert count // 5 <= len(part) <= -(-count // 5)
        assert [n // 5 for n in part] == sorted({n // 5 for n in part})
        assert part == sorted(part)
    assert len({n % 5 for n in found[0]}) > 1 or count < 20


def test_far_better_is_asked_of_few_pictures_more():
    right, wrong = np.arange(40)[::-1] * 1.0, np.arange(40) * 1.0
    tags = np.zeros((40, 2))
    tags[:20, 0] = tags[0, 1] = 1
    told = [precisions_of(np.stack([scores] * 2, 1), tags) for scores in (right, wrong)]
    drawn = drawn_in(told[0] - told[1], tags.sum(0))
    gain = [(drawn >= points).tolist() for points in (5, 30, 90)]
    assert gain == [[True, True], [True, False], [False, False]]


def test_a_neighbourhood_is_the_mean_of_the_cells_around(monkeypatch):
    monkeypatch.setattr(fitting, "NEIGHBOURHOOD", 3)
    cells = torch.arange(12.0).view(1, 3, 4)
    looked = Looked((cells, -cells), cells, torch.zeros(1), torch.zeros(1))
    plain, other = neighbourhoods(looked).cells
    assert plain.shape == cells.shape
    assert plain[0, 1, 1] == cells[0, :, :3].mean()
    assert plain[0, 0, 0] == cells[0, :2, :2].mean()  # at the border those that are there
    assert other[0, 1, 1] == -plain[0, 1, 1]


@pytest.mark.slow
def test_before_a_training_it_is_fitted_and_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "STEPS", 300)
    image, tags, _ = spotted(80, 96)
    rows = ["image,tags"]
    (tmp_path / "images").mkdir()
    for n, picture in enumerate(image):
        values = (picture.clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(values).save(tmp_path / "images" / f"{n:02}.png")
        rows.append(f"images/{n:02}.png,{'rust' if tags[n] else ''}")
    write_lines(tmp_path / "tags.csv", rows)
    write_lines(tmp_path / "classes.txt", ["background", "rust", "mould"])
    settings = TrainSettings(data=DataSettings(root=tmp_path, untagged=True, crop=96))
    data = open_data(settings.data)
    torch.manual_seed(0)
    model = build_segmenter(settings.model, 3)
    judged = fit_evidence(model, data, settings)
    assert judged is not None
    assert judged.local.tolist() == [True, False]  # no picture is tagged mould
    assert "mould" not in in_words(judged, data.classes)
    assert judged.told.from_cells[0] >= judged.told.from_whole[0] > 0
    assert model.evidence is not None
    assert model.evidence.local.tolist() == [True, False]
    assert model.training


def test_where_few_pictures_are_without_a_class_none_is_local(tmp_path):
    scenes = tiny.settings(tiny.scenes(tmp_path / "scenes", 4), tmp_path / "run")
    data = open_data(scenes.data)
    torch.manual_seed(0)
    model = build_segmenter(scenes.model, len(data.classes))
    assert fit_evidence(model, data, scenes) is None
    assert model.evidence is not None
    assert not model.evidence.local.any()


def test_where_every_picture_has_a_tag_the_others_show_what_is_usual(monkeypatch):
    """Two kinds of spots, a picture each; what is around a cell is not asked."""
    image, tags, truth = spotted()
    blue = torch.tensor([0.1, 0.1, 0.5])[:, None, None]
    other = torch.zeros_like(truth)
    other[1::2, 64:88, 72:96] = True
    image = torch.where(other[:, None], blue, image)
    tags = torch.cat([tags, 1 - tags], 1)
    found = evidence()
    found.all_tagged.fill_(True)
    seen = looks(found, image, tags)
    found.telling = lambda cells: torch.stack(
        [cells[:, 0] - 1.4 * cells[:, 1], cells[:, 2] - 1.4 * cells[:, 1]], 1
    )
    fit_resemblance(found, seen)
    assert found.has_direction.all()
    assert found.part.tolist() == [0, 0]
    assert not found.direction[:, 6:].any()
    masks = found.masks(found(image), tags) > LEVEL
    for k, spots in enumerate((truth, other)):
        assert masks[:, k + 1][cells_of(spots, 4)].float().mean() > 0.8  # corners aside
        assert not masks[:, k + 1][tags[:, k] == 0].any()
        assert overlap(masks[:, k + 1].float(), spots, 4) > 0.3
    monkeypatch.setattr(fitting, "MOSTLY", 0.0)  # as if the cells that tell were most of them
    fit_resemblance(found, seen)
    assert not found.resembles
    assert not found.bias.any()
    monkeypatch.setattr(fitting, "SMALL", 0.5)  # so small that it tells as a whole
    fit_resemblance(found, seen)
    assert found.has_direction.all()


def test_where_every_picture_has_a_tag_the_classes_are_compared_with_each_other(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(fitting, "STEPS", 1)
    monkeypatch.setattr(fitting, "OTHERS", 28)
    asked = []

    def watched(*given, normal):
        asked.append((given[2].tolist(), normal))
        return judge(*given, normal=normal)

    monkeypatch.setattr(fitting, "judge", watched)
    scenes = tiny.settings(tiny.scenes(tmp_path / "scenes", 4), tmp_path / "run")
    data = open_data(scenes.data)
    torch.manual_seed(0)
    model = build_segmenter(scenes.model, len(data.classes))
    assert fit_evidence(model, data, scenes)
    assert model.evidence.all_tagged
    without = fitting.pictures_without(data.train, data.classes)
    assert asked == [((without >= 28).tolist(), False)]
    assert 0 < sum(asked[0][0]) < len(data.classes.objects)


def test_a_faint_local_mask_is_not_stretched():
    masks = torch.tensor([[[[0.0, 0.0]], [[0.06, 0.01]]]])
    classes = torch.tensor([[0, 2]])
    stretched = banded_labels(Candidates(masks, classes), high=0.55, low=0.25)
    assert stretched.tolist() == [[[2, 0]]]
    local = torch.tensor([[False, True]])
    faint = banded_labels(Candidates(masks, classes, local), high=0.55, low=0.25)
    assert faint.tolist() == [[[0, 0]]]


def test_what_is_small_goes_before_what_is_large():
    masks = torch.tensor([[[[0.0, 0.0, 0.0]], [[1.0, 0.9, 1.0]], [[0.6, 1.0, 0.5]]]])
    classes = torch.tensor([[0, 1, 2]])
    as_strong = banded_labels(Candidates(masks, classes), high=0.55, low=0.25)
    assert as_strong.tolist() == [[[1, 2, 1]]]
    local = torch.tensor([[False, False, True]])
    small = banded_labels(Candidates(masks, classes, local), high=0.55, low=0.25)
    assert small.tolist() == [[[2, 2, 1]]]


def build(**changes) -> Segmenter:
    torch.manual_seed(0)
    settings = ModelSettings(weights="none", width=8, **changes)
    return build_segmenter(settings, 2).train()


def batch() -> Batch:
    image, tags, _ = spotted(4, 96)
    return Batch(image.clamp(0, 1), tags, list("abcd"))


def test_a_step_leaves_it_as_it_is():
    model = build()
    assert model.evidence is not None
    model.evidence.usual.fill_(1.0)
    model.evidence.local.fill_(True)
    before = [value.clone() for value in model.evidence.state_dict().values()]
    losses = training_losses(model, batch(), PseudoSettings(), warm=True)
    losses.total.backward()
    after = model.evidence.state_dict().values()
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(p.grad is None for p in model.evidence.parameters())


@pytest.mark.parametrize("local", [False, True])
def test_the_dice_loss_is_that_of_local_classes(local):
    model, data = build().eval(), batch()
    assert model.evidence is not None
    model.evidence.usual.fill_(0.1)
    model.evidence.local.fill_(local)
    total = [
        training_losses(model, data, PseudoSettings(dice=weight), warm=True).total.item()
        for weight in (0, 0.5)
    ]
    assert (total[1] > total[0]) == local


def test_labels_of_local_classes_come_from_local_evidence():
    model, data = build(), batch()
    assert local_masks(model, data) is None
    assert model.evidence is not None
    model.evidence.local.fill_(True)
    local = local_masks(model, data)
    assert local is not None
    prediction = model(data.image)
    one = make_labels(data, prediction, PseudoSettings())
    other = make_labels(data, prediction, PseudoSettings(), 0.0, local)
    assert not torch.equal(one, other)
    assert (other[data.tags[:, 0] == 0] == 0).all()


def test_local_evidence_is_asked_about_the_pictures_own_colours():
    """It was fitted to those; the network sees others."""
    model, data = build(), batch()
    assert model.evidence is not None
    model.evidence.local.fill_(True)
    shown = data._replace(image=data.image.flip(1), plain=data.image)
    masks = [local_masks(model, each) for each in (data, shown, shown._replace(plain=None))]
    assert all(masks)
    assert torch.equal(masks[0].masks, masks[1].masks)
    assert not torch.equal(masks[0].masks, masks[2].masks)


@pytest.mark.parametrize("local", [False, True])
def test_own_colours_are_loaded_where_something_is_local(tmp_path, local):
    scenes = tiny.settings(tiny.scenes(tmp_path / "scenes", 4), tmp_path / "run")
    data = open_data(scenes.data)
    model = build_segmenter(scenes.model, len(data.classes))
    assert model.evidence is not None
    model.evidence.local.fill_(local)
    for jitter in (scenes.data.jitter, (0.0,) * 4):
        settings = replace(scenes, data=replace(scenes.data, jitter=jitter))
        module = SegmentationTraining(model, data, settings)
        module.trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
        loaded = next(iter(module.train_dataloader()))
        assert (loaded.plain is not None) == (local and any(jitter))
        if loaded.plain is not None:
            assert loaded.plain.shape == loaded.image.shape
            assert not torch.equal(loaded.plain, loaded.image)


def test_tags_of_local_classes_are_told_by_the_masks():
    model, data = build().eval(), batch()
    assert model.evidence is not None
    from_deep = model(data.image).scores
    model.evidence.local.fill_(True)
    prediction = model(data.image)
    assert not torch.equal(from_deep, prediction.scores)
    largest = prediction.logits.softmax(1)[:, 1].amax((1, 2))
    assert (prediction.scores[:, 0].sigmoid() <= largest + 1e-4).all()


def test_where_the_usual_was_seen_masks_and_the_whole_must_both_tell():
    model, data = build().eval(), batch()
    assert model.evidence is not None
    from_deep = model(data.image).scores
    model.evidence.local.fill_(True)
    from_masks = model(data.image).scores
    model.evidence.direction[0] = 1
    scores = model(data.image).scores
    assert torch.equal(scores[:, 0], torch.minimum(from_deep, from_masks)[:, 0])
    assert torch.equal(scores[:, 1:], from_masks[:, 1:])


def seen_at(margins: list[float], there: list[bool], count: int = 100) -> LocalEvidence:
    """Local evidence that was shown a picture with ``count`` cells of each of these odds of its
    first class, and none of its second."""
    found = evidence()
    found.local.fill_(True)
    found.direction.fill_(1)
    cells = torch.tensor(margins).float().repeat_interleave(count)[None, None, None]
    truth = torch.tensor(there).repeat_interleave(count)[None, None, None]
    known = torch.tensor([True, False])[None, :, None, None].expand(1, 2, 1, cells.shape[-1])
    found.move_cuts(cells.expand_as(known), truth.expand_as(known), known)
    return found


def test_a_class_begins_where_its_cells_are_best_told_from_others():
    # Of a rare class every probability is below a half; the cells with the two highest are its own.
    found = seen_at([-3, -4, -6, -6.5, -7], [True, True, False, False, False])
    cut = found.cut[0].item() / 10
    assert -6 < cut < -4
    faint = torch.tensor([0.0, -9, -9])[None, :, None, None]
    assert found.offset(faint).flatten().tolist() == [0, pytest.approx(-cut), 0]


def begins(strongest: float, cut: int) -> float:
    """The odds, in logarithms, at which the first of two classes begins in a picture whose
    strongest cell has those odds of it."""
    found = evidence()
    found.cut[0] = cut
    learned = torch.tensor([[0.0, 0, 0, 0], [strongest, -8, -9, -7], [-30] * 4])[None, :, None]
    offset = found.offset(learned).flatten()
    assert offset[[0, 2]].tolist() == [0, 0]
    return -offset[1].item()


def test_a_silent_class_is_where_its_odds_are_near_the_highest_of_the_picture():
    assert begins(-2, -60) == pytest.approx(-2 + math.log(NEARLY), abs=1e-4)
    assert begins(-5.5, -60) == -6  # not below where it begins in all pictures
    assert begins(3, -60) == 0  # even odds are enough


@pytest.mark.parametrize("cut", [0, 10])
def test_a_class_that_speaks_begins_in_all_pictures_at_the_same_odds(cut):
    assert begins(-2, cut) == begins(3, cut) == cut / 10


def test_pictures_of_a_batch_have_each_their_strongest_cell():
    found = evidence()
    found.cut.fill_(-60)
    one, other = torch.randn(2, 1, 3, 4, 5) - torch.tensor([-3.0, 0, 0])[:, None, None]
    both = found.offset(torch.cat([one, other]))
    assert torch.equal(both, torch.cat([found.offset(one), found.offset(other)]))


def test_where_a_silent_class_begins_teaches_nothing():
    found = evidence()
    found.cut.fill_(-60)
    assert not found.offset(torch.randn(1, 3, 4, 5, requires_grad=True)).requires_grad


def test_a_cell_of_a_class_that_is_silent_weighs_more_the_rarer_it_is():
    found = seen_at([-3, -4, -6, -7], [True, False, False, False])
    assert found.rarity.tolist() == [1, pytest.approx(2), 1]
    rarest = seen_at([-3] + 999 * [-7], [True] + 999 * [False])
    rarest.cut[0] = -30
    assert rarest.rarity[1].item() == pytest.approx(10)
    loud = seen_at([3, -4, -6, -7], [True, False, False, False])
    assert loud.rarity.tolist() == [1, 1, 1]


def test_a_class_that_begins_well_enough_begins_no_earlier():
    # All of its cells from -1 on, but two thirds of them from 0 on: more than half as good.
    assert seen_at([2, 1, -0.5, -7], [True, True, True, False]).cut[0] == 0


def test_a_class_that_is_seen_everywhere_begins_later():
    assert seen_at([3, 0.5, -5], [True, False, False]).cut[0] > 5


@pytest.mark.parametrize("few", [True, False])
def test_a_class_that_is_not_told_yet_begins_where_it_did(few):
    # A fiftieth of a picture at least, and told better than by calling every cell of the class.
    if few:
        found = seen_at([-3] + 99 * [-7], [True] + 99 * [False])
    else:
        found = seen_at([-5, -4.8, -4.6], [True, False, False])
    assert found.cut[0] == 0


def test_what_was_counted_fades():
    found = seen_at([-3, -7], [True, False])
    nothing = torch.zeros(1, 2, 1, 1)
    found.move_cuts(nothing, nothing > 0, nothing > 0)
    assert found.margins[0].sum(1).tolist() == [pytest.approx(FADING / 2)] * 2


def test_of_classes_that_nothing_resembles_none_begins_elsewhere():
    found = evidence()
    found.local.fill_(True)
    cells = torch.tensor([-3.0, -7.0]).repeat_interleave(100).expand(1, 2, 1, -1)
    found.move_cuts(cells, cells > -5, cells < 0)
    assert not found.cut.any()


def test_cuts_move_in_a_step_and_the_cross_entropy_does_not_see_them():
    model, data = build().eval(), batch()
    assert model.evidence is not None
    evidence = model.evidence
    evidence.local.fill_(True)
    plain = model(data.image)
    evidence.cut.fill_(20)
    moved = model(data.image)
    odds = (each.logits[:, 1] - each.logits[:, 0] for each in (moved, plain))
    assert torch.allclose(next(odds) - next(odds), torch.tensor(-2.0), atol=1e-4)
    assert torch.allclose(moved.learned, plain.logits, atol=1e-5)
    losses = []
    for cut in (0, 20):
        evidence.cut.fill_(cut)
        settings = PseudoSettings(dice=0, pamr_iterations=0)
        losses.append(training_losses(model, data, settings, warm=True).masks.item())
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    evidence.direction.fill_(1)
    evidence.bias[0] = 1e4
    training_losses(model, data, PseudoSettings(), warm=True)
    assert evidence.margins[0, 0].sum() == pytest.approx(data.tags.sum().item())


def test_what_people_said_goes_before_local_evidence_where_a_class_begins():
    model, data = build().eval(), batch()
    assert model.evidence is not None
    model.evidence.local.fill_(True)
    model.evidence.direction.fill_(1)
    model.evidence.bias[0] = 1e4  # it is everywhere, that says
    corrected = torch.full((4, 96, 96), 255, dtype=torch.uint8)
    corrected[0], corrected[2, :48] = 0, 1
    said = data._replace(corrected=corrected)
    training_losses(model, said, PseudoSettings(), warm=True)
    assert model.evidence.margins[0].sum(1).tolist() == [pytest.approx(1)] * 2


def test_the_average_of_a_network_begins_classes_where_the_network_does():
    found = seen_at([-3, -7], [True, False])
    average = torch.zeros_like(found.cut)
    MovingAverage(0.998).update([average], [found.cut], 1000)
    assert torch.equal(average, found.cut)


def test_of_a_class_that_begins_early_the_whole_must_be_surer():
    model, data = build().eval(), batch()
    assert model.evidence is not None
    from_deep = model(data.image).scores
    model.evidence.local.fill_(True)
    model.evidence.direction[0] = 1
    model.evidence.cut[0] = -90  # its masks say that it is everywhere
    scores = model(data.image).scores[:, 0]
    assert torch.allclose(scores, from_deep[:, 0] - math.log(9))
    assert torch.logit(torch.tensor(0.1)).item() == pytest.approx(-math.log(9))


def test_it_can_be_switched_off_and_needs_activations():
    assert build(evidence=False).evidence is None
    assert build(scoring="masks").evidence is None


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "convnext_atto"])
def test_the_eyes_see_strides_4_8_and_16(name):
    found = build_eyes(name, "none")
    assert found is not None
    eyes, channels = found
    maps = eyes.eval()(torch.rand(1, 3, 64, 96))
    assert [each.shape[2:] for each in maps] == [(16, 24), (8, 12), (4, 6)]
    assert [each.shape[1] for each in maps] == list(channels)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "convnext_atto"])
@pytest.mark.parametrize("size", [(67, 41), (30, 129)])
def test_what_is_kept_of_odd_pictures_lies_on_one_grid(name, size, tmp_path):
    settings = TrainSettings(
        data=DataSettings(root=tmp_path), model=ModelSettings(backbone=name, weights="none")
    )
    model = build_segmenter(settings.model, 2).eval()
    path = tmp_path / "picture.png"
    Image.new("RGB", size, "red").save(path)
    data = TaggedPictures(Classes(("background", "rust")), (), (), None)
    (look,) = look_at(model, [TaggedPicture(path, ("rust",), "picture")], data, settings)
    assert look.fine.shape[1:] == look.cells[0].shape[1:]


@pytest.mark.parametrize("name", ["vgg16", "vit_tiny_patch16_224"])
def test_a_backbone_without_such_stages_has_none(name):
    assert build_eyes(name, "none") is None
