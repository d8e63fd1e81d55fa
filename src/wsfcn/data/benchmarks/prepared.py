"""What a preparation of a public data set found."""

from typing import NamedTuple


class Prepared(NamedTuple):
    """Counts, and what is not there."""

    counts: dict[str, int]
    """Pictures of each split."""
    from_masks: int
    """Pictures without an XML annotation: their tags were read off their mask, once, here."""
    missing: list[str]
    """What is not there, and what it would bring."""
