"""The command line: each command is a thin door to a library function.

Imports that take time stand inside the commands, so that ``--help`` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict

from wsfcn.config import TrainSettings
from wsfcn.errors import SettingError, WsfcnError

DEFAULTS = TrainSettings()

app = App(
    name="wsfcn",
    help="Semantic segmentation learned from image-level tags alone: tags in, masks out.",
    default_parameter=Parameter(consume_multiple=True, negative=()),
)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Path | None = None,
) -> int | None:
    """Run a command.

    Parameters
    ----------
    config
        YAML file of settings (a recipe); options on the command line win over it, key by key.
    """
    app.config = (
        Dict(read_recipe(config), use_commands_as_keys=False, source=str(config)) if config else ()
    )
    return app(tokens, print_error=False, exit_on_error=False, result_action="return_value")


@app.command
def train(*, settings: Annotated[TrainSettings, Parameter(name="*")] = DEFAULTS) -> None:
    """Train on tagged pictures: wsfcn train --data.root DIR [--config RECIPE]."""
    from wsfcn.training.run import train

    out = train(settings)
    print(f"trained: {out}")


def read_recipe(path: Path) -> dict[str, Any]:
    """The settings in a YAML file. Raises SettingError where it cannot be read."""
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SettingError(f"{path}: cannot read the recipe ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise SettingError(f"{path}: not YAML ({error})") from None
    if not isinstance(recipe, dict):
        raise SettingError(f"{path}: a recipe is a mapping of settings, such as `optim: ...`")
    return recipe


def main() -> None:
    """Run the command line; an error of the user is one line and exit code 2."""
    try:
        code = app.meta(print_error=False, exit_on_error=False, result_action="return_value")
    except (WsfcnError, CycloptsError) as error:
        line = " ".join(str(error).split())
        print(f"wsfcn: {line}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("wsfcn: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
