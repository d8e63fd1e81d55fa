"""A real browser: Debian's chromium and its driver, through selenium."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

PATIENCE = 60
"""Seconds; a machine that runs tests may be busy."""


def missing() -> str:
    """What is missing for a test in the browser, with what brings it; empty where all is there."""
    if not (CHROMIUM and DRIVER):
        return "no browser: apt install chromium chromium-driver"
    try:
        import gradio  # noqa: F401
        import selenium  # noqa: F401
    except ImportError as error:
        return f"{error}: pip install 'wsfcn[app]' selenium"
    return ""


@contextmanager
def browsing(
    address: str, downloads: Path, *, width: int = 1280, height: int = 900
) -> Iterator["Page"]:
    """A page in a browser of its own, which closes at the end."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    driver.set_window_size(width, height)
    try:
        driver.get(address)
        yield Page(driver)
    finally:
        driver.quit()


class Page:
    """The page as a person uses it: what is found is waited for."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def until(self, found: Callable[[], Any]) -> Any:
        """The result of ``found`` once it is true."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, PATIENCE, ignored_exceptions=[WebDriverException])
        return wait.until(lambda _: found())

    def find(self, css: str) -> Any:
        """The first element, once it is there."""
        return self.until(lambda: self.driver.find_element("css selector", css))

    def text(self, css: str) -> str:
        """The text of an element that may be absent."""
        return " ".join(each.text for each in self.driver.find_elements("css selector", css))

    def click(self, css: str) -> None:
        """Click on an element, wherever the page has scrolled to."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.find(css))
        self.until(lambda: self.find(css).click() or True)

    def click_on(self, css: str, fits: Callable[[Any], bool]) -> None:
        """Click on the first element that fits, once there is one."""

        def clicked() -> bool:
            found = next(filter(fits, self.driver.find_elements("css selector", css)), None)
            if found:
                found.click()
            return bool(found)

        self.until(clicked)

    def tab(self, name: str) -> None:
        """Open a tab."""
        self.click_on("button[role=tab]", lambda each: each.text == name)

    def drop(self, *files: Path) -> None:
        """Drop pictures into the tab Try."""
        self.find("#drop input[type=file]").send_keys("\n".join(map(str, files)))

    def choose(self, css: str, option: str) -> None:
        """Choose in a dropdown."""
        self.click(f"{css} input")
        self.click_on(
            "ul[role=listbox] li", lambda each: each.get_attribute("aria-label") == option
        )

    def stroke(self) -> None:
        """Paint a stroke below the middle of the picture in the editor, once it takes one."""
        from selenium.webdriver.common.action_chains import ActionChains

        canvas = self.find("#editor canvas")
        self.until(canvas.is_displayed)

        def painted() -> bool:
            actions = ActionChains(self.driver)
            actions.move_to_element_with_offset(canvas, -60, 120).click_and_hold()
            actions.move_by_offset(40, 5).move_by_offset(40, -5).release().perform()
            undo = self.driver.find_elements("css selector", "#editor button[aria-label='Undo']")
            return bool(undo) and undo[0].is_enabled()

        self.until(painted)

    def pixel(self, css: str, x: int, y: int) -> tuple[int, int, int]:
        """The colour of a picture's pixel, as the browser shows it."""
        red, green, blue, _ = self.driver.execute_script(
            """
            const [image, x, y] = arguments, canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return [...context.getImageData(x, y, 1, 1).data];
            """,
            self.find(css),
            x,
            y,
        )
        return red, green, blue

    def requests(self) -> list[str]:
        """The addresses that the page has asked since this was last called."""
        messages = (json.loads(entry["message"])["message"] for entry in self.logs())
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def logs(self) -> list[dict[str, Any]]:
        return self.driver.get_log("performance")
