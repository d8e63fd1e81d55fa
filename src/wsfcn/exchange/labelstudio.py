"""``labelstudio``: Label Studio's list of tasks, and the labelling configuration for them.

Labels go out as predictions, which its users accept or correct, as brush strokes or polygons. Back
come its exports of the kind "JSON": the last annotation of each task counts. Tasks that nobody has
annotated are left out, unless none is annotated: then the predictions are read.

Format: https://labelstud.io/guide/task_format and /guide/predictions. Coordinates are percentages
of the picture's size.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from math import cos, radians, sin
from pathlib import Path
from typing import Any, NamedTuple, TypedDict
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

import msgspec
import numpy as np
from jaxtyping import Bool, Float

from wsfcn.errors import DataError, MaskError
from wsfcn.exchange.jsonstream import ListWriter, read_items
from wsfcn.exchange.labelled import (
    Collection,
    Given,
    Labelled,
    Wanted,
    index_of,
    mean_scores,
)
from wsfcn.exchange.outlines import filled, seamed
from wsfcn.exchange.rle import decode_brush, encode_brush
from wsfcn.exchange.shapes import shapes_of
from wsfcn.files import atomic
from wsfcn.images import voc_palette
from wsfcn.markup import read_xml
from wsfcn.types import Classes

KINDS = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels", "keypointlabels")
"""Results that lie somewhere in the picture; each has its labels in a field of the same name."""

UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of a file that was uploaded."""

CORNERS = 32
"""Points on an ellipse."""


