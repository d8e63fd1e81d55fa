"""How soon the page in the browser answers: seconds from a dropped picture to its legend.

    python benchmarks/page.py MODEL PICTURES...    # needs wsfcn[app], selenium, chromium

A real browser takes one picture after the other, resized to 500 x 375. The first, with which the
network warms up, counts for itself; of the others the medians are told, of what the server says it
took and of what a person waits.
"""

import re
import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import wsfcn
from wsfcn.app.page import build, start
from wsfcn.images import read_picture

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from browser import Page, browsing, missing

SIZE = (500, 375)


def dropped(page: Page, path: Path) -> tuple[float, float]:
    """Seconds in the server and until the legend is there."""
    began = perf_counter()
    page.drop(path)
    page.until(lambda: page.text("#spent").startswith(f"{path.stem}:"))
    return spent(page), perf_counter() - began


def spent(page: Page) -> float:
    """What the server says it took."""
    found = re.search(r": ([\d.]+) s", page.text("#spent"))
    assert found
    return float(found[1])


def told(what: str, times: list[tuple[float, float]]) -> None:
    server, person = (statistics.median(each) for each in zip(*times, strict=True))
    print(f"{what}: {server:.2f} s in the server, {person:.2f} s in all ({len(times)})")


def main() -> None:
    model, *pictures = sys.argv[1:]
    if missing():
        sys.exit(missing())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = []
        for n, picture in enumerate(pictures):
            paths.append(folder / f"picture-{n}.jpg")
            read_picture(Path(picture)).resize(SIZE).save(paths[-1], quality=92)
        page = build(wsfcn.load(model, device="cpu").network, folder / "served")
        with browsing(start(page, host="127.0.0.1", port=None), folder) as seen:
            told("the first picture", [dropped(seen, paths[0])])
            told("a new picture, median", [dropped(seen, path) for path in paths[1:]])
        page.close(verbose=False)


if __name__ == "__main__":
    main()
