"""What goes wrong with masks because of the data, and what mends it: pictures made by doing both.

    python tools/site/tuning.py OUT

Short trainings (the demo's, three epochs of drawn scenes, with labels from activation maps, as of
photographs) in OUT, where those that are done stay.
Each case has two: with a fault and with its cure. Of each some held-out scenes go to
docs/training/tuning.jpg: picture, masks with the fault, with its cure, and as drawn. `tuning.csv`
in OUT has the mIoU of both.
"""

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

import wsfcn
from pictures import save
from wsfcn.config import TrainSettings
from wsfcn.data.forms import read_tags
from wsfcn.evaluation import evaluate_folder
from wsfcn.files import write_lines, write_table
from wsfcn.images import read_mask, read_picture
from wsfcn.inference.folder import predict_folder
from wsfcn.scenes.demo import demo_settings
from wsfcn.scenes.scenes import CLASSES, Scene, draw_scene, write_scenes
from wsfcn.training.run import train
from wsfcn.visualize import beside, painted

POOL, TRAIN, VAL = 8000, 1600, 200
SEED = 0
ROWS = 2
"""Scenes that are shown of a case."""
HIGH, LOW = 0.7, 0.5
"""Cuts of activation maps, above the defaults: what is drawn is small against their cells."""
CHECK = 8
"""Side of a check of the cloth, in pixels."""

Tags = dict[str, tuple[str, ...]]
"""The tags of the training scenes, by name."""
Choice = Callable[[Tags], list[str]]


class Case(NamedTuple):
    """A fault of the scenes that are learned from (``few``), and its cure (``enough``)."""

    name: str
    shown: tuple[str, ...]
    """Classes that the scenes shown have."""
    few: Choice
    enough: Choice
    cloth: tuple[float, float] = (0, 0)
    """Share of the other scenes, before and after, with the cloth on which those shown lie."""


def rare(name: str, count: int) -> Choice:
    """Scenes of which ``count`` show a class."""

    def choose(tags: Tags) -> list[str]:
        first = [key for key, its in tags.items() if name in its][:count]
        return [*first, *(key for key, its in tags.items() if name not in its)]

    return choose


def together(one: str, other: str, alone: int) -> Choice:
    """Scenes with both classes or neither, and ``alone`` of each by itself."""

    def choose(tags: Tags) -> list[str]:
        both = [key for key, its in tags.items() if {one, other} <= {*its}]
        neither = [key for key, its in tags.items() if not {one, other} & {*its}]
        single = [
            [key for key, its in tags.items() if {one, other} & {*its} == {name}][:alone]
            for name in (one, other)
        ]
        return [*both, *single[0], *single[1], *neither]

    return choose


def any_scene(tags: Tags) -> list[str]:
    """All scenes."""
    return [*tags]


CASES = (
    Case("missing", ("starfish",), few=rare("starfish", 6), enough=rare("starfish", 120)),
    Case(
        "together",
        ("flower", "leaf"),
        few=together("flower", "leaf", 0),
        enough=together("flower", "leaf", 120),
    ),
    Case("spilling", ("kite",), few=any_scene, enough=any_scene, cloth=(0, 0.3)),
)


def draw(folder: Path) -> Tags:
    """The scenes to choose from, and their tags."""
    if not (folder / "val.txt").exists():
        write_scenes(folder, POOL, VAL, SEED)
    return {picture.path.stem: picture.tags for picture in read_tags(folder).pictures}


def data_set(
    folder: Path, pool: Path, tags: Tags, names: Sequence[str], on_cloth: Collection[str]
) -> None:
    """A data set of chosen scenes, linked, or drawn again on a cloth."""
    held_out = (pool / "val.txt").read_text().split()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name in (*names, *held_out):
        target = folder / "images" / f"{name}.jpg"
        target.unlink(missing_ok=True)
        if name in on_cloth:
            drawn = clothed(draw_scene(scene_seed(name)))
            Image.fromarray(drawn).save(target, quality=92, subsampling=0)
        else:
            target.symlink_to((pool / "images" / target.name).resolve())
    rows = [f"images/{name}.jpg,{' '.join(tags[name])}" for name in (*names, *held_out)]
    write_lines(folder / "tags.csv", ["image,tags", *rows])
    write_lines(folder / "train.txt", names)
    write_lines(folder / "val.txt", held_out)
    write_lines(folder / "classes.txt", CLASSES.names)


