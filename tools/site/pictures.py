"""The pictures of real results on the site, each made by one command.

    python tools/site/pictures.py coffee DATA MASKS         # masks of `wsfcn predict RUN ...`
    python tools/site/pictures.py thresholds DATA RUN
    python tools/site/pictures.py refine DATA RUN
    python tools/site/pictures.py corrections DATA RUN LIST # review.csv of `wsfcn review RUN ...`
    python tools/site/pictures.py panel SHEET NAME          # a sheet of `benchmarks/fields.py`
    python tools/site/pictures.py demo OUT                  # what `wsfcn demo --out OUT` wrote

DATA is the data set of coffee leaves (BRACOL: github esgario/lara2018, MIT licence) with tags.csv
and masks/; RUN a run on it, MASKS the masks of its held-out leaves; NAME that of the picture,
panel-NAME.jpg. The pictures go to docs/.
"""

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

import wsfcn
from wsfcn.data.forms import read_tags
from wsfcn.images import read_mask, read_picture
from wsfcn.types import IGNORE
from wsfcn.visualize import beside, painted, sheet

DOCS = Path(__file__).parents[2] / "docs"

SCENES = 6
"""Scenes in the demo's picture."""

GAP = 6
"""Pixels that `sheet` leaves below each row."""

COLOURS = np.zeros((256, 3), np.uint8)
COLOURS[1:5] = [(86, 180, 233), (255, 230, 60), (255, 60, 160), (230, 120, 0)]
COLOURS[IGNORE] = (128, 128, 128)
"""Colours that stand out from a leaf, and from each other for everybody."""


def tinted(
    picture: Image.Image, labels: UInt8[np.ndarray, "h w"], opacity: float = 0.6
) -> Image.Image:
    """A picture under its labels, whose borders are drawn at full strength."""
    inside = labels > 0
    border = np.zeros_like(inside)
    border[1:] |= labels[1:] != labels[:-1]
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    weight = np.where(inside, np.where(border | (labels == IGNORE), 0.9, opacity), 0)[..., None]
    pixels = np.asarray(picture, np.float32) * (1 - weight) + COLOURS[labels] * weight
    return Image.fromarray(pixels.round().astype(np.uint8))


def held_out(data: Path, per_class: int) -> list[str]:
    """The first held-out leaves of each disease but the rarest, by name, and a healthy one."""
    names = set((data / "val.txt").read_text().split())
    tags = {p.path.stem: p.tags for p in read_tags(data).pictures if p.path.stem in names}
    ordered = sorted(tags, key=int)
    found = []
    for wanted in (("miner",), ("rust",), ("phoma",), ()):
        found += [name for name in ordered if tags[name] == wanted][: per_class if wanted else 1]
    return found


def coffee(data: Path, masks: Path) -> None:
    """Picture, lesions found, lesions drawn by people."""
    rows = []
    for name in held_out(data, 2):
        picture = read_picture(data / "images" / f"{name}.jpg")
        both = [read_mask(folder / f"{name}.png") for folder in (masks, data / "masks")]
        rows.append(beside([picture, *(tinted(picture, mask) for mask in both)]))
    save(rows, "pictures/coffee.jpg", 1200)
    save(rows[1::2], "pictures/coffee-few.jpg", 1200)


def thresholds(data: Path, run: Path) -> None:
    """Pseudo-labels of training leaves under three pairs of thresholds."""
    import torch

    from wsfcn.checkpoint import load_checkpoint
    from wsfcn.maps import as_array
    from wsfcn.method.step import local_masks, make_labels
    from wsfcn.types import Batch

    checkpoint = load_checkpoint(run)
    model, classes = checkpoint.model.eval(), checkpoint.classes
    names = set((data / "train.txt").read_text().split())
    tagged = [p for p in read_tags(data).pictures if p.path.stem in names and p.tags]
    rows = []
    for wanted in ("miner", "phoma"):
        chosen = next(p for p in tagged if p.tags == (wanted,))
        picture = read_picture(chosen.path)
        image = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
        tags = torch.tensor([[float(name in chosen.tags) for name in classes.objects]])
        batch = Batch(image, tags, [chosen.path.stem])
        tiles = [picture]
        with torch.inference_mode():
            prediction, local = model(image), local_masks(model, batch)
            for high, low in ((0.3, 0.1), (0.55, 0.25), (0.85, 0.6)):
                pseudo = replace(
                    checkpoint.settings.pseudo, activation_high=high, activation_low=low
                )
                labels = make_labels(batch, prediction, pseudo, 0.0, local)
                mask = Image.fromarray(as_array(labels[0]).astype(np.uint8))
                mask = mask.resize(picture.size, Image.Resampling.NEAREST)
                tiles.append(tinted(picture, np.asarray(mask)))
        rows.append(beside(tiles))
    save(rows, "training/thresholds.jpg", 1600)


def refine(data: Path, run: Path) -> None:
    """One leaf under each clean-up."""
    name = held_out(data, 2)[5]
    path = data / "images" / f"{name}.jpg"
    masks = [
        wsfcn.load(run, refine=how, device="cpu").predict(path).mask
        for how in ("none", "pamr", "crf")
    ]
    picture = read_picture(path)
    row = beside([picture, *(tinted(picture, mask) for mask in masks)])
    save([row], "training/refine.jpg", 1600)


def corrections(data: Path, run: Path, listed: Path) -> None:
    """The first leaves of a review: picture, mask, and what people drew."""
    with listed.open(encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)][:3]
    network = wsfcn.load(run, device="cpu")
    rows = []
    for name in names:
        picture = read_picture(data / "images" / f"{name}.jpg")
        masks = [network.predict(picture).mask, read_mask(data / "masks" / f"{name}.png")]
        rows.append(beside([picture, *(tinted(picture, mask) for mask in masks)]))
    save(rows, "pictures/corrections.jpg", 1200)


def panel(found: Path, name: Path) -> None:
    """A sheet of the panel, small."""
    smaller(read_picture(found), f"pictures/panel-{name}.jpg", 1100)


def demo(out: Path) -> None:
    """The first held-out scenes: picture, mask, truth."""
    scenes, rows = out / "scenes", []
    for name in (scenes / "val.txt").read_text().split()[:SCENES]:
        masks = [read_mask(folder / f"{name}.png") for folder in (out / "masks", scenes / "masks")]
        rows.append(painted(read_picture(scenes / "images" / f"{name}.jpg"), masks))
    sheet(rows, columns=2).save(DOCS / "demo.png", optimize=True)


def save(rows: Sequence[Image.Image], name: str, width: int) -> None:
    """Write rows below each other, small."""
    page = sheet(rows)
    smaller(page.crop((0, 0, rows[0].width, page.height - GAP)), name, width)


def smaller(page: Image.Image, name: str, width: int) -> None:
    """Write a picture as a JPEG of so many pixels across."""
    height = round(page.height * width / page.width)
    page.resize((width, height), Image.Resampling.LANCZOS).save(DOCS / name, quality=82)


if __name__ == "__main__":
    what, *folders = sys.argv[1:]
    made = {"coffee": coffee, "thresholds": thresholds, "refine": refine}
    made |= {"corrections": corrections, "panel": panel, "demo": demo}
    made[what](*map(Path, folders))
