"""Type and range of every setting, checked in one place, whatever door it came through.

A settings class inherits from `Checked`, and the annotation of a field is its rule: a type and,
where not every value of it works, a range (`Share`, `Count`, ... below). The rule holds for a
recipe, the command line, a checkpoint and Python alike, since it is looked at when the object is
made. What clearly means the same is accepted: a string for a path, an integer or ``"1e-3"`` (as
YAML has it) for a number, a list for a tuple.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from math import isfinite
from os import PathLike, fspath
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from wsfcn.errors import SettingError, did_you_mean

Share = Annotated[float, Meta(ge=0, le=1)]
"""0 to 1, both of them too."""
Rate = Annotated[float, Meta(ge=0, lt=1)]
"""0 to 1, but for 1 itself: of dropping things, or of a decay."""
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]

SHORT = Repr()
"""In place of repr, as a recipe's aliases can make a small value a text without end."""
SHORT.maxlevel, SHORT.maxstring, SHORT.maxother = 3, 60, 60

BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


class Checked:
    """The base of settings whose fields obey their annotations. Raises SettingError when made."""

    group: ClassVar[str] = ""
    """What stands before a field's name on the command line, as in ``optim.rate``."""

    def __init_subclass__(cls, group: str = "") -> None:
        cls.group = f"{group}." if group else ""

    def __post_init__(self) -> None:
        for name, rule in rules(type(self)).items():
            value = obeying(rule, getattr(self, name), shown_name(type(self), name))
            object.__setattr__(self, name, value)


@cache
def rules(kind: type[Checked]) -> dict[str, Any]:
    """The rule of each field."""
    hints = get_type_hints(kind, include_extras=True)
    return {item.name: hints[item.name] for item in fields(kind)}  # pyright: ignore[reportArgumentType]


def shown_name(kind: type[Checked], name: str) -> str:
    """A field as it is called on the command line."""
    return f"{kind.group}{name.replace('_', '-')}"


def need(condition: Any, name: str, rule: str, value: Any) -> None:
    """Raise SettingError, with the setting's name and the rule it breaks, unless it holds."""
    if not condition:
        raise SettingError(f"{name}: {rule}; got {shortened(value)}")


def from_dict(kind: type[Any], values: Any) -> Any:
    """Settings from their plain form, the inverse of `to_dict`; what is absent has its default.

    Raises SettingError for a key the settings do not have, and for a value that cannot work.
    """
    title = kind.group.rstrip(".") or kind.__name__
    if values is None:  # a heading in a recipe with nothing below it
        values = {}
    if not isinstance(values, Mapping):
        raise SettingError(
            f"{title}: a group of settings, such as `{next(iter(rules(kind)))}: ...`; "
            f"got {shortened(values)}"
        )
    known = list(rules(kind))
    for key in values:
        if key not in known:
            near = did_you_mean(key, known) if isinstance(key, str) else ""
            raise SettingError(f"{title} has no setting {shortened(key)}.{near}")
    return kind(**values)


def obeying(rule: Any, value: Any, name: str) -> Any:
    """The value as the rule has it. Raises SettingError, with the name and the rule."""
    if isinstance(rule, type) and issubclass(rule, Checked):
        return value if isinstance(value, rule) else from_dict(rule, value)
    if isinstance(value, PathLike):
        value = fspath(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if get_origin(rule) is Literal and type(value) in (int, str):
        # YAML takes `precision: 32` for a number, the command line `--model.stride 16` for text.
        value = {str(choice): choice for choice in get_args(rule)}.get(str(value), value)
    try:
        found = msgspec.convert(value, rule, strict=False, dec_hook=as_path)
        fits = all(isfinite(v) for v in parts(found) if isinstance(v, float))
    except (msgspec.ValidationError, RecursionError):
        fits, found = False, None
    if not fits:
        near = ""
        if get_origin(rule) is Literal and isinstance(value, str):
            near = did_you_mean(value, [str(choice) for choice in get_args(rule)])
        raise SettingError(f"{name}: {described(rule)}; got {shortened(value)}.{near}".rstrip("."))
    return found


def as_path(kind: type, value: Any) -> Any:
    """A path from text; what msgspec asks for a type that it does not know."""
    if kind is not Path or not isinstance(value, str) or not value or "\0" in value:
        raise TypeError("no path")
    return Path(value)


def parts(value: Any) -> tuple[Any, ...]:
    """The numbers in a setting."""
    return value if isinstance(value, tuple) else (value,)


def shortened(value: Any, length: int = 60) -> str:
    """A value for a message.

    >>> shortened(list(range(100)))
    '[0, 1, 2, 3, 4, 5, ...]'
    """
    if value is None:
        return "nothing (null)"
    try:
        text = SHORT.repr(value)
    except ValueError:  # Python writes no integers of thousands of digits
        text = f"a large {type(value).__name__}"
    return text if len(text) <= length else f"{text[: length - 3]}..."


def described(rule: Any) -> str:
    """A rule in words.

    >>> described(tuple[AtLeastOne, ...] | None), described(Rate)
    ('whole numbers, each at least 1, or nothing', 'a number, at least 0, below 1')
    """
    origin, arguments = get_origin(rule), get_args(rule)
    if origin is Annotated:
        bounds = [
            f"{words} {bound}"
            for meta in arguments[1:]
            for key, words in BOUNDS.items()
            if (bound := getattr(meta, key, None)) is not None
        ]
        return ", ".join([described(arguments[0]), *bounds])
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin is tuple:
        kind, *bounds = described(arguments[0]).split(", ")
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        plural = f"{kind.removeprefix('a ')}s"
        return ", each ".join([f"{count}{plural}", ", ".join(bounds)]).removesuffix(", each ")
    if type(None) in arguments:
        return f"{described(arguments[0])}, or nothing"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return words.get(rule, "a path")
