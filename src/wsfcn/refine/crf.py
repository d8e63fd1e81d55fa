"""Dense CRF: every pixel is linked with every other, the more the nearer and the more alike.

Papers: Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials (Krähenbühl and
Koltun, 2011), mean-field inference with a Potts model, kernels normalised symmetrically; filtering
by the permutohedral lattice. Only the masks that are given take part, so leaving absent classes out
makes it faster.
"""

import numpy as np
from jaxtyping import Float32, UInt8
from numba import get_num_threads

from wsfcn.refine.kernels import blur, sum_of_weights, update
from wsfcn.refine.lattice import build

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
) -> Float32[np.ndarray, "k h w"]:
    """Refine ``masks``, at each pixel the probabilities of k classes, along an RGB ``image``.

    Reaches are Gaussian deviations: ``sxy`` in pixels, ``srgb`` in 8-bit colour values.

    >>> image = np.zeros((8, 8, 3), np.uint8)
    >>> image[:, 4:] = 255
    >>> masks = np.full((2, 8, 8), 0.5, np.float32)
    >>> masks[:, 0, 0], masks[:, 0, 7] = (0.9, 0.1), (0.1, 0.9)
    >>> dense_crf(image, masks).argmax(0)[3]
    array([0, 0, 0, 0, 1, 1, 1, 1])
    """
    classes, height, width = masks.shape
    energy = np.log(masks.reshape(classes, -1).T.clip(SMALLEST, 1))
    energy = np.ascontiguousarray(energy, np.float32)
    if iterations == 0:
        return masks
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    place = np.stack([columns, rows], -1).reshape(-1, 2)
    colour = image.reshape(-1, 3).astype(np.float32)
    smooth = build(place / np.float32(smooth_sxy))
    appearance = build(
        np.concatenate(
            [place / np.float32(appearance_sxy), colour / np.float32(appearance_srgb)], 1
        )
    )
    threads = get_num_threads()
    smooth_norm = 1 / np.sqrt(sum_of_weights(*smooth, threads) + np.float32(1e-20))
    appearance_norm = 1 / np.sqrt(sum_of_weights(*appearance, threads) + np.float32(1e-20))
    nothing = np.zeros((1, classes), np.float32)
    values = (nothing, nothing)
    result = np.empty_like(energy)
    for round_ in range(iterations + 1):
        sums = update(
            energy,
            (smooth.vertices, appearance.vertices),
            (smooth.weights, appearance.weights),
            (smooth_norm, appearance_norm),
            values,
            (np.float32(smooth_compat), np.float32(appearance_compat)),
            round_ > 0,
            round_ < iterations,
            (smooth.size, appearance.size),
            result,
            threads,
        )
        if round_ < iterations:
            values = (
                blur(sums[0], smooth.neighbours, threads),
                blur(sums[1], appearance.neighbours, threads),
            )
    return np.ascontiguousarray(result.T).reshape(masks.shape)
