"""The native layout: what is read, how it is split, and one clear line for each mistake."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wsfcn.config import DataSettings, OptimSettings
from wsfcn.data.dataset import TrainingSet, ViewingSet, only, open_data, tag_vector
from wsfcn.data.loading import EpochOrder, corrected_too, repeats
from wsfcn.data.transforms import training_transform
from wsfcn.errors import DataError, PictureError, PictureWarning, TagError
from wsfcn.types import Classes


def make_tree(root: Path, lines: list[str], header: str = "image,tags") -> Path:
    """A data set whose pictures are small and grey; every line's picture exists."""
    (root / "images").mkdir(parents=True)
    for line in lines:
        Image.new("RGB", (40, 30), (90, 90, 90)).save(root / line.split(",")[0])
    (root / "tags.csv").write_text("\n".join([header, *lines]) + "\n")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tags = ["cat", "dog", "cat dog", "dog"] * 5
    return make_tree(tmp_path, [f"images/{n:02}.png,{found}" for n, found in enumerate(tags)])


def test_classes_come_from_tags_without_a_list(root):
    assert open_data(DataSettings(root=root)).classes.names == ("background", "cat", "dog")


def test_without_splits_a_tenth_is_set_aside(root):
    data = open_data(DataSettings(root=root))
    names = [picture.name for picture in data.val]
    assert [name[0] for name in names] == ["0", "1"]  # one of each ten
    assert len(data.train) == 18
    assert [picture.name for picture in open_data(DataSettings(root=root)).val] == names


@pytest.mark.parametrize("kinds", [2, 5, 10])
def test_pictures_set_aside_are_of_all_kinds_where_kinds_take_turns(tmp_path, kinds):
    rows = [f"images/{n:03}.png,{'abcdefghij'[n % kinds]}" for n in range(300)]
    data = open_data(DataSettings(root=make_tree(tmp_path, rows)))
    assert len({picture.tags for picture in data.val}) > kinds / 2
    assert len(data.val) == 30


def test_split_files_are_followed(root):
    (root / "train.txt").write_text("03\n01\n")
    (root / "val.txt").write_text("02\n")
    data = open_data(DataSettings(root=root))
    assert [picture.name for picture in data.train] == ["03", "01"]
    assert [picture.tags for picture in data.val] == [("cat", "dog")]


def test_tag_vector():
    classes = Classes(("background", "cat", "cow", "dog"))
    assert tag_vector(("dog", "cat"), classes).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("tags.csv", "picture;tags\n", "no picture is listed"),
        ("tags.csv", "rows;tags\n", "line 1: no column is called image, file.*`rows,tags`"),
        ("tags.csv", "image,tags\nimages/00.png,cat,dog\n", "line 2: expected 2 columns"),
        ("tags.csv", "image,tags\n", "no picture is listed"),
        ("tags.csv", "image,tags\nimages/00.png,cat\nimages/99.png,cat\n", "line 3: no such pict"),
        ("tags.csv", "image,tags\nimages/00.png,cat dog\nimages/00.png,\n", "line 3: .* twice"),
        ("classes.txt", "background\ncat\ndogs\n", "line 3: unknown tag 'dog'. Did you mean 'do"),
        ("classes.txt", "cat\nbackground\n", "line 2: 'background' stands first"),
        ("val.txt", "\n", "the split is empty"),
        ("train.txt", "00\nmissing\n", "line 2: 'missing' has no tags"),
    ],
)
def test_mistakes_get_one_line(root, file, text, message):
    (root / file).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        open_data(DataSettings(root=root))
    assert str(root) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_split_that_is_not_there_is_an_error(root):
    (root / "small.txt").write_text("03\n")
    with pytest.raises(DataError, match=r"data\.train: no split 'smal'.*Did you mean 'small'"):
        open_data(DataSettings(root=root, train="smal"))
    with pytest.raises(DataError, match=r"data\.val: no split 'nonexist'"):
        open_data(DataSettings(root=root, val="nonexist"))
    assert [p.name for p in open_data(DataSettings(root=root, train="small")).train] == ["03"]


def test_splits_that_overlap_are_noted(root):
    (root / "train.txt").write_text("01\n02\n")
    (root / "val.txt").write_text("02\n03\n")
    (note,) = open_data(DataSettings(root=root)).notes
    assert "1 pictures are both learned from and validated on, such as 02" in note


def test_missing_root_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        open_data(DataSettings(root=tmp_path / "nowhere"))
    with pytest.raises(TagError, match="image,tags"):
        open_data(DataSettings(root=tmp_path))


def test_a_sample_depends_on_seed_draw_and_picture_alone(root):
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    Image.fromarray(noise).save(root / "images/01.png")
    settings = DataSettings(root=root, crop=16)
    data = open_data(settings)

    def sample(seed: int, index: tuple[int, int]) -> torch.Tensor:
        torch.rand(3)  # whatever else drew numbers before
        return TrainingSet(data.train, data.classes, training_transform(settings), seed)[
            index
        ].image

    assert torch.equal(sample(0, (2, 0)), sample(0, (2, 0)))
    assert not torch.equal(sample(0, (2, 0)), sample(0, (3, 0)))
    assert not torch.equal(sample(0, (2, 0)), sample(1, (2, 0)))


