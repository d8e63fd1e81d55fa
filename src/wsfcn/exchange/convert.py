"""Between any two forms of labelled pictures: the table of forms, and the way from one to another.

What is written is whole or absent. Sources may be zip archives, as tools export them; folders may
be written as such by naming them ``.zip``.
"""

import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from wsfcn.config import ExchangeSettings
from wsfcn.data.classes import read_classes
from wsfcn.errors import DataError, SettingError, did_you_mean
from wsfcn.exchange import coco, cvat, geojson, labelme, labelstudio, masks, voc, yolo
from wsfcn.exchange.labelled import Collection, Given, Labelled, Wanted
from wsfcn.exchange.pictures import Pictures
from wsfcn.exchange.regions import Regions
from wsfcn.files import atomic, atomic_folder, keep_inputs
from wsfcn.types import IGNORE, Classes


class Form(NamedTuple):
    """One form of labels."""

    fits: Callable[[Path], bool]
    """Whether a file or folder looks like it."""
    read: Callable[[Path, Wanted], Collection]
    write: Callable[[Path, Collection, Given], None]
    shapes: tuple[str, ...]
    """What it holds, the usual first."""
    suffix: str | None = None
    """Of its file; a form without one is a folder."""


FORMS = {
    "yolo": Form(yolo.fits, yolo.read, yolo.write, ("polygons",)),
    "coco": Form(coco.fits, coco.read, coco.write, ("masks", "polygons"), ".json"),
    "geojson": Form(geojson.fits, geojson.read, geojson.write, ("polygons",), ".geojson"),
    "labelstudio": Form(
        labelstudio.fits, labelstudio.read, labelstudio.write, ("masks", "polygons"), ".json"
    ),
    "cvat": Form(cvat.fits, cvat.read, cvat.write, ("masks", "polygons"), ".xml"),
    "voc": Form(voc.fits, voc.read, voc.write_voc, ("masks",)),
    "cvat-masks": Form(voc.fits, voc.read, voc.write_cvat, ("masks",)),
    "labelme": Form(labelme.fits, labelme.read, labelme.write, ("polygons", "masks")),
    "masks": Form(masks.fits, masks.read, masks.write, ("masks",)),
}
"""Forms by name. A source is of the first one that it looks like."""

DEFAULTS = ExchangeSettings()


class Converted(NamedTuple):
    """What was done."""

    form: str
    """The form of the source."""
    count: int
    """Pictures written."""
    notes: list[str]
    """What was left out or changed on the way."""


def convert(
    source: Path,
    to: str,
    out: Path,
    *,
    form: str | None = None,
    pictures: Path | None = None,
    classes: Path | None = None,
    unlabelled: Literal["background", "ignore"] = "background",
    regions: Regions = "classes",
    add: bool = False,
    settings: ExchangeSettings = DEFAULTS,
) -> Converted:
    """Read labels of one form and write them in another.

    ``form`` is that of the source, which is recognised by default; ``pictures`` is the folder of
    the pictures, whose sizes are then compared; ``classes`` a file of the classes. Raises
    DataError for a source that cannot be read, and then nothing is written; SettingError for an
    output that is there, or what a form cannot hold.
    """
    given = given_for(to, out, settings, regions)
    listed = read_classes(classes) if classes else None
    wanted = Wanted(
        listed and listed.with_background,
        Pictures(pictures) if pictures else None,
        IGNORE if unlabelled == "ignore" else 0,
    )
    keep_inputs([out], [source])
    with unpacked(source) as folder:
        name = form or recognised(folder, source)
        collection = FORMS[form_name(name)].read(folder, wanted)
        if listed:
            collection = masks_as(listed, to, collection)
        count, notes = write(to, collection, given, add=add)
    return Converted(name, count, notes)


def masks_as(classes: Classes, to: str, collection: Collection) -> Collection:
    """The collection as our masks have it, where ``classes`` have no background: other forms do
    have one, where nothing lies, and that is 255 then."""
    if classes.background or to != "masks":
        return collection
    pictures = (replace(p, labels=classes.of_channels(p.labels)) for p in collection.pictures)
    return replace(collection, classes=classes, pictures=pictures)


