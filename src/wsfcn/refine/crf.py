"""Dense CRF: every pixel is linked with every other, the more the nearer and the more alike.

Papers: Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials (Krähenbühl and
Koltun, 2011), mean-field inference with a Potts model, kernels normalised symmetrically; filtering
by the permutohedral lattice. Only the masks that are given take part, so leaving absent classes out
makes it faster.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from numba import get_num_threads

from wsfcn.refine.kernels import blur, sum_of_weights, update
from wsfcn.refine.lattice import Lattice, build

SMALLEST = 1e-5
"""Probabilities below count as this."""


def dense_crf(
    image: UInt8[np.ndarray, "h w 3"],
    masks: Float32[np.ndarray, "k h w"],
    *,
    iterations: int = 10,
    smooth_sxy: float = 3.0,
    smooth_compat: float = 3.0,
    appearance_sxy: float = 30.0,
    appearance_srgb: float = 13.0,
    appearance_compat: float = 10.0,
    device: str = "cpu",
) -> Float32[np.ndarray, "k h w"]:
    """Refine ``masks``, at each pixel the probabilities of k classes, along an RGB ``image``.

    Reaches are Gaussian deviations: ``sxy`` in pixels, ``srgb`` in 8-bit colour values. ``device``
    is PyTorch's name of where the updates run.

    >>> image = np.zeros((8, 8, 3), np.uint8)
    >>> image[:, 4:] = 255
    >>> masks = np.full((2, 8, 8), 0.5, np.float32)
    >>> masks[:, 0, 0], masks[:, 0, 7] = (0.9, 0.1), (0.1, 0.9)
    >>> dense_crf(image, masks).argmax(0)[3]
    array([0, 0, 0, 0, 1, 1, 1, 1])
    """
    if iterations == 0:
        return masks
    classes, height, width = masks.shape
    energy = np.log(masks.reshape(classes, -1).T.clip(SMALLEST, 1))
    energy = np.ascontiguousarray(energy, np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    place = np.stack([columns, rows], -1).reshape(-1, 2)
    colour = image.reshape(-1, 3).astype(np.float32) / np.float32(appearance_srgb)
    look = np.concatenate([place / np.float32(appearance_sxy), colour], 1)
    kernels = [
        kernel(place / np.float32(smooth_sxy), smooth_compat),
        kernel(look, appearance_compat),
    ]
    if device == "cpu":
        result = mean_field(energy, kernels, iterations)
    else:
        result = mean_field_by_torch(energy, kernels, iterations, device)
    return np.ascontiguousarray(result.T).reshape(masks.shape)


class Kernel(NamedTuple):
    """One Gaussian that links the pixels."""

    lattice: Lattice
    norm: Float32[np.ndarray, "n"]
    """One over the root of the kernel's answer to ones: normalises both of its sides."""
    compat: np.float32
    """Its weight."""


def kernel(features: Float32[np.ndarray, "n d"], compat: float) -> Kernel:
    """The kernel over features in units of its deviation."""
    lattice = build(features)
    sums = sum_of_weights(*lattice, get_num_threads())
    return Kernel(lattice, 1 / np.sqrt(sums + np.float32(1e-20)), np.float32(compat))


def mean_field(
    energy: Float32[np.ndarray, "n k"], kernels: Sequence[Kernel], iterations: int
) -> Float32[np.ndarray, "n k"]:
    """The probabilities after some updates, from log probabilities, on the CPU."""
    threads = get_num_threads()
    lattices = [each.lattice for each in kernels]
    result = np.empty_like(energy)
    values = tuple(np.zeros((1, energy.shape[1]), np.float32) for _ in kernels)
    for done in range(iterations + 1):
        sums = update(
            energy,
            tuple(lattice.vertices for lattice in lattices),
            tuple(lattice.weights for lattice in lattices),
            tuple(each.norm for each in kernels),
            values,
            tuple(each.compat for each in kernels),
            done > 0,
            done < iterations,
            tuple(lattice.size for lattice in lattices),
            result,
            threads,
        )
        if done < iterations:
            values = tuple(
                blur(total, lattice.neighbours, threads)
                for total, lattice in zip(sums, lattices, strict=True)
            )
    return result


def mean_field_by_torch(
    energy: Float32[np.ndarray, "n k"], kernels: Sequence[Kernel], iterations: int, device: str
) -> Float32[np.ndarray, "n k"]:
    """The same on any device of PyTorch; the lattices are built on the CPU."""
    import torch

    start = torch.from_numpy(energy).to(device)
    classes = start.shape[1]
    parts = [
        (
            torch.from_numpy(each.lattice.vertices).to(device, torch.int64),
            torch.from_numpy(each.lattice.weights * each.norm[:, None]).to(device)[..., None],
            torch.from_numpy(each.lattice.neighbours).to(device, torch.int64),
            float(each.compat) / (1 + 2.0 ** -(each.lattice.vertices.shape[1] - 1)),
        )
        for each in kernels
    ]
    shares = start.softmax(1)
    for _ in range(iterations):
        messages = start.clone()
        for vertices, weights, neighbours, factor in parts:
            values = start.new_zeros(neighbours.shape[1] + 1, classes)
            spread = (weights * shares[:, None]).view(-1, classes)
            values.index_add_(0, vertices.flatten(), spread)
            for axis in neighbours:
                values[:-1] += 0.5 * (values[axis[:, 0]] + values[axis[:, 1]])
            messages += factor * (weights * values[vertices]).sum(1)
        shares = messages.softmax(1)
    return shares.cpu().numpy()