def test_broken_pictures_are_passed_over_up_to_a_number(root):
    (root / "images/01.png").write_bytes(b"broken")
    settings = DataSettings(root=root, crop=16)
    data = open_data(settings)
    place = [picture.name for picture in data.train].index("01")
    transform = training_transform(settings)
    patient = TrainingSet(data.train, data.classes, transform, 0, broken=1)
    with pytest.warns(PictureWarning, match=r"01\.png"):
        assert patient[0, place].name == data.train[place + 1].name
    with pytest.warns(PictureWarning), pytest.raises(PictureError, match=r"01\.png"):
        TrainingSet(data.train, data.classes, transform, 0)[0, place]


def test_where_no_picture_can_be_read_it_stops(root):
    data = open_data(DataSettings(root=root, crop=16))
    for picture in data.train:
        picture.path.write_bytes(b"broken")
    samples = TrainingSet(
        data.train, data.classes, training_transform(DataSettings()), 0, broken=99
    )
    with pytest.warns(PictureWarning), pytest.raises(PictureError):
        samples[0, 0]


def test_whole_pictures_are_reduced_and_broken_ones_none(root):
    data = open_data(DataSettings(root=root))
    pictures = data.train[:2]
    Image.new("RGB", (100, 60)).save(pictures[0].path)
    pictures[1].path.write_bytes(b"broken")
    view = ViewingSet(pictures, data.classes, longest_side=40)
    found = only([view[0]])
    assert found
    assert found.image.shape == (1, 3, 24, 40)
    with pytest.warns(PictureWarning, match="passed over"):
        assert only([view[1]]) is None


def test_processes_deal_each_picture_once():
    orders = [EpochOrder(10, seed=3, used=8, rank=rank, world=2) for rank in range(2)]
    dealt = [position for order in orders for _, position in order]
    assert len(dealt) == len(set(dealt)) == 8


def test_epochs_differ_and_repeat():
    order, again = EpochOrder(9, seed=0, used=9), EpochOrder(9, seed=0, used=9)
    first = list(order)
    order.set_epoch(1)
    assert [position for _, position in order] != [position for _, position in first]
    assert first == list(again)


def test_resuming_skips_what_was_seen():
    whole = list(EpochOrder(12, seed=0, used=12))
    assert list(EpochOrder(12, seed=0, used=12, skip=6)) == whole[6:]


def test_corrected_pictures_are_shown_more_often():
    few, many = (torch.arange(1000) < n for n in (10, 500))
    often = corrected_too(torch.ones(1000), few, 0.2)
    assert often[few].tolist() == [8.0] * 10  # no more than that
    assert often[~few].tolist() == [1.0] * 990
    some = torch.arange(1000) < 100
    often = corrected_too(torch.ones(1000), some, 0.2)
    assert (often[some].sum() / often.sum()).item() == pytest.approx(0.2)
    for corrected in (many, ~few & few, few | ~few):  # enough as they are; none; all
        assert corrected_too(torch.ones(1000), corrected, 0.2).tolist() == [1.0] * 1000
    assert corrected_too(torch.ones(1000), few, 0).tolist() == [1.0] * 1000


def test_pictures_of_rare_classes_are_shown_more_often():
    tags = torch.zeros(40, 2)
    tags[:19, 0] = 1
    tags[19:20, 1] = 1  # one in forty, where an even share is one in two
    often = repeats(tags, 0.1)
    assert often.tolist() == [1.0] * 19 + [pytest.approx(2)] + [1.0] * 20
    assert repeats(tags, 1)[19] == 4  # no more than that
    assert repeats(tags, 0).tolist() == [1.0] * 40
    often[0] = 1.5
    seen = list(EpochOrder(40, 0, 400, often=often))
    assert len(set(seen)) == 400  # each under other augmentation
    counts = np.bincount([position for _, position in seen], minlength=40)
    assert counts[19] >= 18
    assert 12 <= counts[0] <= 17
    assert counts[1:19].max() <= 10
    skipped = EpochOrder(40, 0, 400, often=often, skip=7)
    assert list(skipped) == seen[7:]


def test_without_rare_classes_the_order_is_the_plain_one():
    plain = list(EpochOrder(12, seed=1, used=30))
    assert list(EpochOrder(12, seed=1, used=30, often=torch.ones(12))) == plain


def test_a_small_set_is_gone_through_several_times_each_under_other_augmentation():
    seen = list(EpochOrder(3, seed=0, used=8))
    assert len(set(seen)) == 8
    assert [seen[n][1] for n in range(3)] != [seen[n][1] for n in range(3, 6)]


def test_without_a_number_of_epochs_a_training_takes_the_same_steps_whatever_the_set():
    usual, passes = OptimSettings(), OptimSettings(epochs=3)
    assert usual.all_epochs * usual.steps_per_epoch(30) == 1600
    assert usual.all_epochs * usual.steps_per_epoch(100_000) == 1600
    assert OptimSettings(epochs=1, pictures=320).steps_per_epoch(5) == 20
    assert [passes.steps_per_epoch(count) for count in (5, 30, 100)] == [1, 1, 6]
