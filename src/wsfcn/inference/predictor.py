"""From a trained segmenter and a picture to a mask."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torchvision.transforms.v2 import functional as TF

from wsfcn.checkpoint import Checkpoint, load_checkpoint
from wsfcn.config import PredictSettings
from wsfcn.errors import PictureError
from wsfcn.images import read_picture, to_rgb
from wsfcn.inference.multiscale import average_views
from wsfcn.inference.outputs import Segmentation
from wsfcn.refine.pamr import pamr

Picture = str | PathLike[str] | Image.Image | UInt8[np.ndarray, "h w 3"]
"""What can be segmented: a file, a PIL image, or RGB values."""


class Predictor:
    """Segments pictures with one trained network.

    ``settings`` say which views are averaged and how the masks become one mask.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: PredictSettings | None = None,
        device: str = "auto",
    ) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = checkpoint.model.to(device).to(memory_format=torch.channels_last).eval()
        self.classes = checkpoint.classes
        self.settings = settings or PredictSettings()
        self.device = torch.device(device)

    @torch.inference_mode()
    def predict(self, image: Picture) -> Segmentation:
        """Segment one picture. Raises PictureError where it cannot be read."""
        settings = self.settings
        picture = open_picture(image)
        pixels = TF.to_dtype(TF.pil_to_tensor(picture), torch.float32, scale=True)
        pixels = pixels[None].to(self.device)
        masks, tags = average_views(self.model, pixels, settings.scales, settings.flip)
        masks[:, 1:] *= (tags > settings.class_cut)[..., None, None]
        if settings.background is not None:
            masks[:, 0] = settings.background
        if settings.refine == "pamr":
            masks = pamr(pixels, masks)
        probabilities = masks[0].cpu().numpy()
        return Segmentation(
            mask=probabilities.argmax(0).astype(np.uint8),
            probabilities=probabilities,
            tags=dict(zip(self.classes.objects, tags[0].tolist(), strict=True)),
            classes=self.classes,
            picture=picture,
        )


def load(path: str | PathLike[str], **settings: Any) -> Predictor:
    """A predictor from a run folder or a checkpoint file.

    Keyword arguments are fields of `PredictSettings`. Raises CheckpointError.
    """
    return Predictor(load_checkpoint(path), PredictSettings(**settings))


def open_picture(image: Picture) -> Image.Image:
    """An upright RGB picture from a file, a PIL image or an array of RGB values."""
    if isinstance(image, Image.Image):
        return to_rgb(image)
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise PictureError(
                f"an array must hold 8-bit RGB values, (h, w, 3) uint8; "
                f"this one is {image.shape} {image.dtype}"
            )
        return Image.fromarray(image)
    return read_picture(Path(image))
