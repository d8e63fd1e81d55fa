"""Paper dolls before photographs: a set with eight tags a picture, some in nearly all, some tiny.

    python benchmarks/dolls.py PICTURES -o DIR [--train 480] [--val 100]

What clothes in pictures of people are like to a training from tags: skin on every picture, hair and
shoes on nearly every one, trousers never without a shirt, glasses of a few pixels. PICTURES is a
folder of photographs for the background. Garments have any colour and pattern, so that only shape
and place tell them. All pictures have masks, those to learn from too, to measure labels by;
training never opens them.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw

from wsfcn.files import write_lines
from wsfcn.images import SUFFIXES, write_mask
from wsfcn.types import Classes

CLASSES = Classes(
    (
        *("background", "skin", "hair", "hat", "glasses", "shirt", "jacket", "dress"),
        *("trousers", "skirt", "shoes", "bag", "belt", "scarf"),
    )
)
WIDTH, HEIGHT, FINER = 208, 320, 2
"""Pixels of a picture, and how many times as large it is drawn."""
PATTERNS = ("plain", "plain", "stripes", "checks", "dots")
SKIN = ((235, 200, 175), (200, 150, 115), (140, 95, 65), (95, 65, 45))
HAIR = ((40, 30, 25), (90, 60, 35), (190, 150, 90), (150, 150, 150), (120, 50, 30))
VAL_FROM = 1000
"""Seed of the first picture to validate on."""

Point = tuple[float, float]
Surface = Float[np.ndarray, "y x 3"]
Shape = Callable[["Doll", ImageDraw.ImageDraw], None]


def polygon(*points: Point) -> Shape:
    return lambda doll, pen: pen.polygon([doll.at(p) for p in points], fill=255)


def ellipse(first: Point, last: Point) -> Shape:
    return lambda doll, pen: pen.ellipse([doll.at(first), doll.at(last)], fill=255)


def line(width: float, *points: Point) -> Shape:
    """A line with round ends."""

    def draw(doll: "Doll", pen: ImageDraw.ImageDraw) -> None:
        way, radius = [doll.at(p) for p in points], width * doll.height / 2
        pen.line(way, fill=255, width=int(width * doll.height), joint="curve")
        for x, y in (way[0], way[-1]):
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)

    return draw


class Doll:
    """A sheet on which parts are put one over another; points are in units of the doll's height."""

    def __init__(self, sheet: Surface, rng: np.random.Generator) -> None:
        self.sheet, self.rng = sheet, rng
        self.size = sheet.shape[:2]
        self.truth = np.zeros(self.size, np.uint8)
        self.y, self.x = np.mgrid[: self.size[0], : self.size[1]].astype(np.float32)
        self.height = rng.uniform(0.7, 0.92) * self.size[0]
        self.middle = self.size[1] * rng.uniform(0.4, 0.6)
        self.top = (self.size[0] - self.height) * rng.uniform(0.2, 0.8)

    def at(self, point: Point) -> Point:
        return self.middle + point[0] * self.height, self.top + point[1] * self.height

    def put(self, name: str, surface: Surface, *shapes: Shape) -> None:
        area = self._area(shapes)
        self.sheet[area] = surface[area]
        self.truth[area] = CLASSES.index(name)

    def _area(self, shapes: Sequence[Shape]) -> Bool[np.ndarray, "y x"]:
        area = Image.new("L", self.size[::-1])
        for draw in shapes:
            draw(self, ImageDraw.Draw(area))
        return np.asarray(area) > 0

    def cloth(self, pattern: str = "") -> Surface:
        """Two colours in some pattern, with folds and a grain."""
        rng, x, y = self.rng, self.x, self.y
        one, other = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
        pattern = pattern or str(rng.choice(PATTERNS))
        turn, period = rng.uniform(0, np.pi), rng.uniform(8, 24)
        u, v = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
        along, across = (np.sin(2 * np.pi * each / period) for each in (u, v))
        share = {
            "plain": np.zeros_like(x),
            "stripes": along > 0,
            "checks": (along > 0) ^ (across > 0),
            "dots": along * across > 0.5,
        }[pattern][..., None]
        folds = 1 + 0.12 * np.sin(2 * np.pi * u / rng.uniform(40, 120) + rng.uniform(0, 6))
        mixed = (one * (1 - 1.0 * share) + other * share) * folds[..., None]
        return mixed + rng.normal(0, 5, mixed.shape)

    def plain(self, colours: Sequence[Sequence[int]], grain: float, waves: float = 0) -> Surface:
        """One of the colours."""
        colour = np.array(colours[self.rng.integers(len(colours))])
        wave = waves * np.sin(self.x / 2 + self.y / 7)[..., None]
        return colour + wave + self.rng.normal(0, grain, (*self.size, 3))


