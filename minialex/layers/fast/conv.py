r"""3 x 3 convolution with less than half of the multiplications (Winograd 1980; Lavin and Gray 2015), and its backward pass.

Two outputs of a filter g of three taps over four inputs d take six multiplications, or four:

    y0 = d0 g0 + d1 g1 + d2 g2 = m0 + m1 + m2        m0 = (d0 - d2) g0        m1 = (d1 + d2) (g0 + g1 + g2) / 2
    y1 = d1 g0 + d2 g1 + d3 g2 = m1 - m2 - m3        m3 = (d1 - d3) g2        m2 = (d2 - d1) (g0 - g1 + g2) / 2

that is y = A m, m = (G g) * (B d), with the small matrices of tiles.py. In two dimensions each is applied to rows and to
columns, for tiles of 2 x 2 outputs from 4 x 4 inputs: 16 multiplications, not 36. Summed over the channels, each of the 16
places (s, t) of the tiles is a matrix product of its own, over all tiles p of all images:

    V = B x Bᵀ (each tile)      U = G W Gᵀ      M[s, t] = V[s, t] U[s, t]      y = A M Aᵀ (each tile)

Every step is linear in x and in W, so backward is the same chain with each matrix transposed, in the opposite order:

    dM = Aᵀ dy A      dU[s, t] = V[s, t]ᵀ dM[s, t]      dV[s, t] = dM[s, t] U[s, t]ᵀ      dW = Gᵀ dU G      dx = Bᵀ dV B

where dx adds up the tiles, which overlap. Columns would take 9 numbers for each pixel and channel; V takes 4.
"""

from __future__ import annotations

import numpy as np

from minialex.arrays import Array, array_module, contiguous, empty, zeros
from minialex.layers.fast import rotated, tiles


class Conv2d(rotated.Conv2d):
    """The plain Conv2d, as above where that applies: 3 x 3, stride 1, one group, real numbers, on a CPU.

    Elsewhere as in rotated.py and columns.py.
    """

    tile_bytes = 4 << 20  # of V for the images that are taken at a time

    def forward(self, x: Array, train: bool = True) -> Array:
        if not self._applies(x):
            return super().forward(x, train)
        self._saved = self._check_input(x)
        N, O, oH, oW = self.output_shape(x.shape)
        U, b = self._filters(x), self.params["bias"].astype(x.dtype, copy=False)
        y = empty(x, (N, oH, oW, O))
        for images in self._few(x):
            M = np.matmul(tiles.inputs(self._cover(x[images])), U)
            tiles.outputs(M, y[images])
            y[images] += b
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        x = self._recall()
        if not self._applies(x):
            return super().backward(dy)
        self._check_upstream(dy, self.output_shape(x.shape))
        dY = contiguous(dy.transpose(0, 2, 3, 1))
        U = self._filters(x)
        dU = zeros(x, U.shape)
        dx = empty(x, (len(x), *x.shape[2:], self.in_channels) if self.input_gradient else (len(x), 0, 0, 0))
        dx = dx.transpose(0, 3, 1, 2)
        for images in self._few(x):
            dM, padded = tiles.outputs_adjoint(dY[images]), self._cover(x[images])
            dU += np.matmul(tiles.inputs(padded).transpose(0, 1, 3, 2), dM)
            if self.input_gradient:
                dpadded = tiles.inputs_adjoint(np.matmul(dM, U.transpose(0, 1, 3, 2)), padded.shape)
                dx[images] = self._inside(dpadded, x)
        dW = tiles.both_ways(tiles.transposed(tiles.G), dU).transpose(3, 2, 0, 1)
        db = np.ones(dY.size // self.out_channels, dY.dtype) @ dY.reshape(-1, self.out_channels)
        for key, gradient in (("weight", dW), ("bias", db)):
            self.grads[key] = gradient.astype(self.params[key].dtype, copy=False)
        return dx

    def _applies(self, x: Array) -> bool:
        ours = self.kernel_size == (3, 3) and self.stride == (1, 1) and self.groups == 1
        return ours and x.dtype.kind == "f" and array_module(x) is np

    def _filters(self, x: Array) -> Array:
        """U (4, 4, C, O) = G W Gᵀ from the weight (O, C, 3, 3)."""
        return tiles.both_ways(tiles.G, self.params["weight"].astype(x.dtype, copy=False).transpose(2, 3, 1, 0))

    def _cover(self, x: Array) -> Array:
        """x (n, C, H, W) with its padding, and zeros behind it so that whole tiles cover it: channels last."""
        n, C = x.shape[:2]
        _, _, oH, oW = self.output_shape(x.shape)
        padded = zeros(x, (n, oH + oH % 2 + 2, oW + oW % 2 + 2, C))
        self._inside(padded, x)[...] = x
        return padded

    def _inside(self, padded: Array, x: Array) -> Array:
        """Where x lies in its cover: a view (n, C, H, W)."""
        (top, _, left, _), (H, W) = self.padding, x.shape[2:]
        return padded[:, top : top + H, left : left + W].transpose(0, 3, 1, 2)

    def _few(self, x: Array) -> list[slice]:
        """The batch, cut so that V of one piece stays in the cache."""
        _, _, oH, oW = self.output_shape(x.shape)
        one_image = 16 * -(-oH // 2) * -(-oW // 2) * self.in_channels * x.dtype.itemsize
        step = max(1, self.tile_bytes // one_image)
        return [slice(n, min(n + step, len(x))) for n in range(0, len(x), step)]
