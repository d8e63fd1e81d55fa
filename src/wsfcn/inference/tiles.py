"""Large pictures: the network's local parts in tiles, its global ones over the whole picture.

Backbone, fusion and head look at a neighbourhood, so they run on overlapping tiles whose results
are blended. The context looks everywhere; it runs once, on the deep features of the whole picture,
and so do the image scores. A tile thus knows what the whole knows, and no seam shows.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device
from jaxtyping import Float, Shaped

from wsfcn.inference.network import Parts, Seen

STEP = 32
"""Tiles begin at multiples of this many pixels, so that all their grids fall on the whole's."""

OVERLAP = 256
"""Pixels that neighbouring tiles share: the outer quarter of them, where a tile's own border shows,
is not used; the inner half is blended."""


class Window(NamedTuple):
    """A tile's place, in pixels of the whole."""

    top: int
    left: int
    height: int
    width: int

    def of(self, maps: Shaped[Any, "b c h w"], stride: int = 1) -> Shaped[Any, "b c y x"]:
        """The tile's part of maps that have one cell every ``stride`` pixels."""
        top, left = self.top // stride, self.left // stride
        rows = slice(top, top + -(-self.height // stride))
        return maps[:, :, rows, left : left + -(-self.width // stride)]


def windows(size: tuple[int, int], tile: int, overlap: int = OVERLAP) -> Iterator[Window]:
    """Tiles of at most ``tile`` pixels a side that cover ``size`` = (h, w), evenly spread.

    >>> [window.left for window in windows((100, 1024), 512, 128)]
    [0, 256, 512]
    """

    def starts(length: int, side: int) -> list[int]:
        steps = -(-(length - side) // (side - overlap)) if length > side else 0
        inner = [round(n * (length - side) / steps / STEP) * STEP for n in range(steps)]
        return [*inner, length - side]

    height, width = min(tile, size[0]), min(tile, size[1])
    for top in starts(size[0], height):
        for left in starts(size[1], width):
            yield Window(top, left, height, width)


def in_tiles(
    function: Callable[[Window], Sequence[Float[Any, "1 _ _ _"]]],
    size: tuple[int, int],
    tile: int,
    overlap: int = OVERLAP,
) -> list[Float[Any, "1 _ _ _"]]:
    """Apply ``function`` to every tile and blend each of the maps it gives, on its own grid."""
    sums: list[Any] = []
    weights: list[Float[np.ndarray, "1 1 _ _"]] = []
    for window in windows(size, tile, overlap):
        for n, values in enumerate(function(window)):
            stride = round(window.height / values.shape[2])
            if n == len(sums):
                grid = [-(-side // stride) for side in size]
                sums.append(zeros(values, values.shape[1], *grid))
                weights.append(zeros(values, 1, *grid))
            rows, columns = ramps(window, size, stride, overlap)
            weight = like(rows[:, None] * columns, values)
            part, total = window.of(sums[n], stride), window.of(weights[n], stride)
            part += values * weight
            total += weight
    return [total / weight for total, weight in zip(sums, weights, strict=True)]


def ramps(
    window: Window, size: tuple[int, int], stride: int, overlap: int
) -> tuple[Float[np.ndarray, "y"], Float[np.ndarray, "x"]]:
    """Weights of a tile's rows and columns."""
    return (
        ramp(window.top, window.height, size[0], stride, overlap),
        ramp(window.left, window.width, size[1], stride, overlap),
    )


def ramp(start: int, length: int, whole: int, stride: int, overlap: int) -> Float[np.ndarray, "n"]:
    """Weights of a tile along one side: 0 near a border inside the whole, 1 far from it."""
    centres = np.arange(stride / 2, length, stride, dtype=np.float32)
    near = centres if start > 0 else np.full_like(centres, np.inf)
    far = length - centres if start + length < whole else np.full_like(centres, np.inf)
    return ((np.minimum(near, far) - overlap / 4) / (overlap / 2)).clip(0, 1)


def predict_in_tiles(
    parts: Parts, image: Shaped[Any, "1 3 h w"], tile: int, overlap: int = OVERLAP
) -> Seen:
    """What a network sees in a picture that is too large for it; h and w are multiples of 32."""
    size = (image.shape[2], image.shape[3])
    shallow, deep = in_tiles(lambda window: parts.features(window.of(image)), size, tile, overlap)
    fine, coarse = size[0] // shallow.shape[2], size[0] // deep.shape[2]
    context = parts.context(deep)

    def both(window: Window) -> tuple[Any, Any]:
        return window.of(shallow, fine), window.of(context, coarse)

    def maximum_of(window: Window) -> Float[Any, "1 m 1 1"] | None:
        """Of the tile's cues, without those near a border inside the whole."""
        cues = parts.cues(*both(window))
        if cues is None:
            return None
        rows, columns = (inside(weights) for weights in ramps(window, size, fine, overlap))
        xp = array_namespace(cues)
        return xp.max(cues[:, :, rows, columns], axis=(2, 3), keepdims=True)

    maxima = [maximum_of(window) for window in windows(size, tile, overlap)]
    maximum = None
    if (first := maxima[0]) is not None:
        xp = array_namespace(first)
        maximum = xp.max(xp.stack(maxima), axis=0)
    (logits,) = in_tiles(lambda window: [parts.logits(*both(window), maximum)], size, tile, overlap)
    return parts.seen(deep, logits)


def inside(weights: Float[np.ndarray, "n"]) -> slice:
    """Where the weights of a tile's side are positive."""
    places = np.flatnonzero(weights)
    return slice(int(places[0]), int(places[-1]) + 1)


def zeros(like: Float[Any, "1 _ _ _"], *shape: int) -> Float[Any, "1 _ _ _"]:
    """Maps of zeros, of the kind of ``like``."""
    return array_namespace(like).zeros((1, *shape), dtype=like.dtype, device=device(like))


def like(weights: Float[np.ndarray, "y x"], maps: Float[Any, "1 _ _ _"]) -> Float[Any, "y x"]:
    """The weights as an array of the maps' kind."""
    return array_namespace(maps).asarray(weights, dtype=maps.dtype, device=device(maps))
