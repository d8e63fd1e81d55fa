"""From a trained network and a picture to a mask."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
from array_api_compat import array_namespace
from PIL import Image

from wsfcn.checked import obeying
from wsfcn.config import PredictSettings
from wsfcn.errors import CheckpointError, PictureError
from wsfcn.exchange.regions import Regions
from wsfcn.images import read_picture, reduced, to_rgb
from wsfcn.inference.multiscale import View, average, look
from wsfcn.inference.network import Network
from wsfcn.inference.outputs import Segmentation
from wsfcn.inference.refinement import refined, with_background
from wsfcn.maps import as_array, resize
from wsfcn.types import Classes

Picture = str | PathLike[str] | Image.Image | np.ndarray
"""What can be segmented: a file, a PIL image, or RGB values (h, w, 3) uint8."""


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
        """Segment one picture, or each of a list of them.

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
        picture = open_picture(image)
        small = reduced(picture, self.max_side)
        views = [
            look(self.network, small, scale, flip=self.settings.flip, tile=self.settings.tile)
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
    present = [0, *(np.flatnonzero(tags > settings.class_cut) + 1).tolist()]
    masks = average(views, present, (small.height, small.width))
    xp = array_namespace(masks)
    if not (np.isfinite(tags).all() and bool(xp.all(xp.isfinite(masks)))):
        # argmax would make a mask of them all the same.
        raise CheckpointError("the network has failed: its masks are not finite")
    masks = refined(small, with_background(masks, settings), settings)
    masks = resize(masks, (picture.height, picture.width), align_corners=True)[0]
    winners = as_array(xp.argmax(masks, axis=0))
    names = [classes.names[k] for k in present]
    soft = as_array(xp.astype(masks, xp.float16))
    return Segmentation(
        mask=np.array(present, np.uint8)[winners],
        probabilities=dict(zip(names, soft, strict=True)),
        tags=dict(zip(classes.objects, tags.tolist(), strict=True)),
        classes=classes,
        picture=picture,
    )


def open_picture(image: Picture) -> Image.Image:
    """An upright RGB picture from a file, a PIL image or an array of RGB values.

    Raises PictureError.
    """
    if isinstance(image, Image.Image):
        try:
            return to_rgb(image)
        except Exception as error:  # each decoder has its own errors for a broken file
            raise PictureError(f"the picture cannot be decoded ({error})") from None
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise PictureError(
                f"an array must hold 8-bit RGB values, (h, w, 3) uint8; "
                f"this one is {image.shape} {image.dtype}"
            )
        if image.size == 0:
            raise PictureError(f"the array holds no pixels: its shape is {image.shape}")
        return Image.fromarray(image)
    if not isinstance(image, str | PathLike):
        raise PictureError(
            "a picture is a file, a PIL image, or RGB values (h, w, 3) uint8; "
            f"got {type(image).__name__}"
        )
    return read_picture(Path(image))
