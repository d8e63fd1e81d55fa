"""Names of classes as people and tools write them: cleaned, split, and refused where unclear."""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from wsfcn.data.forms.finding import composed
from wsfcn.errors import TagError

SEPARATORS = (";", "|", ",")
"""What separates names in a cell, before spaces; the first that a column holds."""

NORMAL = ("good", "ok", "normal", "healthy", "negative", "none", "free", "background")
"""Names, in small letters, that say: nothing of what is looked for is here."""

UNCLEAR = frozenset({"nan", "null", "n/a", "undefined"})
"""What programs write where they know nothing."""


OPENING, CLOSING = "[{(\"'“„‘«", "]})\"'”“’»"
"""Signs around names that are no part of them."""


def clean(name: Any, where: str) -> str:
    """The name of a class without space around it, or two spaces in it. Raises TagError.

    >>> clean("  traffic   light ", "")
    'traffic light'
    """
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise TagError(f"{where}: {shown(name)} is no name of a class; expected text")
    text = composed(" ".join(str(name).split(" ")).strip())
    text = re.sub(" {2,}", " ", text)
    if not text:
        raise TagError(f"{where}: an empty name; leave it out")
    if not text.isprintable():
        raise TagError(f"{where}: the name {shown(text)} holds a line break or control character")
    if text.lower() in UNCLEAR:
        raise TagError(
            f"{where}: '{text}' is no name of a class; leave the cell empty where nothing is "
            "there, and the picture out where nobody looked"
        )
    if (text[0] in OPENING and text[-1] in CLOSING) or re.search(r"[:=] ?[01](\.0)?$", text):
        raise TagError(
            f"{where}: {shown(text)} is no name of a class; write the names of what is there, and "
            "nothing around them"
        )
    if text.isascii() and not any(map(str.isalnum, text)):
        raise TagError(f"{where}: {shown(text)} is no name of a class: no letter, no digit")
    return text


def shown(value: Any) -> str:
    """A value for a message, not too long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def names_of(value: Any, where: str) -> tuple[str, ...] | None:
    """The names in a value that is no plain text: a list, or 0 and 1 by name; None for text.

    Raises TagError.

    >>> names_of(["cat", "dog"], ""), names_of({"cat": 1, "dog": 0}, ""), names_of("cat", "")
    (('cat', 'dog'), ('cat',), None)
    """
    if value is None:
        raise TagError(
            f"{where}: no tags; write an empty list where nothing is there, and leave the picture "
            "out where nobody looked"
        )
    if isinstance(value, dict):
        if set(value) == {"choices"}:  # Label Studio's CSV
            return names_of(value["choices"], where)
        if not all(is_flag(flag) for flag in value.values()):
            raise TagError(f"{where}: {shown(value)} is no list of names, nor 0 and 1 by name")
        return tuple(clean(name, where) for name, flag in value.items() if float(flag))
    if isinstance(value, list | tuple):
        return unique(clean(name, where) for name in value)
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            return unique(clean(name, where) for name in listed(text))
        if text.startswith("{") and text.endswith("}"):
            return names_of(parsed(text, where), where)
        return None
    return (clean(value, where),)


def listed(text: str) -> list[str]:
    """The parts of a list that was written as text, by JSON or by Python.

    >>> listed('["cat", "dog"]'), listed("['hot dog']"), listed("[]")
    (['cat', 'dog'], ['hot dog'], [])
    """
    inside = text[1:-1].strip()
    quoted = re.findall(r"\"([^\"]*)\"|'([^']*)'", inside)
    if quoted and re.fullmatch(r"(\s*(\"[^\"]*\"|'[^']*')\s*,?)*", inside):
        return [one or other for one, other in quoted]
    return inside.split(",") if inside else []


def parsed(text: str, where: str) -> Any:
    """An object in JSON, in a cell."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise TagError(f"{where}: {shown(text)} is no name of a class") from None


def is_flag(value: Any) -> bool:
    """Whether a value says yes or no."""
    return str(value).strip().lower() in FLAGS


FLAGS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "true": 1, "false": 0, "": 0}
"""How tables write yes and no."""


