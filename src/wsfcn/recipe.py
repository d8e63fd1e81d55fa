"""Recipes: YAML files of settings, read as data that anyone may have written.

A recipe cannot run code (only plain YAML is built), grow in memory (its size and its nodes are
bounded, with what aliases repeat counted as often as it is repeated), or say a thing twice.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from wsfcn.checked import obeying, rules, shortened
from wsfcn.config import PredictSettings, TrainSettings, of_their_time
from wsfcn.errors import DataError, SettingError, did_you_mean
from wsfcn.files import read_text

BYTES, NODES, DEPTH = 2**17, 10_000, 20
"""Beyond these a file is no recipe."""


HERE = Path(__file__).parent
FOLDERS = (HERE / "recipes", HERE.parents[1] / "recipes")
"""Where recipes lie that come along: in the package, or in the checkout around it."""


class Loader(yaml.SafeLoader):
    """Plain YAML, in which a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":  # these can double a file's size line by line
                problem = "`<<` is not understood here"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if (key.tag, str(key.value)) in seen:
                problem = f"{shortened(key.value)} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep)


def run_folder(path: Path) -> Path:
    """The folder of a run, named by itself or by one of its checkpoints."""
    return path.parent.parent if path.suffix == ".ckpt" else path


def settings_of_run(run: Path) -> dict[str, Any]:
    """The settings under which a run goes on, named by its folder or one of its checkpoints.

    The folder may have been moved, or be seen from elsewhere: it is called as it is now. Raises
    SettingError, DataError.
    """
    folder = run_folder(run)
    settings = of_their_time(read_recipe(folder / "settings.yaml"))
    return settings | {
        "run": (settings.get("run") or {}) | {"out": str(folder), "overwrite": False}
    }


def find_recipe(path: Path) -> Path:
    """A recipe's file: the one that is named, or the one of that name that comes along.

    Raises SettingError where there is neither.
    """
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    for folder in FOLDERS:
        if (folder / f"{path}.yaml").is_file():
            return folder / f"{path}.yaml"
    known = sorted(file.stem for folder in FOLDERS for file in folder.glob("*.yaml"))
    hint = did_you_mean(str(path), known)
    raise SettingError(f"{path}: no such recipe.{hint} There are {', '.join(known)}")


def read_recipe(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, each checked. Raises SettingError, with the file's name.

    Settings of training and prediction are looked at here; other options of a command, by it.
    """
    recipe = read_unchecked(path)
    known = rules(PredictSettings) | rules(TrainSettings)
    for key, value in recipe.items():
        if key in known and value is not None:
            try:
                obeying(known[key], value, key)
            except SettingError as error:
                raise SettingError(f"{path}: {error}") from None
    return recipe


def read_unchecked(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, of whatever version. Raises SettingError for what is no mapping.

    It is bounded in size, and says nothing twice.
    """
    try:
        recipe = yaml.load(read_text(path, BYTES), Loader)
        if not within_bounds(recipe):
            raise SettingError("larger than a recipe can be, or an alias that holds itself")
    except yaml.YAMLError as error:
        raise SettingError(f"{path}{where(error)}: not YAML ({problem_of(error)})") from None
    except DataError as error:
        raise SettingError(f"{error}; a recipe is a YAML file of settings") from None
    except SettingError as error:
        raise SettingError(f"{path}: {error}") from None
    except (ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        # Dates that are none, numbers of too many digits, brackets without end.
        raise SettingError(f"{path}: not YAML ({type(error).__name__}: {error})") from None
    recipe = {} if recipe is None else recipe
    if not isinstance(recipe, dict):
        raise SettingError(f"{path}: a recipe is a mapping of settings, such as `optim: ...`")
    for key in recipe:
        if not isinstance(key, str):
            raise SettingError(f"{path}: a setting's name is a word, not {shortened(key)}")
    return recipe


def within_bounds(content: Any) -> bool:
    """Whether a structure, with its repetitions written out, has bounded size and depth."""
    left = [(content, 0)]
    for _ in range(NODES):
        if not left:
            return True
        item, depth = left.pop()
        if depth > DEPTH:
            return False
        if isinstance(item, dict):
            left += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list | tuple | set):
            left += [(part, depth + 1) for part in item]
        if len(left) > NODES:
            return False
    return not left


def where(error: yaml.YAMLError) -> str:
    """The line of an error, where YAML knows it."""
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def problem_of(error: yaml.YAMLError) -> str:
    """What is wrong, without YAML's own account of where."""
    return getattr(error, "problem", None) or str(error).split("\n")[0]
