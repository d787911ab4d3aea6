"""The specification: every layer's forward and backward pass as plain loops over single numbers.

Nothing here is fast or clever, and nothing is shared with minialex. Each backward pass is written down from the sum
that its forward pass computes: whatever term of y used x[...], the gradient of that term goes back to x[...]. Images
are (N, C, H, W), everything is float64, arrays are tiny. A window of rows or columns is a `range`; one that would leave
the image is cut at its border, so a loop over it visits real pixels only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Pair: TypeAlias = tuple[int, int]
Sides: TypeAlias = tuple[int, int, int, int]  # padding: top, bottom, left, right
Place: TypeAlias = tuple[int, int, range, range]  # output row, output column, the rows and the columns that it sees


def output_size(size: int, before: int, after: int, kernel: int, stride: int, *, ceil_mode: bool = False) -> int:
    """How many windows fit along one side of the image.

    With ceil_mode one more window may hang over the far end, if it starts inside the image or the padding before it.
    """
    steps = (size + before + after - kernel) / stride
    count = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
    if ceil_mode and (count - 1) * stride >= size + before:
        count -= 1
    return count


def indices(*sizes: int) -> Iterator[tuple[int, ...]]:
    """Every index of an array of this shape, in row-major order."""
    return product(*map(range, sizes))


# im2col and convolution


def im2col(x: Array, kernel: Pair, stride: Pair, padding: Sides) -> Array:
    """columns[n, i, j, u, v, c] = x[n, c, i sH + u - top, j sW + v - left], and 0 beyond the border."""
    N, C, H, W = x.shape
    top, bottom, left, right = padding
    oH, oW = output_size(H, top, bottom, kernel[0], stride[0]), output_size(W, left, right, kernel[1], stride[1])
    columns = np.zeros((N, oH, oW, *kernel, C))
    for n, i, j, u, v, c in indices(*columns.shape):
        h, w = i * stride[0] + u - top, j * stride[1] + v - left
        if 0 <= h < H and 0 <= w < W:
            columns[n, i, j, u, v, c] = x[n, c, h, w]
    return columns


def col2im(columns: Array, shape: tuple[int, int, int, int], stride: Pair, padding: Sides) -> Array:
    """x[n, c, i sH + u - top, j sW + v - left] += columns[n, i, j, u, v, c], wherever that is inside the image."""
    *_, H, W = shape
    x = np.zeros(shape)
    for n, i, j, u, v, c in indices(*columns.shape):
        h, w = i * stride[0] + u - padding[0], j * stride[1] + v - padding[2]
        if 0 <= h < H and 0 <= w < W:
            x[n, c, h, w] += columns[n, i, j, u, v, c]
    return x


def conv2d_terms(
    x: Array, weight: Array, *, stride: Pair, padding: Sides, groups: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """(index in y, index in weight, index in x) of every product that a convolution adds up."""
    N, _, H, W = x.shape
    kernels, C, kH, kW = weight.shape
    top, bottom, left, right = padding
    oH, oW = output_size(H, top, bottom, kH, stride[0]), output_size(W, left, right, kW, stride[1])
    for n, o, i, j in indices(N, kernels, oH, oW):
        first = o // (kernels // groups) * C  # the first input channel of this output channel's group
        for c, u, v in indices(C, kH, kW):
            h, w = i * stride[0] + u - top, j * stride[1] + v - left
            if 0 <= h < H and 0 <= w < W:
                yield (n, o, i, j), (o, c, u, v), (n, first + c, h, w)


def conv2d(x: Array, weight: Array, bias: Array, *, stride: Pair, padding: Sides, groups: int) -> Array:
    """y[n, o, i, j] = b[o] + sum_{c, u, v} W[o, c, u, v] x[n, first + c, i sH + u - top, j sW + v - left]."""
    N, _, H, W = x.shape
    kernels, _, kH, kW = weight.shape
    top, bottom, left, right = padding
    oH, oW = output_size(H, top, bottom, kH, stride[0]), output_size(W, left, right, kW, stride[1])
    y = np.zeros((N, kernels, oH, oW))
    for n, o, i, j in indices(*y.shape):
        y[n, o, i, j] = bias[o]
    for at_y, at_weight, at_x in conv2d_terms(x, weight, stride=stride, padding=padding, groups=groups):
        y[at_y] += weight[at_weight] * x[at_x]
    return y


def conv2d_backward(
    dy: Array, x: Array, weight: Array, *, stride: Pair, padding: Sides, groups: int
) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias: each product W x of the forward pass sends dy x back to W and dy W back to x."""
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(weight.shape[0])
    for n, o, i, j in indices(*dy.shape):
        dbias[o] += dy[n, o, i, j]
    for at_y, at_weight, at_x in conv2d_terms(x, weight, stride=stride, padding=padding, groups=groups):
        dx[at_x] += dy[at_y] * weight[at_weight]
        dweight[at_weight] += dy[at_y] * x[at_x]
    return dx, dweight, dbias