def form_name(name: str) -> str:
    """The name of a form. Raises SettingError where there is none."""
    if name not in FORMS:
        raise SettingError(
            f"no form '{name}'; expected {', '.join(FORMS)}.{did_you_mean(name, list(FORMS))}"
        )
    return name


def given_for(to: str, out: Path, settings: ExchangeSettings, regions: Regions) -> Given:
    """What the writer of a form is told. Raises SettingError for what it cannot hold."""
    form = FORMS[form_name(to)]
    shapes = form.shapes[0] if settings.shapes == "auto" else settings.shapes
    if shapes not in form.shapes:
        raise SettingError(f"{to} holds {form.shapes[0]} alone, no {shapes}")
    if form.suffix and out.suffix.lower() not in (form.suffix, ".json"):
        raise SettingError(f"{out}: {to} is one file; name it {out.stem}{form.suffix}")
    if not form.suffix and out.suffix.lower() != ".zip" and out.is_file():
        raise SettingError(f"{out}: is a file, and {to} a folder; name another one")
    return Given(out, settings, shapes, regions)


def named_for(to: str, stem: Path) -> Path:
    """Where a form goes that is to be called ``stem``: a file has the form's suffix.

    Raises SettingError where a folder of that name holds something already.

    >>> named_for("coco", Path("out/batch")), named_for("yolo", Path("out/batch"))
    (PosixPath('out/batch.json'), PosixPath('out/batch'))
    """
    suffix = FORMS[form_name(to)].suffix
    if suffix is None and stem.is_dir() and any(stem.iterdir()):
        raise SettingError(f"{stem}: is there already; delete it, or name another place")
    return stem.with_name(stem.name + (suffix or ""))


def recognised(folder: Path, source: Path) -> str:
    """The form that a file or folder looks like. Raises DataError."""
    for name, form in FORMS.items():
        if form.fits(folder):
            return name
    raise DataError(f"{source}: of no form that is known; expected {', '.join(FORMS)}")


UNPACKING = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError, ValueError),
)
"""What zipfile raises for archives that are damaged, encrypted, or packed in another way."""


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """The source itself, or a temporary folder of what a zip archive holds; DataError for neither.

    Where an archive holds nothing but one file, or one folder, that is it.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if source.suffix.lower() != ".zip":
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="wsfcn-") as name:
        folder = Path(name)
        try:
            with zipfile.ZipFile(source) as archive:
                size = sum(item.file_size for item in archive.infolist())
                if size > shutil.disk_usage(folder).free:
                    raise DataError(
                        f"{source}: unpacks to {size} bytes, for which there is no room"
                    )
                archive.extractall(folder)
        except (*UNPACKING, OSError) as error:
            raise DataError(f"{source}: cannot be unpacked ({error})") from None
        inside = list(folder.iterdir())
        yield inside[0] if len(inside) == 1 else folder


def write(
    to: str, collection: Collection, given: Given, *, add: bool = False
) -> tuple[int, list[str]]:
    """Write a collection; returns the number of pictures, and what was left out or changed."""
    counted = Counted(collection)
    stream = replace(collection, pictures=iter(counted))
    form, out = FORMS[to], given.out
    with ExitStack() as stack:
        if form.suffix:
            form.write(stack.enter_context(atomic(out)), stream, given)
        elif out.suffix.lower() == ".zip":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsfcn-")))
            form.write(folder, stream, given)
            pack(folder, stack.enter_context(atomic(out)))
        else:
            form.write(stack.enter_context(atomic_folder(out, add=add)), stream, given)
        if not counted.names:
            raise DataError(f"{out}: no picture to write")
    return len(counted.names), [f"{what}: {n}" for what, n in collection.notes.items() if n]


class Counted:
    """The pictures of a collection, their names noted. Raises DataError for a name twice."""

    def __init__(self, collection: Collection) -> None:
        self.pictures = collection.pictures
        self.names: set[str] = set()

    def __iter__(self) -> Iterator[Labelled]:
        for picture in self.pictures:
            if picture.name in self.names:
                raise DataError(f"the picture '{picture.name}' is labelled twice")
            self.names.add(picture.name)
            yield picture


def pack(folder: Path, out: Path) -> None:
    """Write a zip archive of the files in a folder."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.write(path, path.relative_to(folder))
