r"""Convolution with a third of the multiplications (Winograd 1980; Lavin and Gray 2015), and its backward pass.

toom_cook.py gives a filter g of r taps, of which m outputs take n = m + r - 1 multiplications: y = A ((G g) * (B d)). In two
dimensions the matrices are applied to rows and to columns, that is A ⊗ A, G ⊗ G and B ⊗ B to all n n places at once: 36
multiplications for 16 outputs of a 3 x 3 kernel, which otherwise take 144; 64 for those of a 5 x 5 kernel, which take 400.

With tiles X (n n, p, c), cut from the images, and filters W (r r, c, o), summed over the channels c:

    V = (B ⊗ B) X      U = (G ⊗ G) W      M[t] = V[t] U[t] for each place t      Y = (A ⊗ A) M

and y is put together from Y (m m, p, o). Every step is linear in X and in W and is a matrix product, so backward is the same
chain with each matrix transposed, in the opposite order:

    dM = (A ⊗ A)ᵀ dY      dU[t] = V[t]ᵀ dM[t]      dW = (G ⊗ G)ᵀ dU      dV[t] = dM[t] U[t]ᵀ      dX = (B ⊗ B)ᵀ dV

and dx adds up the tiles dX, which overlap. B ⊗ B itself is no small matrix: with few channels and kernels its product costs
more than is saved, and the layer goes the plain way. A pixel that is not finite spoils all outputs of its tiles.
"""

from __future__ import annotations

from math import prod

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty, zeros
from minialex.layers.fast import columns
from minialex.layers.fast.cheapest import cheapest
from minialex.layers.fast.tiles import Tiles
from minialex.layers.fast.toom_cook import in_two_dimensions
from minialex.layers.fast.workspace import room


class Conv2d(columns.Conv2d):
    """The plain Conv2d, as above where that saves multiplications: on a CPU, for real numbers. Elsewhere as in columns.py."""

    pays = 2 / 3  # of the plain way's multiplications, at most, for copies take time as well
    piece_bytes = 1 << 20  # of V, at least: more calls on smaller arrays take longer

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        if (tiles := self._tiles(x)) is None:
            return super().forward(x, train)
        self._saved = x
        N, O, oH, oW = self.output_shape(x.shape)
        A, G, B = in_two_dimensions(tiles.m, tiles.taps, x.dtype)
        U, b = self._filters(tiles, G, x), self.params["bias"].astype(x.dtype, copy=False)
        y = empty(x, (N, oH, oW, O))
        for images in self._pieces(x, tiles):
            for g, (ins, outs) in enumerate(self._slices()):
                V = times(B, tiles.cut(x[images, ins]), "V")
                tiles.lay(times(A, products(V, U[g], "M"), "tiles"), b[outs], y[images, :, :, outs])
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        x = self._recall()
        if (tiles := self._tiles(x)) is None:
            return super().backward(dy)
        self._check_upstream(dy, self.output_shape(x.shape))
        A, G, B = in_two_dimensions(tiles.m, tiles.taps, x.dtype)
        U, db = self._filters(tiles, G, x), zeros(x, (self.out_channels,))
        dU = [np.zeros_like(u) for u in U]
        shape = (len(x), *x.shape[2:], self.in_channels) if self.input_gradient else (len(x), 0, 0, 0)
        dx = empty(x, shape).transpose(0, 3, 1, 2)
        for images in self._pieces(x, tiles):
            for g, (ins, outs) in enumerate(self._slices()):
                dY = tiles.lay_adjoint(dy[images, outs].transpose(0, 2, 3, 1))
                db[outs] += self._bias_gradient(dY.reshape(-1, dY.shape[2]))
                dM = times(A.T, dY, "M")
                V = times(B, tiles.cut(x[images, ins]), "V")
                dU[g] += products(V.transpose(0, 2, 1), dM, "tiles")
                if self.input_gradient:
                    dV = products(dM, U[g].transpose(0, 2, 1), "V")
                    tiles.cut_adjoint(times(B.T, dV, "tiles"), dx[images, ins])
        dW = np.concatenate([tiles.filters_adjoint(times(G.T, du, f"U{g}")) for g, du in enumerate(dU)])
        for key, gradient in (("weight", dW), ("bias", db)):
            self.grads[key] = gradient.astype(self.params[key].dtype, copy=False)
        return dx

    def _filters(self, tiles: Tiles, G: Array, x: Array) -> list[Array]:
        """U (n n, s² C, O) of each group."""
        W = self.params["weight"].astype(x.dtype, copy=False)
        return [times(G, tiles.filters(W[outs]), f"U{g}") for g, (_, outs) in enumerate(self._slices())]

    def tiles(self, shape: Shape) -> Tiles | None:
        """The tiles for images of this shape that take the fewest multiplications, if that pays."""
        channels = self.in_channels // self.groups, self.out_channels // self.groups
        _, _, oH, oW = self.output_shape(shape)
        return cheapest(channels, self.kernel_size, self.stride, self.padding, (oH, oW), self.pays)

    def images_at_once(self, tiles: Tiles, itemsize: int) -> int:
        """So many that V is about as large as U: with fewer, U is read too often; with more, V leaves the cache."""
        one_image = prod(tiles.width) * prod(tiles.grid) * prod(tiles.stride) * self.in_channels // self.groups * itemsize
        return max(1, self.out_channels // self.groups // prod(tiles.grid), self.piece_bytes // one_image)

    def _tiles(self, x: Array) -> Tiles | None:
        real = x.dtype.kind == "f" and x.itemsize >= 4
        return self.tiles(x.shape) if real and array_module(x) is np else None

    def _pieces(self, x: Array, tiles: Tiles) -> list[slice]:
        step = self.images_at_once(tiles, x.itemsize)
        return [slice(n, min(n + step, len(x))) for n in range(0, len(x), step)]


def times(matrix: Array, tiles: Array, name: str) -> Array:
    """matrix (i, t) times tiles (t, p, c), one product for all of them, in the room of this name."""
    out = room(tiles, (len(matrix), *tiles.shape[1:]), name)
    np.matmul(matrix, tiles.reshape(len(tiles), -1), out=out.reshape(len(matrix), -1))
    return out


def products(a: Array, b: Array, name: str) -> Array:
    """a[t] b[t] for each place t, in the room of this name."""
    return np.matmul(a, b, out=room(a, (len(a), a.shape[1], b.shape[2]), name))
