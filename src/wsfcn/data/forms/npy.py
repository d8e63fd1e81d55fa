"""`cls_labels.npy`: the dictionary of picture names and 0/1 vectors that research code saves."""

from pathlib import Path

from wsfcn.data.classes import COCO, VOC, read_classes
from wsfcn.data.forms.finding import DataFolder
from wsfcn.data.pickled import read_pickled
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import TagError


def find_npy(folder: DataFolder) -> list[Path]:
    """The file of this name."""
    path = folder.root / "cls_labels.npy"
    return [path] if path.is_file() else []


def cls_labels(folder: DataFolder, paths: list[Path]) -> Tags:
    """The classes whose number is 1, by the order of classes.txt, or VOC's or COCO's.

    Names may be integers, as IRN writes VOC's: 2007000032 for 2007_000032.
    """
    path = paths[0]
    vectors = {}
    for key, vector in read_pickled(path).items():
        name = str(key)
        vectors[f"{name[:4]}_{name[4:]}" if isinstance(key, int) else name] = vector
    if (folder.root / "classes.txt").exists():
        objects = read_classes(folder.root / "classes.txt").objects
    else:
        length = len(next(iter(vectors.values()), ()))
        objects = next((c.objects for c in (VOC, COCO) if len(c.objects) == length), None)
        if objects is None:
            raise TagError(f"{path}: vectors of {length} classes; name them in classes.txt")
    pictures = []
    for name, vector in vectors.items():
        where = f"{path}, '{name}'"
        if len(vector) != len(objects):
            raise TagError(f"{where}: a vector of {len(vector)}, but {len(objects)} classes")
        if not all(value in (0, 1) for value in vector):
            raise TagError(f"{where}: other numbers than 0 and 1; write 1 for what is there")
        tags = tuple(tag for tag, value in zip(objects, vector, strict=True) if value)
        pictures.append(Tagged(folder.find(name, where), tags, where))
    return Tags(pictures, objects)
