"""What a training believes of each class's masks, in a word: sure, doubtful or unusable.

The figures come from validation pictures and their tags, never from truth, and lie in the run
folder as ``beliefs.json``. So a word can be wrong: it says what can be seen without truth, and what
would help.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from wsfcn.errors import DataError
from wsfcn.files import atomic, read_bytes

FILE = "beliefs.json"
FEW = 4
"""Validation pictures with a class, or without it, below which hardly anything can be said."""
PURE, PURE_OF_LARGE = (45, 75), (30, 55)
"""Purity below which masks are unusable, and doubtful; the second where the judge is not strict.
docs/log.md, 41, says on which networks these were chosen."""
AGREEING = (25, 70)
"""The same of the agreement of two views."""
LARGE = 25.0
"""Per cent of a picture that a lesion or a defect hardly ever takes."""


class Belief(msgspec.Struct):
    """Figures of one class on the validation pictures, shares in per cent; None where unknown."""

    pictures: int
    """Validation pictures with the tag."""
    without: int
    """Validation pictures without it."""
    untagged: int
    """Validation pictures without any tag."""
    tags: float | None
    """Average precision of the tag."""
    covered: float
    """Tagged pictures that got a mask."""
    share: float
    """What the mask takes of these pictures, in the mean."""
    clean: float | None
    """Pictures without the tag that got no mask."""
    purity: float | None
    found: float | None
    agreement: float | None
    """As in `training/judge.py`."""
    strict: bool = False
    """Whether the judge was strict with it; files from before say it by ``untagged`` alone."""
    told: bool = True
    """Whether enough training pictures were without it for its tag to tell anything."""


class Beliefs(msgspec.Struct):
    """Of all classes, at the epoch that was the best so far."""

    epoch: int
    classes: dict[str, Belief]


class Verdict(NamedTuple):
    """A word on a class's masks, why, and what would help."""

    word: Literal["sure", "doubtful", "unusable"]
    reasons: tuple[str, ...] = ()
    cure: str = ""


NORMAL = "more pictures without the class that show the same things"
CLOSER = "closer pictures"
CORRECTED = "a few corrected masks"
TAGGED = "more pictures with the class"


def verdict(of: Belief) -> Verdict:
    """The word on a class, with the gravest reasons.

    >>> good = Belief(20, 80, 40, 95, 90, 3, 99, 95, 70, 80)
    >>> verdict(good).word
    'sure'
    >>> leaf = msgspec.structs.replace(good, purity=35, share=40)
    >>> found = verdict(leaf)
    >>> found.word, found.cure
    ('unusable', 'more pictures without the class that show the same things, a few corrected masks')
    """
    if not of.told:
        return Verdict("unusable", ("nearly every training picture has it",), NORMAL)
    if of.pictures < FEW:
        few = f"validation pictures that show it: {of.pictures}"
        failed = of.pictures > 0 and not of.covered
        return Verdict("unusable" if failed else "doubtful", (few,), TAGGED)
    bad, odd = list(problems(of, grave=True)), list(problems(of, grave=False))
    if not bad and not odd:
        return Verdict("sure")
    chosen = bad or odd
    cures = dict.fromkeys(cure for _, cures in chosen for cure in cures)
    reasons = tuple(reason for reason, _ in chosen)
    return Verdict("unusable" if bad else "doubtful", reasons, ", ".join(cures))


def problems(of: Belief, *, grave: bool) -> list[tuple[str, tuple[str, ...]]]:
    """What speaks against a class's masks, each with what would help."""
    found: list[tuple[str, tuple[str, ...]]] = []

    def note(value: float | None, limits: tuple[float, float], why: str, *cures: str) -> None:
        if value is not None and value < limits[0 if grave else 1]:
            found.append((why.format(value), cures))

    note(of.covered, (30, 70), "{:.0f} % of the pictures with it got a mask", CLOSER, CORRECTED)
    if of.covered:
        large = f", and they take {of.share:.0f} % of the picture" if of.share > LARGE else ""
        note(
            of.purity,
            PURE if of.strict or of.untagged >= FEW else PURE_OF_LARGE,
            f"only {{:.0f}} % of its masks show what pictures without it do not{large}",
            *(NORMAL, CORRECTED),
        )
        note(of.agreement, AGREEING, "masks of two views agree to {:.0f} %", CLOSER, CORRECTED)
        note(of.clean, (50, 90), "{:.0f} % of the pictures without it stay free of it", NORMAL)
        note(of.found, (10, 30), "masks cover {:.0f} % of what looks like it", CORRECTED)
    note(of.tags, (30, 70), "its tags are told to {:.0f}", TAGGED)
    if of.covered and not grave and of.purity is None:
        why = "nothing tells whether its masks are too large"
        found.append((why, (NORMAL,) if of.without < FEW else (CORRECTED,)))
    return found


def in_words(name: str, of: Belief) -> str:
    """A line about a class.

    >>> in_words("rust", Belief(2, 80, 40, 95, 0, 0, 100, None, None, None))
    'rust: unusable (validation pictures that show it: 2); more pictures with the class'
    """
    word, reasons, cure = verdict(of)
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{name}: {word}{why}{f'; {cure}' if cure else ''}"


def write_beliefs(run: Path, beliefs: Beliefs) -> None:
    """Write ``beliefs.json`` into a run folder, whole or not at all."""
    with atomic(run / FILE) as name:
        name.write_bytes(msgspec.json.format(msgspec.json.encode(beliefs)))


def read_beliefs(run: Path) -> Beliefs | None:
    """What a run folder holds of them; None where it has none. Raises DataError."""
    path = run / FILE
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(read_bytes(path), type=Beliefs)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"{path}: not what a training writes ({error}); delete it, and the page does without"
        ) from None
