"""Python as people write it: keywords in place of settings objects, strings where paths are meant.

Each function is a door to the one that does the work. What is wrong with an argument is said in one
line, as a SettingError with its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsfcn.checked import Checked, from_dict, obeying, rules, shortened
from wsfcn.config import DataSettings, TrainSettings, to_dict
from wsfcn.data.classes import read_classes
from wsfcn.errors import SettingError, did_you_mean
from wsfcn.files import read_lines
from wsfcn.recipe import find_recipe, read_recipe, settings_of_run
from wsfcn.types import Classes

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback

    from wsfcn.data.inspect import Inspection
    from wsfcn.evaluation import Metrics

AnyPath = str | PathLike[str]


def train(
    settings: TrainSettings | AnyPath | None = None,
    resume: AnyPath | None = None,
    *,
    callbacks: "Iterable[Callback]" = (),
    **changes: Any,
) -> Path:
    """Train a segmenter from tagged pictures: ``wsfcn.train(data="pets", epochs=20)``.

    ``settings`` are `TrainSettings`, or a recipe: its file, or the name of one that comes along,
    such as "voc-animals-best". ``changes`` win over them. Each is a group of settings (``data``,
    ``model``, ``pseudo``, ``optim``, ``run``) as an object or a dictionary, or a single setting by
    its own name (``epochs``, ``backbone``, ``out``, ...); ``data`` may be the data set's folder.
    ``resume`` is a run folder, or one of its checkpoints, to go on with, under its own settings
    where none are given. ``callbacks`` are Lightning's, and see the training as Lightning's Trainer
    shows it.

    Returns the run folder, which `load` takes. Raises SettingError for an unknown name, with the
    nearest known one, and what `wsfcn.training.run.train` raises.
    """
    if settings is None and resume is not None:
        base: Any = settings_of_run(obeying(Path, resume, "resume"))
    elif settings is None or isinstance(settings, TrainSettings):
        base = to_dict(settings or TrainSettings())
    else:
        base = read_recipe(find_recipe(obeying(Path, settings, "settings")))
    chosen = from_dict(TrainSettings, with_changes(base, changes))
    checkpoint = None if resume is None else obeying(Path, resume, "resume")

    from wsfcn.training.run import train

    return train(chosen, checkpoint, callbacks=_callbacks(callbacks))


def with_changes(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The plain form of `TrainSettings` with single settings and whole groups changed.

    Raises SettingError for a name that is none.

    >>> with_changes({"optim": {"rate": 1e-3}}, {"epochs": 3, "data": "pets"})
    {'optim': {'rate': 0.001, 'epochs': 3}, 'data': {'root': 'pets'}}
    """
    homes = homes_of_settings()
    groups = groups_of_settings()
    changed = dict(base)
    # Groups first, so that `data="pets", crop=160` is the same in any order.
    for name, value in sorted(changes.items(), key=lambda item: item[0] not in groups):
        if name in groups:
            changed[name] = {**(changed.get(name) or {}), **_group(name, value)}
        elif name in homes:
            group = homes[name]
            changed[group] = {**(changed.get(group) or {}), name: value}
        elif name in rules(TrainSettings):
            changed[name] = value
        else:
            known = [*groups, *homes, *rules(TrainSettings), "resume", "callbacks"]
            raise SettingError(f"train has no setting '{name}'.{did_you_mean(name, known)}")
    return changed


def groups_of_settings() -> dict[str, type[Checked]]:
    """The groups in `TrainSettings`, by name."""
    return {
        name: rule
        for name, rule in rules(TrainSettings).items()
        if isinstance(rule, type) and issubclass(rule, Checked)
    }


def homes_of_settings() -> dict[str, str]:
    """The group of each single setting of a training; their names are unique.

    >>> homes_of_settings()["epochs"], homes_of_settings()["out"]
    ('optim', 'run')
    """
    return {name: group for group, kind in groups_of_settings().items() for name in rules(kind)}


def evaluate(
    masks: AnyPath,
    truth: AnyPath,
    classes: Classes | Sequence[str] | AnyPath | None = None,
    *,
    names: Iterable[str] | AnyPath | None = None,
    boundary: bool = False,
    labels: bool = False,
) -> "Metrics":
    """Compare a folder of masks with a folder of truth: ``wsfcn.evaluate("masks", "pets/masks")``.

    ``classes`` are names with the background first, or a file of them, a name a line; by default
    the ``classes.txt`` beside the folder of truth. ``names`` are the pictures to compare, or a file
    of them. ``boundary`` adds the boundary IoU; with ``labels`` the masks are pseudo-labels, in
    which 255 means none. Raises DataError, SettingError, and MaskError for a mask that is missing
    or does not fit its truth.
    """
    from wsfcn.evaluation import evaluate_folder

    found, true = obeying(Path, masks, "masks"), obeying(Path, truth, "truth")
    if classes is None:
        beside = true.parent / "classes.txt"
        if not beside.is_file():
            raise SettingError(f"classes: name them, as there is no {beside}")
        classes = beside
    if isinstance(classes, str | PathLike):
        classes = read_classes(Path(classes))
    elif not isinstance(classes, Classes):
        classes = Classes(obeying(tuple[str, ...], classes, "classes"))
    if isinstance(names, str | PathLike):
        names = read_lines(Path(names))
    listed = None if names is None else [*obeying(tuple[str, ...], tuple(names), "names")]
    return evaluate_folder(found, true, classes, listed, boundary=boundary, labels=labels)


def inspect(data: AnyPath, **changes: Any) -> "Inspection":
    """What a data set holds, and what would stop a training on it: ``wsfcn.inspect("pets")``.

    ``changes`` are fields of `DataSettings`. What is wrong with the data stands in the result's
    ``errors``, a line each; raises SettingError for an unknown setting alone.
    """
    from wsfcn.data.inspect import inspect_data

    root = obeying(Path, data, "data")
    return inspect_data(from_dict(DataSettings, {"root": root, **changes}))


def _group(name: str, value: Any) -> Mapping[str, Any]:
    """A group's settings in their plain form."""
    if isinstance(value, Checked):
        if not isinstance(value, groups_of_settings()[name]):
            raise SettingError(f"{name}: not {type(value).__name__}; see TrainSettings")
        return {item.name: getattr(value, item.name) for item in fields(value)}  # pyright: ignore[reportArgumentType]
    if name == "data" and isinstance(value, str | PathLike):
        return {"root": value}
    if isinstance(value, Mapping):
        return value
    kind = "a folder" if name == "data" else "settings"
    raise SettingError(f"{name}: {kind}, as an object or a dictionary; got {shortened(value)}")


def _callbacks(given: Any) -> "list[Callback]":
    from lightning.pytorch.callbacks import Callback

    callbacks = [given] if isinstance(given, Callback) else given
    if not isinstance(callbacks, Iterable):
        raise SettingError(f"callbacks: a list of Lightning's callbacks; got {shortened(given)}")
    callbacks = [*callbacks]
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise SettingError(
                "callbacks: objects of lightning.pytorch.callbacks.Callback; "
                f"got {shortened(callback)}"
            )
    return callbacks
