"""``cvat``: "CVAT for images 1.1", one XML file of masks or polygons.

Format: CVAT's documentation of its XML format, version 1.1. Shapes with a higher ``z_order`` lie
over others. CVAT has no scores. Videos ("CVAT for video", with tracks) are another form.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from defusedxml.ElementTree import iterparse
from jaxtyping import Bool

from wsfcn.errors import DataError
from wsfcn.exchange.labelled import Collection, Given, Labelled, Wanted, index_of
from wsfcn.exchange.outlines import filled, seamed
from wsfcn.exchange.rle import decode_rows, encode_rows
from wsfcn.exchange.shapes import Shape, shapes_of
from wsfcn.files import open_regular
from wsfcn.images import voc_palette
from wsfcn.types import Classes

VERSION = "1.1"
FILE = "annotations.xml"
POINT = 2.5
"""Radius of a point, in pixels: a person who sets one does not mean a single pixel."""
CORNERS = 32
"""Points on an ellipse."""


def file_of(source: Path) -> Path:
    """The file itself, or annotations.xml in a folder, as CVAT packs it."""
    return source / FILE if source.is_dir() else source


def fits(source: Path) -> bool:
    """An XML file, or a folder with annotations.xml."""
    path = file_of(source)
    return path.suffix.lower() == ".xml" and path.is_file()


def read(source: Path, wanted: Wanted) -> Collection:
    """A file of annotations, read twice: for its labels, then picture by picture."""
    path = file_of(source)
    listed, used = look_through(path)
    classes = wanted.classes_of([*listed, *used], path)
    return Collection(classes, read_images(path, classes, wanted))


def elements(path: Path) -> Iterator[Element]:
    """The parts of the file, one after the other, each whole. Raises DataError."""
    with open_regular(path) as file:
        try:
            parts = iterparse(file, events=("start", "end"))
            root = next(parts)[1]
            if root.tag != "annotations":
                raise DataError(f"{path}: begins with <{root.tag}>; expected CVAT's <annotations>")
            depth = 0
            for event, element in parts:
                depth += 1 if event == "start" else -1
                if depth == 0:
                    yield element
                    # What has been read is let go, so that a large file takes no memory.
                    root.clear()
        except (SyntaxError, ValueError, LookupError, StopIteration) as error:
            # Entities are ValueErrors, an unknown encoding is a LookupError.
            raise DataError(f"{path}: broken XML ({error or 'it is empty'})") from None


def look_through(path: Path) -> tuple[list[str], list[str]]:
    """The labels that the file lists, in order, and those that it uses. Raises DataError."""
    listed: dict[str, None] = {}
    used: dict[str, None] = {}
    for element in elements(path):
        if element.tag == "version" and (element.text or "").strip() != VERSION:
            raise DataError(f"{path}: is of version {element.text}; expected {VERSION}")
        if element.tag == "track":
            raise DataError(f"{path}: holds tracks of a video; export as 'CVAT for images 1.1'")
        if element.tag == "meta":
            listed |= dict.fromkeys(n.text or "" for n in element.iterfind(".//labels/label/name"))
        if element.tag == "image":
            used |= dict.fromkeys(shape.get("label", "") for shape in shapes_in(element))
    return [*listed], sorted(used)


def shapes_in(image: Element) -> list[Element]:
    """The shapes of a picture, the lowest first; tags of whole pictures are none."""
    shapes = [shape for shape in image if shape.tag not in ("tag", "attribute")]
    return sorted(shapes, key=lambda shape: int(shape.get("z_order", 0)))


def read_images(path: Path, classes: Classes, wanted: Wanted) -> Iterator[Labelled]:
    """Draw the shapes of each picture. Raises DataError."""
    for element in elements(path):
        if element.tag != "image":
            continue
        where = f"{path}, image {element.get('id')}"
        try:
            file = element.attrib["name"]
            size = (int(element.attrib["width"]), int(element.attrib["height"]))
        except (KeyError, ValueError) as error:
            raise DataError(f"{where}: expected name, width and height ({error})") from None
        place = wanted.place(file, size, where)
        labels = wanted.blank(place.size)
        for shape in shapes_in(element):
            try:
                region = region_of(shape, *labels.shape)
            except (KeyError, ValueError, IndexError) as error:
                raise DataError(f"{where}: a <{shape.tag}> cannot be read ({error})") from None
            labels[region] = index_of(shape.get("label", ""), classes)
        yield Labelled(name=place.name, labels=labels, file=place.file, picture=place.picture)


def region_of(shape: Element, height: int, width: int) -> Bool[np.ndarray, "h w"]:
    """The pixels of a shape. Raises ValueError for a kind that covers none."""
    value = shape.attrib
    if shape.tag == "mask":
        left, top, w, h = (int(value[key]) for key in ("left", "top", "width", "height"))
        if not (0 <= left <= left + w <= width and 0 <= top <= top + h <= height):
            raise ValueError("it leaves the picture")
        region = np.zeros((height, width), bool)
        region[top : top + h, left : left + w] = decode_rows(numbers(value["rle"]), h, w)
        return region
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if shape.tag == "box":
        left, top, right, bottom = (float(value[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        return filled([turned(corners, value.get("rotation", "0"))], height, width)
    if shape.tag == "ellipse":
        middle = np.array([float(value["cx"]), float(value["cy"])])
        ring = middle + circle * (float(value["rx"]), float(value["ry"]))
        return filled([turned(ring, value.get("rotation", "0"))], height, width)
    if shape.tag in ("polygon", "points"):
        pairs = [pair.split(",") for pair in value["points"].split(";")]
        points = np.array([[float(x), float(y)] for x, y in pairs])
        rings = [points] if shape.tag == "polygon" else [point + circle * POINT for point in points]
        return filled(rings, height, width)
    raise ValueError("expected mask, polygon, box, ellipse or points")


def numbers(text: str) -> list[int]:
    """Whole numbers with commas between them."""
    return [int(part) for part in text.split(",")]


def turned(ring: np.ndarray, degrees: str) -> np.ndarray:
    """A ring turned clockwise about its middle."""
    angle = np.deg2rad(float(degrees))
    middle = ring.mean(axis=0)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return middle + (ring - middle) @ matrix


def write(out: Path, collection: Collection, given: Given) -> None:
    """Write the file picture by picture."""
    with out.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        file.write(f"  <version>{VERSION}</version>\n")
        write_meta(file, collection.classes)
        for number, picture in enumerate(collection.pictures):
            width, height = picture.size
            file.write(
                f'  <image id="{number}" name={quoteattr(picture.file)} '
                f'width="{width}" height="{height}">\n'
            )
            for shape in shapes_of(picture, collection, given, scores=False):
                for line in shape_lines(shape, collection.classes):
                    file.write(f"    {line}\n")
            file.write("  </image>\n")
        file.write("</annotations>\n")


def write_meta(file: TextIO, classes: Classes) -> None:
    """Write the labels with their colours."""
    file.write("  <meta>\n    <task>\n      <name>wsfcn</name>\n      <mode>annotation</mode>\n")
    file.write("      <labels>\n")
    for k, name in enumerate(classes.objects, start=1):
        colour = "#{:02x}{:02x}{:02x}".format(*voc_palette()[k].tolist())
        file.write(
            f"        <label><name>{escape(name)}</name><color>{colour}</color>"
            "<type>any</type><attributes></attributes></label>\n"
        )
    file.write("      </labels>\n    </task>\n  </meta>\n")


def shape_lines(shape: Shape, classes: Classes) -> Iterator[str]:
    """One object as a mask within its box, or as polygons."""
    common = f'label={quoteattr(classes.names[shape.label])} source="auto" occluded="0"'
    for outline in shape.outlines:
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in seamed(outline).tolist())
        yield f'<polygon {common} points="{points}" z_order="0"></polygon>'
    if not shape.outlines:
        rows = np.flatnonzero(shape.region.any(axis=1))
        columns = np.flatnonzero(shape.region.any(axis=0))
        part = shape.region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        runs = ", ".join(map(str, encode_rows(part)))
        yield (
            f'<mask {common} rle="{runs}" left="{columns[0]}" top="{rows[0]}" '
            f'width="{part.shape[1]}" height="{part.shape[0]}" z_order="0"></mask>'
        )
