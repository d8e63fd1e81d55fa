"""Dense CRF: every pixel is linked with every other, the more the nearer and the more alike.

Papers: Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials (Krähenbühl and
Koltun, 2011), mean-field inference with a Potts model, kernels normalised symmetrically; filtering
by the permutohedral lattice. Only the masks that are given take part, so leaving absent classes out
makes it faster.
"""

import numpy as np
from jaxtyping import Float32, UInt8
from numba import get_num_threads, njit, prange

from wsfcn.refine.lattice import blur, build, sum_of_weights

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
        sums = _update(
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


@njit(cache=True, parallel=True, fastmath=True)
def _update(
    energy, vertices, weights, norms, values, compat, has_values, spread, sizes, result, threads
):
    """One mean-field update of all pixels, from the blurred values of both lattices.

    In one pass over the pixels: read the messages, update the probabilities, and spread them over
    the lattices for the next update.
    """
    count, classes = energy.shape
    parts0 = np.zeros((threads if spread else 1, sizes[0] + 1, classes), np.float32)
    parts1 = np.zeros((threads if spread else 1, sizes[1] + 1, classes), np.float32)
    vertices0, vertices1 = vertices
    weights0, weights1 = weights
    norm0, norm1 = norms
    values0, values1 = values
    scale0 = compat[0] * np.float32(1 / (1 + 2.0 ** -(vertices0.shape[1] - 1)))
    scale1 = compat[1] * np.float32(1 / (1 + 2.0 ** -(vertices1.shape[1] - 1)))
    for thread in prange(threads):
        own0, own1 = parts0[thread % len(parts0)], parts1[thread % len(parts1)]
        q = np.empty(classes, np.float32)
        for pixel in range(thread * count // threads, (thread + 1) * count // threads):
            for k in range(classes):
                q[k] = energy[pixel, k]
            if has_values:
                factor = scale0 * norm0[pixel]
                for corner in range(vertices0.shape[1]):
                    vertex = vertices0[pixel, corner]
                    weight = factor * weights0[pixel, corner]
                    for k in range(classes):
                        q[k] += weight * values0[vertex, k]
                factor = scale1 * norm1[pixel]
                for corner in range(vertices1.shape[1]):
                    vertex = vertices1[pixel, corner]
                    weight = factor * weights1[pixel, corner]
                    for k in range(classes):
                        q[k] += weight * values1[vertex, k]
            top = q[0]
            for k in range(1, classes):
                top = max(top, q[k])
            total = np.float32(0)
            for k in range(classes):
                q[k] = np.exp(q[k] - top)
                total += q[k]
            for k in range(classes):
                q[k] /= total
            if not spread:
                result[pixel] = q
                continue
            for corner in range(vertices0.shape[1]):
                vertex = vertices0[pixel, corner]
                weight = norm0[pixel] * weights0[pixel, corner]
                for k in range(classes):
                    own0[vertex, k] += weight * q[k]
            for corner in range(vertices1.shape[1]):
                vertex = vertices1[pixel, corner]
                weight = norm1[pixel] * weights1[pixel, corner]
                for k in range(classes):
                    own1[vertex, k] += weight * q[k]
    for part in range(1, len(parts0)):
        parts0[0] += parts0[part]
        parts1[0] += parts1[part]
    return parts0[0], parts1[0]
