"""Tags: which classes a picture contains, from whatever form they come in.

A form is a function from a data folder to its pictures with their tags, in a file of its own, and a
line in `FORMS`; which one fits is recognised by the files that it reads. None of them opens a mask.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from wsfcn.data.classes import BACKGROUND
from wsfcn.data.forms.coco import coco_json, find_coco
from wsfcn.data.forms.cvat import cvat_xml, find_cvat
from wsfcn.data.forms.fiftyone import fiftyone, find_fiftyone
from wsfcn.data.forms.finding import DataFolder
from wsfcn.data.forms.folders import class_folders, find_folders
from wsfcn.data.forms.label_studio import find_tasks, label_studio
from wsfcn.data.forms.mvtec import find_mvtec, mvtec
from wsfcn.data.forms.names import is_normal, odd_names
from wsfcn.data.forms.npy import cls_labels, find_npy
from wsfcn.data.forms.tables import TWO_FORMS, find_lines, find_tables, read_tables
from wsfcn.data.forms.voc import find_voc, voc_xml
from wsfcn.data.forms.yolo import find_yolo, yolo
from wsfcn.data.tagged import Tags
from wsfcn.errors import DataError, TagError


class Form(NamedTuple):
    """One form of tags."""

    title: str
    """What it is called in messages."""
    find: Callable[[DataFolder], list[Path]]
    """The files or folders that show a data folder to be of this form; none where it is not."""
    read: Callable[[DataFolder, list[Path]], Tags]
    """The tags, from the data folder and what ``find`` found."""


FORMS = {
    "csv": Form("a table", find_tables, read_tables),
    "jsonl": Form("JSON lines", find_lines, read_tables),
    "npy": Form("a dictionary of NumPy", find_npy, cls_labels),
    "mvtec": Form("the layout of MVTec AD", find_mvtec, mvtec),
    "fiftyone": Form("an export of FiftyOne", find_fiftyone, fiftyone),
    "label-studio": Form("an export of Label Studio", find_tasks, label_studio),
    "cvat": Form("CVAT's images 1.1", find_cvat, cvat_xml),
    "coco": Form("COCO annotations", find_coco, coco_json),
    "voc": Form("VOC annotations", find_voc, voc_xml),
    "yolo": Form("a data set of YOLO", find_yolo, yolo),
    "folders": Form("a folder a class", find_folders, class_folders),
}
"""The forms of tags by name, in the order in which they are looked for."""


def read_tags(root: Path, form: str = "auto", normal: Sequence[str] = ()) -> Tags:
    """The pictures in a data folder with their tags, in the given form or the first that fits.

    ``normal`` are names, beside `NORMAL`, that say that nothing is there. Raises TagError, with the
    form, the file and the line, for what cannot be read.
    """
    folder = DataFolder(root, tuple(normal))
    names = FORMS if form == "auto" else [form]
    for name in names:
        try:
            if not (found := FORMS[name].find(folder)):
                continue
            tags = FORMS[name].read(folder, found)
            if not tags.pictures:
                raise TagError(f"{found[0]}: no picture is listed")
        except DataError as error:
            raise TagError(
                f"{error} (read as {FORMS[name].title}{nearest(folder, name)})"
            ) from None
        tags = without_normal(tags, folder)
        classes = {*(tags.objects or ()), *(tag for item in tags.pictures for tag in item.tags)}
        return tags._replace(form=FORMS[name].title, notes=(*tags.notes, *odd_names(classes)))
    forms = "tags" if form == "auto" else f"tags in the form '{form}'"
    raise TagError(f"{root}: no {forms}; {advice(folder)}")


def nearest(folder: DataFolder, name: str) -> str:
    """The form that would fit in place of one that failed, for a message."""
    for other, form in FORMS.items():
        try:
            if other != name and form.find(folder):
                return f"; `--data.tags {other}` would read {form.title}"
        except DataError:
            continue
    return ""


def advice(folder: DataFolder) -> str:
    """What to do with a folder that is of no form."""
    others = nearest(folder, "")
    write = (
        f"write a tags.csv with the header {TWO_FORMS}, or put the pictures into a folder a class"
    )
    if others:
        return f"{write}{others}"
    if not folder.pictures:
        return f"it holds no pictures; {write}"
    first = next(iter(folder.pictures))
    return f"its {len(folder.pictures)} pictures have none, such as {first}; {write}"


def without_normal(tags: Tags, folder: DataFolder) -> Tags:
    """Tags without the names that say that nothing is there, unless classes.txt lists them."""
    dropped: set[str] = set()
    odd = []
    pictures = []
    for picture in tags.pictures:
        kept = tuple(
            name
            for name in picture.tags
            if (name in folder.known and name != BACKGROUND) or not is_normal(name, folder.normal)
        )
        if len(kept) < len(picture.tags):
            dropped.update(set(picture.tags) - set(kept))
            if kept and BACKGROUND not in picture.tags:
                odd.append(picture.where)
        pictures.append(picture._replace(tags=kept) if kept != picture.tags else picture)
    dropped.discard(BACKGROUND)
    if not dropped and tags.objects is None:
        return tags._replace(pictures=pictures)
    objects = tags.objects and tuple(
        name for name in tags.objects if name in folder.known or not is_normal(name, folder.normal)
    )
    notes = list(tags.notes)
    if dropped:
        notes.append(
            f"{', '.join(sorted(dropped))}: taken for 'nothing is there'; list the name in "
            "classes.txt if it is a class"
        )
    if odd:
        notes.append(
            f"{odd[0]} says both that nothing is there and what is; {len(odd)} such pictures"
        )
    return tags._replace(pictures=pictures, objects=objects, notes=tuple(notes))
