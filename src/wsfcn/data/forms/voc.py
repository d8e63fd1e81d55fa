"""VOC annotations in XML: a file a picture, whose boxes name classes."""

from pathlib import Path

from wsfcn.data.forms.finding import SPLITS, DataFolder
from wsfcn.data.forms.markup import root_of
from wsfcn.data.forms.names import clean, unique
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import TagError
from wsfcn.markup import read_xml


def find_voc(folder: DataFolder) -> list[Path]:
    """The folder of annotations; also Roboflow's, beside the pictures of each split."""
    found = []
    for name in PLACES:
        place = folder.root / name
        first = min(place.glob("*.xml"), default=None) if place.is_dir() else None
        if first and (name == "Annotations" or root_of(first) == "annotation"):
            found.append(place)
    return found


PLACES = ("Annotations", "train", "valid", "val", "test")
"""Folders of annotations; those of splits hold their pictures too."""


def voc_xml(folder: DataFolder, places: list[Path]) -> Tags:
    """The classes that the boxes of each picture name."""
    pictures = []
    for place in places:
        near = place.relative_to(folder.root).as_posix()
        for path in sorted(place.glob("*.xml")):
            found = folder.find(path.stem, str(path), near)
            pictures.append(Tagged(found, names_of_boxes(path), str(path), SPLITS.get(near, "")))
    return Tags(pictures)


def names_of_boxes(path: Path) -> tuple[str, ...]:
    """The names of the boxes in a VOC annotation, each once, in order. Raises TagError."""
    tree = read_xml(path)
    if tree.tag != "annotation":
        raise TagError(f"{path}: expected <annotation>, as VOC has it, found <{tree.tag[:40]}>")
    names = []
    for number, box in enumerate(tree.iterfind("object"), start=1):
        where = f"{path}, object {number}"
        if len(box.findall("name")) > 1:
            raise TagError(f"{where}: two names; write an object each")
        names.append(clean(box.findtext("name") or "", where))
    return unique(names)
