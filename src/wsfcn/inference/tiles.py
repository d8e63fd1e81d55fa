"""Large pictures: the network's local parts in tiles, its global ones over the whole picture.

Backbone, fusion and head look at a neighbourhood, so they run on overlapping tiles whose results
are blended. The context looks everywhere; it runs once, on the deep features of the whole picture,
and so do the image scores. A tile thus knows what the whole knows, and no seam shows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from wsfcn.models.fusion import GlobalCueInjection
from wsfcn.models.segmenter import Segmenter
from wsfcn.types import Prediction

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

    def of(self, maps: Shaped[Tensor, "b c h w"], stride: int = 1) -> Shaped[Tensor, "b c y x"]:
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
    function: Callable[[Window], Sequence[Float[Tensor, "1 _ _ _"]]],
    size: tuple[int, int],
    tile: int,
    overlap: int = OVERLAP,
) -> list[Float[Tensor, "1 _ _ _"]]:
    """Apply ``function`` to every tile and blend each of the maps it gives, on its own grid."""
    sums: list[Tensor] = []
    weights: list[Tensor] = []
    for window in windows(size, tile, overlap):
        for n, values in enumerate(function(window)):
            stride = round(window.height / values.shape[2])
            if n == len(sums):
                grid = [-(-side // stride) for side in size]
                sums.append(values.new_zeros(1, values.shape[1], *grid))
                weights.append(values.new_zeros(1, 1, *grid))
            rows = ramp(window.top, window.height, size[0], stride, overlap)
            columns = ramp(window.left, window.width, size[1], stride, overlap)
            weight = (rows[:, None] * columns).to(values)
            window.of(sums[n], stride).add_(values * weight)
            window.of(weights[n], stride).add_(weight)
    return [total.div_(weight) for total, weight in zip(sums, weights, strict=True)]


def ramp(start: int, length: int, whole: int, stride: int, overlap: int) -> Float[Tensor, "n"]:
    """Weights of a tile along one side: 0 near a border inside the whole, 1 far from it."""
    centres = torch.arange(stride / 2, length, stride)
    near = centres if start > 0 else torch.full_like(centres, torch.inf)
    far = length - centres if start + length < whole else torch.full_like(centres, torch.inf)
    return ((torch.minimum(near, far) - overlap / 4) / (overlap / 2)).clamp(0, 1)


def predict_in_tiles(
    model: Segmenter, image: Float[Tensor, "1 3 h w"], tile: int, overlap: int = OVERLAP
) -> Prediction:
    """What ``model`` gives for a picture that is too large for it; h and w are multiples of 32."""
    size = (image.shape[2], image.shape[3])
    shallow, deep = in_tiles(lambda window: model.features(window.of(image)), size, tile, overlap)
    fine, coarse = size[0] // shallow.shape[2], size[0] // deep.shape[2]
    context = model.context(deep)

    def fuse(window: Window) -> Float[Tensor, "1 c h w"]:
        return model.fusion(window.of(shallow, fine), window.of(context, coarse))

    with ExitStack() as stack:
        if isinstance(model.fusion, GlobalCueInjection):
            cues = maximal_cues(model.fusion, fuse, size, tile, overlap)
            stack.enter_context(on_output(model.fusion.cues, lambda _: cues))
        (logits,) = in_tiles(lambda window: [model.head(fuse(window))], size, tile, overlap)
    return model.prediction(deep, logits)


def maximal_cues(
    fusion: GlobalCueInjection,
    fuse: Callable[[Window], Tensor],
    size: tuple[int, int],
    tile: int,
    overlap: int,
) -> Float[Tensor, "1 c 1 1"]:
    """The maximum over the whole picture from which AE's fusion takes its factors and offsets."""
    found: list[Tensor] = []
    for window in windows(size, tile, overlap):

        def note(cues: Tensor, window: Window = window) -> None:
            stride = round(window.height / cues.shape[2])
            rows = ramp(window.top, window.height, size[0], stride, overlap) > 0
            columns = ramp(window.left, window.width, size[1], stride, overlap) > 0
            found.append(cues[:, :, rows][..., columns].amax((2, 3), keepdim=True))

        with on_output(fusion.cues, note):
            fuse(window)
    return torch.stack(found).amax(0)


@contextmanager
def on_output(module: nn.Module, function: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Show a module's output to ``function``; what that returns, if anything, takes its place."""

    def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        return function(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