def dress(doll: Doll) -> None:
    """Draw a person in some clothes."""
    rng = doll.rng
    skin, hair = doll.plain(SKIN, 4), doll.plain(HAIR, 6, waves=25)
    chest, hip = rng.uniform(0.1, 0.13), rng.uniform(0.075, 0.1)
    (left_arm, right_arm), (left_leg, right_leg) = (
        rng.uniform(0.02, 0.16, 2),
        rng.uniform(0, 0.06, 2),
    )
    hands = (-chest - left_arm, 0.5), (chest + right_arm, 0.5)
    elbows = (-chest - left_arm * 0.7, 0.34), (chest + right_arm * 0.7, 0.34)
    knees = (-0.045 - left_leg * 0.5, 0.72), (0.045 + right_leg * 0.5, 0.72)
    feet = (-0.05 - left_leg, 0.94), (0.05 + right_leg, 0.94)
    long, bald = rng.random() < 0.5, rng.random() < 0.03

    def arms(width: float, inwards: float, ends: Sequence[Point] = ()) -> list[Shape]:
        shoulders = (-chest + inwards, 0.19), (chest - inwards, 0.19)
        ways = [[*pair] for pair in zip(shoulders, elbows, *([ends] if ends else []), strict=True)]
        return [line(width, *way) for way in ways]

    if long and not bald:
        doll.put("hair", hair, ellipse((-0.07, -0.01), (0.07, 0.2)))
    legs = [line(0.055, (s * 0.04, 0.5), knees[n], feet[n]) for n, s in enumerate((-1, 1))]
    doll.put("skin", skin, *arms(0.036, 0.02, hands), *legs, line(0.045, (0, 0.1), (0, 0.18)))
    if rng.random() < 0.95:
        (left, _), (right, _) = feet
        soles = ellipse((left - 0.05, 0.925), (left + 0.03, 0.97))
        other = ellipse((right - 0.03, 0.925), (right + 0.05, 0.97))
        doll.put("shoes", doll.cloth("plain"), soles, other)
    if rng.random() < 0.22:
        right = [(chest, 0.17), (hip * 0.8, 0.36), (hip * 2, 0.68)]
        doll.put("dress", doll.cloth(), both_sides(right))
    else:
        if rng.random() < 0.65:
            cloth = doll.cloth()
            ends = knees if rng.choice([0.72, 0.93], p=[0.15, 0.85]) < 0.9 else feet
            ways = [[(s * 0.045, 0.48), knees[n], ends[n]] for n, s in enumerate((-1, 1))]
            waist = both_sides([(hip, 0.42), (hip, 0.52)])
            doll.put("trousers", cloth, *(line(0.078, *way) for way in ways), waist)
        else:
            doll.put("skirt", doll.cloth(), both_sides([(hip, 0.42), (hip * 1.7, 0.64)]))
        cloth, sleeves = doll.cloth(), rng.random() < 0.5
        body = both_sides([(chest, 0.165), (hip, 0.45)])
        doll.put("shirt", cloth, body, *arms(0.05, 0.02, hands if sleeves else ()))
    if rng.random() < 0.3:
        half = [(chest + 0.015, 0.16), (0.03, 0.16), (0.03, 0.5), (hip + 0.02, 0.5)]
        fronts = polygon(*((-x, y) for x, y in half)), polygon(*half)
        cuffs = [(x, 0.46) for x, _ in hands]
        doll.put("jacket", doll.cloth(), *fronts, *arms(0.062, 0.01, cuffs))
    if rng.random() < 0.25:
        doll.put("belt", doll.cloth("plain"), both_sides([(hip, 0.415), (hip, 0.44)]))
    doll.put("skin", skin, ellipse((-0.042, 0.01), (0.042, 0.125)))
    if rng.random() < 0.12:
        knot = line(0.045, (-0.05, 0.145), (0.05, 0.145))
        doll.put("scarf", doll.cloth(), knot, line(0.035, (0.03, 0.15), (0.045, 0.3)))
    if not bald:
        fringe = [(0.05, 0.07), (0.05, 0.0), (0.03, -0.02), (-0.03, -0.02), (-0.05, 0.0)]
        fringe += [(-0.05, 0.07), (-0.035, 0.03), (0.035, 0.03)]
        doll.put("hair", hair, polygon(*fringe))
    if rng.random() < 0.2:
        glasses = np.zeros((*doll.size, 3)) + rng.integers(0, 60)
        eyes = [line(0.022, (s * 0.025, 0.06), (s * 0.018, 0.06)) for s in (-1, 1)]
        doll.put("glasses", glasses, *eyes, line(0.006, (-0.04, 0.057), (0.04, 0.057)))
    if rng.random() < 0.2:
        brim = line(0.018, (-0.07, 0.02), (0.07, 0.02))
        doll.put("hat", doll.cloth(), both_sides([(0.04, -0.045), (0.05, 0.02)]), brim)
    if rng.random() < 0.35:
        x, _ = hands[0 if rng.random() < 0.5 else 1]
        sack = polygon((x - 0.06, 0.53), (x + 0.06, 0.53), (x + 0.07, 0.64), (x - 0.07, 0.64))
        handle = line(0.012, (x - 0.04, 0.53), (x, 0.48), (x + 0.04, 0.53))
        doll.put("bag", doll.cloth(), sack, handle)


