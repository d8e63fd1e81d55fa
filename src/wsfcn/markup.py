"""XML files that anyone may have written: no entities that grow, no other files fetched."""

from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring

from wsfcn.errors import TagError
from wsfcn.files import read_bytes

LARGEST = 2**28
"""Bytes of the largest file that is read: all annotations of a project in one."""


def read_xml(path: Path) -> Element:
    """The root of an XML file. Raises DataError where it cannot be read, TagError for its text."""
    try:
        return fromstring(read_bytes(path, LARGEST))
    except (SyntaxError, ValueError, LookupError, RecursionError) as error:
        # Broken XML; entities; an unknown encoding; elements within elements without end.
        raise TagError(f"{path}: broken annotation ({error or type(error).__name__})") from None
