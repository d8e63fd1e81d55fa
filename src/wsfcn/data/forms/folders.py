"""A folder a class, below folders of splits or anything else: the last folder names the class."""

from collections import defaultdict
from collections.abc import Iterable
from os.path import commonprefix
from pathlib import Path

from wsfcn.data.forms.finding import PICTURE_FOLDERS, SPLITS, DataFolder
from wsfcn.data.forms.names import clean, is_normal
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import TagError

CONTAINERS = frozenset({*PICTURE_FOLDERS, "imgs", "img", "image", "pictures", "photos"})
"""Folders, in small letters, that hold pictures and say nothing about them."""

UNLABELLED = frozenset({"_unlabeled", "_unlabelled", "unlabeled", "unlabelled", "unknown"})
"""Folders, in small letters, of pictures that nobody has looked at."""


def find_folders(folder: DataFolder) -> list[Path]:
    """The root, where pictures lie in folders that name a class."""
    named = any(class_of(name)[0] for name in folder.pictures)
    return [folder.root] if named else []


def class_folders(folder: DataFolder, _found: list[Path]) -> Tags:
    """The pictures of all class folders. Names of good, healthy, ... folders are no tags."""
    placed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in folder.pictures:
        placed[class_of(name)].append(name)
    unnamed = [name for (kind, _), names in placed.items() if not kind for name in names]
    classes = {kind for kind, _ in placed if kind}
    waiting = {kind for kind in classes if kind.lower() in UNLABELLED and kind not in folder.known}
    normal = normal_folders(classes - waiting, folder)
    pictures = []
    for (kind, split), names in placed.items():
        if not kind or kind in waiting:
            continue
        tags = () if kind in normal else (clean(kind, str(folder.root / names[0])),)
        for name in names:
            path = folder.pictures[name]
            pictures.append(Tagged(path, tags, str(path), split))
    if not pictures:
        raise TagError(f"{folder.root}: no folder names a class")
    return Tags(
        sorted(pictures, key=lambda picture: picture.where),
        folder=base_of(folder.root, folder.pictures),
        notes=(
            *notes_on(folder, normal),
            *noted(waiting, "pictures in them count as not looked at, and are left out"),
            *noted(unnamed[:1], f"and {len(unnamed) - 1} more pictures lie in no class folder"),
        ),
        marks=folder.beside,
    )


def class_of(name: str) -> tuple[str, str]:
    """The class and the split that a picture's folders name; empty where they name none.

    >>> class_of("train/cat/001.jpg"), class_of("MT_Crack/Imgs/1.jpg"), class_of("images/rex.jpg")
    (('cat', 'train'), ('MT_Crack', ''), ('', ''))
    >>> class_of("photos/2024/dog/valid/1.jpg")
    ('dog', 'val')
    """
    folders = name.split("/")[:-1]
    while folders and folders[0].lower() in CONTAINERS:
        del folders[0]
    while folders and folders[-1].lower() in CONTAINERS:
        del folders[-1]
    split = ""
    if folders and folders[0].lower() in SPLITS:
        split = SPLITS[folders.pop(0).lower()]
    elif folders and folders[-1].lower() in SPLITS:
        split = SPLITS[folders.pop().lower()]
    while folders and folders[-1].lower() in CONTAINERS:
        del folders[-1]
    return (folders[-1] if folders else ""), split


def normal_folders(classes: Iterable[str], folder: DataFolder) -> set[str]:
    """Those of the folders that hold pictures without any of the classes.

    What all folders begin with, up to a sign, is passed over: MT_Free beside MT_Crack is free.
    """
    classes = sorted(classes)
    shared = commonprefix(classes) if len(classes) > 1 else ""  # noqa: RUF071 (of names)
    length = max((shared.rfind(sign) + 1 for sign in "_- "), default=0)
    return {
        name
        for name in classes
        if name not in folder.known
        and (is_normal(name, folder.normal) or is_normal(name[length:], folder.normal))
    }


def base_of(root: Path, names: Iterable[str]) -> Path:
    """The folder below which pictures are named: images/ where all lie in it, else the root."""
    first = {name.partition("/")[0] for name in names if "/" in name}
    (only, *others) = first or {""}
    return root / only if not others and only.lower() in PICTURE_FOLDERS else root


def notes_on(folder: DataFolder, normal: set[str]) -> list[str]:
    """What to know about folders without a class, and masks beside pictures."""
    found = noted(
        normal, "their pictures count as without a tag; list the name in classes.txt if it is one"
    )
    if folder.beside:
        found.append(
            f"{len(folder.beside)} PNGs beside JPEGs of the same name are taken for their masks, "
            "which only evaluation opens"
        )
    return found


def noted(names: Iterable[str], what: str) -> list[str]:
    """A note about folders, if there are any."""
    listed = ", ".join(f"'{name}'" for name in sorted(names))
    return [f"{listed}: {what}"] if listed else []
