"""What each change brings against the published method, and all of them together.

    python benchmarks/ablation.py DATA -o runs/ablation [--seed 0]

Each row is one training by `recipes/voc-animals-published.yaml` with one change, then a prediction
of the validation pictures (one view, predicted tags) and an evaluation, all by the command line. A
row that has its metrics.json is not run again, so a table that was cut off goes on.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

RECIPE = Path(__file__).parents[1] / "recipes" / "voc-animals-published.yaml"

ROWS: dict[str, tuple[str, ...]] = {
    "published": (),
    "AdamW, decaying rate": (
        *("--optim.optimizer", "adamw", "--optim.schedule", "poly", "--optim.rate", "2e-4"),
        *("--optim.decay", "1e-2", "--optim.multipliers", "1", "1", "5", "5"),
    ),
    "context that fits the grid, its norms learned": (
        *("--model.dilations", "1", "2", "2", "2", "--model.context-norm", "learned"),
    ),
    "crops of 0.4 to 1 of the picture": ("--data.scale", "0.4", "1"),
    "no class balance": ("--pseudo.balance", "0"),
    "labels from activation maps": ("--model.scoring", "activations"),
    "labels from the averaged network": ("--optim.average", "0.998"),
}
"""Changes by name."""

REST = ("--model.dropout", "0.2", "--model.drop-path", "0.1", "--model.frozen-stride", "4")
"""What else the default training does; the last row, all together, is every change and this."""


def commands(data: Path, run: Path, options: Sequence[str]) -> list[list[object]]:
    """Train, predict, evaluate."""
    val, masks = data / "val.txt", run / "masks"
    pictures = [data / "images" / f"{name}.jpg" for name in val.read_text().split()]
    train = ["train", "--config", RECIPE, "--data.root", data, "--run.out", run, *options]
    predict = ["predict", run / "checkpoints" / "last.ckpt", *pictures, "-o", masks]
    evaluate = ["evaluate", masks, data / "masks", "--names", val]
    evaluate += ["--classes", data / "classes.txt", "--json", run / "metrics.json"]
    return [train, predict, evaluate]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seed", default="0")
    arguments = parser.parse_args()
    together = tuple(option for changes in (*ROWS.values(), REST) for option in changes)
    table = Table("change", "mIoU", "against published")
    base = None
    for number, (title, changes) in enumerate([*ROWS.items(), ("all together", together)]):
        run = arguments.out / f"{number}"
        if not (run / "metrics.json").exists():
            options = ("--seed", arguments.seed, *changes)
            for command in commands(arguments.data, run, options):
                words = map(str, command)
                subprocess.run([sys.executable, "-m", "wsfcn.cli", *words], check=True)
        miou = json.loads((run / "metrics.json").read_text())["miou"]
        base = miou if base is None else base
        table.add_row(title, f"{miou:.1f}", f"{miou - base:+.1f}")
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
