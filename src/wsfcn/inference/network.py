"""What prediction asks of a trained network, whatever computes it.

Maps are PyTorch's tensors or NumPy's arrays, as the network has them; what follows works on both.
"""

from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from wsfcn.levels import Levels
from wsfcn.maps import Sizes
from wsfcn.types import Classes

Device = Literal["auto", "cpu", "gpu"]
"""Where to compute; ``auto`` is a GPU where there is one."""


class Seen(NamedTuple):
    """What a network sees in pictures."""

    masks: Float[Any, "b c y x"]
    """Soft masks on the network's own grid."""
    tags: Float[Any, "b c-1"]
    """Probability of each tag."""


@runtime_checkable
class Parts(Protocol):
    """The parts of a network, for pictures that are too large for it as a whole."""

    def features(self, image: Shaped[Any, "b 3 h w"]) -> tuple[Any, Any]:
        """The shallow and the deep feature: they look at a neighbourhood."""
        ...

    def context(self, deep: Float[Any, "b d y x"]) -> Float[Any, "b k y x"]:
        """The context of the deep feature: it looks everywhere."""
        ...

    def cues(self, shallow: Float[Any, "b s h w"], context: Float[Any, "b k y x"]) -> Any:
        """Maps (b, m, h, w) whose maximum over the whole picture `logits` takes; None where the
        fusion looks at a neighbourhood alone."""
        ...

    def logits(
        self,
        shallow: Float[Any, "b s h w"],
        context: Float[Any, "b k y x"],
        maximum: Float[Any, "b m 1 1"] | None,
    ) -> Float[Any, "b n h w"]:
        """Logits of the objects, from both features and the maximum of the cues."""
        ...

    def seen(self, deep: Float[Any, "b d y x"], logits: Float[Any, "b n h w"]) -> Seen:
        """Masks and tags: the tags look everywhere."""
        ...


@runtime_checkable
class Network(Protocol):
    """A trained network."""

    classes: Classes
    longest_side: int
    """Pixels to which larger pictures are reduced when they are looked at as a whole."""
    sizes: Sizes
    """In which sizes it sees pictures best."""
    corrected: frozenset[str]
    """Fingerprints of the pictures of which it learned a corrected mask."""
    levels: Levels | None
    """Values that become black and white in grey pictures of more than 8 bits."""

    def image(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Shaped[Any, "1 3 h w"]:
        """A picture as the network takes it."""
        ...

    def __call__(self, images: Shaped[Any, "b 3 h w"]) -> Seen:
        """Look at pictures of one size."""
        ...

    def parts(self) -> Parts:
        """Its parts, one by one."""
        ...
