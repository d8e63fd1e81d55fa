"""Everything that is printed goes through here, so that no name can do more than be read.

Names of files and classes come from strangers. A control character in one could move the cursor,
colour what follows or rename the window; square brackets would be rich's markup. Both are shown.
"""

import sys
from collections.abc import Iterable, Sequence

from wsfcn.errors import one_line


def shown(text: object) -> str:
    r"""Text as it may go to a terminal: control characters and broken letters as escapes.

    >>> print(shown("a\x1b[2Jb\ud800, \u202ec, Käse\n"))
    a\x1b[2Jb\ud800, \u202ec, Käse\n
    """
    return "".join(c if c.isprintable() else escaped(c) for c in str(text))


def escaped(character: str) -> str:
    """A character as Python writes it."""
    return character.encode("unicode_escape").decode("ascii")


def fitting(text: object, encoding: str | None) -> str:
    """Text as a terminal may get it, in the letters that it has."""
    encoding = encoding or "utf-8"
    return shown(text).encode(encoding, "backslashreplace").decode(encoding)


def is_watched() -> bool:
    """Whether output goes to a terminal, where a bar can move; not so in logs and notebooks."""
    from rich.console import Console

    return Console().is_terminal


def say(*words: object) -> None:
    """A line of output."""
    print(*(fitting(word, sys.stdout.encoding) for word in words), flush=True)


def complain(error: object) -> None:
    """An error of the user, or a warning, in one line."""
    print(f"wsfcn: {fitting(one_line(error), sys.stderr.encoding)}", file=sys.stderr, flush=True)


def warned(message: object, *_where: object, **_more: object) -> None:
    """In place of `warnings.showwarning`: the text, without the line of code that it came from."""
    complain(f"warning: {message}")


def table(header: Sequence[str], *parts: Iterable[Sequence[object]], numbers: bool = False) -> None:
    """A table of one or several parts, with a line between them.

    With ``numbers`` the columns after the first stand to the right.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table()
    for n, cell in enumerate(header):
        drawn.add_column(
            Text(fitting(cell, sys.stdout.encoding)), justify="right" if numbers and n else "left"
        )
    for part in parts:
        for row in part:
            drawn.add_row(*(Text(fitting(cell, sys.stdout.encoding)) for cell in row))
        drawn.add_section()
    Console().print(drawn)
