"""Outlines of regions as polygons with holes, and polygons back to regions.

Outlines are traced by marching squares (contourpy), simplified by Douglas and Peucker (1973, from
shapely), and filled as COCO fills them (pycocotools) or as drawing libraries do (Pillow).

Tools disagree on what a polygon covers. Most take it as a line in the plane, in which pixel (0, 0)
is the square from 0 to 1, and fill the pixels whose middle lies within (COCO, CVAT, Label Studio,
maps). Drawing libraries, and with them YOLO's tools and labelme, take whole numbers as pixels and
fill the line as well. Each gets the outline that gives back the region there.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import contourpy
import numpy as np
import shapely
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw
from scipy.spatial import KDTree


class Outline(NamedTuple):
    """A polygon's rings, each without its first point repeated; holes turn the other way."""

    outer: Float[np.ndarray, "n 2"]
    holes: list[Float[np.ndarray, "_ 2"]]


def outlines(
    region: Bool[np.ndarray, "h w"], tolerance: float, *, drawn: bool = False
) -> list[Outline]:
    """The outlines (x, y) of a region, at most ``tolerance`` pixels away from it.

    With ``drawn`` they run through the middle of the outermost pixels, which are counted from 0,
    for tools that fill the line too; else between pixels, in the plane. With ``tolerance`` 0 both
    `filled` and `drawn_polygon` give back the region.

    >>> outlines(np.ones((3, 4), bool), 0, drawn=True)[0].outer.tolist()
    [[0.0, 0.0], [3.0, 0.0], [3.0, 2.0], [0.0, 2.0]]
    """
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):
        return []
    part = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    values = np.pad(part, 1).astype(np.float64)
    # Halfway between pixels; or at the pixel itself, but for what rounding takes back.
    level = 0.999 if drawn else 0.5
    tracer = contourpy.contour_generator(z=values, fill_type=contourpy.FillType.OuterOffset)
    # In the plane a pixel's middle lies half a pixel from its corner.
    origin = np.array([columns[0] - 1, rows[0] - 1]) + (0 if drawn else 0.5)
    found = []
    for points, offsets in zip(*tracer.filled(level, 2.0), strict=True):
        rings = [points[a:b] + origin for a, b in pairwise(offsets.tolist())]
        # Adding zero takes the sign off a negative zero.
        outer, *holes = (simplified(np.round(r) + 0.0 if drawn else r, tolerance) for r in rings)
        found.append(Outline(outer, [hole for hole in holes if len(hole) > 2]))
    return found


def simplified(ring: Float[np.ndarray, "n 2"], tolerance: float) -> Float[np.ndarray, "m 2"]:
    """A closed ring with fewer points, at most ``tolerance`` away, without its last point."""
    ring = ring[np.append(True, (ring[1:] != ring[:-1]).any(axis=1))]
    if len(ring) > 3:
        ring = np.asarray(shapely.simplify(shapely.LinearRing(ring), tolerance).coords)
    ring = ring[:-1] if len(ring) > 1 else ring
    # A single pixel or a row of them, drawn, still is a polygon to a tool.
    return ring if len(ring) > 2 else ring[np.arange(3) % len(ring)]


def seamed(outline: Outline) -> Float[np.ndarray, "n 2"]:
    """One ring for outline and holes, for tools that know no holes.

    A line that is walked to and fro, and so encloses nothing, leads to each hole.

    >>> square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
    >>> hole = np.array([[1.0, 1], [1, 3], [3, 3], [3, 1]])
    >>> len(seamed(Outline(square, [hole])))
    10
    """
    ring = outline.outer
    for hole in outline.holes:
        distances, nearest = map(np.asarray, KDTree(ring).query(hole))
        j = int(distances.argmin())
        i = int(nearest[j])
        ring = np.concatenate([ring[: i + 1], hole[j:], hole[: j + 1], ring[i:]])
    return ring


def filled(
    rings: list[Float[np.ndarray, "_ 2"]], height: int, width: int
) -> Bool[np.ndarray, "h w"]:
    """The pixels whose middle lies within a ring, for rings in the plane. Raises ValueError."""
    from pycocotools import mask as rle

    for ring in rings:
        check_ring(ring, height, width)

    # The C code takes nothing else than at least three points.
    flat: Any = [ring.ravel().tolist() for ring in rings if len(ring) > 2]
    if not flat:
        return np.zeros((height, width), bool)
    return rle.decode(rle.merge(rle.frPyObjects(flat, height, width))).astype(bool)


def drawn_polygon(
    ring: Float[np.ndarray, "n 2"], height: int, width: int
) -> Bool[np.ndarray, "h w"]:
    """The pixels within a ring and on it, as drawing libraries have it. Raises ValueError."""
    check_ring(ring, height, width)
    canvas = Image.new("1", (width, height))
    ImageDraw.Draw(canvas).polygon([(x, y) for x, y in ring.tolist()], outline=1, fill=1)
    return np.array(canvas, dtype=bool)


def check_ring(ring: Float[np.ndarray, "n 2"], height: int, width: int) -> None:
    """Raise ValueError for a ring that leaves the picture by more than its size.

    Drawing code in C works its way through every pixel of a line, wherever it leads.
    """
    limits = np.array([width, height])
    if not (np.isfinite(ring).all() and (ring >= -limits).all() and (ring <= 2 * limits).all()):
        raise ValueError(f"an outline leaves the picture of {width} x {height}")