# Pooling


def places(H: int, W: int, *, kernel: Pair, stride: Pair, padding: Sides, ceil_mode: bool) -> Iterator[Place]:
    """(i, j, rows, columns): for each output position, the real pixels under its window."""
    top, bottom, left, right = padding
    oH = output_size(H, top, bottom, kernel[0], stride[0], ceil_mode=ceil_mode)
    oW = output_size(W, left, right, kernel[1], stride[1], ceil_mode=ceil_mode)
    for i, j in indices(oH, oW):
        h, w = i * stride[0] - top, j * stride[1] - left
        yield i, j, range(max(h, 0), min(h + kernel[0], H)), range(max(w, 0), min(w + kernel[1], W))


def pooled_zeros(x: Array, **window: Any) -> Array:
    """Zeros of the shape that pooling x gives."""
    N, C, H, W = x.shape
    *_, (i, j, _, _) = places(H, W, **window)
    return np.zeros((N, C, i + 1, j + 1))


def winner(image: Array, rows: range, columns: range) -> Pair:
    """Where the largest pixel of a window is; among equals, the first in row-major order."""
    best = rows[0], columns[0]
    for h, w in product(rows, columns):
        if image[h, w] > image[best]:
            best = h, w
    return best


def max_pool2d(x: Array, **window: Any) -> Array:
    """y[n, c, i, j] = the largest real pixel under the window; padding never wins."""
    N, C, H, W = x.shape
    y = pooled_zeros(x, **window)
    for (n, c), (i, j, rows, columns) in product(indices(N, C), places(H, W, **window)):
        y[n, c, i, j] = x[n, c][winner(x[n, c], rows, columns)]
    return y


def max_pool2d_backward(dy: Array, x: Array, **window: Any) -> Array:
    """Each window sends its whole gradient to its winner; windows overlap, so a pixel may win several times."""
    N, C, H, W = x.shape
    dx = np.zeros(x.shape)
    for (n, c), (i, j, rows, columns) in product(indices(N, C), places(H, W, **window)):
        dx[n, c][winner(x[n, c], rows, columns)] += dy[n, c, i, j]
    return dx


def avg_pool2d(x: Array, **window: Any) -> Array:
    """y[n, c, i, j] = the mean of the real pixels under the window."""
    N, C, H, W = x.shape
    y = pooled_zeros(x, **window)
    for (n, c), (i, j, rows, columns) in product(indices(N, C), places(H, W, **window)):
        for h, w in product(rows, columns):
            y[n, c, i, j] += x[n, c, h, w] / (len(rows) * len(columns))
    return y


def avg_pool2d_backward(dy: Array, x: Array, **window: Any) -> Array:
    """Each window shares its gradient equally among its real pixels."""
    N, C, H, W = x.shape
    dx = np.zeros(x.shape)
    for (n, c), (i, j, rows, columns) in product(indices(N, C), places(H, W, **window)):
        for h, w in product(rows, columns):
            dx[n, c, h, w] += dy[n, c, i, j] / (len(rows) * len(columns))
    return dx


