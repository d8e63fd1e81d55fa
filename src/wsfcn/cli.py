"""The command line: what comes before any command, and after it."""

import itertools
import sys
import warnings
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.config import Dict

from wsfcn.commands.app import app
from wsfcn.ending import exit_code
from wsfcn.terminal import warned
from wsfcn.threads import wait_asleep

for part in (app, app.meta):
    part.suppress_keyboard_interrupt = False  # a command would end in silence


CONFIG = (
    "YAML file of settings, or the name of a recipe that comes along, such as voc-animals-best; "
    "options on the command line win over it, key by key."
)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help=CONFIG)] = None,
) -> int | None:
    """Run a command."""
    given = given_options(tokens)
    asked = config or "--resume" in given or "--preset" in given
    app.config = defaults(given, config) if asked else ()
    return app(tokens, print_error=False, exit_on_error=False, result_action="return_value")


def defaults(given: dict[str, str], config: Path | None) -> Dict:
    """The settings that options win over: of a recipe, the run to go on with, a preset."""
    from wsfcn.config import preset_settings, to_dict
    from wsfcn.recipe import find_recipe, read_recipe, run_folder, settings_of_run

    resumed = Path(given["--resume"]) if config is None and "--resume" in given else None
    recipe = {}
    if resumed:
        recipe = settings_of_run(resumed)
        config = run_folder(resumed) / "settings.yaml"
    elif config:
        config = find_recipe(config)
        recipe = read_recipe(config)
    if "--preset" in given:
        recipe = to_dict(preset_settings(given["--preset"])) | recipe
    recipe = {key: value for key, value in recipe.items() if value is not None}
    return Dict(recipe, use_commands_as_keys=False, source=str(config or given.get("--preset")))


def given_options(tokens: tuple[str, ...]) -> dict[str, str]:
    """What may be an option with its value: `--name value` or `--name=value`.

    >>> given_options(("predict", "--preset=fast", "-o", "masks"))["--preset"]
    'fast'
    """
    values = dict(itertools.pairwise(tokens))
    return values | dict(token.split("=", 1) for token in tokens if "=" in token)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; an error of the user is one line and exit code 2."""
    wait_asleep()
    warnings.showwarning = warned
    tokens = sys.argv[1:] if arguments is None else arguments
    sys.exit(
        exit_code(
            lambda: app.meta(
                tokens, print_error=False, exit_on_error=False, result_action="return_value"
            )
        )
    )


if __name__ == "__main__":
    main()
