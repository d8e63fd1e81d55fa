"""Loops of the depthwise convolution's gradients, compiled by numba.

Arrays are float32, feature maps (n, y, x, channel), kernels (y, x, channel). A call works on the
pictures from ``first`` to ``last``.
"""

from numba import njit


@njit(cache=True, fastmath=True, inline="never")
def _multiply_add(total, a, b):
    """Over the channels; called, not inlined, so that the compiler uses vector instructions."""
    for channel in range(total.shape[0]):
        total[channel] += a[channel] * b[channel]


@njit(cache=True, nogil=True)
def weight_gradient(part, first, last, gradient, x, parts, stride, padding, dilation):
    """Sum gradient times input for each tap.

    Each part of the work has sums of its own.
    """
    height, width = x.shape[1:3]
    size = parts.shape[1]
    parts[part] = 0
    for n in range(first, last):
        for row in range(gradient.shape[1]):
            for i in range(size):
                y = row * stride + i * dilation - padding
                if y < 0 or y >= height:
                    continue
                for column in range(gradient.shape[2]):
                    for j in range(size):
                        z = column * stride + j * dilation - padding
                        if z >= 0 and z < width:
                            _multiply_add(parts[part, i, j], gradient[n, row, column], x[n, y, z])


@njit(cache=True, nogil=True)
def input_gradient(part, first, last, gradient, taps, spread, stride, padding, dilation):
    """Spread each gradient, times each tap, over the inputs it came from."""
    height, width = spread.shape[1:3]
    size = len(taps)
    for n in range(first, last):
        spread[n] = 0
        for row in range(gradient.shape[1]):
            for i in range(size):
                y = row * stride + i * dilation - padding
                if y < 0 or y >= height:
                    continue
                for column in range(gradient.shape[2]):
                    for j in range(size):
                        z = column * stride + j * dilation - padding
                        if z >= 0 and z < width:
                            _multiply_add(spread[n, y, z], gradient[n, row, column], taps[i, j])
