"""Loops over pixels and vertices, compiled by numba: what `lattice` and `crf` are made of.

Arrays are float32 and int32 unless said otherwise. Pixels are split evenly over ``threads``.
"""

import math

import numpy as np
from numba import njit, prange

EMPTY = np.int64(-1)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Of Fibonacci hashing: 2^64 over the golden ratio."""


@njit(cache=True, parallel=True)
def simplices(features, bits, threads):
    """Keys and barycentric weights of the vertices around each feature."""
    count, dimensions = features.shape
    corners = dimensions + 1
    scale = np.empty(dimensions, np.float32)
    for j in range(dimensions):
        scale[j] = math.sqrt(2 / 3) * corners / math.sqrt((j + 2) * (j + 1))
    keys = np.empty((count, corners), np.int64)
    weights = np.empty((count, corners), np.float32)
    largest = np.zeros(threads, np.int64)
    half = np.int64(1) << (bits - 1)
    for thread in prange(threads):
        lifted = np.empty(corners, np.float32)
        base = np.empty(corners, np.int64)
        rank = np.empty(corners, np.int64)
        share = np.empty(corners + 1, np.float32)
        for pixel in range(thread * count // threads, (thread + 1) * count // threads):
            # Lift the feature onto the hyperplane whose coordinates sum to zero.
            above = np.float32(0)
            for j in range(dimensions, 0, -1):
                value = features[pixel, j - 1] * scale[j - 1]
                lifted[j] = above - j * value
                above += value
            lifted[0] = above
            # The nearest point of the lattice's remainder 0, by rounding ...
            excess = 0
            for j in range(corners):
                rounded = np.int64(math.floor(lifted[j] / corners + np.float32(0.5)))
                base[j] = rounded * corners
                excess += rounded
                rank[j] = 0
            for i in range(dimensions):
                for j in range(i + 1, corners):
                    if lifted[i] - base[i] < lifted[j] - base[j]:
                        rank[i] += 1
                    else:
                        rank[j] += 1
            # ... and a step back onto the plane where rounding left it.
            for j in range(corners):
                rank[j] += excess
                if rank[j] < 0:
                    rank[j] += corners
                    base[j] += corners
                elif rank[j] > dimensions:
                    rank[j] -= corners
                    base[j] -= corners
            share[:] = 0
            for j in range(corners):
                value = (lifted[j] - base[j]) / corners
                share[dimensions - rank[j]] += value
                share[corners - rank[j]] -= value
            share[0] += 1 + share[corners]
            for corner in range(corners):
                key = np.int64(0)
                for j in range(dimensions):
                    place = base[j] + corner
                    if rank[j] > dimensions - corner:
                        place -= corners
                    largest[thread] = max(largest[thread], abs(place) + corners)
                    key += (place + half) << (bits * j)
                keys[pixel, corner] = key
                weights[pixel, corner] = share[corner]
    return keys, weights, largest.max()


@njit(cache=True)
def place_of(table, key):
    """Where in the hash table a key stands, or would."""
    shift = np.uint64(64 - int(math.log2(len(table)) + 0.5))
    place = np.int64((np.uint64(key) * MULTIPLIER) >> shift)
    while table[place] != EMPTY and table[place] != key:
        place = (place + 1) & (len(table) - 1)
    return place


@njit(cache=True)
def number(keys):
    """Number the vertices in the order in which pixels meet them."""
    count, corners = keys.shape
    table = np.full(1 << 16, EMPTY)
    numbers = np.empty(len(table), np.int32)
    known = np.empty(len(table) // 2, np.int64)
    size = 0
    vertices = np.empty((count, corners), np.int32)
    for pixel in range(count):
        for corner in range(corners):
            key = keys[pixel, corner]
            # Pixels side by side mostly share their vertices.
            if pixel and keys[pixel - 1, corner] == key:
                vertices[pixel, corner] = vertices[pixel - 1, corner]
                continue
            place = place_of(table, key)
            if table[place] == EMPTY:
                if size == len(known):
                    grown = np.full(2 * len(table), EMPTY)
                    numbers = np.empty(len(grown), np.int32)
                    for number in range(size):
                        place = place_of(grown, known[number])
                        grown[place] = known[number]
                        numbers[place] = number
                    table = grown
                    known = np.concatenate((known, np.empty_like(known)))
                    place = place_of(table, key)
                table[place] = key
                numbers[place] = size
                known[size] = key
                size += 1
            vertices[pixel, corner] = numbers[place]
    return vertices, table, numbers, known[:size]


@njit(cache=True, parallel=True)
def neighbours_of(known, table, numbers, dimensions, bits):
    """The vertices one step up and down each axis."""
    size = len(known)
    neighbours = np.full((dimensions + 1, size, 2), size, np.int32)
    ones = np.int64(0)
    for j in range(dimensions):
        ones += np.int64(1) << (bits * j)
    for axis in prange(dimensions + 1):
        step = -ones
        if axis < dimensions:
            step += np.int64(dimensions + 1) << (bits * axis)
        for vertex in range(size):
            place = place_of(table, known[vertex] + step)
            if table[place] != EMPTY:
                neighbours[axis, vertex, 0] = numbers[place]
                neighbours[axis, numbers[place], 1] = vertex
    return neighbours


@njit(cache=True, parallel=True, fastmath=True)
def blur(values, neighbours, threads):
    """Blur values (m+1, k) along each axis, in place of themselves."""
    axes, size, _ = neighbours.shape
    classes = values.shape[1]
    blurred = np.zeros_like(values)
    for axis in range(axes):
        for thread in prange(threads):
            for vertex in range(thread * size // threads, (thread + 1) * size // threads):
                up, down = neighbours[axis, vertex, 0], neighbours[axis, vertex, 1]
                for k in range(classes):
                    sides = values[up, k] + values[down, k]
                    blurred[vertex, k] = values[vertex, k] + np.float32(0.5) * sides
        values, blurred = blurred, values
    return values


@njit(cache=True, parallel=True, fastmath=True)
def sum_of_weights(vertices, weights, neighbours, threads):
    """The filter's answer to ones, at each pixel."""
    count, corners = vertices.shape
    values = np.zeros((neighbours.shape[1] + 1, 1), np.float32)
    for pixel in range(count):
        for corner in range(corners):
            values[vertices[pixel, corner], 0] += weights[pixel, corner]
    values = blur(values, neighbours, threads)
    alpha = np.float32(1 / (1 + 2.0 ** -(corners - 1)))
    sums = np.empty(count, np.float32)
    for pixel in prange(count):
        total = np.float32(0)
        for corner in range(corners):
            total += weights[pixel, corner] * values[vertices[pixel, corner], 0]
        sums[pixel] = total * alpha
    return sums


@njit(cache=True, parallel=True, fastmath=True)
def update(
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
