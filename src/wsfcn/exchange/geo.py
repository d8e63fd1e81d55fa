"""Where on earth a picture's pixels lie: world files and the tags of GeoTIFF.

World file: six numbers A D B E C F, with x = A column + B row + C and y = D column + E row + F for
the middle of a pixel. GeoTIFF: OGC 19-008r4, the tags ModelTiepoint, ModelPixelScale,
ModelTransformation and the EPSG code among the GeoKeys.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from wsfcn.errors import DataError, PictureError
from wsfcn.files import read_text
from wsfcn.images import decoding

SCALE, TIEPOINT, TRANSFORMATION, KEYS = 33550, 33922, 34264, 34735
RASTER_TYPE, GEOGRAPHIC, PROJECTED = 1025, 2048, 3072
"""GeoKeys: what a pixel's coordinates mean, and the two that hold an EPSG code."""

POINT = 2
"""The raster type in which coordinates are those of a pixel's middle."""

USER_DEFINED = 32767


class Georeference(NamedTuple):
    """From the plane of pixels to a map."""

    matrix: Float[np.ndarray, "2 3"]
    """(x, y) = matrix @ (column, row, 1); pixel (0, 0) is the square from 0 to 1."""
    epsg: int | None
    """Code of the reference system, where it is known."""

    def to_map(self, ring: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Coordinates on the map."""
        return ring @ self.matrix[:, :2].T + self.matrix[:, 2]

    def to_pixels(self, ring: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """The inverse."""
        return (ring - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T


def georeference(path: Path) -> Georeference:
    """Where a picture lies, by its tags or the world file beside it. Raises PictureError."""
    found = from_tags(path)
    if found is None:
        world = next((file for file in world_files(path) if file.exists()), None)
        if world is None:
            raise PictureError(
                f"{path}: lies nowhere on a map; expected GeoTIFF tags or a world file such as "
                f"{world_files(path)[0].name}"
            )
        found = from_world_file(world)
    if not np.isfinite(found.matrix).all() or np.linalg.det(found.matrix[:, :2]) == 0:
        raise PictureError(f"{path}: its place on the map is no plane: {found.matrix.tolist()}")
    return found


def world_files(path: Path) -> list[Path]:
    """The names that a picture's world file may have.

    >>> [file.name for file in world_files(Path("field.tif"))]
    ['field.tfw', 'field.tifw', 'field.wld']
    """
    ending = path.suffix[1:]
    endings = (ending[:1] + ending[-1:] + "w", ending + "w", "wld")
    return [path.with_suffix(f".{ending}") for ending in endings]


def from_world_file(path: Path) -> Georeference:
    """Read a world file. Raises DataError."""
    try:
        a, d, b, e, c, f = map(float, read_text(path).split())
    except ValueError:
        raise DataError(f"{path}: expected six numbers, one a line") from None
    return Georeference(of_middles([[a, b, c], [d, e, f]]), None)


def of_middles(matrix: Any) -> Float[np.ndarray, "2 3"]:
    """The matrix for the plane from one that maps a pixel's whole numbers to its middle."""
    found = np.array(matrix, float)
    found[:, 2] -= found[:, :2].sum(axis=1) / 2
    return found


def from_tags(path: Path) -> Georeference | None:
    """Read GeoTIFF's tags; None where there are none. Raises PictureError."""
    with decoding(path, PictureError, "picture") as picture:
        tags: Any = getattr(picture, "tag_v2", {})
        keys = geo_keys(tags.get(KEYS, ()))
        if TRANSFORMATION in tags:
            rows = np.array(tags[TRANSFORMATION], float).reshape(4, 4)
            matrix = rows[:2, [0, 1, 3]]
        elif SCALE in tags and TIEPOINT in tags:
            column, row, _, x, y, _ = tags[TIEPOINT][:6]
            right, down, _ = tags[SCALE]
            matrix = np.array([[right, 0, x - column * right], [0, -down, y + row * down]])
        else:
            return None
    if keys.get(RASTER_TYPE) == POINT:
        matrix = of_middles(matrix)
    codes = [
        keys[key] for key in (PROJECTED, GEOGRAPHIC) if keys.get(key, USER_DEFINED) != USER_DEFINED
    ]
    return Georeference(np.array(matrix, float), codes[0] if codes else None)


def geo_keys(values: tuple[int, ...]) -> dict[int, int]:
    """The GeoKeys whose values stand in the directory itself."""
    found = {}
    with suppress(ValueError, IndexError):
        for n in range(4, 4 * (values[3] + 1), 4):
            key, place, _, value = values[n : n + 4]
            if place == 0:
                found[key] = value
    return found
