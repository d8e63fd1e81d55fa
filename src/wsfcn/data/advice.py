"""What a person who has seen many data sets would say of this one: notes, each with what to do.

A piece of advice is a function of what was seen, and a line in `ADVICE`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from wsfcn.data.dataset import TaggedPicture, TaggedPictures
from wsfcn.data.looking import Look
from wsfcn.data.similar import Twin, twins
from wsfcn.data.telling import LEAST

FEW = 10
"""Training pictures, with a class or without, below which it is called rare."""

EVERY = "every training picture"

NEARLY = 0.95
"""Share that counts as nearly all."""

STRIP = 3
"""How many times as long as wide a picture is of which crops show less than half."""

Looks = Mapping[Path, Look]


class Seen:
    """A data set, and how its pictures look; those that cannot be read are not among them."""

    def __init__(self, data: TaggedPictures, looks: Looks) -> None:
        self.train, self.val, self.classes = data.train, data.val, data.classes
        self.looks = looks

    @cached_property
    def twins(self) -> list[Twin]:
        """Validation pictures with the training pictures that they nearly are, but for one file in
        both; nearly constant ones are alike anyway, and left out."""
        learned = {picture.path for picture in self.train}
        val = [picture for picture in self.val if picture.path not in learned]
        return twins(self._thumbnails(val), self._thumbnails(self.train))

    def _thumbnails(self, pictures: Sequence[TaggedPicture]) -> dict[Path, Any]:
        looks = {p.path: self.looks[p.path] for p in pictures if p.path in self.looks}
        return {path: look.thumbnail for path, look in looks.items() if not look.flat}


def rare_classes(seen: Seen) -> Iterator[str]:
    """Too few training pictures with a class, or without it."""
    counts, total = count(seen.train), len(seen.train)
    objects = seen.classes.objects
    if none := [f"'{name}'" for name in objects if not counts[name]]:
        yield f"on no training picture, so it cannot be learnt: {', '.join(none)}; tag some"
    if few := [f"'{name}' {counts[name]}" for name in objects if 0 < counts[name] < FEW]:
        yield f"on less than {FEW} training pictures: {', '.join(few)}; tag more"
    for name in objects:
        given = counts[name]
        if total - given < LEAST * total and seen.classes.background:
            which = f"all training pictures but {total - given}" if total - given else EVERY
            yield f"'{name}' is on {which}: add pictures without it, or it gets no mask"
        elif given == total > 1:
            yield f"'{name}' is on {EVERY}: add some without it"
        elif 0 < total - given < FEW or given >= NEARLY * total > FEW:
            yield (
                f"'{name}' is on all training pictures but {total - given}: add more without it, "
                "or what surrounds it is taken for it"
            )


def inseparable(seen: Seen) -> Iterator[str]:
    """Classes that always, or nearly always, come together: tags cannot tell which is which."""
    counts = count(seen.train)
    for (one, other), both in count_pairs(seen.train).items():
        if both < FEW:
            continue
        rarer, common = sorted((one, other), key=lambda name: counts[name])
        if both >= NEARLY * counts[common]:
            always = "always" if both == counts[common] else "nearly always"
            yield (
                f"'{one}' and '{other}' {always} come together: tags cannot part them; add "
                "pictures of one alone, or make them one class"
            )
        elif both == counts[rarer] and counts[common] < NEARLY * len(seen.train):
            yield (
                f"'{rarer}' never comes without '{common}': it may be found where '{common}' is; "
                f"add pictures of '{rarer}' alone"
            )


def shortcuts(seen: Seen) -> Iterator[str]:
    """A tag that goes with a folder, a size or a name, of which the pictures know more than of it.

    Where these name the class itself they are no shortcut, but the form of the tags.
    """
    for what, value_of in TRAITS.items():
        groups: dict[str, list[TaggedPicture]] = defaultdict(list)
        for picture in seen.train:
            groups[value_of(picture, seen.looks)].append(picture)
        groups.pop("", None)
        total = sum(map(len, groups.values()))
        counts = count([p for group in groups.values() for p in group])
        for value, group in groups.items():
            for name, inside in count(group).items():
                tells = inside >= NEARLY * max(counts[name], len(group))
                if tells and inside >= FEW and total - len(group) >= FEW and not names(value, name):
                    yield (
                        f"'{name}' goes with {what} {value}: {inside} of {counts[name]} pictures "
                        f"with it, and {len(group) - inside} of {total - counts[name]} without it; "
                        "the network may learn that in its place: mix them"
                    )


def folder_of(picture: TaggedPicture, looks: Looks) -> str:
    return picture.name.rpartition("/")[0]


def size_of(picture: TaggedPicture, looks: Looks) -> str:
    look = looks.get(picture.path)
    return f"{look.size[0]} x {look.size[1]}" if look else ""


def beginning_of(picture: TaggedPicture, looks: Looks) -> str:
    """The letters with which a name begins: the camera's, the day's or the scene's.

    >>> beginning_of(TaggedPicture(Path("a/cam2_0001.jpg"), (), "a/cam2_0001"), {})
    'cam2_...'
    """
    found = re.match(r"[^\W\d_]+\d{0,2}(?=[\W_])|[^\W\d_]+", picture.name.rpartition("/")[2])
    rest = picture.name.rpartition("/")[2][found.end() :] if found else ""
    return f"{found.group()}{rest[:1] if rest[:1] in '_-' else ''}..." if found and rest else ""


TRAITS: dict[str, Callable[[TaggedPicture, Looks], str]] = {
    "the folder": folder_of,
    "the size": size_of,
    "names that begin with": beginning_of,
}
"""What pictures have beside what they show."""


def names(value: str, tag: str) -> bool:
    """Whether a folder or a name's beginning names the class.

    >>> names("train/MT_Crack/Imgs", "crack"), names("cam2_...", "crack")
    (True, False)
    """
    return re.sub(r"[\W_]", "", tag.lower()) in re.sub(r"[\W_]", "", value.lower())


def overlap(seen: Seen) -> Iterator[str]:
    """Validation pictures that are training pictures too, turned or as they are."""
    if not (found := seen.twins):
        return
    turned = sum(twin.how != "the same" for twin in found)
    example = max(found, key=lambda twin: twin.how != "the same")
    yield (
        f"{len(found)} of {len(seen.val)} validation pictures are nearly the same as training "
        f"pictures, {turned} of them turned or mirrored, such as {example.one} and {example.other} "
        f"({example.how}): keep such pictures in one split, by train.txt and val.txt; figures "
        "flatter"
    )


def repeated(seen: Seen) -> Iterator[str]:
    """Files of the same content."""
    if found := duplicates(seen.looks):
        one, other = found[0]
        yield (
            f"{len(found)} pictures are there twice: {one} and {other} are the same picture; take "
            "one of them out of the tags"
        )


def duplicates(looks: Looks) -> list[tuple[Path, Path]]:
    """Files of the same content: the first, and each further one."""
    first: dict[str, Path] = {}
    return [
        (first[look.digest], path)
        for path, look in looks.items()
        if first.setdefault(look.digest, path) != path
    ]


def constant(seen: Seen) -> Iterator[str]:
    """Pictures that are nearly of one colour."""
    if flat := [path for path, look in seen.looks.items() if look.flat]:
        yield (
            f"{len(flat)} pictures are nearly constant, such as {flat[0]}: is that what the camera "
            "saw? If not, write them anew, or take them out of the tags"
        )


def narrow(seen: Seen) -> Iterator[str]:
    """Training pictures of which a crop, which is nearly square, shows little."""
    sizes = [seen.looks[p.path].size for p in seen.train if p.path in seen.looks]
    found = [size for size in sizes if max(size) > STRIP * min(size)]
    if len(found) > len(sizes) / 10:
        yield (
            f"{len(found)} of {len(sizes)} training pictures are more than {STRIP} times as long "
            f"as wide, such as {found[0][0]} x {found[0][1]}: a training crop shows less than half "
            "of one, and may miss what its tags name; cut them into pieces, and tag each"
        )


def count(pictures: Sequence[TaggedPicture]) -> Counter[str]:
    """Pictures of each class."""
    return Counter(tag for picture in pictures for tag in set(picture.tags))


def count_pairs(pictures: Sequence[TaggedPicture]) -> Counter[tuple[str, str]]:
    """Pictures that show two classes."""
    return Counter(
        pair for picture in pictures for pair in combinations(sorted(set(picture.tags)), 2)
    )


ADVICE: tuple[Callable[[Seen], Iterator[str]], ...] = (
    rare_classes,
    inseparable,
    shortcuts,
    overlap,
    repeated,
    constant,
    narrow,
)
"""What is looked for, in the order in which it is told."""


def advise(seen: Seen) -> list[str]:
    """All notes on a data set."""
    return [note for advice in ADVICE for note in advice(seen)]
