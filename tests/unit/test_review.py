"""The order of a review: each sign by hand, and the files that hold the list."""

import csv
import json
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colours import PATCHES, Colours, data_set
from wsfcn.config import DataSettings
from wsfcn.data.dataset import open_data
from wsfcn.errors import DataError, SettingError
from wsfcn.images import write_mask
from wsfcn.inference.network import Seen as Masks
from wsfcn.maps import Sizes
from wsfcn.review import Seen, Signs, Views, judged, review, review_data, with_odd_sizes
from wsfcn.types import IGNORE, Classes

CLASSES = Classes(("background", "cat", "dog"))
SURE = 0.9


def masks(labels: list[list[int]] | np.ndarray, sure: float = SURE) -> np.ndarray:
    """Soft masks (c h w) whose winners are ``labels``."""
    one = np.eye(3)[np.array(labels)].transpose(2, 0, 1)
    return (one * sure + (1 - one) * (1 - sure) / 2).astype(np.float32)


def seen(*views: np.ndarray, tagged: tuple[int, ...] = (1,), tags=(0.9, 0.1)) -> Seen:
    return judged(Views(np.stack(views), np.array(tags, np.float32)), tagged, CLASSES)


def test_a_picture_without_a_sign_is_worth_nothing():
    found = seen(*[masks([[0, 1], [0, 1]], sure=1)] * 3)
    assert found.signs == Signs(0, 0, 0)
    assert found.signs.worth == 0
    assert found.areas == {1: 0.5}


def test_signs_by_hand():
    one, other = masks([[0, 1], [0, 1]]), masks([[0, 0], [0, 1]])
    # Background: 2 of 3 pixels in common; cat: 1 of 2.
    assert seen(one, other).signs.disagreement == pytest.approx(1 - (2 / 3 + 1 / 2) / 2)
    # Without dogs each pixel is of its class with 0.9 / 0.95, and of the other with the rest.
    likely = 2 * 0.9 / 0.95
    expected = likely / (2 + 2 - likely)
    assert seen(one, one).signs.doubt == pytest.approx(1 - expected)
    assert seen(one, one).signs.doubt < seen(masks([[0, 1], [0, 1]], 0.6)).signs.doubt
    found = seen(one, one, tagged=(1, 2))
    assert found.signs.doubt > 1 / 3
    assert (1.0, "the tag dog got no mask") in found.reasons
    found = seen(one, one, tagged=(), tags=(0.8, 0.1))
    assert found.signs.doubt > 1 / 2
    said = "50 % of the picture is cat, which is no tag: forgotten?"
    assert any(said in reason for _, reason in found.reasons)


def test_a_background_that_is_not_there_is_no_class():
    classes = Classes(("cat", "dog"))
    both = masks([[1, 2], [1, 2]], sure=1)
    assert judged(Views(both[None], np.ones(2)), (1, 2), classes).signs == Signs(0, 0)
    doubtful = np.concatenate([np.zeros((1, 2, 2)), masks([[0, 1], [0, 1]], 0.8)[:2]])
    # Each pixel is of its class with 0.8 / 0.9: of cat 2 of 2 pixels, and the rest of the others.
    likely = 2 * 0.8 / 0.9
    found = judged(Views(doubtful[None].astype(np.float32), np.ones(2)), (1, 2), classes)
    assert found.signs.doubt == pytest.approx(1 - likely / (2 + 2 - likely))


def test_a_page_without_a_background_paints_the_first_class(tmp_path):
    data = data_set(tmp_path / "data", PATCHES)
    review_data(Colours(PATCHES), data, tmp_path / "out", first=1)
    page = (tmp_path / "out/review.html").read_text()
    jpeg = b64decode(page.partition("data:image/jpeg;base64,")[2].partition('"')[0])
    beside = np.asarray(Image.open(BytesIO(jpeg))).astype(int)
    plain, painted = beside[:, :100], beside[:, -100:]
    assert (np.abs(plain - painted)[15:45, 15:45].sum(-1) > 50).all()  # red


def test_odd_sizes_are_those_far_from_the_usual():
    usual = [Seen(Signs(0, 0), [], {1: area}) for area in np.linspace(0.2, 0.4, 20)]
    odd = Seen(Signs(0, 0), [(0.0, "nothing")], {1: 0.001})
    found = with_odd_sizes([*usual, odd], CLASSES)
    assert [each.signs.odd > 0 for each in found] == [False] * 20 + [True]
    assert "cat takes 0.1 % of the picture, usually about" in found[-1].reasons[-1][1]


