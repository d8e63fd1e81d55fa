"""What goes wrong behind a control, told in the one line that the command line would print."""

from collections.abc import Callable
from functools import wraps
from html import escape
from typing import ParamSpec, TypeVar

import gradio as gr  # pyright: ignore[reportMissingImports]

from wsfcn.ending import NO_MEMORY, told
from wsfcn.errors import WsfcnError
from wsfcn.terminal import shown

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def line(error: object) -> str:
    """A message as the page may show it, which takes it for HTML.

    >>> line("<b>.png: no such picture")
    '&lt;b&gt;.png: no such picture'
    """
    return escape(shown(error))


def telling(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A handler whose user errors become messages on the page; errors that are ours are raised."""

    @wraps(function)
    def guarded(*arguments: Arguments.args, **more: Arguments.kwargs) -> Result:
        try:
            return function(*arguments, **more)
        except WsfcnError as error:
            message = str(error)
        except OSError as error:
            message = told(error)
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(t in str(error) for t in NO_MEMORY):
                raise
            message = "out of memory: try fewer views, or a smaller picture"
        raise gr.Error(line(message), print_exception=False, title="")

    return guarded
