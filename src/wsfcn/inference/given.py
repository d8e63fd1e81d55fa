"""Pictures as people hand them over in Python: whatever it is, it becomes upright RGB."""

from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from wsfcn.errors import PictureError
from wsfcn.images import opened, read_picture, suffix_of, to_rgb
from wsfcn.levels import Levels, scaled

Picture = str | PathLike[str] | bytes | bytearray | BinaryIO | Image.Image | np.ndarray | Any
"""What can be segmented (`TAKEN`); the last of these is a tensor of any library."""

TAKEN = (
    "a path, the bytes of a file or an open one, a PIL image, an array (h, w), (h, w, 3) or "
    "(h, w, 4) of grey, RGB or RGBA values, or a tensor (1, 3 or 4, h, w)"
)


def open_picture(image: Picture, levels: Levels | None = None) -> Image.Image:
    """An upright RGB picture; grey values of more than 8 bits are black and white at ``levels``.

    Without these, and in colour, values are taken for fractions where none exceeds 1, else for
    those of a camera of as many bits as they need. Raises PictureError.
    """
    if isinstance(image, str | PathLike):
        return read_picture(Path(image), levels=levels)
    if isinstance(image, Image.Image):
        try:
            return to_rgb(image, levels)
        except Exception as error:  # each decoder has its own errors for a broken file
            raise PictureError(f"the picture cannot be decoded ({error})") from None
    if callable(read := getattr(image, "read", None)):
        image = read()
        if isinstance(image, str):
            raise PictureError("the file is opened as text; open it with mode 'rb'")
    if isinstance(image, bytes | bytearray):
        return from_bytes(bytes(image), levels)
    if callable(getattr(image, "detach", None)):
        return from_array(of_tensor(image), levels)
    if isinstance(image, np.ndarray):
        return from_array(image, levels)
    raise PictureError(f"expected {TAKEN}; got {type(image).__name__}")


def from_bytes(content: bytes, levels: Levels | None = None) -> Image.Image:
    """The picture in a file's content. Raises PictureError."""
    try:
        with opened(BytesIO(content), suffix_of(content)) as picture:
            return to_rgb(picture, levels)
    except Exception as error:  # each decoder has its own errors for a broken file
        reason = "no picture" if "BytesIO" in str(error) else error
        raise PictureError(f"{len(content)} bytes cannot be read as a picture ({reason})") from None


def of_tensor(tensor: Any) -> Shaped[np.ndarray, "*_"]:
    """The values of a tensor, its channels last. Raises PictureError."""
    values = tensor.detach().cpu()
    values = (values.float() if values.is_floating_point() else values).numpy()
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim == 3 and values.shape[0] not in (1, 3, 4):
        raise PictureError(f"expected {TAKEN}; got a tensor of {values.shape}")
    return np.moveaxis(values, 0, -1) if values.ndim == 3 else values


def from_array(values: Shaped[np.ndarray, "*_"], levels: Levels | None = None) -> Image.Image:
    """The picture of an array. Raises PictureError.

    >>> from_array(np.zeros((2, 3), np.uint16)).size, from_array(np.ones((2, 3, 4))).mode
    ((3, 2), 'RGB')
    """
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    grey = values.ndim == 2
    if not grey and (values.ndim != 3 or values.shape[2] not in (3, 4)):
        raise PictureError(f"expected {TAKEN}; got an array of {values.shape}")
    if values.dtype.kind not in "buif":
        raise PictureError(f"an array of numbers makes a picture; this one is of {values.dtype}")
    if values.size == 0:
        raise PictureError(f"the array holds no pixels: its shape is {values.shape}")
    if values.dtype == bool:
        values = values.astype(np.uint8) * np.uint8(255)
    if values.dtype != np.uint8:
        values = scaled(values, levels if grey else None)
    return to_rgb(Image.fromarray(np.ascontiguousarray(values)))
