"""Training samples a second on one core, against bare Pillow decoding plus one resize.

    python benchmarks/loader.py PICTURES_FOLDER [--crop 321] [--rounds 5]

Both read the same files in turn, in this one process; the ratio matters.
"""

import argparse
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from wsfcn.config import DataSettings
from wsfcn.data.dataset import TaggedPicture, TrainingSet
from wsfcn.data.transforms import smallest_side, training_transform
from wsfcn.images import pictures_in
from wsfcn.types import Classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--crop", type=int, default=321)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    paths = pictures_in(arguments.pictures)
    settings = DataSettings(crop=arguments.crop)
    pictures = [TaggedPicture(path, ("thing",), path.stem) for path in paths]
    classes = Classes(("background", "thing"))
    samples = TrainingSet(
        pictures, classes, training_transform(settings), 0, at_least=smallest_side(settings)
    )
    size = (arguments.crop, arguments.crop)

    def bare(draw: int, n: int) -> None:
        with Image.open(paths[n]) as picture:
            np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC))

    def sample(draw: int, n: int) -> None:
        samples[draw, n]

    seconds: dict[str, list[float]] = {"bare": [], "sample": []}
    for draw in range(arguments.rounds):
        for name, work in (("bare", bare), ("sample", sample)):
            started = perf_counter()
            for n in range(len(paths)):
                work(draw, n)
            seconds[name].append((perf_counter() - started) / len(paths))
    bare_time, sample_time = median(seconds["bare"]), median(seconds["sample"])
    ratios = [one / other for one, other in zip(seconds["sample"], seconds["bare"], strict=True)]
    print(f"{len(paths)} pictures, crop {arguments.crop}, one core")
    print(f"bare decoding and resize: {1000 * bare_time:.2f} ms, {1 / bare_time:.0f} a second")
    print(f"training sample: {1000 * sample_time:.2f} ms, {1 / sample_time:.0f} a second")
    print(f"ratio: {median(ratios):.2f}")


if __name__ == "__main__":
    main()
