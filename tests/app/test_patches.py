"""The page in a real browser where there is no background: every pixel belongs to a class."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import Page, browsing, missing
from colours import PATCHES, Colours, data_set, draw
from wsfcn.app.palette import palette
from wsfcn.config import PredictSettings
from wsfcn.images import read_mask
from wsfcn.inference.predictor import Predictor

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("patches")


@pytest.fixture(scope="module")
def page(folder) -> Iterator[Page]:
    from wsfcn.app.page import build, start

    data = data_set(folder / "data", PATCHES)
    served = build(Colours(PATCHES), folder / "served", data=data)
    address = start(served, host="127.0.0.1", port=None)
    (folder / "downloads").mkdir()
    with browsing(address, folder / "downloads") as page:
        yield page
    served.close(verbose=False)


def test_every_class_is_painted_and_no_background_is_asked_for(page, folder):
    draw(classes=PATCHES).save(path := folder / "patches.png")
    page.drop(path)
    page.until(lambda: "5,500" in page.text("#legend"))
    said = page.text("#legend")
    assert said.index("blue") < said.index("red") < said.index("green")  # by their size
    for at, k in (((30, 30), 1), ((70, 30), 2), ((90, 60), 3)):
        half = (np.array(draw(classes=PATCHES).getpixel(at)) + palette(4)[k]) / 2
        assert np.abs(page.pixel("#result img", *at) - half).max() < 20  # it comes compressed
    page.click("button.label-wrap")
    page.until(lambda: "Mirrored views too" in page.text("body"))
    assert "background" not in page.text("body").lower()


def test_a_form_of_another_tool_is_downloaded(page, folder):
    page.choose("#kind", "labelstudio")
    page.click("#download")
    found = page.until(lambda: next(iter((folder / "downloads").glob("*.json")), None))
    (task,) = json.loads(found.read_text())
    results = task["predictions"][0]["result"]
    assert {name for each in results for name in each["value"]["brushlabels"]} == {*PATCHES.names}


def test_the_last_tag_cannot_be_taken_away(page, folder):
    before = (folder / "data/tags.csv").read_bytes()
    page.tab("Data")
    page.click("#pictures button.thumbnail-item")
    ticked = "#tags input:checked"
    page.until(lambda: len(page.driver.find_elements("css selector", ticked)) == 3)
    for _ in range(3):
        page.click(ticked)
    page.click("#write-tags")
    page.until(lambda: "every pixel belongs to a class" in page.text(".toast-body"))
    assert (folder / "data/tags.csv").read_bytes() == before


def shares_of_red(page) -> tuple[float, float]:
    """Share of the editor that shows the red square painted over, and share that shows it bare."""
    shown = Image.open(BytesIO(page.find("#editor canvas").screenshot_as_png)).convert("RGB")
    painted, bare = 0.55 * np.array((255, 0, 0)) + 0.45 * palette(4)[1], (255, 0, 0)
    near = [np.abs(np.asarray(shown) - each).max(-1) < 10 for each in (painted, bare)]
    return near[0].mean(), near[1].mean()


def test_the_brush_begins_with_the_first_class(page, folder):
    page.tab("Review")
    page.click("#order")
    page.until(lambda: "(1 of 4)" in page.text("#review-said"))
    assert page.text("#brushes") == "redgreenbluenothing said"
    page.until(lambda: shares_of_red(page)[0] > 0.05)
    assert shares_of_red(page)[1] < 0.001
    first = page.text("#review-said b")
    page.stroke()
    page.click("#correct")
    page.until(lambda: f"{first}: corrected" in page.text("#review-said"))
    mask = read_mask(folder / "data/corrected" / f"{first}.png")
    found = Predictor(Colours(PATCHES), PredictSettings())
    changed = mask != found.predict(folder / f"data/images/{first}.png").mask
    assert 10 < np.count_nonzero(changed) < mask.size / 2
    assert set(mask[changed].tolist()) == {PATCHES.index("red")}
