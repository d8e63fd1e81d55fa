"""Pictures and indexed masks: reading whatever people have, writing what tools expect."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BufferedReader, BytesIO
from multiprocessing import parent_process
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from wsfcn import dicom
from wsfcn.errors import DataError, MaskError, PictureError, PictureWarning, WsfcnError
from wsfcn.files import atomic, open_regular
from wsfcn.levels import Levels, scaled
from wsfcn.types import IGNORE

HEIC = frozenset({".heic", ".heif"})
"""Endings of what telephones write, for which Pillow needs a plugin."""

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", *HEIC, *dicom.SUFFIXES}
)
"""File name endings that count as pictures when a folder is searched."""

TAUGHT = ("wsfcn", "learned from a corrected mask of this picture")
"""What a mask's file says, as a key and a text, where its network has."""
DEEP_SUFFIXES = frozenset({".png", ".tif", ".tiff", *dicom.SUFFIXES})
"""Endings of files whose values may have more than 8 bits."""

ORIENTATION = ExifTags.Base.Orientation

DECODERS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "DIB", "PPM", "JPEG2000", "AVIF", "HEIF")
"""Pillow's names of the forms that are decoded, whatever the file is called. Others stay shut: for
some (EPS) Pillow starts a program on the file's content."""


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
    """The picture files in a folder, in order of name; hidden ones are none."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


@cache
def decoders() -> tuple[str, ...]:
    """Those of `DECODERS` that this Pillow has."""
    Image.init()
    return tuple(name for name in DECODERS if name in Image.OPEN)


@cache
def heic_decoder() -> bool:
    """Whether Pillow has its plugin for HEIC, which is asked for here."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    decoders.cache_clear()
    return True


def opened(file: BufferedReader | BytesIO, suffix: str = "") -> Image.Image:
    """A picture whose pixels are not decoded yet, but for DICOM. Raises ValueError and others."""
    if suffix in dicom.SUFFIXES:
        return dicom.read_dicom(file)
    if suffix in HEIC and not heic_decoder():
        raise ValueError("needs pillow-heif; pip install 'wsfcn[heic]'")
    return Image.open(file, formats=decoders())


def suffix_of(content: bytes) -> str:
    """What a file would have to be called to be opened as what it is; empty where that is no
    matter.

    >>> suffix_of(bytes(128) + b"DICM"), suffix_of(bytes(4) + b"ftypheic"), suffix_of(b"P5")
    ('.dcm', '.heic', '')
    """
    if content[128:132] == b"DICM":
        return ".dcm"
    return ".heic" if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1") else ""


@contextmanager
def decoding(path: Path, kind: type[DataError], what: str) -> Iterator[Image.Image]:
    """An opened picture; whatever goes wrong while it is looked at is an error of ``kind``."""
    try:
        with open_regular(path, what) as file, opened(file, path.suffix.lower()) as picture:
            if 0 in picture.size:
                raise ValueError("it has no pixels")
            yield picture
    except WsfcnError as error:
        raise kind(str(error)) from None
    except Exception as error:  # each decoder has its own errors for a broken file
        reason = str(error).replace(repr(file), "it") or type(error).__name__
        raise kind(f"{path}: cannot be read as a {what} ({reason})") from None


def read_picture(
    path: str | PathLike[str], at_least: int | None = None, levels: Levels | None = None
) -> Image.Image:
    """Decode a picture file as upright RGB, whatever its mode. Raises PictureError.

    Transparent pixels are laid over white; grey values of more than 8 bits are scaled, black and
    white at ``levels``; the EXIF orientation is applied; of several pages the first is taken, with
    one warning. A JPEG both of whose sides stay ``at_least`` so many pixels long may
    come at a half, a quarter or an eighth of its size, which takes a fraction of the time.
    """
    with decoding(Path(path), PictureError, "picture") as picture:
        if at_least:
            picture.draft(None, (at_least, at_least))
        if pages_of(picture) > 1:
            tell_of_pages(Path(path))
        return to_rgb(picture, levels)


def deep_values(path: Path) -> Shaped[np.ndarray, "h w"] | None:
    """The values of a picture that has more than 8 bits a pixel; None for others.

    Raises PictureError.
    """
    with decoding(path, PictureError, "picture") as picture:
        return np.asarray(picture) if is_deep(picture) else None


def is_deep(picture: Image.Image) -> bool:
    """Whether a picture has more than 8 bits a pixel."""
    return picture.mode[:1] in ("I", "F")


def pages_of(picture: Image.Image) -> int:
    """Pages of a document, or frames of an animation."""
    return picture.info.get("frames") or getattr(picture, "n_frames", 1)


TOLD: set[str] = set()
"""What this process has warned of already."""


