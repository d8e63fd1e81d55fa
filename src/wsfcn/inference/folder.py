"""Segmenting many pictures into a folder of masks; reading, network and writing overlap."""

import errno
import json
import os
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from glob import glob
from pathlib import Path
from typing import Any

from PIL import Image
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from wsfcn.data.forms.finding import DataFolder, stem_of
from wsfcn.data.forms.folders import base_of
from wsfcn.errors import PictureError, SettingError
from wsfcn.exchange.regions import Regions
from wsfcn.files import atomic, fingerprint, is_whole, keep_inputs, need_suffix
from wsfcn.images import read_mask, read_picture
from wsfcn.inference.outputs import Segmentation, annotations
from wsfcn.inference.predictor import Predictor
from wsfcn.levels import Levels
from wsfcn.terminal import is_watched
from wsfcn.threads import AHEAD, ahead
from wsfcn.types import Classes


def find_pictures(sources: Sequence[str | Path]) -> list[Path]:
    """Picture files from files, folders with all that are in them, and globs, in order.

    Raises PictureError for a source that names no picture.
    """
    return [*named_pictures(sources)]


def named_pictures(sources: Sequence[str | Path], out: Path | None = None) -> dict[Path, str]:
    """Picture files with their names: paths below the folder that was given, without suffix.

    Of a folder all of whose pictures lie in images/ the names begin there. What lies in ``out``, a
    folder below one that was given, is passed over. Raises PictureError for a source that names no
    picture.
    """
    found: dict[Path, str] = {}
    for source in sources:
        path = Path(source)
        if os.path.isdir(path):  # noqa: PTH112 (for a name that is too long, Path's raises)
            if not (inside := below(path, out)):
                raise PictureError(f"{path}: the folder holds no pictures")
            found |= {path: name for path, name in inside.items() if path not in found}
        elif os.path.lexists(path):
            found.setdefault(path, path.stem)
        elif matched := sorted(glob(str(source))):  # noqa: PTH207 (a glob may be absolute)
            found |= {path: path.stem for path in map(Path, matched) if path not in found}
        else:
            raise PictureError(f"{source}: no such picture or folder")
    return found


def below(folder: Path, out: Path | None) -> dict[Path, str]:
    """The pictures in a folder and the folders in it, by their names there."""
    pictures = DataFolder(folder).pictures
    own = os.path.realpath(out) + os.sep if out and out.resolve() != folder.resolve() else None
    if own and own.startswith(os.path.realpath(folder) + os.sep):
        pictures = {n: p for n, p in pictures.items() if not os.path.realpath(p).startswith(own)}
    prefix = "" if base_of(folder, pictures) == folder else f"{base_of(folder, pictures).name}/"
    return {path: stem_of(name.removeprefix(prefix)) for name, path in pictures.items()}