def both_sides(right: Sequence[Point]) -> Shape:
    """A polygon that is the same on the left."""
    return polygon(*right, *((-x, y) for x, y in reversed(right)))


def draw(seed: int, photo: Path) -> tuple[Image.Image, UInt8[np.ndarray, "h w"]]:
    """A picture and its truth."""
    rng = np.random.default_rng(seed)
    width, height = WIDTH * FINER, HEIGHT * FINER
    opened = Image.open(photo).convert("RGB")
    scale = max(width / opened.width, height / opened.height)
    opened = opened.resize((int(opened.width * scale) + 1, int(opened.height * scale) + 1))
    left, top = (
        int(rng.integers(0, whole - part + 1))
        for whole, part in zip(opened.size, (width, height), strict=True)
    )
    sheet = np.asarray(opened.crop((left, top, left + width, top + height))).astype(np.float32)
    doll = Doll(sheet, rng)
    dress(doll)
    image = Image.fromarray(doll.sheet.clip(0, 255).astype(np.uint8))
    image = image.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    return image, doll.truth[FINER // 2 :: FINER, FINER // 2 :: FINER]


def write_set(
    out: Path,
    seeds: Mapping[str, Iterable[int]],
    draw: Callable[[int], tuple[Image.Image, UInt8[np.ndarray, "h w"]]],
    classes: Classes,
    suffix: str,
) -> None:
    """A set in the native layout, of the pictures that ``draw`` makes of the seeds of each split;
    a picture's tags are the classes in its mask."""
    (out / "images").mkdir(parents=True)
    rows = ["image,tags"]
    for split, numbers in seeds.items():
        names = []
        for seed in numbers:
            image, truth = draw(seed)
            names.append(f"{split}-{seed:04}")
            picture = f"images/{names[-1]}{suffix}"
            image.save(out / picture, quality=90)
            write_mask(out / "masks" / f"{names[-1]}.png", truth)
            tags = [kind for kind in classes.objects if (truth == classes.index(kind)).any()]
            rows.append(f"{picture},{' '.join(tags)}")
        write_lines(out / f"{split}.txt", names)
    write_lines(out / "tags.csv", rows)
    write_lines(out / "classes.txt", classes.names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=480)
    parser.add_argument("--val", type=int, default=100)
    given = parser.parse_args()
    files = given.pictures.rglob("*")
    photos = sorted(path for path in files if path.suffix.lower() in SUFFIXES)
    seeds = {"train": range(given.train), "val": range(VAL_FROM, VAL_FROM + given.val)}
    write_set(
        given.out, seeds, lambda seed: draw(seed, photos[7 * seed % len(photos)]), CLASSES, ".jpg"
    )


if __name__ == "__main__":
    main()