def tell_of_pages(path: Path) -> None:
    """Warn of a file with several pages; once, and not in processes that only load pictures."""
    if not TOLD and parent_process() is None:
        TOLD.add("pages")
        warnings.warn(
            f"{path} has several pages or frames: of such files the first one is taken",
            PictureWarning,
            stacklevel=3,
        )


def size_of(
    path: str | PathLike[str], kind: type[DataError] = PictureError, what: str = "picture"
) -> tuple[int, int]:
    """Width and height of an upright picture or mask, read off its head. Raises ``kind``."""
    with decoding(Path(path), kind, what) as picture:
        width, height = picture.size
        try:
            turned = picture.getexif().get(ORIENTATION) in (5, 6, 7, 8)
        except Exception:  # as in `upright`
            turned = False
    return (height, width) if turned else (width, height)


NARROW = 0.75
"""Side, in shares of the longest allowed, of the square whose area a narrow picture keeps: by its
longer side alone, one of six times its width would keep next to nothing."""
ENOUGH = 0.97
"""Factor beyond which a narrow picture stays as it is: a reduced one, whose sides were rounded, is
not reduced again."""


def reduced_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """A size whose longer side is at most ``side`` pixels, or whose area at most that of a square
    of three quarters of ``side``, whichever is larger; 0 leaves it as it is.

    >>> reduced_size((400, 300), 100), reduced_size((1600, 256), 448), reduced_size((90, 9), 100)
    ((100, 75), (840, 134), (90, 9))
    >>> reduced_size((102, 90), 100), reduced_size((840, 134), 448)
    ((100, 88), (840, 134))
    """
    by_side, by_area = side / max(size), NARROW * side / math.sqrt(size[0] * size[1])
    if side == 0 or by_side >= 1 or by_area > ENOUGH:
        return size
    factor = max(by_side, by_area)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def reduced(picture: Image.Image, side: int) -> Image.Image:
    """The picture in its `reduced_size`."""
    size = reduced_size(picture.size, side)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BICUBIC)


def to_rgb(picture: Image.Image, levels: Levels | None = None) -> Image.Image:
    """An upright RGB copy of a picture of any mode, without what else its file said."""
    picture = upright(picture)
    if is_deep(picture):
        picture = Image.fromarray(scaled(np.asarray(picture), levels))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    picture = picture.convert("RGB")
    picture.info = {}
    return picture


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF tags say, or as it lies where they are garbage."""
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # anything may stand in the tags; the pixels are whole
        return picture


def read_mask(path: str | PathLike[str]) -> UInt8[np.ndarray, "h w"]:
    """Class indices of an indexed or grey PNG. Raises MaskError."""
    path = Path(path)
    with decoding(path, MaskError, "mask") as mask:
        if mask.mode not in ("P", "L"):
            raise MaskError(
                f"{path}: a mask must be an indexed or grey 8-bit PNG, this one is {mask.mode}"
            )
        return np.array(mask)


def palette_of(background: bool) -> UInt8[np.ndarray, "256 3"]:
    """Colours by class: VOC's, whose black is for the background, if there is one."""
    return voc_palette() if background else np.roll(voc_palette(), -1, axis=0)


def write_mask(
    path: str | PathLike[str],
    mask: UInt8[np.ndarray, "h w"],
    *,
    background: bool = True,
    taught: bool = False,
) -> None:
    """Write class indices as an indexed PNG with the VOC palette, whole or not at all.

    The file itself says where it was ``taught``: where whatever made it has learned from a person's
    mask of the same picture, so that it can be measured nowhere.
    """
    picture = Image.fromarray(mask)
    picture.putpalette(palette_of(background).tobytes())
    about = PngInfo()
    if taught:
        about.add_text(*TAUGHT)
    with atomic(path) as name:
        picture.save(name, pnginfo=about)


def was_taught(path: str | PathLike[str]) -> bool:
    """Whether a mask file says that it was taught; reads its head alone. Raises MaskError."""
    with decoding(Path(path), MaskError, "mask") as mask:
        return mask.info.get(TAUGHT[0]) == TAUGHT[1]


def overlay(
    picture: Image.Image,
    mask: UInt8[np.ndarray, "h w"],
    opacity: float | Float32[np.ndarray, "h w"] = 0.55,
    *,
    background: bool = True,
) -> Image.Image:
    """The picture with each object class painted over it in its palette colour."""
    colours = palette_of(background)[mask].astype(np.float32)
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    shown = mask > 0 if background else mask != IGNORE
    weight = np.where(shown, opacity, 0.0).astype(np.float32)[..., None]
    return Image.fromarray((pixels * (1 - weight) + colours * weight).round().astype(np.uint8))
