"""The page in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import Page, browsing, missing
from colours import Colours, draw
from wsfcn.config import PredictSettings
from wsfcn.images import read_mask
from wsfcn.inference.predictor import Predictor

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    from wsfcn.app.page import build, start

    page = build(Colours(), folder / "served")
    yield start(page, host="127.0.0.1", port=None)
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


def drop(page: Page, *files: Path) -> None:
    page.find("#drop input[type=file]").send_keys("\n".join(map(str, files)))


def test_a_picture_goes_in_and_a_mask_comes_out(page, picture, folder):
    drop(page, picture)
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
    drop(page, broken)
    page.until(lambda: "cannot be read as a picture" in page.text(".toast-body"))
    message = page.text(".toast-body")
    assert "notes.jpg" in message
    assert str(folder) not in message


def test_nothing_comes_from_elsewhere(page, address):
    asked = page.requests()
    assert asked
    assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()


def test_it_answers_here_alone(address):
    assert address.startswith("http://127.0.0.1:")


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
