"""Large pictures: memory at 24 megapixels, and what tiles change where both ways fit.

    python benchmarks/large.py RUN PICTURE [--preset accurate] [-o seams.png]

The picture is enlarged to 6000 x 4000 and looked at in its full size (`max_side=0`), with all
classes (`class_cut=0`), which is the worst case, in a process of its own. At 1536 x 1024 the mask
in tiles is compared with the one without; ``-o`` shows picture, both masks and, in white, the
pixels where they differ.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image

import wsfcn
from wsfcn.images import overlay
from wsfcn.visualize import beside

FULL: dict[str, Any] = {"max_side": 0, "class_cut": 0.0, "device": "cpu"}
LARGE, SMALL = (6000, 4000), (1536, 1024)
TILE = 512
"""Side of the tiles at the small size; the default one would take it whole."""


def enlarged(path: str, size: tuple[int, int]) -> Image.Image:
    return Image.open(path).convert("RGB").resize(size, Image.Resampling.BICUBIC)


def one_large(arguments: argparse.Namespace) -> None:
    """Segment the large picture; print seconds and what the process took at most."""
    predictor = wsfcn.load(arguments.run, arguments.preset, **FULL)
    predictor.predict(enlarged(arguments.picture, (64, 64)))  # compiles and loads
    picture = enlarged(arguments.picture, LARGE)
    started = perf_counter()
    found = predictor.predict(picture)
    seconds = perf_counter() - started
    count = len(found.probabilities)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{LARGE[0]} x {LARGE[1]}, {count} classes: {seconds:.0f} s, {peak:.2f} GiB at most")


def seams(arguments: argparse.Namespace) -> None:
    """Compare the mask in tiles with the whole one."""
    picture = enlarged(arguments.picture, SMALL)
    found = [
        wsfcn.load(arguments.run, arguments.preset, tile=tile, **FULL).predict(picture)
        for tile in (4096, TILE)
    ]
    whole, tiled = found
    differ = whole.mask != tiled.mask
    largest = max(
        np.abs(whole.probabilities[name].astype(np.float32) - tiled.probabilities[name]).max()
        for name in whole.probabilities.keys() & tiled.probabilities.keys()
    )
    print(
        f"{SMALL[0]} x {SMALL[1]} in tiles of {TILE}: {100 * differ.mean():.3f} % of the pixels "
        f"differ, probabilities by {largest:.3f} at most"
    )
    if arguments.out:
        tiles = [overlay(picture, each.mask) for each in found]
        beside([picture, *tiles, Image.fromarray(differ)]).save(arguments.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("picture")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--large-only", action="store_true", help="the first measurement alone")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.large_only:
        one_large(arguments)
        return
    subprocess.run([sys.executable, *sys.argv, "--large-only"], check=True)
    seams(arguments)


if __name__ == "__main__":
    main()
