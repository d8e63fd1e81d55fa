"""Segmenting many pictures into a folder of masks."""

from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path

from rich.progress import track

from wsfcn.errors import PictureError, SettingError
from wsfcn.files import atomic
from wsfcn.images import SUFFIXES
from wsfcn.inference.predictor import Predictor


def find_pictures(sources: Sequence[str | Path]) -> list[Path]:
    """Picture files from files, folders (searched one level deep) and globs, in order.

    Raises PictureError for a source that names no picture.
    """
    found: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            inside = [child for child in path.iterdir() if child.suffix.lower() in SUFFIXES]
            if not inside:
                raise PictureError(f"{path}: the folder holds no pictures")
            found += sorted(inside)
        elif path.exists():
            found.append(path)
        elif matched := sorted(glob(str(source))):  # noqa: PTH207 (a glob may be absolute)
            found += map(Path, matched)
        else:
            raise PictureError(f"{source}: no such picture or folder")
    return list(dict.fromkeys(found))


def predict_folder(
    predictor: Predictor, pictures: Sequence[Path], out: Path, *, overlays: bool = False
) -> list[PictureError]:
    """Write the mask of each picture to ``out/NAME.png``, and on request ``out/NAME-overlay.jpg``.

    Pictures that cannot be read are left out and returned as errors. Raises SettingError where
    ``out`` cannot be a folder, or two pictures would write the same mask.
    """
    if out.exists() and not out.is_dir():
        raise SettingError(f"{out}: is a file; name a folder for the masks")
    names = [path.stem for path in pictures]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"two pictures are named '{name}': their masks would be one file")
    broken = []
    for path in _progress(pictures):
        try:
            found = predictor.predict(path)
        except PictureError as error:
            broken.append(error)
            continue
        found.save(out / f"{path.stem}.png")
        if overlays:
            with atomic(out / f"{path.stem}-overlay.jpg") as name:
                found.overlay().save(name, quality=90)
    return broken


def _progress(pictures: Sequence[Path]) -> Iterator[Path]:
    yield from track(pictures, description="Segmenting", transient=True)