def separator_of(cells: Iterable[str]) -> str:
    """What separates the names in a column: the first of ``; | ,`` that it holds, else a space."""
    text = "\0".join(cells)
    return next((separator for separator in SEPARATORS if separator in text), " ")


def split_cell(
    cell: str, separator: str, known: Collection[str], where: str = ""
) -> tuple[str, ...]:
    """The names in a cell, each once. A name in ``known`` is never split. Raises TagError.

    >>> split_cell("dog  cat", " ", ()), split_cell("traffic light;", ";", ())
    (('dog', 'cat'), ('traffic light',))
    >>> split_cell("traffic light cat", " ", {"traffic light"})
    ('traffic light', 'cat')
    >>> split_cell("salt, pepper, oil", ",", {"salt, pepper"})
    ('salt, pepper', 'oil')
    """
    if not cell.strip():
        return ()
    if known and (whole := composed(" ".join(cell.split()))) in known:
        return (whole,)
    parts = [part.strip(" ") for part in cell.split(separator)]
    names: list[str] = []
    start = 0
    while start < len(parts):
        end = start + 1
        if known:
            joint = separator if separator == " " else f"{separator} "
            ends = range(len(parts), start, -1)
            end = next((n for n in ends if composed(joint.join(parts[start:n])) in known), end)
            name = joint.join(parts[start:end])
        else:
            name = parts[start]
        if name and composed(name) in known:
            names.append(composed(name))
        elif name:
            names.append(clean(name, where))
            if any(other in name for other in SEPARATORS):
                raise TagError(
                    f"{where}: '{name}' holds another separator than '{separator}', which the "
                    "other cells have; use one alone, or list the name in classes.txt"
                )
        start = end
    return unique(names)


def join_tags(tags: Sequence[str], separator: str = " ") -> str:
    """The inverse of `split_cell`; a lone name before a semicolon keeps one.

    >>> join_tags(["dog", "cat"]), join_tags(["traffic light"], ";")
    ('dog cat', 'traffic light;')
    """
    return separator.join(tags) + (separator if separator == ";" and len(tags) == 1 else "")


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in order."""
    return tuple(dict.fromkeys(names))


def odd_names(names: Iterable[str]) -> tuple[str, ...]:
    """What is odd about the names of all classes together, each with what to do.

    >>> odd_names(["cat", "Cat", "dog"])
    ("'Cat' and 'cat' are 2 classes: write them alike if they are one",)
    >>> odd_names(["cat,dog"])
    ("'cat,dog' is the name of one class; list names if it is several",)
    >>> odd_names(["cat", "dog", "cat/dog", "hot dog"])
    ("'cat/dog' is a class beside 'cat' and 'dog': part names by one sign, such as ;",)
    """
    names = sorted(set(names))
    notes = []
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
        parts = re.split(r"[\s,;|/+&]+", name)
        if len(parts) > 1 and set(parts) <= set(names):
            listed = " and ".join(f"'{part}'" for part in parts)
            notes.append(f"'{name}' is a class beside {listed}: part names by one sign, such as ;")
    for same in alike.values():
        if len(same) > 1:
            listed = " and ".join(f"'{name}'" for name in same)
            notes.append(f"{listed} are {len(same)} classes: write them alike if they are one")
    if joined := [name for name in names if any(sign in name for sign in SEPARATORS)]:
        more = f", and {len(joined) - 1} such names more" if len(joined) > 1 else ""
        notes.append(f"'{joined[0]}' is the name of one class{more}; list names if it is several")
    if flags := [name for name in names if name.lower() in ("true", "false", "yes", "no")]:
        notes.append(
            f"'{flags[0]}' is taken for a class; if it is an answer, name the column after the "
            "class, and no other column tags"
        )
    return tuple(notes)


def is_normal(name: str, more: Sequence[str] = ()) -> bool:
    """Whether a name says that nothing is there.

    >>> is_normal("Good"), is_normal("intact"), is_normal("intact", ["Intact"])
    (True, False, True)
    """
    return name.lower() in NORMAL or name.lower() in {other.lower() for other in more}
