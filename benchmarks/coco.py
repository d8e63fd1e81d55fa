"""Memory and time of `wsfcn prepare coco14` or `coco17` on made-up annotations of full size.

    python benchmarks/coco.py [--year 17] [--draw 2000]

Pictures and objects are as many as in the real training split, and outlines have 23 points on
average, so the JSON file is about as large. All masks but ``--draw`` are there already, as after a
preparation that was cut off; pictures are empty files, since no preparation opens them.
"""

import argparse
import json
import os
import random
import tempfile
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

from wsfcn.data.benchmarks.coco import prepare_coco
from wsfcn.data.classes import COCO
from wsfcn.files import ENDINGS

SIZES = {"14": (82_783, 604_907), "17": (118_287, 860_001)}
"""Pictures and objects of the training splits."""


def write_annotations(path: Path, pictures: int, objects: int) -> None:
    """A file of COCO's form, written piece by piece."""
    draw = random.Random(0)
    categories = [{"id": n + 1, "name": name} for n, name in enumerate(COCO.objects)]
    with path.open("w") as file:
        file.write(f'{{"categories": {json.dumps(categories)}, "images": [')
        for n in range(pictures):
            image = {"id": n, "file_name": f"{n:012}.jpg", "height": 480, "width": 640}
            file.write((", " if n else "") + json.dumps(image))
        file.write('], "annotations": [')
        for n in range(objects):
            points = min(3 + int(draw.expovariate(1 / 20)), 300)
            outline = [round(draw.uniform(0, 480), 2) for _ in range(2 * points)]
            item = {
                "id": n,
                "image_id": n % pictures if n < pictures else draw.randrange(pictures),
                "category_id": 1 + n % 80,
                "segmentation": [outline],
                "area": round(draw.uniform(100, 90_000), 2),
                "bbox": [round(draw.uniform(0, 300), 2) for _ in range(4)],
                "iscrowd": 0,
            }
            file.write((", " if n else "") + json.dumps(item))
        file.write("]}")


def resident(pid: int) -> int:
    """KiB that a process and those it started hold."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:  # it has just ended
        return 0
    own = status.partition("VmRSS:")[2].split()
    return (int(own[0]) if own else 0) + sum(resident(int(child)) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--year", choices=("14", "17"), default="17")
    parser.add_argument("--draw", type=int, default=2000)
    arguments = parser.parse_args()
    pictures, objects = SIZES[arguments.year]
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder), Path(folder) / "out"
        for needed in ("annotations", f"train20{arguments.year}", "out/masks"):
            (root / needed).mkdir(parents=True)
        path = root / "annotations" / f"instances_train20{arguments.year}.json"
        pid = os.fork()  # what writing takes is not part of the measurement
        if pid == 0:
            write_annotations(path, pictures, objects)
            for n in range(pictures):
                (root / f"train20{arguments.year}" / f"{n:012}.jpg").touch()
                if n >= arguments.draw:
                    (out / "masks" / f"{n:012}.png").write_bytes(ENDINGS[".png"])
            os._exit(0)
        os.waitpid(pid, 0)
        sizes, done = [0], Event()

        def watch() -> None:
            while not done.wait(0.1):
                sizes.append(resident(os.getpid()))

        Thread(target=watch).start()
        started = perf_counter()
        prepared = prepare_coco(root, out, arguments.year)
        seconds = perf_counter() - started
        done.set()
        size = path.stat().st_size / 2**20
    print(f"{prepared.counts['train']} pictures, {objects} objects, {size:.0f} MiB of JSON")
    print(f"{seconds:.0f} s, {arguments.draw} masks drawn")
    print(f"memory of all processes at most: {max(sizes) / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
