"""What the tab Try does, without a browser."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from colours import CLASSES, PATCHES, Colours, draw
from wsfcn.app.choices import Choices, choices_of, settings_of
from wsfcn.app.downloads import KINDS, download
from wsfcn.app.looks import Looks
from wsfcn.app.palette import VISIONS, palette, seen
from wsfcn.app.showing import legend, legend_html, view
from wsfcn.app.uploads import MOST, Upload, add
from wsfcn.config import PRESETS, PredictSettings
from wsfcn.errors import SettingError
from wsfcn.exchange.convert import FORMS, convert
from wsfcn.images import read_mask, voc_palette
from wsfcn.inference.predictor import Predictor


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "squares.png"
    draw().save(path)
    return path


@pytest.fixture
def looks():
    return Looks(Colours())


def nearest(colours, vision):
    """The smallest distance between two of the colours."""
    lab = seen(colours, vision)
    distances = np.linalg.norm(lab[:, None] - lab, axis=-1)
    return distances[np.triu_indices(len(colours), 1)].min()


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_are_told_apart_with_any_eyes(vision):
    """Nine objects: VOC's colours come as near as 0.026 to each other (protanopia)."""
    assert nearest(palette(10)[1:], vision) > 0.09
    assert nearest(palette(6)[1:], vision) > 0.17
    if vision != "all cones":
        assert nearest(palette(10)[1:], vision) > nearest(voc_palette()[1:10], vision)


def test_colours_stay_and_suffice():
    assert (palette(3) == palette(256)[:3]).all()
    assert len(palette(256)) == 256
    assert palette(256)[1:].any(1).all()


def test_it_is_what_predict_gives(looks, picture):
    for settings in (PredictSettings(), PredictSettings(scales=(1.0, 0.5), flip=True)):
        expected = Predictor(Colours(), settings).predict(picture)
        found = looks.segment(picture, settings)
        assert (found.mask == expected.mask).all()
        assert found.tags == expected.tags


def test_the_network_looks_once(looks, picture):
    looks.segment(picture, PredictSettings())
    assert looks.network.looks == 1
    found = [
        looks.segment(picture, PredictSettings(class_cut=cut, background=background))
        for cut in (0.1, 0.9999)
        for background in (None, 0.3, 1.0)
    ]
    assert looks.network.looks == looks.looked == 1
    assert len({np.count_nonzero(each.mask) for each in found}) > 1  # and yet they act
    looks.segment(picture, PredictSettings(scales=(1.0, 0.5)))
    assert looks.network.looks == looks.looked == 2


def test_few_pictures_are_kept(picture):
    looks = Looks(Colours(), kept=2)
    others = []
    for n in range(3):
        others.append(picture.with_name(f"{n}.png"))
        draw().save(others[-1])
        looks.segment(others[-1], PredictSettings())
    assert [*looks.pictures] == others[1:]
    looks.segment(others[0], PredictSettings())
    assert looks.network.looks == 4


def test_views_for_the_eye(looks, picture):
    found = looks.segment(picture, PredictSettings())
    assert view(found, "picture").tobytes() == draw().tobytes()
    red, green = (tuple(palette(4)[k].tolist()) for k in (1, 2))
    mask = view(found, "mask")
    assert (mask.getpixel((0, 0)), mask.getpixel((30, 30)), mask.getpixel((70, 30))) == (
        (0, 0, 0),
        red,
        green,
    )
    soft = view(found, "soft mask", name="red")
    assert soft.getpixel((30, 30))[0] > 240
    assert soft.getpixel((70, 30))[0] < 30
    assert view(found, "soft mask", name="blue").getextrema() == ((0, 0),) * 3  # it was cut
    none, half, full = (view(found, "overlay", o).getpixel((30, 30)) for o in (0, 0.5, 1))
    assert none == (255, 0, 0)
    assert full == red
    assert half == tuple(round((a + b) / 2) for a, b in zip(none, full, strict=True))
    # An edge is in full colour at any opacity.
    assert view(found, "overlay", 0.0).getpixel((10, 30)) == red


def patches(tmp_path):
    """A picture of patches, and what a network without a background says of it."""
    draw(classes=PATCHES).save(path := tmp_path / "patches.png")
    return path, Looks(Colours(PATCHES)).segment(path, PredictSettings())


