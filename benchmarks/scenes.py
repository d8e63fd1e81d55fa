"""Published against ours on drawn scenes: mIoU of both, and a sheet of pictures.

    python benchmarks/scenes.py -o runs/scenes [--seed 0]

Ours is `wsfcn demo`; the published training runs on the same scenes at the same crop size, decoder
width and number of epochs, by `recipes/voc-animals-published.yaml`. The sheet, compared.png, shows
picture, published, ours and truth of held-out scenes, the first ones by name.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from wsfcn.evaluation import evaluate_folder, write_metrics
from wsfcn.images import read_mask, read_picture
from wsfcn.scenes.demo import demo, demo_settings
from wsfcn.scenes.scenes import CLASSES
from wsfcn.visualize import painted, sheet

RECIPE = Path(__file__).parents[1] / "recipes" / "voc-animals-published.yaml"
SHOWN = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    ours, published = arguments.out / "ours", arguments.out / "published"
    metrics = demo(ours, arguments.seed)
    settings, scenes = demo_settings(ours, arguments.seed), ours / "scenes"
    names = (scenes / "val.txt").read_text().split()
    pictures = [scenes / "images" / f"{name}.jpg" for name in names]
    train = ["train", "--config", RECIPE, "--data.root", scenes, "--run.out", published]
    train += ["--data.crop", settings.data.crop, "--model.width", settings.model.width]
    train += ["--optim.epochs", settings.optim.all_epochs, "--seed", arguments.seed]
    checkpoint = published / "checkpoints" / "last.ckpt"
    predict = ["predict", checkpoint, *pictures, "-o", published / "masks"]
    for command in (train, predict):
        subprocess.run([sys.executable, "-m", "wsfcn.cli", *map(str, command)], check=True)
    theirs = evaluate_folder(published / "masks", scenes / "masks", CLASSES, names)
    write_metrics(published / "metrics.json", theirs)
    print(f"mIoU: published {theirs.miou:.2f}, ours {metrics.miou:.2f}")
    rows = [
        painted(
            read_picture(path),
            [
                read_mask(folder / f"{path.stem}.png")
                for folder in (published / "masks", ours / "masks", scenes / "masks")
            ],
        )
        for path in pictures[:SHOWN]
    ]
    sheet(rows, columns=2).save(arguments.out / "compared.png")


if __name__ == "__main__":
    main()
