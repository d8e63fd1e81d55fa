"""Masks are judged without truth, and each class gets an honest word."""

import msgspec
import numpy as np
import torch

import tiny
from wsfcn.data.dataset import TaggedPicture
from wsfcn.figures import read_figures
from wsfcn.report import write_report
from wsfcn.training.judge import Look, halves, judge, sample_of, shares_of
from wsfcn.training.run import train
from wsfcn.types import Classes
from wsfcn.verdicts import Belief, read_beliefs, verdict

SIDE, PICTURES = 16, 24


def leaves(paint):
    """Leaves in the middle of pictures, every second with a spot; ``paint`` makes the mask."""
    generator = torch.Generator().manual_seed(0)
    cells, looks = [], []
    for n in range(PICTURES):
        leaf, spot = torch.zeros(2, SIDE, SIDE)
        leaf[3:13, 3:13] = 1
        sick = n // 2 % 2
        if sick:
            row, column = torch.randint(4, 9, (2,), generator=generator).tolist()
            spot[row : row + 3, column : column + 3] = 1
        seen = torch.stack([leaf, spot, *torch.zeros(4, SIDE, SIDE)])
        cells.append(seen + 0.2 * torch.randn(seen.shape, generator=generator))
        labels = (paint(leaf, spot) * sick).long()
        overlap = labels.sum().expand(2, 1)
        looks.append(
            Look(n, shares_of(labels, (SIDE, SIDE), 2), torch.tensor([float(sick)]), overlap)
        )
    return cells, looks


def test_a_mask_of_the_whole_leaf_is_not_pure():
    right, whole, small, none = (
        judge(*leaves(paint))
        for paint in (
            lambda leaf, spot: spot,
            lambda leaf, spot: leaf,
            lambda leaf, spot: spot * (spot.cumsum(0) == 1),
            lambda leaf, spot: 0 * spot,
        )
    )
    assert right.purity > 95
    assert right.found > 90
    assert whole.purity < 30
    assert small.found < 50 < small.purity
    assert none.quality == 0
    assert right.quality > max(small.quality, 3 * whole.quality)


def test_the_judge_says_nothing_where_there_is_nothing_to_compare_with():
    cells, looks = leaves(lambda leaf, spot: spot)
    everywhere = [look._replace(tags=torch.ones(1)) for look in looks]
    assert np.isnan(judge(cells, everywhere).purity).all()
    assert np.isnan(judge([None] * len(looks), looks).purity).all()
    assert judge([None] * len(looks), looks).agreement == 100


def test_it_is_strict_where_labels_come_from_local_evidence():
    cells, looks = leaves(lambda leaf, spot: leaf)
    other = torch.zeros(SIDE * SIDE, 1).half()
    tagged = [
        look._replace(
            tags=torch.cat([look.tags, 1 - look.tags]),
            shares=torch.cat([look.shares, other], 1),
            overlap=torch.cat([look.overlap, look.overlap], 1),
        )
        for look in looks
    ]
    assert judge(cells, looks).strict
    lenient, strict = judge(cells, tagged), judge(cells, tagged, local=True)
    assert not lenient.strict
    assert strict.strict  # with all classes: pictures are alike then
    assert strict.purity[0] < lenient.purity[0]
    assert strict.quality[0] < lenient.quality[0]


def test_words_are_strict_where_the_judge_was():
    half = Belief(20, 80, 0, 95, 90, 3, 99, 60, 70, 80)
    assert verdict(half).word == "sure"
    assert verdict(msgspec.structs.replace(half, strict=True)).word == "doubtful"
    assert verdict(msgspec.structs.replace(half, untagged=40)).word == "doubtful"


def test_pictures_of_a_kind_go_to_both_halves():
    tags = torch.tensor([[1, 0], [0, 1]] * 4) > 0
    assert [halves(tags)[n::2].float().mean() for n in (0, 1)] == [0.5, 0.5]


def test_shares_of_cells_add_up():
    labels = torch.randint(0, 3, (37, 50))
    shares = shares_of(labels, (5, 7), 3)
    assert shares.shape == (35, 3)
    torch.testing.assert_close(shares.float().sum(1), torch.ones(35), atol=2e-3, rtol=0)
    assert shares_of(labels, (1, 1), 3)[0, 1] == (labels == 1).half().mean()


def test_a_sample_holds_each_class_and_pictures_without_one(tmp_path):
    kinds = [("cat",)] * 500 + [()] * 300 + [("dog", "cat")] * 3
    pictures = [TaggedPicture(tmp_path, tags, str(n)) for n, tags in enumerate(kinds)]
    names = sample_of(pictures, Classes(("background", "cat", "dog")))
    chosen = [kinds[int(name)] for name in names]
    assert chosen.count(()) == chosen.count(("cat",)) == 85
    assert chosen.count(("dog", "cat")) == 3


def test_a_training_ends_with_a_word_on_each_class_and_the_page_shows_it(tmp_path, capsys):
    run = train(tiny.settings(tiny.scenes(tmp_path / "scenes", 2), tmp_path / "run"))
    beliefs = read_beliefs(run)
    assert beliefs is not None
    said = capsys.readouterr().out
    page = write_report(run).read_text()
    for name, belief in beliefs.classes.items():
        assert f"  {name}: {verdict(belief).word}" in said
        assert f"<td>{name}<td><b>{verdict(belief).word}</b>" in page
    assert "val/score" in read_figures(run / "metrics.csv").rows[-1]
