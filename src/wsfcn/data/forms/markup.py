"""XML of labelling tools: by the name of its root a form is recognised."""

from pathlib import Path

from wsfcn.errors import DataError
from wsfcn.markup import read_xml


def root_of(path: Path) -> str:
    """The name of an XML file's root, or nothing where it is none."""
    try:
        return read_xml(path).tag
    except DataError:
        return ""
