"""What truth masks in place of tags would give: the ceiling of a set. Never a product feature.

    python benchmarks/ceiling.py DIR -o runs/ceiling-NAME [--seed 0] [options of wsfcn train]

THIS OPENS TRUTH MASKS AND TRAINS ON THEM. The same network, schedule and number of steps as the
default's learn from nothing but the training pictures that have truth, as if people had corrected
them; where no training picture has any, from every second validation picture that has, and the
figures are those of the others. `benchmarks/fields.py --ceilings RUN...` shows them in its table.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fields import evaluate, train, write_json
from wsfcn.config import DataSettings, OptimSettings
from wsfcn.data.dataset import TaggedPicture, TaggedPictures, open_data
from wsfcn.errors import DataError
from wsfcn.files import atomic_folder, write_lines
from wsfcn.images import size_of, write_mask
from wsfcn.terminal import complain, say

LEAST = 8
"""Training pictures with truth below which half of the validation pictures stand for them."""


def divided(data: TaggedPictures) -> tuple[list[TaggedPicture], list[TaggedPicture]]:
    """Pictures with truth to learn from, and those to measure. Raises DataError without any."""
    train = [picture for picture in data.train if data.truth(picture.name)]
    val = [picture for picture in data.val if data.truth(picture.name)]
    if len(train) < LEAST:
        train, val = val[::2], val[1::2]
    if len(train) < LEAST or not val:
        raise DataError("too few pictures have truth for a ceiling")
    return train, val


def write_set(
    folder: Path,
    data: TaggedPictures,
    train: Sequence[TaggedPicture],
    val: Sequence[TaggedPicture],
) -> None:
    """A data set of links in which truth stands as corrected masks. Pictures are not copied."""
    rows = ["image,tags"]
    with atomic_folder(folder) as new:
        for pictures, masks in ((train, "corrected"), (val, "masks")):
            for picture in pictures:
                link = new / "images" / f"{picture.name}{picture.path.suffix}"
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(picture.path.resolve())
                # A semicolon, so that spaces are part of a tag.
                rows.append(f'"{link.relative_to(new).as_posix()}","{";".join(picture.tags)};"')
                truth = data.truth(picture.name)
                write_mask(
                    new / masks / f"{picture.name}.png",
                    truth.read() if truth else np.zeros(size_of(picture.path)[::-1], np.uint8),
                )
        write_lines(new / "tags.csv", rows)
        write_lines(new / "classes.txt", data.classes.names)
        write_lines(new / "train.txt", [picture.name for picture in train])
        write_lines(new / "val.txt", [picture.name for picture in val])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--epochs", type=int, help="of the tags' training, if it was given any")
    known, options = parser.parse_known_args(arguments)
    complain("warning: THIS TRAINS ON TRUTH MASKS, to see what tags miss; use it for no product")
    data = open_data(DataSettings(root=known.data))
    train_on, val = divided(data)
    folder = known.out.with_name(f"{known.out.name}-data")
    if not folder.exists():
        write_set(folder, data, train_on, val)
    schedule: list[object] = []
    if known.epochs:  # without a number, all sets have as many steps
        longer = len(data.train) / len(train_on)
        schedule += ["--optim.epochs", max(1, round(known.epochs * longer))]
        schedule += ["--optim.warmup", OptimSettings().warmup * longer]
    train(known.out, ["--data.root", os.fspath(folder), "--seed", known.seed, *schedule, *options])
    figures = evaluate(known.out, known.out / "ceiling.jpg") | {"data": str(known.data.resolve())}
    figures |= {"learned": len(train_on), "measured": len(val)}
    write_json(known.out / "ceiling.json", figures)
    say(f"ceiling of {known.data}: {figures['miou']:.1f} mIoU, learned from {len(train_on)} masks")


if __name__ == "__main__":
    main()
