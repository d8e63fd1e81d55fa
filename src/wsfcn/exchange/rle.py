"""Regions as runs of pixels: Label Studio's brush, COCO's compressed strings, CVAT's lists.

Label Studio's brush is the run-length code of the JavaScript library rle-pack, bit by bit, over the
four channels (red, green, blue, opacity) of a picture the size of the labelled one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

WORD = 8
"""Bits of a value."""
LENGTHS = (3, 4, 8, 16)
"""Bits that a run's length may take; two bits say which."""
CHANNELS = 4


def encode_brush(region: Bool[np.ndarray, "h w"]) -> list[int]:
    """A region as Label Studio's brush has it: bytes.

    >>> encode_brush(np.array([[True, False]]))
    [0, 0, 0, 8, 57, 27, 252, 127, 241, 128, 0]
    >>> decode_brush(encode_brush(np.array([[True, False]])), 1, 2)
    array([[ True, False]])
    """
    header = [f"{region.size * CHANNELS:032b}", f"{WORD - 1:05b}"]
    header += [f"{length - 1:04b}" for length in LENGTHS]
    runs = []
    value, lengths = first_and_lengths(region)
    for length in (lengths * CHANNELS).tolist():
        for start in range(0, length, 1 << LENGTHS[-1]):
            part = min(length - start, 1 << LENGTHS[-1])
            size = next(n for n, bits in enumerate(LENGTHS) if part <= 1 << bits)
            runs.append(f"1{size:02b}{part - 1:0{LENGTHS[size]}b}{255 * value:0{WORD}b}")
        value = not value
    bits = "".join(header + runs)
    # A whole byte of zeros at the end where the bits fill theirs, as the tool itself writes.
    count = len(bits) // 8 + 1
    return list((int(bits, 2) << (count * 8 - len(bits))).to_bytes(count, "big"))


def decode_brush(code: Sequence[int], height: int, width: int) -> Bool[np.ndarray, "h w"]:
    """The pixels that a brush covers by at least half. Raises ValueError for another code."""
    data = bytes(code)
    bits = f"{int.from_bytes(data, 'big'):0{len(data) * 8}b}"
    count, word = int(bits[:32], 2), int(bits[32:37], 2) + 1
    if count != height * width * CHANNELS or word != WORD:
        raise ValueError(
            f"{count} values of {word} bits, expected {height * width * CHANNELS} of {WORD}"
        )
    lengths = [int(bits[n : n + 4], 2) + 1 for n in range(37, 53, 4)]
    values = np.zeros(count, np.uint8)
    at, done = 53, 0
    while done < count:
        size = lengths[int(bits[at + 1 : at + 3], 2)]
        end = done + int(bits[at + 3 : at + 3 + size], 2) + 1
        repeated, at = bits[at] == "1", at + 3 + size
        taken = WORD if repeated else WORD * (end - done)
        if end > count or at + taken > len(bits):
            raise ValueError("its runs do not fit the picture")
        if repeated:
            values[done:end] = int(bits[at : at + WORD], 2)
        else:
            literal = int(bits[at : at + taken], 2).to_bytes(end - done, "big")
            values[done:end] = np.frombuffer(literal, np.uint8)
        at, done = at + taken, end
    return values.reshape(height, width, CHANNELS)[..., 3] >= 128


def first_and_lengths(region: Bool[np.ndarray, "h w"]) -> tuple[bool, np.ndarray]:
    """The first value, and the lengths of the runs, row by row.

    >>> first_and_lengths(np.array([[False, True], [True, False]]))
    (False, array([1, 2, 1]))
    """
    flat = region.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return bool(flat[0]), np.diff(np.concatenate([[0], changes, [flat.size]]))


def encode_rows(region: Bool[np.ndarray, "h w"]) -> list[int]:
    """Lengths of runs row by row, the first one of pixels outside (0 if there are none): CVAT's."""
    first, lengths = first_and_lengths(region)
    return [0] * first + lengths.tolist()


def decode_rows(lengths: Sequence[int], height: int, width: int) -> Bool[np.ndarray, "h w"]:
    """The inverse of `encode_rows`. Raises ValueError where the runs do not fit."""
    if sum(lengths) != height * width or min(lengths) < 0:
        raise ValueError(f"runs of {sum(lengths)} pixels, expected {height * width}")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(height, width)


def encode_coco(region: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    """A region as COCO's compressed run-length code: ``size`` (height, width) and ``counts``."""
    from pycocotools import mask as rle

    code: Any = rle.encode(np.asfortranarray(region, np.uint8))
    return code | {"counts": code["counts"].decode("ascii")}