def fits(source: Path) -> bool:
    """A JSON file that begins with a list."""
    if source.is_dir() or source.suffix.lower() != ".json":
        return False
    with source.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["


class Found(NamedTuple):
    """What the first look at a file finds."""

    names: list[str]
    annotated: int
    tasks: int


def read(source: Path, wanted: Wanted) -> Collection:
    """A file of tasks, read twice: for its classes, then task by task."""
    names, annotated, tasks = look_through(source)
    if not tasks:
        raise DataError(f"{source}: holds no task")
    config = source.with_suffix(".xml")
    listed = names_of_config(config) if config.exists() else []
    classes = wanted.classes_of([*listed, *sorted(set(names))], source)
    collection = Collection(classes, iter(()))
    if annotated and annotated < tasks:
        collection.notes["tasks without an annotation, left out"] = tasks - annotated
    pictures = read_tasks(source, classes, wanted, bool(annotated))
    return Collection(classes, pictures, collection.notes)


def look_through(source: Path) -> Found:
    """Names of labels, the number of annotated tasks, and of all. Raises DataError."""
    names: dict[str, None] = {}
    annotated = tasks = 0
    for tasks, task in enumerate(read_items(source), start=1):
        check_task(task, f"{source}, task {tasks}")
        annotated += bool(latest(task.get("annotations")))
        for made in (*(task.get("annotations") or []), *(task.get("predictions") or [])):
            for result in made.get("result") or []:
                names |= dict.fromkeys(labels_of(result))
    return Found([*names], annotated, tasks)


class Result(TypedDict, total=False):
    """A label that lies somewhere in the picture; or a choice, a text, a relation."""

    type: str | None
    value: dict[str, Any] | None
    original_width: float | None
    original_height: float | None


class Made(TypedDict, total=False):
    """An annotation or a prediction."""

    result: list[Result] | None


class Task(TypedDict, total=False):
    """A picture with all that was said of it."""

    data: dict[str, Any]
    annotations: list[Made] | None
    predictions: list[Made] | None


def check_task(task: Any, where: str) -> None:
    """Raise DataError for what is no task, with the kind of export that it may be."""
    if isinstance(task, dict) and isinstance(task.get("data"), dict):
        if "completions" in task:
            raise DataError(
                f"{where}: has 'completions', as Label Studio had before version 1.0; "
                "expected 'annotations'"
            )
        made = [task.get("annotations"), task.get("predictions")]
        if any(
            isinstance(item, int) for items in made if isinstance(items, list) for item in items
        ):
            raise DataError(f"{where}: holds numbers of annotations alone; export as JSON")
        try:
            msgspec.convert(task, Task)
        except msgspec.ValidationError as error:
            raise DataError(f"{where}: is not as Label Studio writes it ({error})") from None
        return
    kind = "of the kind JSON-MIN" if isinstance(task, dict) and "id" in task else "of another tool"
    raise DataError(f"{where}: has no 'data'; is the export {kind}? Export as JSON")


def names_of_config(path: Path) -> list[str]:
    """The labels of a labelling configuration, in order. Raises DataError."""
    return [node.get("value") or "" for node in read_xml(path).iter("Label")]


def latest(annotations: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    """The last annotation that was not cancelled."""
    kept = [made for made in annotations or [] if not made.get("was_cancelled")]
    return max(
        kept,
        key=lambda made: str(made.get("updated_at") or made.get("created_at") or ""),
        default=None,
    )


def labels_of(result: dict[str, Any]) -> list[str]:
    """The labels of a result that lies somewhere in the picture."""
    value = result.get("value") or {}
    names = value.get(result.get("type"), value.get("labels"))
    return [str(name) for name in names] if isinstance(names, list) else []


def read_tasks(
    source: Path, classes: Classes, wanted: Wanted, annotated: bool
) -> Iterator[Labelled]:
    """Draw the annotation, or where there are none in the file the prediction, of each task."""
    for number, task in enumerate(read_items(source), start=1):
        where = f"{source}, task {task.get('id', number)}"
        made = latest(task.get("annotations" if annotated else "predictions"))
        if made is None and annotated:
            continue
        results = [r for r in (made or {}).get("result") or [] if labels_of(r)]
        place = wanted.place(file_of(task["data"], where), size_of(task, results, where), where)
        labels = wanted.blank(place.size)
        scores = []
        for result in results:
            region = region_of(result, labels.shape, where)
            k = index_of(labels_of(result)[0], classes)
            labels[region] = k
            with suppress(TypeError, ValueError, KeyError):
                scores.append((k, float(result["score"]), float(region.sum())))
        yield Labelled(
            name=place.name,
            labels=labels,
            file=place.file,
            picture=place.picture,
            scores=mean_scores(scores),
        )


def file_of(data: dict[str, Any], where: str) -> str:
    """The path of a task's picture: ours where we wrote it, else from its address."""
    if isinstance(data.get("file"), str):
        return data["file"]
    url = data.get("image") or next((v for v in data.values() if isinstance(v, str)), None)
    if not isinstance(url, str):
        raise DataError(f"{where}: names no picture in its data")
    address = urlsplit(url)
    local = parse_qs(address.query).get("d")
    path = local[0] if local else unquote(address.path)
    folder, _, name = path.rpartition("/")
    if folder.startswith("/data/upload"):
        return UPLOAD.sub("", name)
    return path.lstrip("/")


def size_of(
    task: dict[str, Any], results: list[dict[str, Any]], where: str
) -> tuple[int, int] | None:
    """The size that the results or our own data tell. Raises MaskError for two different ones."""
    keys = ("original_width", "original_height")
    sizes = {tuple(r[key] for key in keys) for r in results if all(r.get(key) for key in keys)}
    if len(sizes) > 1:
        raise MaskError(f"{where}: results for pictures of different sizes: {sorted(sizes)}")
    data = task["data"]
    width, height = sizes.pop() if sizes else (data.get("width"), data.get("height"))
    try:
        return (int(width), int(height))
    except (TypeError, ValueError):
        return None


def region_of(
    result: dict[str, Any], shape: tuple[int, ...], where: str
) -> Bool[np.ndarray, "h w"]:
    """The pixels of a result. Raises DataError for a kind that is none of `KINDS`."""
    where = f"{where}, result {result.get('id')}"
    if result.get("image_rotation"):
        raise DataError(f"{where}: was drawn on a turned picture; turn it back in Label Studio")
    value = result["value"]
    height, width = shape
    try:
        if "rle" in value:
            return decode_brush(value["rle"], height, width)
        ring = ring_of(value, height, width)
        if ring is not None:
            return filled([ring], height, width)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{where}: cannot be read ({error})") from None
    raise DataError(f"{where}: is of the kind '{result.get('type')}'; expected {', '.join(KINDS)}")


def ring_of(value: dict[str, Any], height: int, width: int) -> Float[np.ndarray, "n 2"] | None:
    """A polygon, rectangle, ellipse or point as a ring, in pixels; None for anything else."""
    unit = np.array([width, height]) / 100
    if "points" in value:
        return np.array(value["points"], float).reshape(-1, 2) * unit
    if "x" not in value or "y" not in value:
        return None
    at = np.array([value["x"], value["y"]], float) * unit
    turn = radians(value.get("rotation", 0))
    turned = np.array([[cos(turn), sin(turn)], [-sin(turn), cos(turn)]])
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if "radiusX" in value:
        return at + circle * ((value["radiusX"], value["radiusY"]) * unit) @ turned
    if "height" in value:
        size = np.array([value["width"], value["height"]], float) * unit
        # A rectangle turns about its upper left corner.
        return at + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size @ turned
    if "width" in value:
        return at + circle * (float(value["width"]) * unit[0] / 2)
    return None


def write(out: Path, collection: Collection, given: Given) -> None:
    """Write the tasks, and the labelling configuration beside them as ``.xml``."""
    with out.open("w", encoding="utf-8") as file:
        tasks = ListWriter(file)
        for picture in collection.pictures:
            tasks.add(task_of(picture, collection, given, tasks.count + 1))
        tasks.close()
    with atomic(given.out.with_suffix(".xml")) as name:
        name.write_text(configuration(collection.classes, given.shapes), encoding="utf-8")


def task_of(picture: Labelled, collection: Collection, given: Given, number: int) -> dict[str, Any]:
    """One picture as a task with a prediction."""
    width, height = picture.size
    results = []
    for shape in shapes_of(picture, collection, given):
        name = collection.classes.names[shape.label]
        if shape.outlines:
            rings = [seamed(outline) / (width / 100, height / 100) for outline in shape.outlines]
            values = [{"points": r.round(5).tolist(), "closed": True} for r in rings]
            kind, tag = "polygonlabels", "polygon"
        else:
            values = [{"format": "rle", "rle": encode_brush(shape.region)}]
            kind, tag = "brushlabels", "brush"
        for value in values:
            result = {
                "id": f"{number}-{len(results) + 1}",
                "type": kind,
                "from_name": tag,
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": value | {kind: [name]},
            }
            if shape.label in picture.scores:
                result["score"] = picture.scores[shape.label]
            results.append(result)
    prediction: dict[str, Any] = {"model_version": "wsfcn", "result": results}
    if picture.scores:
        prediction["score"] = round(sum(picture.scores.values()) / len(picture.scores), 4)
    data = {
        "image": given.settings.url + quote(picture.file),
        "file": picture.file,
        "width": width,
        "height": height,
    }
    return {"id": number, "data": data, "predictions": [prediction]}


def configuration(classes: Classes, shapes: str) -> str:
    """The labelling configuration: one brush or polygon, a colour a class."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true")
    kind, tag = ("PolygonLabels", "polygon") if shapes == "polygons" else ("BrushLabels", "brush")
    control = ElementTree.SubElement(view, kind, name=tag, toName="image")
    for k, name in enumerate(classes.objects, start=1):
        colour = "#{:02x}{:02x}{:02x}".format(*voc_palette()[k].tolist())
        ElementTree.SubElement(control, "Label", value=name, background=colour)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"
