"""Pictures of 8-bit numbers in a field of a MATLAB file, as SBD keeps its masks.

Format: "MAT-File Format" (The MathWorks), level 5. Only what such a file needs is read, since the
usual readers can be brought down by a damaged one. What it takes in memory is bounded.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from struct import unpack_from
from zlib import decompressobj, error

import numpy as np
from jaxtyping import UInt8

from wsfcn.errors import DataError, MaskError
from wsfcn.files import read_bytes

LARGEST = 2**26
"""Bytes of the largest file, and of what is compressed in it."""

HEADER = 128
"""Bytes before the first part."""

INT8, UINT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 2, 5, 6, 14, 15
"""Kinds of parts."""

STRUCT, NUMBERS_8 = 2, 9
"""Classes of matrices."""


class Part:
    """A part of the file: its kind and its bytes."""

    def __init__(self, kind: int, content: memoryview) -> None:
        self.kind, self.content = kind, content

    def of(self, kind: int) -> memoryview:
        """Its bytes, where it is of this kind. Raises ValueError."""
        if self.kind != kind:
            raise ValueError(f"a part of kind {self.kind} in place of {kind}")
        return self.content

    def numbers(self, kind: int) -> list[int]:
        """Its 32-bit numbers, where it is of this kind. Raises ValueError."""
        content = self.of(kind)
        return list(unpack_from(f"<{len(content) // 4}i", content))


def read_field(path: Path, variable: str, field: str) -> UInt8[np.ndarray, "h w"]:
    """The numbers in ``variable.field``. Raises MaskError where there are none."""
    try:
        content = read_bytes(path, LARGEST)
        if content[124:128] != b"\x00\x01IM":
            raise ValueError("no MATLAB file of level 5")
        for part in parts(memoryview(content)[HEADER:]):
            found = field_of(inflated(part).of(MATRIX), variable, field)
            if found is not None:
                return found
        raise ValueError(f"holds no {variable}")
    except DataError as reason:
        raise MaskError(str(reason)) from None
    except (ValueError, IndexError, UnicodeDecodeError, error) as reason:
        raise MaskError(f"{path}: no {variable}.{field} ({reason})") from None


def parts(content: memoryview) -> Iterator[Part]:
    """The parts that follow each other. Raises ValueError where one is cut off."""
    place = 0
    while place < len(content):
        kind, length = unpack_exactly("<II", content, place)
        start = place + 8
        if kind >> 16:  # a part of at most four bytes, in the head itself
            kind, length, start = kind & 0xFFFF, kind >> 16, place + 4
            place += 8
        else:
            place = start + length + (-length % 8 if kind != COMPRESSED else 0)
        if start + length > len(content) or (start == place - 4 and length > 4):
            raise ValueError("a part that is cut off")
        yield Part(kind, content[start : start + length])


def unpack_exactly(form: str, content: memoryview, place: int) -> tuple[int, ...]:
    if place + 8 > len(content):
        raise ValueError("a part that is cut off")
    return unpack_from(form, content, place)


def inflated(part: Part) -> Part:
    """A part as it was before it was compressed. Raises ValueError where it would grow large."""
    if part.kind != COMPRESSED:
        return part
    content = decompressobj().decompress(part.content, LARGEST)
    if len(content) == LARGEST:
        raise ValueError("compressed to a small part of its length")
    return next(parts(memoryview(content)), Part(0, part.content))


def field_of(matrix: memoryview, variable: str, field: str) -> UInt8[np.ndarray, "h w"] | None:
    """The numbers in a field of a matrix; None where it is another variable."""
    flags, size, name, *rest = parts(matrix)
    if bytes(name.of(INT8)).decode() != variable:
        return None
    if flags.numbers(UINT32)[0] & 0xFF != STRUCT or prod(size.numbers(INT32)) != 1:
        raise ValueError(f"{variable} is no structure")
    length = rest[0].numbers(INT32)[0]
    names = bytes(rest[1].of(INT8))
    if length < 1:
        raise ValueError("fields without names")
    fields = [names[n : n + length].split(b"\0")[0] for n in range(0, len(names), length)]
    if field.encode() not in fields:
        raise ValueError(f"{variable} has no such field")
    return numbers_of(rest[2 + fields.index(field.encode())].of(MATRIX))


def numbers_of(matrix: memoryview) -> UInt8[np.ndarray, "h w"]:
    """A matrix of 8-bit numbers, which lie column by column."""
    flags, size, _name, values, *_ = parts(matrix)
    shape = size.numbers(INT32)
    content = values.of(UINT8)
    if flags.numbers(UINT32)[0] & 0xFF != NUMBERS_8 or len(shape) != 2:
        raise ValueError("no picture of 8-bit numbers")
    if min(shape) < 1 or prod(shape) != len(content):
        raise ValueError(f"{len(content)} numbers for {shape[0]} x {shape[1]}")
    return np.frombuffer(content, np.uint8).reshape(shape, order="F").copy()
