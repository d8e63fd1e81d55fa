"""Verdicts and corrections on the page: each is a file as soon as it is given."""

import numpy as np
import pytest
from PIL import Image

from colours import CLASSES, NAMES, PATCHES, Colours, data_set
from wsfcn.app.correcting import UNSAID, Correcting, colours, painted_mask
from wsfcn.app.looks import Looks
from wsfcn.app.palette import palette
from wsfcn.config import PredictSettings
from wsfcn.data.dataset import open_data
from wsfcn.errors import SettingError
from wsfcn.images import read_mask
from wsfcn.types import IGNORE, Classes

PREDICT = PredictSettings()


@pytest.fixture
def correcting(tmp_path) -> Correcting:
    return Correcting(Looks(Colours()), data_set(tmp_path))


def stroke(colour, where=(slice(0, 5), slice(0, 20))) -> np.ndarray:
    """A layer of the editor with one stroke."""
    layer = np.zeros((75, 100, 4), np.uint8)
    layer[where] = (*colour, 255)
    return layer


def test_all_are_put_in_order(correcting):
    assert {item.name for item in correcting.order()} == {*NAMES}
    assert all(item.reasons for item in correcting.items)
    assert len(correcting.order(2)) == 2


def test_right_confirms_the_mask_and_it_is_learned_from(correcting, tmp_path):
    correcting.right("a", PREDICT)
    mask = read_mask(tmp_path / "corrected/a.png")
    assert (mask == correcting.found("a", PREDICT).mask).all()
    assert correcting.verdicts == {"a": "right"}
    assert set(open_data(correcting.settings).corrected) == {"a"}
    assert "a" not in {item.name for item in correcting.order()}


def test_wrong_is_noted_and_teaches_nothing(correcting, tmp_path):
    correcting.wrong("b")
    assert correcting.verdicts == {"b": "wrong"}
    assert not open_data(correcting.settings).corrected
    assert "b" not in {item.name for item in correcting.order()}


def test_wrong_withdraws_what_was_right(correcting, tmp_path):
    correcting.right("a", PREDICT)
    correcting.wrong("a")
    assert not open_data(correcting.settings).corrected
    assert (tmp_path / "corrected/a.png.old").exists()
    assert correcting.verdicts == {"a": "wrong"}


def test_a_stroke_becomes_a_corrected_mask(correcting, tmp_path):
    blue = palette(len(CLASSES))[3]
    correcting.correct("c", [stroke(blue)], "as it is", PREDICT)
    expected = correcting.found("c", PREDICT).mask.copy()
    expected[:5, :20] = 3
    assert (read_mask(tmp_path / "corrected/c.png") == expected).all()
    assert correcting.verdicts == {"c": "corrected"}
    # The next one goes on from there: black paints background, which erases.
    correcting.correct("c", [stroke((0, 0, 0), np.s_[:5, :10])], "as it is", PREDICT)
    expected[:5, :10] = 0
    assert (read_mask(tmp_path / "corrected/c.png") == expected).all()


def test_a_stroke_alone_says_nothing_of_the_rest(correcting, tmp_path):
    correcting.correct("a", [stroke(palette(4)[1])], "nothing said", PREDICT)
    mask = read_mask(tmp_path / "corrected/a.png")
    assert (mask[:5, :20] == 1).all()
    assert np.count_nonzero(mask != IGNORE) == 100


def test_nothing_painted_is_told(correcting, tmp_path):
    for rest in ("as it is", "nothing said"):
        with pytest.raises(SettingError, match="nothing was painted"):
            correcting.correct("a", [np.zeros((75, 100, 4), np.uint8)], rest, PREDICT)
    with pytest.raises(SettingError, match="open it anew"):
        correcting.correct("a", [np.zeros((7, 10, 4), np.uint8)], "as it is", PREDICT)
    with pytest.raises(SettingError, match="no picture 'z'"):
        correcting.wrong("z")
    assert not (tmp_path / "corrected").exists()


def test_without_a_background_the_first_class_is_painted(tmp_path):
    correcting = Correcting(Looks(Colours(PATCHES)), data_set(tmp_path, PATCHES))
    red, green, blue = palette(PATCHES.channels)[1:]
    expected = correcting.found("a", PREDICT).mask.copy()
    assert expected[0, 0] == 2
    correcting.correct("a", [stroke(red)], "as it is", PREDICT)
    expected[:5, :20] = 0
    with Image.open(tmp_path / "corrected/a.png") as written:
        assert (np.array(written) == expected).all()
        assert written.getpalette()[:3] == [128, 0, 0]  # it is no black hole
    # Nothing erases, but grey takes back what was said.
    correcting.correct("a", [stroke(UNSAID)], "as it is", PREDICT)
    expected[:5, :20] = IGNORE
    assert (read_mask(tmp_path / "corrected/a.png") == expected).all()
    correcting.right("b", PREDICT)
    assert (read_mask(tmp_path / "corrected/b.png") == correcting.found("b", PREDICT).mask).all()
    correcting.correct("c", [stroke(blue), stroke(green, np.s_[:1, :4])], "nothing said", PREDICT)
    mask = read_mask(tmp_path / "corrected/c.png")
    assert np.bincount(mask.ravel(), minlength=256)[[0, 1, 2]].tolist() == [0, 4, 96]
    assert set(open_data(correcting.settings).corrected) == {"a", "b", "c"}


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("objects", [2, 3, 20, 90])
def test_every_colour_of_the_brush_is_its_class(objects, background):
    names = tuple(f"class {k}" for k in range(objects))
    classes = Classes(names).with_background if background else Classes(names)
    assert [*colours(classes)] == [*range(len(classes)), IGNORE]
    for value, colour in colours(classes).items():
        layer = np.array([[[*colour, 255]]], np.uint8)
        shaken = np.clip(layer.astype(int) + np.array([3, -3, 3, 0]), 0, 255).astype(np.uint8)
        for each in (layer, shaken):
            start = np.full((1, 1), 1, np.uint8)
            assert painted_mask(start, [each], classes).item() == value
    assert colours(classes)[IGNORE] == UNSAID


def test_a_file_that_cannot_be_written_changes_nothing(correcting, tmp_path, monkeypatch):
    correcting.right("a", PREDICT)
    before = {path: path.read_bytes() for path in (tmp_path / "corrected").iterdir()}

    def full(*_arguments, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space"):
        correcting.correct("a", [stroke(palette(4)[2])], "as it is", PREDICT)
    assert {path: path.read_bytes() for path in (tmp_path / "corrected").iterdir()} == before
