"""The page in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import Page, browsing, missing
from colours import NAMES, Colours, data_set, draw
from wsfcn.config import PredictSettings
from wsfcn.images import read_mask
from wsfcn.inference.predictor import Predictor

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    from wsfcn.app import page as module
    from wsfcn.app.page import build, start

    assert module.UPLOAD_LIMIT == "64mb"
    for name, epochs in (("one", 3), ("two", 5)):
        (run := folder / "runs" / name).mkdir(parents=True)
        (run / "settings.yaml").write_text(f"optim:\n  epochs: {epochs}\n")
    data = data_set(folder / "data")
    page = build(Colours(), folder / "served", data=data, runs=folder / "runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "UPLOAD_LIMIT", "1mb")  # 64 take their time
        address = start(page, host="127.0.0.1", port=None)
    yield address
    page.close(verbose=False)


@pytest.fixture(scope="module")
def page(address, folder) -> Iterator[Page]:
    (folder / "downloads").mkdir()
    with browsing(address, folder / "downloads") as page:
        yield page


@pytest.fixture(scope="module")
def picture(folder) -> Path:
    draw().save(path := folder / "squares.png")
    return path


def test_a_picture_goes_in_and_a_mask_comes_out(page, picture, folder):
    page.drop(picture)
    page.until(lambda: "1,600" in page.text("#legend"))
    assert "21.3 %" in page.text("#legend")
    assert "1 new view" in page.text("#spent")
    assert page.find("#result img").get_property("naturalWidth") == 100
    page.click("#download")
    found = page.until(lambda: next(iter((folder / "downloads").glob("*.png")), None))
    assert found.name == "squares.png"
    assert (read_mask(found) == Predictor(Colours(), PredictSettings()).predict(picture).mask).all()


def test_a_control_acts_without_a_look(page, picture):
    box = page.find("#cut input[type=number]")
    page.driver.execute_script("arguments[0].select()", box)
    box.send_keys("1\t")
    page.until(lambda: "1,600" not in page.text("#legend"))
    assert "no new view" in page.text("#spent")


def test_what_is_no_picture_is_told_in_one_line(page, folder):
    (broken := folder / "notes.jpg").write_text("hello")
    page.drop(broken)
    page.until(lambda: "cannot be read as a picture" in page.text(".toast-body"))
    message = page.text(".toast-body")
    assert "notes.jpg" in message
    assert str(folder) not in message


def test_a_file_beyond_the_limit_is_refused_and_told(page, folder):
    (large := folder / "large.png").write_bytes(b"0" * 1_500_000)
    before = page.text("#spent")
    page.drop(large)
    page.until(lambda: "maximum" in page.text(".toast-body").lower())
    assert page.text("#spent") == before
    page.driver.refresh()
    page.find("#drop input[type=file]")


def test_pictures_are_pasted(page, picture):
    """What a person pastes goes where it would have been dropped."""
    before = page.text("#legend")
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:15] = (0, 0, 255)
    Image.fromarray(pixels).save(picture.with_name("blue.png"))
    data = [*picture.with_name("blue.png").read_bytes()]
    page.driver.execute_script(
        """
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(arguments[0])], "blue.png", {type: "image/png"}));
        document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
        """,
        data,
    )
    page.until(lambda: "blue: " in page.text("#spent"))
    assert page.text("#legend") != before


def test_tags_are_written_back(page, folder):
    page.tab("Data")
    page.click("#pictures button.thumbnail-item")
    ticked = "#tags input:checked"
    page.until(lambda: len(page.driver.find_elements("css selector", ticked)) == 2)
    page.click("#tags label:nth-of-type(3) input")  # blue
    page.click("#write-tags")
    page.until(lambda: "a: red, green, blue" in page.text("#tags-said"))
    lines = (folder / "data/tags.csv").read_text().splitlines()
    assert lines[1:3] == ["images/a.png,red green blue", "images/b.png,red green"]
    (old,) = (folder / "data").glob("tags.csv.*.old")
    assert old.read_text().splitlines()[1] == "images/a.png,red green"


def test_the_data_is_inspected(page):
    page.tab("Data")
    page.click_on("button.label-wrap", lambda each: each.text.startswith("Inspect"))
    page.click("#inspect")
    frame = page.find("#inspection iframe")
    assert "4 pictures from 100 x 75" in frame.get_attribute("srcdoc")


def test_a_stroke_becomes_a_corrected_mask_and_keys_act(page, folder):
    page.tab("Review")
    page.click("#order")
    page.until(lambda: "(1 of 4)" in page.text("#review-said"))
    first = page.text("#review-said b")
    page.stroke()
    page.click("#correct")
    page.until(lambda: f"{first}: corrected" in page.text("#review-said"))
    mask = read_mask(folder / "data/corrected" / f"{first}.png")
    found = Predictor(Colours(), PredictSettings()).predict(folder / f"data/images/{first}.png")
    changed = mask != found.mask
    assert 10 < np.count_nonzero(changed) < mask.size / 2
    assert set(mask[changed].tolist()) == {1}  # the brush's first colour is the first class
    # Then the keyboard.
    second = page.text("#review-said b")
    page.find("body").send_keys("r")
    page.until(lambda: f"{second}: right" in page.text("#review-said"))
    third = page.text("#review-said b")
    page.find("body").send_keys("w")
    page.until(lambda: f"{third}: wrong" in page.text("#review-said"))
    table = (folder / "data/corrected/verdicts.csv").read_text().splitlines()
    verdicts = {first: "corrected", second: "right", third: "wrong"}
    assert sorted(table[1:]) == sorted(f"{name},{said}" for name, said in verdicts.items())
    assert {path.stem for path in (folder / "data/corrected").glob("*.png")} == {first, second}
    assert set(verdicts) < set(NAMES)


def test_runs_are_compared(page):
    page.tab("Runs")
    page.until(lambda: page.find("#run-page iframe"))
    page.click("#runs input")
    page.click_on(
        "ul[role=listbox] li", lambda each: each.get_attribute("aria-selected") == "false"
    )
    page.until(
        lambda: (
            "optim.epochs" in page.find("#run-page iframe").get_attribute("srcdoc")
            and "2 runs" in page.find("#run-page iframe").get_attribute("srcdoc")
        )
    )


def test_nothing_comes_from_elsewhere(page, address):
    asked = page.requests()
    assert asked
    assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()


def test_it_answers_here_alone(address):
    assert address.startswith("http://127.0.0.1:")
