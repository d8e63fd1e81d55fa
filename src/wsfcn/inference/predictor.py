"""From a trained network and a picture to a mask."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
from array_api_compat import array_namespace
from jaxtyping import Float
from PIL import Image

from wsfcn.checked import obeying
from wsfcn.config import PredictSettings
from wsfcn.errors import CheckpointError, PictureError
from wsfcn.exchange.regions import Regions
from wsfcn.images import reduced
from wsfcn.inference.given import Picture, open_picture
from wsfcn.inference.multiscale import View, average, look
from wsfcn.inference.network import Network
from wsfcn.inference.outputs import Segmentation
from wsfcn.inference.refinement import refined, with_background
from wsfcn.maps import as_array, resize
from wsfcn.types import Classes


class Predictor:
    """Segments pictures with one trained network.

    ``settings`` say which views are averaged and how their masks become one mask.
    """

    def __init__(self, network: Network, settings: PredictSettings | None = None) -> None:
        self.network = network
        self.classes = network.classes
        self.settings = settings or PredictSettings()
        limit = self.settings.max_side
        self.max_side = network.longest_side if limit is None else limit

    @overload
    def predict(self, image: Picture) -> Segmentation: ...
    @overload
    def predict(self, image: list[Any] | tuple[Any, ...]) -> list[Segmentation]: ...
    def predict(
        self, image: Picture | list[Any] | tuple[Any, ...]
    ) -> Segmentation | list[Segmentation]:
        """Segment one picture, or each of a list of them: a file (path, bytes, or opened), a PIL
        image, an array (h, w), (h, w, 3) or (h, w, 4), or a tensor (1, 3 or 4, h, w), as
        `open_picture` takes it.

        Raises PictureError where one cannot be read, CheckpointError where the network has failed.
        All of a list are held in memory with their soft masks; `predict_folder` keeps few.
        """
        if isinstance(image, list | tuple):
            return [self._predict(picture) for picture in image]
        return self._predict(image)

    def predict_folder(
        self,
        pictures: str | PathLike[str] | Sequence[str | PathLike[str]],
        out: str | PathLike[str],
        *,
        overlays: bool = False,
        probabilities: bool = False,
        coco: str | PathLike[str] | None = None,
        regions: Regions = "classes",
        skip_existing: bool = False,
    ) -> list[PictureError]:
        """Write the masks of many pictures to ``out/NAME.png``, as `wsfcn predict` does.

        ``pictures`` are a folder with all that are in it, a file, a glob, or a list of these. Masks
        are named like the pictures, in the same folders. On request also overlays, soft masks, and
        all objects as one COCO file, an object a class or a connected region. With
        ``skip_existing``, pictures whose files are there stay as they are. Pictures that cannot be
        read are left out and returned as errors. Raises PictureError where there are none,
        SettingError where an output would replace what is read.
        """
        from wsfcn.inference.folder import named_pictures, predict_folder

        sources = [pictures] if isinstance(pictures, str | PathLike) else pictures
        folder = obeying(Path, out, "out")
        names = named_pictures([obeying(Path, source, "pictures") for source in sources], folder)
        return predict_folder(
            self,
            [*names],
            folder,
            overlays=overlays,
            probabilities=probabilities,
            coco=None if coco is None else obeying(Path, coco, "coco"),
            regions=regions,
            skip_existing=skip_existing,
            names=names,
        )

    def _predict(self, image: Picture) -> Segmentation:
        picture = open_picture(image, self.network.levels)
        small = reduced(picture, self.max_side)
        flip, tile, min_side = self.settings.flip, self.settings.tile, self.settings.min_side
        views = [
            look(self.network, small, scale, flip=flip, tile=tile, least=min_side)
            for scale in self.settings.scales
        ]
        return decide(self.classes, picture, small, views, self.settings)


def decide(
    classes: Classes,
    picture: Image.Image,
    small: Image.Image,
    views: Sequence[View],
    settings: PredictSettings,
) -> Segmentation:
    """One mask from what the network sees in a picture, of which ``small`` is what it was shown.

    Raises CheckpointError where the network has failed.
    """
    tags = np.stack([as_array(view.tags) for view in views]).max(0)
    present = channels(tags, settings.class_cut, background=classes.background)
    masks = average(views, present, (small.height, small.width))
    xp = array_namespace(masks)
    if not (np.isfinite(tags).all() and bool(xp.all(xp.isfinite(masks)))):
        # argmax would make a mask of them all the same.
        raise CheckpointError("the network has failed: its masks are not finite")
    if classes.background:
        masks = with_background(masks, settings)
    masks = refined(small, masks, settings)
    masks = resize(masks, (picture.height, picture.width), align_corners=True)[0]
    winners = as_array(xp.argmax(masks, axis=0))
    names = [classes.with_background.names[k] for k in present]
    soft = as_array(xp.astype(masks, xp.float16))
    return Segmentation(
        mask=classes.of_channels(np.array(present, np.uint8)[winners]),
        probabilities=dict(zip(names, soft, strict=True)),
        tags=dict(zip(classes.objects, tags.tolist(), strict=True)),
        classes=classes,
        picture=picture,
    )


def channels(tags: Float[np.ndarray, "n"], cut: float, *, background: bool) -> list[int]:
    """The channels whose masks count: the background's and those of tags above the class cut;
    without a background that of the most probable tag at least.

    >>> channels(np.array([0.9, 0.2]), 0.5, background=True)
    [0, 1]
    >>> channels(np.array([0.1, 0.2]), 0.5, background=False)
    [2]
    """
    above = (np.flatnonzero(tags > cut) + 1).tolist()
    return [0, *above] if background else above or [int(tags.argmax()) + 1]
