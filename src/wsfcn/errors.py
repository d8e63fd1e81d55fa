"""Errors that a user can cure. The command line prints them as one line and exits with code 2.

WsfcnError
├── SettingError       a setting, recipe or argument that cannot work
├── DataError          a data set that cannot be read
│   ├── TagError       a tags file: header, line, unknown tag
│   ├── PictureError   a picture: missing, broken, of the wrong kind
│   └── MaskError      a mask: missing, of the wrong size, values beyond the classes
├── CheckpointError    a checkpoint that is missing, truncated, or of another model
└── TrainingError      a training that cannot go on
"""


class WsfcnError(Exception):
    """An error whose message names what is wrong, where, and the cure, in one line.

    >>> str(WsfcnError("a name with\\n a line break"))
    'a name with a line break'
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(message))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback: the line, control characters escaped."""
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(self))
        return [f"{type(self).__name__}: {text}"]


class SettingError(WsfcnError):
    """A setting, recipe or argument that cannot work."""


class DataError(WsfcnError):
    """A data set that cannot be read."""


class TagError(DataError):
    """A tags file with a wrong header, a malformed line or an unknown tag."""


class PictureError(DataError):
    """A picture that is missing or cannot be decoded."""


class PictureWarning(UserWarning):
    """A picture that a training passes over."""


class DamageWarning(UserWarning):
    """A damaged file of which the parts that are whole are used."""


class MaskError(DataError):
    """A mask that is missing, has another size than its picture, or unknown values."""


class CheckpointError(WsfcnError):
    """A checkpoint that is missing, truncated, or belongs to another model."""


class TrainingError(WsfcnError):
    """A training that cannot go on."""


def one_line(message: object) -> str:
    """A message without its line breaks."""
    return " ".join(filter(None, map(str.strip, str(message).splitlines())))


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """A hint for a mistyped word, or an empty string where nothing is close.

    >>> did_you_mean("buss", ["bus", "car"])
    " Did you mean 'bus'?"
    """
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
