"""What the tab Data does: pictures by class, and tags that are changed and written back."""

from datetime import datetime
from pathlib import Path
from shutil import copyfile
from threading import Lock

from wsfcn.config import DataSettings
from wsfcn.data.dataset import TaggedPicture, classes_of, folder_of, open_data
from wsfcn.data.forms import read_tags
from wsfcn.data.forms.changing import change_tags, changeable
from wsfcn.errors import SettingError, TagError
from wsfcn.files import atomic

ALL, UNTAGGED = "all pictures", "no tag"
"""What is shown beside the pictures of one class."""


class Tagging:
    """The tags of a data set, read anew after each change. Raises DataError."""

    def __init__(self, settings: DataSettings) -> None:
        self.settings = settings
        self.root = folder_of(settings)
        self.lock = Lock()
        self.kept: Path | None = None
        """The table as it was before the first change."""
        self.read()

    def read(self) -> None:
        """Read tags and splits. Raises DataError."""
        self.data = open_data(self.settings)
        self.pictures = {p.name: p for p in (*self.data.train, *self.data.val)}

    @property
    def groups(self) -> list[str]:
        """What can be shown: all, each class, those without a tag where there may be such."""
        return [ALL, *self.data.classes.objects, *([] if self.demand else [UNTAGGED])]

    def names(self, group: str) -> list[str]:
        """The names of the pictures of a group, in order."""
        return sorted(name for name, picture in self.pictures.items() if belongs(picture, group))

    def picture(self, name: str) -> TaggedPicture:
        """A picture by its name. Raises SettingError."""
        if name not in self.pictures:
            raise SettingError(f"no picture '{name}' in {self.root}")
        return self.pictures[name]

    @property
    def demand(self) -> str:
        """Why every picture needs a tag; empty where one may be without."""
        if not self.data.classes.background:
            return "without a background every pixel belongs to a class"
        return "data.untagged is false" if self.settings.untagged is False else ""

    @property
    def refusal(self) -> str:
        """Why tags cannot be changed here; empty where they can."""
        if self.settings.tags not in ("auto", "csv"):
            return f"tags are read as {self.settings.tags}; change them in the tool they come from"
        try:
            changeable(self.root)
        except TagError as error:
            return str(error)
        return ""

    def change(self, name: str, tags: list[str]) -> Path:
        """Write a picture's tags into the table, whole or not at all; returns the older file.

        The table as it was before the first change stays beside it. Raises TagError.
        """
        with self.lock:
            if refusal := self.refusal:
                raise TagError(refusal)
            wanted = [tag for tag in self.data.classes.objects if tag in tags]
            if unknown := set(tags) - set(wanted):
                self.data.classes.index(unknown.pop())
            if self.demand and not wanted:
                raise TagError(f"{name}: {self.demand}; tick a tag at least")
            table, classes = changeable(self.root), self.data.classes
            if not (self.root / "classes.txt").exists():
                self.keeps_classes(name, wanted)
            if self.kept is None:
                time = datetime.now().strftime("%Y-%m-%d-%H%M%S")
                self.kept = table.with_name(f"{table.name}.{time}.old")
                with atomic(self.kept) as copy:
                    copyfile(table, copy)
            change_tags(self.root, self.picture(name).path, wanted)
            self.read()
            assert self.data.classes == classes
            return self.kept

    def keeps_classes(self, name: str, tags: list[str]) -> None:
        """Raise TagError where the class list, which the tags imply, would lose a class."""
        found = read_tags(self.root, self.settings.tags, self.settings.normal)
        others = {
            tag for p in found.pictures if p.path != self.picture(name).path for tag in p.tags
        }
        for tag in set(self.picture(name).tags) - set(tags):
            if tag not in others and tag in classes_of(self.root, found).objects:
                raise TagError(
                    f"{name} is the last picture of '{tag}', which would be no class any more; "
                    "list the classes in classes.txt first"
                )


def belongs(picture: TaggedPicture, group: str) -> bool:
    """Whether a picture is one of a group."""
    if group == UNTAGGED:
        return not picture.tags
    return group == ALL or group in picture.tags
