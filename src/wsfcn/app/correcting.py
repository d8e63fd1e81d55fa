"""What the tab Review does: an order of pictures, verdicts on their masks, and corrected masks.

A verdict is written as soon as it is given. ``right`` confirms the network's mask as a whole, which
thereby becomes a corrected mask; ``wrong`` is noted alone, so that the picture can be corrected
later. Verdicts stand in ``verdicts.csv`` beside the corrected masks.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8

from wsfcn.app.looks import Looks
from wsfcn.app.palette import palette
from wsfcn.config import DataSettings, PredictSettings
from wsfcn.data.corrected import FOLDER
from wsfcn.data.dataset import TaggedPicture, folder_of, open_data
from wsfcn.data.splits import spread
from wsfcn.errors import SettingError
from wsfcn.files import read_text, write_table
from wsfcn.images import read_mask, write_mask
from wsfcn.inference.outputs import Segmentation
from wsfcn.review import review
from wsfcn.types import IGNORE, Classes

Verdict = Literal["right", "wrong", "corrected"]

Rest = Literal["as it is", "nothing said"]
"""What the pixels are that nobody painted: as the mask has them, or 255."""

UNSAID = (128, 128, 128)
"""The colour to paint with where nothing shall be said."""

SAMPLE = 300
"""Pictures that are put in order at once, unless another number is asked for."""


class Item(NamedTuple):
    """A picture in the list, and why it is worth a look."""

    name: str
    path: Path
    reasons: tuple[str, ...]


class Correcting:
    """The review of one data set by one network. Raises DataError."""

    def __init__(self, looks: Looks, settings: DataSettings) -> None:
        self.looks = looks
        self.settings = settings
        self.folder = settings.corrected or folder_of(settings) / FOLDER
        self.table = self.folder / "verdicts.csv"
        self.lock = Lock()
        self.items: list[Item] = []
        data = open_data(settings)
        self.pictures = {picture.name: picture for picture in (*data.train, *data.val)}

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdicts so far, by the name of the picture. Raises DataError."""
        if not self.table.exists():
            return {}
        rows = csv.reader(io.StringIO(read_text(self.table), newline=""))
        return {row[0]: row[1] for row in rows if len(row) == 2 and row[0] in self.pictures}

    def order(self, number: int = SAMPLE) -> list[Item]:
        """Put pictures without a verdict in order, the most worth a look first.

        Of more than ``number`` pictures, so many are taken, from all over. Pictures that cannot be
        read are left out. Raises SettingError for other classes, DataError where none is left.
        """
        data = open_data(self.settings)
        done = self.verdicts
        train = [picture for picture in data.train if done.get(picture.name) is None]
        val = [picture for picture in data.val if done.get(picture.name) is None]
        chosen = {picture.name for picture in spread([*train, *val], max(number, 1))}
        part = replace(
            data,
            train=tuple(picture for picture in train if picture.name in chosen),
            val=tuple(picture for picture in val if picture.name in chosen),
        )
        reviewed, _ = review(self.looks.network, part)
        self.items = [Item(one.name, one.path, one.reasons) for one in reviewed]
        return self.items

    def found(self, name: str, settings: PredictSettings) -> Segmentation:
        """What the network says of a picture. Raises PictureError, SettingError."""
        return self.looks.segment(self.picture(name).path, settings)

    def picture(self, name: str) -> TaggedPicture:
        """A picture by its name. Raises SettingError."""
        if name not in self.pictures:
            raise SettingError(f"no picture '{name}' in {self.settings.root}")
        return self.pictures[name]

    def mask_of(self, name: str) -> Path:
        """Where the corrected mask of a picture stands, or would."""
        return self.folder / f"{self.picture(name).name}.png"

    def mask(self, name: str, settings: PredictSettings) -> UInt8[np.ndarray, "h w"]:
        """The mask that is judged: the corrected one, where there is one, else the network's.

        Raises MaskError, PictureError, SettingError.
        """
        path = self.mask_of(name)
        return read_mask(path) if path.exists() else self.found(name, settings).mask

    def say(self, name: str, verdict: Verdict, mask: UInt8[np.ndarray, "h w"] | None) -> None:
        """Write a verdict, and the mask that goes with it, each whole or not at all.

        The mask comes first: a verdict never tells of one that is not there. Without one, a mask
        that was confirmed before is withdrawn, and kept as NAME.png.old.
        """
        path = self.mask_of(name)
        with self.lock:
            if mask is not None:
                write_mask(path, mask, background=self.looks.network.classes.background)
            elif path.exists():
                path.replace(path.with_name(f"{path.name}.old"))
            verdicts = self.verdicts | {name: verdict}
            write_table(self.table, [("picture", "verdict"), *sorted(verdicts.items())])

    def right(self, name: str, settings: PredictSettings) -> None:
        """Confirm the mask of a picture as a whole."""
        self.say(name, "right", self.mask(name, settings))

    def wrong(self, name: str) -> None:
        """Note that a mask is wrong."""
        self.say(name, "wrong", None)

    def correct(
        self,
        name: str,
        layers: Sequence[UInt8[np.ndarray, "y x 4"]],
        rest: Rest,
        settings: PredictSettings,
    ) -> UInt8[np.ndarray, "h w"]:
        """Write what a person painted over a picture; returns the mask.

        Raises SettingError where nothing was painted.
        """
        start = self.mask(name, settings)
        if rest == "nothing said":
            start = np.full_like(start, IGNORE)
        mask = painted_mask(start, layers, self.looks.network.classes)
        if (mask == start).all():
            raise SettingError("nothing was painted that changes the mask; paint, then write it")
        self.say(name, "corrected", mask)
        return mask


