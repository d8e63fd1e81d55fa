"""Which pictures are learned from, and which are set aside to validate on."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from wsfcn.config import DataSettings
from wsfcn.data.forms.finding import SPLITS, posix, stem_of
from wsfcn.errors import DataError, did_you_mean
from wsfcn.files import read_text

Item = TypeVar("Item")

SET_ASIDE = 10
"""Without any split one of every so many pictures is validated on."""


class Splits(NamedTuple):
    """Names of pictures."""

    train: list[str]
    val: list[str]
    notes: list[str]
    """What is odd about them, each with what to do."""


def split(root: Path, settings: DataSettings, said: Mapping[str, str]) -> Splits:
    """Divide a data set by split files, else by what its form says, else by a rule.

    ``said`` are all pictures by name, with the split that the form names or "". Without a split to
    validate on it is one of every ten pictures of what training does not claim, the same in every
    run; with a train.txt, the rest. Raises DataError for a split that is not there.
    """
    names = Names(said)
    train = chosen(root, settings.train, "train", said, names)
    val = chosen(root, settings.val, "val", said, names)
    free = [name for name, part in said.items() if part in ("", "train")]
    if val is None and (root / f"{settings.train}.txt").exists():
        claimed = set(train or ())
        val = [
            name for name, part in sorted(said.items()) if name not in claimed and part != "test"
        ]
    elif val is None:
        val = spread(sorted(free), -(-len(free) // SET_ASIDE))
        train = free
    if train is None or train is free:
        held_out = set(val)
        train = [name for name in train or free if name not in held_out]
    if not train:
        raise DataError(f"{root}: no picture is left to train on")
    return Splits(train, val, notes_on(root, settings, train, val, said))


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items: of as many runs of them one each, drawn by lot, the same in
    every run of the program.

    So they are from all over, and of all kinds even where kinds take turns.

    >>> spread("abcabcabcabc", 4)
    ['b', 'b', 'a', 'b']
    """
    lot, total, count = random.Random(0), len(items), min(most, len(items))
    runs = ((n * total // count, (n + 1) * total // count) for n in range(count))
    return [items[lot.randrange(*run)] for run in runs]


def chosen(
    root: Path, split: str, usual: str, said: Mapping[str, str], names: "Names"
) -> list[str] | None:
    """The pictures of a split; None where only its usual name is asked for, and nothing has it."""
    if not split.strip():
        raise DataError(f"data.{usual}: no split is named; the usual one is {usual}")
    path = root / f"{split}.txt"
    if path.exists():
        found = read_split(path, names)
        if not found:
            raise DataError(f"{path}: the split is empty")
        return found
    part = SPLITS.get(split.lower(), split)
    if found := [name for name, other in said.items() if other == part]:
        return found
    if split == usual:
        return None
    known = sorted({p.stem for p in root.glob("*.txt")} - {"classes"} | set(said.values()) - {""})
    listed = f"there are {', '.join(known)}" if known else "there is none"
    raise DataError(
        f"data.{usual}: no split '{split}': {path} does not exist, and no folder or column names "
        f"it; {listed}.{did_you_mean(split, known)}"
    )


def read_split(path: Path, names: "Names") -> list[str]:
    """The pictures in a split file, each once. Raises DataError for one that has no tags."""
    found: dict[str, None] = {}
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        if text.strip():
            found[names.find(text, f"{path}, line {line}")] = None
    return list(found)


class Names:
    """Names of pictures, found by the whole name, or a bare one where it is unique."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self.names = names
        self.bare: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self.bare[name.rpartition("/")[2]].append(name)

    def find(self, text: str, where: str) -> str:
        """The name that a line means, which may have a suffix, or folders before it.

        Raises DataError where it is none of the names, or several.
        """
        text = posix(text)
        for wanted in (text, stem_of(text)):
            parts = wanted.split("/")
            for n in range(len(parts)):
                if (name := "/".join(parts[n:])) in self.names:
                    return name
            found = self.bare.get(wanted, [])
            if len(found) > 1:
                raise DataError(
                    f"{where}: '{text}' may be {found[0]} or {found[1]}; write the whole name"
                )
            if found:
                return found[0]
        raise DataError(f"{where}: '{text}' has no tags")


def notes_on(
    root: Path, settings: DataSettings, train: list[str], val: list[str], said: Mapping[str, str]
) -> list[str]:
    """What is odd about a division."""
    notes = []
    if both := sorted(set(train) & set(val)):
        notes.append(
            f"{len(both)} pictures are both learned from and validated on, such as {both[0]}: take "
            f"them out of {settings.train}.txt or {settings.val}.txt, or figures will flatter"
        )
    used = {*train, *val}
    for part in sorted(set(said.values()) - {""}):
        left = [name for name, other in said.items() if other == part and name not in used]
        if left:
            notes.append(
                f"{len(left)} pictures of the split '{part}' are not used; "
                f"`--data.val {part}` validates on them"
            )
    return notes