def scene_seed(name: str) -> int:
    """The seed with which `write_scenes` drew a scene."""
    seeds = np.random.default_rng(SEED).integers(2**63, size=VAL + POOL)
    split, number = name.split("-")
    return int(seeds[int(number) + (VAL if split == "train" else 0)])


def clothed(scene: Scene) -> UInt8[np.ndarray, "h w 3"]:
    """A scene whose objects lie on a chequered cloth, in its lower half."""
    height, width = scene.truth.shape
    y, x = np.mgrid[:height, :width]
    light = ((x // CHECK + y // CHECK) % 2)[..., None]
    cloth = np.where(light, (214, 208, 196), (128, 134, 150)).astype(np.uint8)
    lies = (scene.truth == 0) & (y >= height // 2)
    return np.where(lies[..., None], cloth, scene.image)


def learned(case: Case, cured: bool, out: Path, pool: Path, tags: Tags) -> Path:
    """The masks of one side of a case, which is trained where it is not."""
    folder = out / case.name / ("cure" if cured else "fault")
    masks = folder / "masks"
    trained = {key: its for key, its in tags.items() if key.startswith("train")}
    names = (case.enough if cured else case.few)(trained)[:TRAIN]
    if not (folder / "done").exists():
        settings = as_for_photographs(demo_settings(folder, SEED))
        assert settings.data.root
        held_out = (pool / "val.txt").read_text().split()
        on_cloth = set()
        if any(case.cloth):
            on_cloth = {*lying(case, tags, names, case.cloth[cured])}
            on_cloth |= {*lying(case, tags, held_out, case.cloth[True])}
        data_set(settings.data.root, pool, tags, names, on_cloth)
        train(settings)
        pictures = [settings.data.root / "images" / f"{name}.jpg" for name in held_out]
        predict_folder(wsfcn.load(folder / "checkpoints" / "last.ckpt"), pictures, masks)
        (folder / "done").touch()
    return masks


def as_for_photographs(settings: TrainSettings) -> TrainSettings:
    """Labels from activation maps alone, cut as fits small scenes: these faults are theirs."""
    return replace(
        settings,
        model=replace(settings.model, evidence=False),
        pseudo=replace(settings.pseudo, activation_high=HIGH, activation_low=LOW),
    )


def lying(case: Case, tags: Tags, names: Sequence[str], share: float) -> list[str]:
    """Scenes on the cloth: those with a class of the case, and a share of the others."""
    others = [name for name in names if not {*case.shown} & {*tags[name]}]
    return [*({*names} - {*others}), *others[: round(share * len(others))]]


def main() -> None:
    out = Path(sys.argv[1])
    pool = out / "scenes"
    tags = draw(pool)
    rows, figures = [], []
    for case in CASES:
        sides = [learned(case, cured, out, pool, tags) for cured in (False, True)]
        metrics = [evaluate_folder(masks, pool / "masks", CLASSES) for masks in sides]
        figures.append((case.name, *(f"{each.miou:.1f}" for each in metrics)))
        held_out = (pool / "val.txt").read_text().split()
        shown = [name for name in held_out if {*case.shown} <= {*tags[name]}][:ROWS]
        for name in shown:
            picture = read_picture(out / case.name / "cure/scenes/images" / f"{name}.jpg")
            drawn = [read_mask(masks / f"{name}.png") for masks in (*sides, pool / "masks")]
            rows.append(painted(picture, drawn))
        write_table(out / "tuning.csv", [("case", "fault", "cure"), *figures])
    pairs = [beside(rows[n : n + ROWS]) for n in range(0, len(rows), ROWS)]
    save(pairs, "training/tuning.jpg", 1400)


if __name__ == "__main__":
    main()