def test_without_a_background_every_class_is_painted(tmp_path):
    _, found = patches(tmp_path)
    red, green, blue = (tuple(palette(4)[k].tolist()) for k in (1, 2, 3))
    for way in ("overlay", "mask"):
        picture = view(found, way, 1.0)
        assert [picture.getpixel(at) for at in ((30, 30), (70, 30), (0, 0))] == [red, green, blue]
    assert view(found, "soft mask", name="red").getpixel((30, 30))[0] > 240
    rows = legend(found)
    pixels = {row.name: row.pixels for row in rows}
    assert [*pixels.items()] == [("blue", 5500), ("red", 1600), ("green", 400)]
    assert [row.colour for row in rows] == [blue, red, green]


def test_large_pictures_are_shown_reduced(looks, tmp_path):
    Image.new("RGB", (3200, 800), "red").save(path := tmp_path / "wide.png")
    found = looks.segment(path, PredictSettings())
    assert found.mask.shape == (800, 3200)
    for way in ("overlay", "mask", "soft mask", "picture"):
        assert view(found, way, name="red").size == (1600, 400)


def test_the_legend_counts(looks, picture):
    rows = legend(looks.segment(picture, PredictSettings()))
    assert [row.name for row in rows] == ["background", "red", "green", "blue"]
    pixels = {row.name: row.pixels for row in rows}
    assert pixels == {"background": 7500 - 1600 - 400, "red": 1600, "green": 400, "blue": 0}
    assert [round(row.share, 2) for row in rows] == [73.33, 21.33, 5.33, 0]
    assert rows[0].probability is None
    assert rows[1].probability > 0.9 > 0.1 > rows[3].probability


def test_names_in_the_legend_are_no_markup(looks, picture):
    rows = legend(looks.segment(picture, PredictSettings()))
    html = legend_html([row._replace(name="<script>\x1b") for row in rows])
    assert "<script>" not in html
    assert r"&lt;script&gt;\x1b" in html


def test_controls_and_settings():
    for name, settings in PRESETS.items():
        assert settings_of(choices_of(name)) == settings
    moved = choices_of("published")._replace(scales=["2.0", "0.75", "1.0"], background="a constant")
    settings = settings_of(moved)
    assert settings.scales == (1.0, 2.0, 0.75)
    assert (settings.background, settings.background_power) == (0.25, None)
    with pytest.raises(SettingError, match="at least one"):
        settings_of(choices_of("fast")._replace(scales=[]))
    assert isinstance(moved, Choices)


def test_uploads(picture, tmp_path):
    (broken := tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "more").mkdir()
    draw().save(same := tmp_path / "more/squares.png")
    uploads, refused = add([], [str(picture), str(broken), str(same)])
    assert [upload.name for upload in uploads] == ["squares", "squares-2"]
    (message,) = refused
    assert message.startswith("broken.jpg: cannot be read as a picture")
    assert "\n" not in message
    again, refused = add(uploads, [str(picture)])
    assert (again, refused) == (uploads, [])


def test_uploads_have_an_end(picture):
    many = [Upload(str(n), picture.with_name(str(n)), draw()) for n in range(MOST)]
    uploads, (message,) = add(many, [str(picture)])
    assert uploads == many
    assert f"{MOST} pictures" in message


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "geojson"])
def test_downloads(kind, looks, picture, tmp_path):
    found = looks.segment(picture, PredictSettings())
    one = download(kind, [("a", picture, found)], CLASSES, tmp_path / "one")
    two = download(kind, [("a", picture, found), ("b", picture, found)], CLASSES, tmp_path / "two")
    assert one.stat().st_size
    assert two.stat().st_size
    if kind == "mask PNG":
        assert (read_mask(one) == found.mask).all()
        assert zipfile.ZipFile(two).namelist() == ["a.png", "b.png"]
    if kind == "coco":
        areas = [item["area"] for item in json.loads(two.read_text())["annotations"]]
        assert areas == [1600, 400] * 2


@pytest.mark.parametrize("kind", ["mask PNG", *(form for form in FORMS if form != "geojson")])
def test_downloads_without_a_background_come_back(kind, tmp_path):
    path, found = patches(tmp_path)
    one = download(kind, [("patches", path, found)], PATCHES, tmp_path / "one")
    if kind in FORMS:
        (tmp_path / "classes.txt").write_text("\n".join(PATCHES.names))
        listed = tmp_path / "classes.txt"
        convert(one, "masks", tmp_path / "back", pictures=tmp_path, classes=listed)
        one = tmp_path / "back/patches.png"
    assert (read_mask(one) == found.mask).all()


def test_an_unknown_download(looks, picture, tmp_path):
    with pytest.raises(SettingError, match="Did you mean 'overlay'"):
        download("overlays", [], CLASSES, tmp_path)