# Local response normalisation


def lrn_window(i: int, C: int, size: int, groups: int) -> range:
    """W(i) = [i - floor(size / 2), i - floor(size / 2) + size), cut at the borders of channel i's group."""
    first = i // (C // groups) * (C // groups)
    start = i - size // 2
    return range(max(start, first), min(start + size, first + C // groups))


def lrn_denominator(pixel: Array, i: int, *, size: int, alpha: float, k: float, groups: int) -> float:
    """D_i = k + alpha sum_{j in W(i)} x_j², for one pixel's channels x_0 ... x_{C-1}."""
    return k + alpha * sum(float(pixel[j]) ** 2 for j in lrn_window(i, len(pixel), size, groups))


def lrn(x: Array, *, size: int, alpha: float, beta: float, k: float, groups: int) -> Array:
    """y_i = x_i / D_i^beta."""
    N, C, H, W = x.shape
    y = np.zeros(x.shape)
    for n, i, h, w in indices(N, C, H, W):
        y[n, i, h, w] = x[n, i, h, w] / lrn_denominator(x[n, :, h, w], i, size=size, alpha=alpha, k=k, groups=groups) ** beta
    return y


def lrn_backward(dy: Array, x: Array, *, size: int, alpha: float, beta: float, k: float, groups: int) -> Array:
    """dx_j = sum_i dy_i dy_i/dx_j; x_j stands in y_i's numerator (if j = i) and in its denominator (if j in W(i)).

    dy_i/dx_j = [j = i] D_i^-beta - [j in W(i)] x_i beta D_i^(-beta - 1) 2 alpha x_j
    """
    N, C, H, W = x.shape
    dx = np.zeros(x.shape)
    for n, i, h, w in indices(N, C, H, W):
        pixel = x[n, :, h, w]
        D = lrn_denominator(pixel, i, size=size, alpha=alpha, k=k, groups=groups)
        dx[n, i, h, w] += dy[n, i, h, w] * D**-beta
        for j in lrn_window(i, C, size, groups):
            dx[n, j, h, w] -= dy[n, i, h, w] * pixel[i] * beta * D ** (-beta - 1) * 2 * alpha * pixel[j]
    return dx


# Response normalisation over places


def square(h: int, w: int, H: int, W: int, size: int) -> list[tuple[int, int]]:
    """The places around (h, w): size rows from h - floor(size / 2) on, columns likewise, cut at the edges of the image."""
    top, left = h - size // 2, w - size // 2
    return [(u, v) for u in range(top, top + size) for v in range(left, left + size) if 0 <= u < H and 0 <= v < W]


def spatial_norm(x: Array, *, size: int, alpha: float, beta: float, k: float) -> Array:
    """y_hw = x_hw / D_hw^beta, D_hw = k + alpha / size² sum of x_uv² over the square around (h, w)."""
    N, C, H, W = x.shape
    y = np.zeros(x.shape)
    for n, c, h, w in indices(N, C, H, W):
        D = k + alpha / size**2 * sum(float(x[n, c, u, v]) ** 2 for u, v in square(h, w, H, W, size))
        y[n, c, h, w] = x[n, c, h, w] / D**beta
    return y


def spatial_norm_backward(dy: Array, x: Array, *, size: int, alpha: float, beta: float, k: float) -> Array:
    """As lrn_backward: x_uv stands in y_hw's numerator, and in its denominator wherever (u, v) is in the square of (h, w)."""
    N, C, H, W = x.shape
    dx = np.zeros(x.shape)
    for n, c, h, w in indices(N, C, H, W):
        image, places = x[n, c], square(h, w, H, W, size)
        D = k + alpha / size**2 * sum(float(image[place]) ** 2 for place in places)
        dx[n, c, h, w] += dy[n, c, h, w] * D**-beta
        for place in places:
            dD = 2 * alpha / size**2 * image[place]
            dx[(n, c, *place)] -= dy[n, c, h, w] * image[h, w] * beta * D ** (-beta - 1) * dD
    return dx


# Linear, dropout, and the functions of one number


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """y[n, o] = b[o] + sum_d W[o, d] x[n, d]."""
    y = np.zeros((x.shape[0], weight.shape[0]))
    for n, o in indices(*y.shape):
        y[n, o] = bias[o] + sum(weight[o, d] * x[n, d] for d in range(x.shape[1]))
    return y


def linear_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """dx, dweight, dbias, one product W x at a time."""
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(weight.shape[0])
    for n, o in indices(*dy.shape):
        dbias[o] += dy[n, o]
        for d in range(x.shape[1]):
            dx[n, d] += dy[n, o] * weight[o, d]
            dweight[o, d] += dy[n, o] * x[n, d]
    return dx, dweight, dbias


def dropout(x: Array, mask: Array, p: float, train: bool) -> Array:
    """In training x where the mask is 1 and 0 where it is 0, not rescaled; at test time (1 - p) x."""
    y = np.zeros(x.shape)
    for at in indices(*x.shape):
        y[at] = (x[at] if mask[at] else 0.0) if train else (1 - p) * x[at]
    return y


def dropout_backward(dy: Array, mask: Array, p: float, train: bool) -> Array:
    """The gradient takes the way that the number took."""
    dx = np.zeros(dy.shape)
    for at in indices(*dy.shape):
        dx[at] = (dy[at] if mask[at] else 0.0) if train else (1 - p) * dy[at]
    return dx


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.array([max(v, 0.0) for v in x.flat]).reshape(x.shape)


def relu_backward(dy: Array, x: Array) -> Array:
    """The gradient passes where x > 0; at the kink it is 0."""
    return np.array([g if v > 0 else 0.0 for g, v in zip(dy.flat, x.flat, strict=True)]).reshape(x.shape)


def tanh(x: Array) -> Array:
    """tanh(x)."""
    return np.array([math.tanh(v) for v in x.flat]).reshape(x.shape)


def tanh_backward(dy: Array, x: Array) -> Array:
    """tanh'(x) = 1 / cosh²(x)."""
    return np.array([g / math.cosh(v) ** 2 for g, v in zip(dy.flat, x.flat, strict=True)]).reshape(x.shape)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return np.array([1 / (1 + math.exp(-v)) for v in x.flat]).reshape(x.shape)


def sigmoid_backward(dy: Array, x: Array) -> Array:
    """sigmoid'(x) = e^-x / (1 + e^-x)²."""
    slopes = [math.exp(-v) / (1 + math.exp(-v)) ** 2 for v in x.flat]
    return np.array([g * s for g, s in zip(dy.flat, slopes, strict=True)]).reshape(x.shape)


# Softmax and cross-entropy


def softmax(logits: Array) -> Array:
    """p[n, c] = e^z[n, c] / sum_d e^z[n, d], for logits of modest size."""
    N, K = logits.shape
    p = np.zeros(logits.shape)
    for n, c in indices(N, K):
        p[n, c] = math.exp(logits[n, c]) / sum(math.exp(logits[n, d]) for d in range(K))
    return p


def cross_entropy(logits: Array, labels: Array) -> float:
    """The mean over the batch of -log p[n, label]."""
    p = softmax(logits)
    return sum(-math.log(p[n, labels[n]]) for n in range(len(labels))) / len(labels)


def cross_entropy_backward(logits: Array, labels: Array) -> Array:
    """-log p[n, l] = log(sum_d e^z[n, d]) - z[n, l], so its gradient is p[n, c] - [c = l], over N for the mean."""
    dlogits = softmax(logits)
    for n, label in enumerate(labels):
        dlogits[n, label] -= 1
    return dlogits / len(labels)
