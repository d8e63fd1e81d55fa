"""Seconds to open a data set of many pictures: to read its tags, and find and name its pictures.

Nothing is decoded, so the pictures are empty files. Peak memory is of this process as a whole.

    python benchmarks/opening.py [--pictures 100000]
"""

import argparse
import json
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from wsfcn.config import DataSettings
from wsfcn.data.dataset import open_data

CLASSES = [f"class {n}" for n in range(20)]


def tags_of(number: int) -> list[str]:
    """Up to two classes; every fifth picture has none."""
    return [] if number % 5 == 0 else sorted({CLASSES[number % 20], CLASSES[number % 7]})


def as_csv(root: Path, count: int) -> None:
    """A table with paths."""
    rows = [f"images/{n:06}.jpg,{';'.join(tags_of(n))};" for n in range(count)]
    (root / "tags.csv").write_text("\n".join(["image,tags", *rows]))


def as_one_hot(root: Path, count: int) -> None:
    """A table of 0 and 1, with bare ids."""
    rows = [
        ",".join([f"{n:06}", *(str(int(name in tags_of(n))) for name in CLASSES)])
        for n in range(count)
    ]
    (root / "train.csv").write_text("\n".join([",".join(["id", *CLASSES]), *rows]))


def as_jsonl(root: Path, count: int) -> None:
    """JSON lines."""
    rows = [json.dumps({"file_name": f"{n:06}.jpg", "tags": tags_of(n)}) for n in range(count)]
    (root / "metadata.jsonl").write_text("\n".join(rows))


def as_coco(root: Path, count: int) -> None:
    """COCO annotations, an object a tag."""
    content = {
        "categories": [{"id": k, "name": name} for k, name in enumerate(CLASSES)],
        "images": [{"id": n, "file_name": f"{n:06}.jpg"} for n in range(count)],
        "annotations": [
            {"image_id": n, "category_id": CLASSES.index(tag), "bbox": [0, 0, 1, 1]}
            for n in range(count)
            for tag in tags_of(n)
        ],
    }
    (root / "instances.json").write_text(json.dumps(content))


FORMS: dict[str, Callable[[Path, int], None]] = {
    "tags.csv": as_csv,
    "one-hot": as_one_hot,
    "JSON lines": as_jsonl,
    "COCO": as_coco,
}


def measure(root: Path) -> tuple[float, int]:
    """Seconds, and the number of pictures found."""
    started = perf_counter()
    data = open_data(DataSettings(root=root))
    return perf_counter() - started, len(data.train) + len(data.val)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    count = parser.parse_args().pictures
    print("| form | pictures | seconds |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name, write in FORMS.items():
            root = Path(folder, name)
            (root / "images").mkdir(parents=True)
            for n in range(count):
                (root / "images" / f"{n:06}.jpg").touch()
            write(root, count)
            seconds, found = measure(root)
            print(f"| {name} | {found} | {seconds:.1f} |", flush=True)
        root = Path(folder, "folders")
        for name in CLASSES:
            (root / "train" / name).mkdir(parents=True)
        for n in range(count):
            (root / "train" / CLASSES[n % 20] / f"{n:06}.jpg").touch()
        seconds, found = measure(root)
        print(f"| a folder a class | {found} | {seconds:.1f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\npeak memory of the process: {peak:.1f} GiB")


if __name__ == "__main__":
    main()