def part_of(
    pictures: Sequence[Path], coco: Path | None, part: str | None
) -> tuple[list[Path], Path | None]:
    """One part of the pictures, such as ``2/8``, and the name of its COCO file.

    Without ``part``, the one of this process among those that torchrun started, or all of them.
    Raises SettingError for a part that there is not.

    >>> part_of([Path("a.png"), Path("b.png"), Path("c.png")], Path("all.json"), "1/2")
    ([PosixPath('a.png'), PosixPath('c.png')], PosixPath('all-1of2.json'))
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    number, _, parts = (part or f"{rank + 1}/{world}").partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        raise SettingError(f"part: '{part}' is none; the second of eight parts is 2/8")
    if coco and int(parts) > 1:
        coco = coco.with_stem(f"{coco.stem}-{number}of{parts}")
    return list(pictures[int(number) - 1 :: int(parts)]), coco


def predict_folder(
    predictor: Predictor,
    pictures: Sequence[Path],
    out: Path,
    *,
    overlays: bool = False,
    probabilities: bool = False,
    coco: Path | None = None,
    regions: Regions = "classes",
    skip_existing: bool = False,
    inputs: Sequence[Path] = (),
    names: Mapping[Path, str] | None = None,
) -> list[PictureError]:
    """Write the mask of each picture to ``out/NAME.png``; ``names`` are the file names by default.

    On request also ``out/NAME-overlay.jpg``, the soft masks as ``out/NAME.npz``, and all objects as
    one COCO file, an annotation per class or per connected component. With ``skip_existing``
    pictures of which all these files are there, and whole, are left as they are. Pictures that
    cannot be read are left out and returned as errors. Raises SettingError where ``out`` cannot be
    a folder, two pictures would write the same mask, or a file would replace a picture or another
    of the ``inputs``.
    """
    if out.exists() and not out.is_dir():
        raise SettingError(f"{out}: is a file; name a folder for the masks")
    if coco:
        need_suffix(coco, ".json")
        if coco.is_dir():
            raise SettingError(f"{coco}: is a folder; name a file for the objects")
    names = {path: (names or {}).get(path, path.stem) for path in pictures}
    for name, count in Counter(names.values()).items():
        if count > 1:
            raise SettingError(f"two pictures are named '{name}': their masks would be one file")
    targets = {
        path: outputs_of(names[path], out, overlays=overlays, probabilities=probabilities)
        for path in pictures
    }
    written = [target for group in targets.values() for target in group]
    keep_inputs([*written, *([coco] if coco else [])], [*pictures, *inputs])
    if coco:
        keep_inputs([coco], written)
    left = [p for p in pictures if not (skip_existing and all(map(is_whole, targets[p])))]

    def write(path: Path, found: Segmentation) -> None:
        try:
            if overlays:
                with atomic(out / f"{names[path]}-overlay.jpg") as name:
                    found.overlay().save(name, quality=90)
            if probabilities:
                found.save_probabilities(out / f"{names[path]}.npz")
            # Last, as it says that the picture is done.
            found.save(out / f"{names[path]}.png")
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            broken[path] = PictureError(f"{path}: its name is too long for what is written of it")

    learned = predictor.network.corrected
    look = partial(read, levels=predictor.network.levels)
    broken: dict[Path, PictureError] = {}
    objects: dict[Path, list[dict[str, Any]]] = {}
    with ThreadPoolExecutor(2) as pool, pictures_per_second() as progress:
        pending: deque[Future[None]] = deque()
        for path, picture in progress.track(
            ahead(pool, look, left),
            total=len(left),
            description="Segmenting",
        ):
            if isinstance(picture, PictureError):
                broken[path] = picture
                continue
            found = predictor.predict(picture)
            if learned and fingerprint(path) in learned:
                found = replace(found, taught=True)
            if coco:
                objects[path] = found.to_coco(regions)
            pending.append(pool.submit(write, path, found))
            while len(pending) > AHEAD:
                pending.popleft().result()
        for future in pending:
            future.result()
    if coco:
        done = {path: names[path] for path in pictures if path not in broken}
        write_coco(coco, done, objects, out, predictor.classes, regions)
    return [*broken.values()]


def outputs_of(name: str, out: Path, *, overlays: bool, probabilities: bool) -> list[Path]:
    """The files that are written of a picture.

    >>> [file.name for file in outputs_of("a", Path(), overlays=True, probabilities=True)]
    ['a.png', 'a-overlay.jpg', 'a.npz']
    """
    endings = [
        ".png",
        *(["-overlay.jpg"] if overlays else []),
        *([".npz"] if probabilities else []),
    ]
    return [out / f"{name}{ending}" for ending in endings]


def read(path: Path, levels: Levels | None = None) -> Image.Image | PictureError:
    """A picture, or why it cannot be read."""
    try:
        return read_picture(path, levels=levels)
    except PictureError as error:
        return error


def write_coco(
    path: Path,
    pictures: Mapping[Path, str],
    objects: dict[Path, list[dict[str, Any]]],
    masks: Path,
    classes: Classes,
    regions: Regions,
) -> None:
    """Write a COCO file of all pictures; objects that are not given are taken from the masks."""
    content: dict[str, list[dict[str, Any]]] = {
        "images": [],
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(classes.objects)],
        "annotations": [],
    }
    for number, (picture, name) in enumerate(pictures.items(), start=1):
        mask = read_mask(masks / f"{name}.png")
        height, width = mask.shape
        content["images"].append(
            {
                "id": number,
                "file_name": f"{name}{picture.suffix}",
                "width": width,
                "height": height,
            }
        )
        found = objects.get(picture)
        if found is None:
            found = annotations(classes.to_channels(mask), classes.channels, regions)
        for item in found:
            identity = {"id": len(content["annotations"]) + 1, "image_id": number}
            content["annotations"].append(identity | item)
    with atomic(path) as file:
        file.write_text(json.dumps(content), encoding="utf-8")


class Rate(ProgressColumn):
    """Pictures per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} pictures/s" if task.speed else "")


def pictures_per_second() -> Progress:
    """A progress bar that leaves nothing behind."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        Rate(),
        TimeRemainingColumn(),
        transient=True,
        disable=not is_watched(),
    )