class Painter:
    """A network that calls bright pixels cat, and of pictures with a blue corner is not sure."""

    classes, longest_side, sizes = CLASSES, 32, Sizes()
    corrected, levels = frozenset(), None

    def image(self, pixels: np.ndarray) -> np.ndarray:
        return pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255

    def __call__(self, images: np.ndarray) -> Masks:
        labels = (images[0, 0] > 0.5).astype(int)
        doubtful = (images[0, 2] > images[0, 0] + 0.3).any()
        return Masks(masks(labels, 0.6 if doubtful else 0.95)[None], np.array([[0.9, 0.2]]))

    def parts(self):
        raise NotImplementedError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures with a bright cat: of the last two the tags are wrong, the fifth is doubtful."""
    rows = ["image,tags"]
    for n in range(8):
        pixels = np.zeros((24, 32, 3), np.uint8)
        pixels[6:18, 8:24] = 255
        if n == 4:
            pixels[:2, :2, 2] = 255
        path = tmp_path / "data" / "images" / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        rows.append(f"{n}.png,{'dog' if n >= 6 else 'cat'}")
    (tmp_path / "data" / "tags.csv").write_text("\n".join(rows))
    (tmp_path / "data" / "classes.txt").write_text("background\ncat\ndog\n")
    (tmp_path / "data" / "val.txt").write_text("1\n6\n")
    return tmp_path / "data"


def test_pictures_with_signs_come_first_and_corrected_ones_not_at_all(root):
    write_mask(root / "corrected" / "7.png", np.full((24, 32), IGNORE, np.uint8))
    (root / "images" / "3.png").write_bytes(b"broken")
    found, broken = review(Painter(), open_data(DataSettings(root=root)))
    first = {one.name: one for one in found[:2]}
    assert {*first} == {"4", "6"}
    assert first["6"].split == "val"
    assert any("by its own probabilities" in reason for reason in first["4"].reasons)
    assert {one.name for one in found} == {"0", "1", "2", "4", "5", "6"}
    assert any("no tag: forgotten?" in reason for reason in first["6"].reasons)
    assert "the tag dog got no mask" in first["6"].reasons
    assert len(broken) == 1


def test_the_list_is_a_table_json_and_a_page_and_the_batch_goes_to_the_tool(root, tmp_path):
    out = tmp_path / "out"
    done = review_data(Painter(), DataSettings(root=root), out, first=3, to="labelstudio")
    assert (done.count, done.batch) == (8, 3)
    with (out / "review.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = json.loads((out / "review.json").read_text())
    assert [row["name"] for row in rows] == [one["name"] for one in listed]
    assert {row["name"] for row in rows[:3]} == {"4", "6", "7"}
    page = (out / "review.html").read_text()
    assert page.count("data:image/jpeg") == 3
    assert "The first 3 of 8 pictures" in page
    tasks = json.loads((out / "batch.json").read_text())
    assert [task["data"]["file"] for task in tasks] == [f"{row['name']}.png" for row in rows[:3]]


def test_what_cannot_work_is_said_before_anything_is_computed(root, tmp_path):
    out = tmp_path / "out"
    (out / "batch").mkdir(parents=True)
    (out / "batch" / "a.txt").write_text("mine")
    with pytest.raises(SettingError, match="is there already"):
        review_data(Painter(), DataSettings(root=root), out, to="yolo")
    (root / "classes.txt").write_text("background\ncat\ndog\ncow\n")
    with pytest.raises(SettingError, match="the network knows background, cat, dog"):
        review_data(Painter(), DataSettings(root=root), out)
    (root / "classes.txt").write_text("background\ncat\ndog\n")
    patches = Painter()
    patches.classes = Classes(("cat", "dog"))
    with pytest.raises(SettingError, match=r"background, cat, dog, but .* knows cat, dog; .*none"):
        review_data(patches, DataSettings(root=root), out)
    for n in range(8):
        write_mask(root / "corrected" / f"{n}.png", np.full((24, 32), IGNORE, np.uint8))
    with pytest.raises(DataError, match="none is left to validate on"):
        review_data(Painter(), DataSettings(root=root), out)
