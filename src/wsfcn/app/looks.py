"""What the network has seen in the last pictures, kept, so that it need not look again.

Class cut, background and clean-up work on what it saw: changing them costs what they cost alone.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock

from PIL import Image

from wsfcn.config import PredictSettings
from wsfcn.files import fingerprint
from wsfcn.images import read_picture, reduced
from wsfcn.inference.multiscale import View, look
from wsfcn.inference.network import Network
from wsfcn.inference.outputs import Segmentation
from wsfcn.inference.predictor import decide

KEPT = 6
"""Pictures whose views are kept."""


@dataclass
class Kept:
    """A picture, as it is and as the network is shown it, and what was seen in it."""

    picture: Image.Image
    small: Image.Image
    views: dict[tuple[float, bool, int, int | None], View] = field(default_factory=dict)
    """By scale, mirroring, side of the tiles, and size up to which it is enlarged."""
    taught: bool = False
    """Whether the network learned a person's mask of it: its own is then measured nowhere."""


class Looks:
    """Segments pictures, and looks at none twice in the same way while it is among the last."""

    def __init__(self, network: Network, kept: int = KEPT) -> None:
        self.network = network
        self.kept = kept
        self.pictures: OrderedDict[Path, Kept] = OrderedDict()
        self.last: tuple[Path, PredictSettings, Segmentation] | None = None
        self.looked = 0
        """Views that the network has computed so far."""
        self.lock = RLock()

    def segment(self, path: Path, settings: PredictSettings) -> Segmentation:
        """The segmentation of a picture file, which does not change while it is kept.

        Raises PictureError where it cannot be read, CheckpointError where the network has failed.
        """
        with self.lock:  # one computation at a time: two would take twice as long, and the memory
            if self.last and self.last[:2] == (path, settings):
                return self.last[2]
            kept = self.open(path)
            views = [self.view(kept, scale, settings) for scale in settings.scales]
            found = decide(self.network.classes, kept.picture, kept.small, views, settings)
            found = replace(found, taught=kept.taught)
            self.last = (path, settings, found)
            return found

    def open(self, path: Path) -> Kept:
        """A picture, now the newest of those that are kept. Raises PictureError."""
        if path not in self.pictures:
            picture = read_picture(path, levels=self.network.levels)
            small = reduced(picture, self.network.longest_side)
            learned = self.network.corrected
            taught = bool(learned) and fingerprint(path) in learned
            self.pictures[path] = Kept(picture, small, taught=taught)
        self.pictures.move_to_end(path)
        while len(self.pictures) > self.kept:
            self.pictures.popitem(last=False)
        return self.pictures[path]

    def view(self, kept: Kept, scale: float, settings: PredictSettings) -> View:
        """What the network sees at one size; it looks where it has not yet."""
        flip, tile, least = settings.flip, settings.tile, settings.min_side
        key = (scale, flip, tile, least)
        if key not in kept.views:
            kept.views[key] = look(
                self.network, kept.small, scale, flip=flip, tile=tile, least=least
            )
            self.looked += 1
        return kept.views[key]
