"""From a trained segmenter and a picture to a mask."""

from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from wsfcn.checkpoint import Checkpoint, load_checkpoint
from wsfcn.config import PredictSettings, preset_settings
from wsfcn.errors import PictureError, SettingError
from wsfcn.images import read_picture, reduced, to_rgb
from wsfcn.inference.multiscale import average, look
from wsfcn.inference.outputs import Segmentation
from wsfcn.inference.refinement import refined, with_background
from wsfcn.models.layers import resize

Picture = str | PathLike[str] | Image.Image | np.ndarray
"""What can be segmented: a file, a PIL image, or RGB values (h, w, 3) uint8."""

Device = Literal["auto", "cpu", "gpu"]


def on_gpu(device: Device) -> bool:
    """Whether to compute on a GPU. Raises SettingError where one is asked for and there is none."""
    if device == "gpu" and not torch.cuda.is_available():
        raise SettingError("device: PyTorch finds no GPU here; use --device cpu")
    return device != "cpu" and torch.cuda.is_available()


class Predictor:
    """Segments pictures with one trained network.

    ``settings`` say which views are averaged and how their masks become one mask.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: PredictSettings | None = None,
        device: Device = "auto",
    ) -> None:
        self.model = checkpoint.model.eval().to("cuda" if on_gpu(device) else "cpu")
        self.model = self.model.to(memory_format=torch.channels_last)
        self.classes = checkpoint.classes
        self.settings = settings or PredictSettings()
        limit = self.settings.max_side
        self.max_side = checkpoint.settings.data.longest_side if limit is None else limit

    @torch.inference_mode()
    def predict(self, image: Picture) -> Segmentation:
        """Segment one picture. Raises PictureError where it cannot be read."""
        settings = self.settings
        picture = open_picture(image)
        small = reduced(picture, self.max_side)
        views = [
            look(self.model, small, scale, flip=settings.flip, tile=settings.tile)
            for scale in settings.scales
        ]
        tags = torch.stack([view.tags for view in views]).amax(0)
        present = [0, *((tags > settings.class_cut).nonzero()[:, 0] + 1).tolist()]
        masks = average(views, present, (small.height, small.width))
        masks = refined(small, with_background(masks, settings), settings)
        masks = resize(masks, (picture.height, picture.width), align_corners=True)[0]
        winners = torch.tensor(present, dtype=torch.uint8, device=masks.device)[masks.argmax(0)]
        names = [self.classes.names[k] for k in present]
        return Segmentation(
            mask=winners.cpu().numpy(),
            probabilities=dict(zip(names, masks.half().cpu().numpy(), strict=True)),
            tags=dict(zip(self.classes.objects, tags.tolist(), strict=True)),
            classes=self.classes,
            picture=picture,
        )


def load(
    path: str | PathLike[str], preset: str = "fast", *, device: Device = "auto", **changes: Any
) -> Predictor:
    """A predictor from a run folder or a checkpoint file.

    ``preset`` is one of `PRESETS`; further keyword arguments are fields of `PredictSettings` that
    replace the preset's. Raises CheckpointError, SettingError.
    """
    return Predictor(load_checkpoint(path), preset_settings(preset, **changes), device)


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
    return read_picture(Path(image))
