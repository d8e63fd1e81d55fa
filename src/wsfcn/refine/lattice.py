"""The permutohedral lattice: Gaussian filtering in many dimensions in time linear in the pixels.

Paper: Fast High-Dimensional Filtering Using the Permutohedral Lattice (Adams et al., 2010), with
the scaling of Krähenbühl and Koltun (2011). A pixel's value is spread over the vertices of the
simplex around its feature (splat), the vertices are blurred along each axis, and the pixel reads
the result from the same vertices (slice).

A vertex is one 64-bit key: a field of bits per coordinate, so that a neighbour's key is a sum.
Values lie as (vertex, class), the last vertex being a zero that stands for all that do not exist.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32
from numba import get_num_threads

from wsfcn.errors import SettingError
from wsfcn.refine.kernels import neighbours_of, number, simplices


class Lattice(NamedTuple):
    """Where n pixels lie among m vertices, in d dimensions."""

    vertices: Int32[np.ndarray, "n d+1"]
    """The vertices of each pixel's simplex."""
    weights: Float32[np.ndarray, "n d+1"]
    """The pixel's barycentric coordinates."""
    neighbours: Int32[np.ndarray, "d+1 m 2"]
    """A vertex's two neighbours along each axis; m where there is none."""

    @property
    def size(self) -> int:
        """Number of vertices."""
        return self.neighbours.shape[1]


def build(features: Float32[np.ndarray, "n d"]) -> Lattice:
    """The lattice of features in units of the Gaussian's deviation. Raises SettingError."""
    dimensions = features.shape[1]
    bits = 62 // dimensions
    keys, weights, largest = simplices(np.ascontiguousarray(features), bits, get_num_threads())
    if largest >= 1 << (bits - 1):
        raise SettingError("the picture is too large for the CRF; use smaller tiles")
    vertices, table, places, known = number(keys)
    neighbours = neighbours_of(known, table, places, dimensions, bits)
    return Lattice(vertices, weights, neighbours)
