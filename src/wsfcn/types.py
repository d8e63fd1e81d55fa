"""The nouns of the library. ``c`` counts the background, ``c-1`` does not.

*Tags* are what a picture contains; *masks* are soft, one a class; *labels* are hard, one a
pixel; *scores* are per picture and class; *truth* is what people drew.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from wsfcn.errors import TagError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor
else:  # prediction from an ONNX file does without PyTorch
    Tensor = Any

IGNORE = 255
"""The label of a pixel that belongs to no class we know: it counts nowhere."""

BACKGROUND = "background"


@dataclass(frozen=True)
class Classes:
    """Names of the classes, the background first; a name's position is its index in a mask.

    Where another name stands first there is no background: every pixel belongs to a class. Inside,
    from the network to its labels, *channel* 0 is the background all the same, and stays empty.

    >>> classes = Classes(("background", "cat", "dog"))
    >>> classes.objects, len(classes), classes.index("dog"), classes.channels
    (('cat', 'dog'), 3, 2, 3)
    >>> classes = Classes(("sand", "rock"))
    >>> classes.objects, len(classes), classes.index("rock"), classes.channels
    (('sand', 'rock'), 2, 1, 3)
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.names) < 2:
            raise TagError(
                f"two classes, or one beside the background, are the least; got {self.names}"
            )
        if len(self.names) > IGNORE:
            raise TagError(f"{len(self.names)} classes, but an 8-bit mask holds at most {IGNORE}")
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise TagError(f"class '{twice}' is listed twice")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def background(self) -> bool:
        """Whether pixels may belong to none of the objects."""
        return self.names[0] == BACKGROUND

    @property
    def objects(self) -> tuple[str, ...]:
        """All classes but the background: the possible tags."""
        return self.names[self.background :]

    @property
    def channels(self) -> int:
        """Masks inside: the objects', and the background's before them."""
        return len(self.objects) + 1

    @property
    def with_background(self) -> "Classes":
        """The same objects after a background: names by channel."""
        return self if self.background else Classes((BACKGROUND, *self.names))

    def of_channels(self, labels: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
        """Indices in a mask for those of channels; 255 stays, and is what an empty channel 0 is.

        >>> Classes(("sand", "rock")).of_channels(np.array([[0, 1, 2, 255]], np.uint8))
        array([[255,   0,   1, 255]], dtype=uint8)
        """
        return labels if self.background else labels - (labels != IGNORE)

    def to_channels(
        self, labels: UInt8[np.ndarray, "h w"], rest: int = 0
    ) -> UInt8[np.ndarray, "h w"]:
        """The inverse of `of_channels`; without a background 255 becomes ``rest``."""
        if self.background:
            return labels
        return np.where(labels == IGNORE, rest, labels + np.uint8(1)).astype(np.uint8)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """Index of a class in a mask. Raises TagError, with a suggestion, where it is unknown."""
        if name not in self._positions:
            raise TagError(f"unknown tag '{name}'.{did_you_mean(name, self.names)}")
        return self._positions[name]


class Sample(NamedTuple):
    """One training picture, augmented: RGB in [0, 1]."""

    image: Float[Tensor, "3 h w"]
    tags: Float[Tensor, "c-1"]
    name: str
    corrected: UInt8[Tensor, "h w"] | None = None
    """What a person said of its pixels; 255 where nothing was said."""
    labels: UInt8[Tensor, "h w"] | None = None
    """Its labels of the second round; 255 where there is none."""
    plain: Float[Tensor, "3 h w"] | None = None
    """The picture in its own colours, where ``image`` has others and local evidence is asked."""


class Batch(NamedTuple):
    """Training pictures of one size, as the model takes them: RGB in [0, 1]."""

    image: Float[Tensor, "b 3 h w"]
    tags: Float[Tensor, "b c-1"]
    names: list[str]
    corrected: UInt8[Tensor, "b h w"] | None = None
    """What people said of their pixels, 255 where nothing; None where they said nothing at all."""
    labels: UInt8[Tensor, "b h w"] | None = None
    """Labels that were made before, of all its pictures (the second round); 255 where none is."""
    plain: Float[Tensor, "b 3 h w"] | None = None
    """The pictures in their own colours, where ``image`` has others and local evidence is asked."""


class Features(NamedTuple):
    """What a backbone gives: a fine map (stride 4) and a coarse one (stride 8, 16 or 32)."""

    shallow: Float[Tensor, "b s h w"]
    deep: Float[Tensor, "b d y x"]


class Prediction(NamedTuple):
    """What a segmenter gives: class logits on the shallow grid, and image-level scores.

    ``activations`` are class activation maps on the deep grid, where the scores are their means.
    Without a ``background`` its logit is so low that its mask is 0. An ``offset`` is what was added
    to the logits that were ``learned``, so that rare classes begin early enough.
    """

    logits: Float[Tensor, "b c h w"]
    scores: Float[Tensor, "b c-1"]
    activations: Float[Tensor, "b c-1 y x"] | None = None
    background: bool = True
    offset: Float[Tensor, "b c 1 1"] | None = None

    @property
    def learned(self) -> Float[Tensor, "b c h w"]:
        """The logits without the offset."""
        return self.logits if self.offset is None else self.logits - self.offset


class Losses(NamedTuple):
    """The training losses of one step, and the share of pixels that got a pseudo-label."""

    total: Float[Tensor, ""]
    tags: Float[Tensor, ""]
    masks: Float[Tensor, ""]
    coverage: Float[Tensor, ""]
