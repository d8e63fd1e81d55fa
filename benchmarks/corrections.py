"""What corrections are worth: mIoU over the number of corrected pictures, made from truth.

    python benchmarks/corrections.py DATA -o runs/corrections --counts 0 20 100 437 --seeds 0 1 2
    python benchmarks/corrections.py DATA -o runs/corrections --counts 437 --kinds scribble point
    python benchmarks/corrections.py DATA -o runs/corrections --counts 100 --order OUT/review.csv

DATA is a data set of which some training pictures have truth; these play the corrected ones, so all
figures but those of 0 are of a network that has seen that truth. Validation pictures are not among
them. Pictures are drawn by the seed, or taken in the order of a list of `wsfcn review`; a smaller
number is a part of a larger one. Each training is `wsfcn train` with the recipe, and what follows
`--` goes to it; trainings that are done are not done again. Results are lines of corrections.csv.
"""

import argparse
import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from wsfcn.config import DataSettings
from wsfcn.data.dataset import TaggedPictures, open_data
from wsfcn.evaluation import evaluate_folder
from wsfcn.files import write_table
from wsfcn.images import write_mask
from wsfcn.types import IGNORE

COLUMNS = ("kind", "order", "pictures", "seed", "miou", "command")
MARK = "MADE-FROM-TRUTH.txt"
POINT = 2
"""Radius of a click, in pixels."""
STROKE = 1
"""Pixels on either side of a scribble's middle."""
ENDS = 0.15
"""Share of an object at either end that a scribble leaves out."""


def whole(truth: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """All that truth says."""
    return truth


def scribble(truth: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """One stroke a class, along the middle of its largest part, from end to end."""
    drawn = np.full_like(truth, IGNORE)
    for k, part in largest_parts(truth):
        rows, columns = np.nonzero(part)
        tall = np.ptp(rows) >= np.ptp(columns)
        lines = part if tall else part.T
        inside = np.flatnonzero(lines.any(1))
        cut = round(ENDS * len(inside))
        stroke = np.zeros_like(lines)
        for line in inside[cut : len(inside) - cut]:
            middle = middle_of_longest_run(lines[line])
            stroke[line, max(0, middle - STROKE) : middle + STROKE + 1] = True
        drawn[(stroke if tall else stroke.T) & part] = k
    return drawn


def point(truth: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """One click a class, where its largest part is thickest."""
    drawn = np.full_like(truth, IGNORE)
    y, x = np.ogrid[: truth.shape[0], : truth.shape[1]]
    for k, part in largest_parts(truth):
        depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        drawn[part & ((y - row) ** 2 + (x - column) ** 2 <= POINT**2)] = k
    return drawn


KINDS = {"whole": whole, "scribble": scribble, "point": point}


def largest_parts(truth: UInt8[np.ndarray, "h w"]) -> list[tuple[int, Bool[np.ndarray, "h w"]]]:
    """Each class that truth shows, the background too, with its largest part."""
    found = []
    for k in np.unique(truth[truth != IGNORE]).tolist():
        parts, _ = ndimage.label(truth == k)
        sizes = np.bincount(parts.ravel())[1:]
        found.append((k, parts == sizes.argmax() + 1))
    return found


def middle_of_longest_run(line: Bool[np.ndarray, "n"]) -> int:
    """The middle of the longest stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], line, [0]])))
    starts, ends = edges[::2], edges[1::2]
    longest = (ends - starts).argmax()
    return int((starts[longest] + ends[longest] - 1) // 2)


def in_order(data: TaggedPictures, seed: int, order: Path | None) -> list[str]:
    """The training pictures with truth, in the order in which they are corrected."""
    names = [picture.name for picture in data.train if data.truth(picture.name)]
    if order is None:
        return [names[n] for n in np.random.default_rng(seed).permutation(len(names))]
    with order.open(encoding="utf-8", newline="") as file:
        listed = [row["name"] for row in csv.DictReader(file)]
    known = set(names)
    return [name for name in listed if name in known]


def write_corrections(folder: Path, data: TaggedPictures, names: Sequence[str], kind: str) -> None:
    """A folder of corrected masks, made from the truth of the named pictures, and marked so."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("No person drew these masks: they were made from truth.\n")
    for name in names:
        truth = data.truth(name)
        assert truth
        write_mask(folder / f"{name}.png", KINDS[kind](truth.read()))


def trained(
    root: Path, out: Path, folder: Path, recipe: str, seed: int, more: Sequence[str]
) -> str:
    """Train with a folder of corrections, and segment the validation pictures; the command."""
    train = ["train", "--config", recipe, "--data.root", root, "--data.corrected", folder]
    train += ["--run.out", out, "--seed", seed, *more]
    if not (out / "done").exists():
        wsfcn(*train, "--run.overwrite")
        data = open_data(DataSettings(root=root, corrected=folder))
        wsfcn("predict", out, *(picture.path for picture in data.val), "-o", out / "masks")
        (out / "done").touch()
    return " ".join(map(str, ["wsfcn", *train]))


def read_rows(path: Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The results so far, by all but the figure and the command."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {tuple(row[:4]): tuple(row) for row in [*csv.reader(file)][1:]}


def wsfcn(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "wsfcn.cli", *map(str, arguments)], check=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=[0, 20, 100])
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=["whole"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--order", type=Path, help="review.csv of `wsfcn review`")
    parser.add_argument("--recipe", default="voc-animals-best")
    own = [*(sys.argv[1:] if arguments is None else arguments)]
    more = own[own.index("--") + 1 :] if "--" in own else []
    given = parser.parse_args(own[: own.index("--")] if "--" in own else own)
    nothing = given.out / "corrected" / "none"
    nothing.mkdir(parents=True, exist_ok=True)
    data = open_data(DataSettings(root=given.root, corrected=nothing))
    # A picture that would be left out of validation would change what the figures are of.
    assert not {p.name for p in data.train} & {p.name for p in data.val}
    measured = [picture.name for picture in data.val if data.truth(picture.name)]
    order = given.order.parent.name if given.order else "random"
    results = given.out / "corrections.csv"
    rows = read_rows(results)
    for seed in given.seeds:
        names = in_order(data, seed, given.order)
        for count in given.counts:
            for kind in given.kinds if count else ["none"]:
                label = f"{kind}-{order}-{count}-{seed}" if count else f"none-{seed}"
                folder = nothing
                if count:
                    folder = given.out / "corrected" / label
                    write_corrections(folder, data, names[:count], kind)
                out = given.out / "runs" / label
                command = trained(given.root, out, folder, given.recipe, seed, more)
                truth = given.root / "masks"
                miou = evaluate_folder(out / "masks", truth, data.classes, measured).miou
                corrected = len(names[:count])
                key = (kind, order, str(corrected), str(seed))
                rows[key] = (*key, f"{miou:.2f}", command)
                write_table(results, [COLUMNS, *rows.values()])
                print(f"{kind} {order} {corrected} pictures, seed {seed}: mIoU {miou:.2f}")


if __name__ == "__main__":
    main()
