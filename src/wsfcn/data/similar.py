"""Pictures of one set that are those of another: the same again, turned by right angles, mirrored.

They are found by a perceptual hash (the signs of the lowest frequencies of a cosine transform,
https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html, here by imagehash),
and confirmed by the correlation of their thumbnails.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

FAR = 8
"""Bits, of 64, by which the hashes of the same picture may differ."""

ALIKE = 0.97
"""Correlation of the thumbnails, from which on they show the same."""

BLOCK = 1024
"""Hashes that are compared with all others at once."""

Thumbnails = Mapping[Path, UInt8[np.ndarray, "32 32"]]


class Twin(NamedTuple):
    """Two files of one picture."""

    one: Path
    other: Path
    how: str
    """How the other lies: as it is, turned, mirrored."""


TURNS = {
    "the same": lambda x: x,
    "turned by 90 degrees": lambda x: np.rot90(x),
    "turned by 180 degrees": lambda x: np.rot90(x, 2),
    "turned by 270 degrees": lambda x: np.rot90(x, 3),
    "mirrored": lambda x: x[:, ::-1],
    "mirrored and turned by 90 degrees": lambda x: np.rot90(x[:, ::-1]),
    "mirrored and turned by 180 degrees": lambda x: np.rot90(x[:, ::-1], 2),
    "mirrored and turned by 270 degrees": lambda x: np.rot90(x[:, ::-1], 3),
}
"""The ways in which a square can lie."""


def twins(ones: Thumbnails, others: Thumbnails) -> list[Twin]:
    """For each of ``ones`` that is also among ``others`` the most similar of these."""
    if not ones or not others:
        return []
    paths, known = list(others), np.stack([signs(x) for x in others.values()])
    thumbnails = np.stack([normed(x) for x in others.values()])
    found: dict[Path, tuple[float, Twin]] = {}
    for how, turn in TURNS.items():
        for one, place, similarity in pairs(ones, turn, known, thumbnails):
            if one not in found or similarity > found[one][0] + 1e-3:
                found[one] = (similarity, Twin(one, paths[place], how))
    return [found[one][1] for one in ones if one in found]


def pairs(
    ones: Thumbnails,
    turn: object,
    known: Float32[np.ndarray, "n 64"],
    thumbnails: Float32[np.ndarray, "n 1024"],
) -> Iterator[tuple[Path, int, float]]:
    """Each of ``ones`` with the place of the picture that it is, turned, and their correlation."""
    assert callable(turn)
    names = list(ones)
    for start in range(0, len(names), BLOCK):
        block = names[start : start + BLOCK]
        turned = [np.ascontiguousarray(turn(ones[name])) for name in block]
        # Of 64 signs, so many more agree than differ.
        agreement = np.stack([signs(x) for x in turned]) @ known.T
        for row, place in zip(*np.nonzero(agreement >= 64 - 2 * FAR), strict=True):
            similarity = float(normed(turned[row]) @ thumbnails[place])
            if similarity >= ALIKE:
                yield block[row], int(place), similarity


def signs(thumbnail: UInt8[np.ndarray, "32 32"]) -> Float32[np.ndarray, "64"]:
    """The perceptual hash of a thumbnail, as 64 values of 1 and -1."""
    import imagehash

    return np.where(imagehash.phash(Image.fromarray(thumbnail)).hash, 1, -1).ravel().astype("f4")


def normed(thumbnail: UInt8[np.ndarray, "32 32"]) -> Float32[np.ndarray, "1024"]:
    """A thumbnail of mean 0 and length 1: products are correlations."""
    values = thumbnail.ravel().astype(np.float32)
    values -= values.mean()
    return values / max(float(np.linalg.norm(values)), 1e-6)