def colours(classes: Classes) -> dict[int, tuple[int, int, int]]:
    """The colours of the brush, by what they stand for: each class, and 255.

    Black is there for a background alone. Classes beyond those that have a colour of their own
    cannot be painted.

    >>> colours(Classes(("sand", "rock")))
    {0: (255, 102, 0), 1: (0, 0, 255), 255: (128, 128, 128)}
    """
    found: dict[int, tuple[int, int, int]] = {}
    every = palette(classes.channels)[not classes.background :]
    for k, (red, green, blue) in enumerate(every.tolist()):
        if (red, green, blue) not in found.values():
            found[k] = (red, green, blue)
    return found | {IGNORE: UNSAID}


def painted_mask(
    start: UInt8[np.ndarray, "h w"], layers: Sequence[UInt8[np.ndarray, "y x 4"]], classes: Classes
) -> UInt8[np.ndarray, "h w"]:
    """A mask with what was painted over it: where a layer is opaque, the class of nearest colour.

    Raises SettingError where a layer has another size than the mask.

    >>> layer = np.zeros((1, 3, 4), np.uint8)
    >>> layer[0, 0], layer[0, 1] = (255, 102, 0, 255), (255, 102, 0, 90)
    >>> classes = Classes(("background", "cat", "dog"))
    >>> painted_mask(np.array([[0, 2, 2]], np.uint8), [layer], classes).tolist()
    [[1, 2, 2]]
    """
    table: Mapping[int, tuple[int, int, int]] = colours(classes)
    values = np.array([*table], np.uint8)
    known = np.array([*table.values()], np.int32)
    mask = start.copy()
    for layer in layers:
        if layer.shape[:2] != mask.shape:
            raise SettingError(
                f"the painting is {layer.shape[1]} x {layer.shape[0]}, but the picture "
                f"{mask.shape[1]} x {mask.shape[0]}; open it anew"
            )
        opaque = layer[..., 3] >= 128
        painted, which = np.unique(layer[opaque][:, :3], axis=0, return_inverse=True)
        distances = ((painted[:, None].astype(np.int32) - known) ** 2).sum(-1)
        mask[opaque] = values[distances.argmin(1)][which.ravel()] if len(painted) else 0
    return mask
