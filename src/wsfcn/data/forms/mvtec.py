"""The layout of MVTec AD: train/good, test/good, test/DEFECT, ground_truth/DEFECT/ID_mask.png.

Dataset: MVTec AD (Bergmann et al., CVPR 2019). Its defects lie in the test pictures alone, so they
can only be learned from some of these: two of three teach, every third of a folder is held out.
"""

from collections import defaultdict
from pathlib import Path

from wsfcn.data.forms.finding import DataFolder, stem_of
from wsfcn.data.forms.folders import class_of
from wsfcn.data.forms.names import clean, is_normal
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import TagError

HELD_OUT = 3
"""Every so many pictures of a folder of the test split are validated on."""


def find_mvtec(folder: DataFolder) -> list[Path]:
    """The folder of ground truth beside train and test."""
    truth = folder.root / "ground_truth"
    parts = [folder.root / name for name in ("train", "test")]
    return [truth] if truth.is_dir() and all(part.is_dir() for part in parts) else []


def mvtec(folder: DataFolder, found: list[Path]) -> Tags:
    """Training pictures, and those of the test split, dealt to training and validation."""
    pictures: list[Tagged] = []
    marks: dict[Path, Path] = {}
    counts: dict[str, int] = defaultdict(int)
    for name, path in folder.pictures.items():
        kind, split = class_of(name)
        if not kind or split not in ("train", "test"):
            continue
        tags = () if is_normal(kind, folder.normal) else (clean(kind, str(path)),)
        if split == "test":
            counts[kind] += 1
            split = "val" if counts[kind] % HELD_OUT == 0 else "train"
        mask = found[0] / kind / f"{stem_of(Path(name).name)}_mask.png"
        if tags and mask.is_file():
            marks[path] = mask
        pictures.append(Tagged(path, tags, str(path), split))
    if not any(picture.tags for picture in pictures):
        raise TagError(f"{folder.root / 'test'}: no folder of a defect, such as test/crack")
    return Tags(
        pictures,
        folder=folder.root,
        notes=(
            "defects lie in test/ alone: two of three of its pictures are learned from, every "
            "third is held out to validate on",
        ),
        marks=marks,
    )
