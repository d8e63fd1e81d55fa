"""Pictures and indexed masks: reading whatever people have, writing what tools expect."""

from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageOps

from wsfcn.errors import MaskError, PictureError
from wsfcn.files import atomic

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
"""File name endings that count as pictures when a folder is searched."""


def voc_palette() -> UInt8[np.ndarray, "256 3"]:
    """The colour map of PASCAL VOC: bits of the index, spread over the channels' high bits.

    >>> voc_palette()[:3].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    """
    index = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((index >> channel) & 1) << (7 - bit)).astype(np.uint8)
        index >>= 3
    return palette


def pictures_in(folder: Path) -> list[Path]:
    """The picture files in a folder, in order of name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def read_picture(path: str | PathLike[str], at_least: int | None = None) -> Image.Image:
    """Decode a picture file as upright RGB, whatever its mode. Raises PictureError.

    Transparent pixels are laid over white; 16-bit grey values are scaled to 8 bits; the EXIF
    orientation is applied. A JPEG both of whose sides stay ``at_least`` so many pixels long may
    come at a half, a quarter or an eighth of its size, which takes a fraction of the time.
    """
    path = Path(path)
    try:
        with Image.open(path) as picture:
            if at_least:
                picture.draft(None, (at_least, at_least))
            return to_rgb(picture)
    except FileNotFoundError:
        raise PictureError(f"{path}: no such picture") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"{path}: cannot be read as a picture ({error})") from None


def reduced(picture: Image.Image, side: int) -> Image.Image:
    """The picture with a longer side of at most ``side`` pixels; 0 leaves it as it is.

    >>> reduced(Image.new("RGB", (400, 300)), 100).size
    (100, 75)
    """
    factor = side / max(picture.size)
    if factor == 0 or factor >= 1:
        return picture
    width, height = (max(1, round(length * factor)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def to_rgb(picture: Image.Image) -> Image.Image:
    """An upright RGB copy of a picture of any mode."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.float32)
        picture = Image.fromarray((values * (255 / 65535)).clip(0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def read_mask(path: str | PathLike[str]) -> UInt8[np.ndarray, "h w"]:
    """Class indices of an indexed or grey PNG. Raises MaskError."""
    path = Path(path)
    try:
        with Image.open(path) as mask:
            if mask.mode not in ("P", "L"):
                raise MaskError(
                    f"{path}: a mask must be an indexed or grey 8-bit PNG, this one is {mask.mode}"
                )
            return np.array(mask)
    except FileNotFoundError:
        raise MaskError(f"{path}: no such mask") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise MaskError(f"{path}: cannot be read as a mask ({error})") from None


def write_mask(path: str | PathLike[str], mask: UInt8[np.ndarray, "h w"]) -> None:
    """Write class indices as an indexed PNG with the VOC palette, whole or not at all."""
    picture = Image.fromarray(mask)
    picture.putpalette(voc_palette().tobytes())
    with atomic(path) as name:
        picture.save(name)


def overlay(
    picture: Image.Image,
    mask: UInt8[np.ndarray, "h w"],
    opacity: float | Float32[np.ndarray, "h w"] = 0.55,
) -> Image.Image:
    """The picture with each object class painted over it in its palette colour."""
    colours = voc_palette()[mask].astype(np.float32)
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    weight = np.where(mask > 0, opacity, 0.0).astype(np.float32)[..., None]
    return Image.fromarray((pixels * (1 - weight) + colours * weight).round().astype(np.uint8))
