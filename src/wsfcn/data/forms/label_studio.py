"""Label Studio's exports: JSON, JSON-MIN, and CSV, which a table's reader hands over.

Choices are tags; labels of boxes, polygons and strokes serve as tags too. Tasks that nobody has
annotated are left out. Format: https://labelstud.io/guide/export
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from wsfcn.data.forms.addresses import find_address
from wsfcn.data.forms.finding import DataFolder, first_sign
from wsfcn.data.forms.names import clean, shown, unique
from wsfcn.data.tagged import Tagged, Tags
from wsfcn.errors import TagError
from wsfcn.files import read_bytes

LABELS = (
    "choices", "rectanglelabels", "polygonlabels", "brushlabels", "ellipselabels",
    "keypointlabels", "labels", "taxonomy",
)  # fmt: skip
"""Where a result holds its labels."""

APART = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
"""Fields of a task in JSON-MIN that are no labels."""


def find_tasks(folder: DataFolder) -> list[Path]:
    """JSON files in the root that begin with a list."""
    return [path for path in sorted(folder.root.glob("*.json")) if first_sign(path) == b"["]


def label_studio(folder: DataFolder, paths: list[Path]) -> Tags:
    """The choices of each task, of its last annotation."""
    path = paths[0]
    try:
        tasks = msgspec.json.decode(read_bytes(path), type=list[dict[str, Any]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TagError(f"{path}: no list of tasks ({error})") from None
    pictures: dict[Path, Tagged] = {}
    waiting = 0
    for number, task in enumerate(tasks, start=1):
        where = f"{path}, task {number}"
        names = from_task(task, where) if "data" in task else from_minimal(task, where)
        if names is None:
            waiting += 1
            continue
        found = find_address(folder, picture_of(task.get("data", task), where), where)
        before = pictures.get(found)
        pictures[found] = Tagged(found, unique([*(before.tags if before else ()), *names]), where)
    if not pictures:
        raise TagError(f"{path}: none of {len(tasks)} tasks is annotated")
    notes = [f"{waiting} tasks are not annotated, and left out"] if waiting else []
    return Tags([*pictures.values()], notes=tuple(notes))


def from_task(task: dict[str, Any], where: str) -> tuple[str, ...] | None:
    """The labels of a task in the export JSON; None where nobody has annotated it."""
    made = task.get("annotations")
    if not isinstance(made, list) or not all(isinstance(item, dict) for item in made):
        raise TagError(f"{where}: no `annotations` with their results; export as JSON")
    made = [item for item in made if not item.get("was_cancelled")]
    if not made:
        return None
    results = made[-1].get("result")
    if not isinstance(results, list):
        raise TagError(f"{where}: an annotation without `result`")
    names: list[str] = []
    for result in results:
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict):
            names += [name for key in LABELS for name in leaves(value.get(key), where)]
    return unique(names)


def leaves(value: Any, where: str) -> Iterator[str]:
    """The names in a list of labels; of a path in a taxonomy the last."""
    if value is None:
        return
    for item in value if isinstance(value, list) else [value]:
        yield clean(item[-1] if isinstance(item, list) and item else item, where)


def from_minimal(task: dict[str, Any], where: str) -> tuple[str, ...] | None:
    """The labels of a task in JSON-MIN: every field that is neither the picture nor about it."""
    names: list[str] = []
    seen = False
    for key, value in task.items():
        if key in APART or is_picture(value):
            continue
        labels = list(labels_in(value, where))
        seen = seen or bool(labels)
        names += labels
    return unique(names) if seen or "annotation_id" in task else None


def labels_in(value: Any, where: str) -> Iterator[str]:
    """The names in a field of JSON-MIN: a choice, several, or regions with labels."""
    if isinstance(value, str):
        yield clean(value, where)
    elif isinstance(value, dict):
        for key in LABELS:
            yield from leaves(value.get(key), where)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | str):
                yield from labels_in(item, where)


def is_picture(value: Any) -> bool:
    """Whether a field holds the address of a picture."""
    return isinstance(value, str) and bool(re.search(r"\.\w{2,5}($|[?#])|/", value))


def picture_of(data: Any, where: str) -> str:
    """The address of the picture in a task's data."""
    fields = data if isinstance(data, dict) else {}
    for value in (fields.get("image"), fields.get("img"), *fields.values()):
        if is_picture(value):
            return str(value)
    raise TagError(f"{where}: no picture in its data {shown(data)}")
