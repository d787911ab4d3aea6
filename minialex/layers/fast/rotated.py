r"""Where the stride is 1, the gradient of a convolution's input is itself a convolution: of dy, with rotated kernels.

    y[n, o, i, j] = sum_{c, u, v} x_padded[n, c, i + u, j + v] W[o, c, u, v]

so the pixel x[n, c, a, b], which lies at (a + top, b + left) of x_padded, has a part in y[n, o, i, j] with the weight at
u = a + top - i, v = b + left - j. Summed over all the places that it has a part in, with u' = kH - 1 - u and v' = kW - 1 - v:

    dx[n, c, a, b] = sum_{o, u', v'} dy[n, o, a + u' - p, b + v' - q] W[o, c, kH - 1 - u', kW - 1 - v']

    p = kH - 1 - top        q = kW - 1 - left

which is a convolution of dy, padded by p above and q at the left, with the kernels turned by 180 degrees and the roles of
o and c exchanged. It takes as many multiplications as dX = dY W, but it copies dy's patches, in long runs, where col2im
adds up patches of x; and a copy is several times as fast as a sum, which reads what it adds to. Where o has more values than c
there is more to copy than there was to add, and nothing is gained: conv2 of the paper's net (48 to 128 maps) was slower so.
"""

from __future__ import annotations

from math import prod

import numpy as np

from minialex.arrays import Array, array_module, empty
from minialex.layers.fast import columns
from minialex.layers.im2col import im2col, pad_channels_last


class Conv2d(columns.Conv2d):
    """The plain Conv2d, with dx as above on a CPU; where the stride is 1, the padding less than the kernel, and O at most C."""

    def backward(self, dy: Array) -> Array:
        x = self._recall()
        if not (self.input_gradient and self._turns(x)):
            return super().backward(dy)
        self._check_upstream(dy, self.output_shape(x.shape))
        dY = pad_channels_last(dy, (0, 0, 0, 0))
        self._parameters_gradients(x, dY.reshape(-1, self.out_channels))
        return self._correlate(dY.transpose(0, 3, 1, 2), x)

    def _parameters_gradients(self, x: Array, dY: Array) -> None:
        """dW = dYᵀ X and db = 1ᵀ dY, as the plain layer has them."""
        dW = [np.zeros_like(w) for w in self._weight_matrices(x)]
        for images, p in self._blocks(x):
            for g, (ins, outs) in enumerate(self._slices()):
                dW[g] += dY[p, outs].T @ self._columns(x[images, ins])
        self._keep_gradients(dW, self._bias_gradient(dY))

    def _correlate(self, dy: Array, x: Array) -> Array:
        """dx (N, C, H, W) from dy (N, O, oH, oW)."""
        (N, C, H, W), (kH, kW), (top, bottom, left, right) = x.shape, self.kernel_size, self.padding
        sides = kH - 1 - top, kH - 1 - bottom, kW - 1 - left, kW - 1 - right
        turned = self.params["weight"].astype(x.dtype, copy=False)[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)  # (u', v', o, c)
        dX = empty(x, (N * H * W, C))
        one_image = H * W * kH * kW * self.out_channels // self.groups * x.itemsize
        step = max(1, self.workspace_bytes["numpy"] // one_image)
        for n in range(0, N, step):
            p = slice(n * H * W, (n + step) * H * W)
            for ins, outs in self._slices():
                patches = im2col(dy[n : n + step, outs], self.kernel_size, (1, 1), sides)
                rows = patches.reshape(prod(patches.shape[:3]), prod(patches.shape[3:]))
                np.matmul(rows, turned[:, :, outs].reshape(rows.shape[1], -1), out=dX[p, ins])
        return dX.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def _turns(self, x: Array) -> bool:
        (kH, kW), (top, bottom, left, right) = self.kernel_size, self.padding
        fits = max(top, bottom) < kH and max(left, right) < kW
        pays = self.out_channels <= self.in_channels
        return self.stride == (1, 1) and fits and pays and array_module(x) is np
