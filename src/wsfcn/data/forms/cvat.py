"""CVAT's "images 1.1": one XML file whose images have tags, boxes, polygons, ...

Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from pathlib import Path

from wsfcn.data.forms.finding import SPLITS, DataFolder
from wsfcn.data.forms.markup import root_of
from wsfcn.data.forms.names import clean, unique
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import TagError
from wsfcn.markup import read_xml

LABELLED = ("tag", "box", "polygon", "polyline", "points", "mask", "ellipse", "cuboid", "skeleton")
"""What has a label in an image."""


def find_cvat(folder: DataFolder) -> list[Path]:
    """XML files in the root whose content is CVAT's."""
    return [path for path in sorted(folder.root.glob("*.xml")) if root_of(path) == "annotations"]


def cvat_xml(folder: DataFolder, paths: list[Path]) -> Tags:
    """The labels of each image, of all its shapes and tags, each once."""
    pictures: dict[Path, Tagged] = {}
    listed: list[str] = []
    for path in paths:
        tree = read_xml(path)
        listed += [
            clean(node.text or "", f"{path}, labels")
            for node in tree.iterfind("meta//labels/label/name")
        ]
        if tree.find("track") is not None:
            raise TagError(f"{path}: CVAT for video; export it as 'CVAT for images 1.1'")
        for image in tree.iterfind("image"):
            where = f"{path}, image {image.get('id', '?')}"
            found = folder.find(image.get("name", ""), where)
            labels = [node.get("label", "") for node in image if node.tag in LABELLED]
            tags = unique(clean(label, where) for label in labels)
            if found in pictures:
                raise TagError(f"{where}: also in {pictures[found].where}")
            split = SPLITS.get(image.get("subset", "").lower(), "")
            pictures[found] = Tagged(found, tags, where, split)
    return Tags([*pictures.values()], unique(listed) or None)
