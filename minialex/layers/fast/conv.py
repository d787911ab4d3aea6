r"""Convolution with a third of the multiplications (Winograd 1980; Lavin and Gray 2015), and its backward pass.

toom_cook.py gives a filter g of r taps, of which m outputs take n = m + r - 1 multiplications: y = A ((G g) * (B d)). In two
dimensions the matrices are applied to rows and to columns, that is A ⊗ A, G ⊗ G and B ⊗ B to all n n places at once: 36
multiplications for 16 outputs of a 3 x 3 kernel, which otherwise take 144; 64 for those of a 5 x 5 kernel, which take 400.

With tiles X (p, n n, c), cut from the images, and filters W (r r, c, o), summed over the channels c:

    V[p] = (B ⊗ B) X[p]      U = (G ⊗ G) W      M[:, t] = V[:, t] U[t] for each place t      Y[p] = (A ⊗ A) M[p]

and y is put together from Y (p, m m, o), rectified already where a ReLU comes next. Every step is linear in X and in W and is a
matrix product, so backward is the same chain with each matrix transposed, in the opposite order:

    dM[p] = (A ⊗ A)ᵀ dY[p]      dU[t] = V[:, t]ᵀ dM[:, t]      dW = (G ⊗ G)ᵀ dU
                                dV[:, t] = dM[:, t] U[t]ᵀ      dX[p] = (B ⊗ B)ᵀ dV[p]

and dx adds up the tiles dX, which overlap. Where tiles come in two sizes the outputs fall into parts, and dW and dx are sums
over them. B ⊗ B itself is no small matrix: with few channels and kernels its product costs more
than is saved, and the layer goes the plain way. A pixel that is not finite spoils all outputs of its tiles.

A tile lies in one piece, its places one after the other: its n c numbers of a row are copied at once, and BLAS finds both X[p]
and V[:, t] where they are.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from math import prod

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty, zeros
from minialex.layers.fast import columns
from minialex.layers.fast.cheapest import cheapest
from minialex.layers.fast.filters import Kept, of_taps, transformed
from minialex.layers.fast.tiles import Tiles
from minialex.layers.fast.workspace import filled, room


class Conv2d(columns.Conv2d):
    """The plain Conv2d, as above where that saves multiplications: on a CPU, for real numbers. Elsewhere as in columns.py."""

    pays = 2 / 3  # of the plain way's multiplications, at most, for copies take time as well
    splits = 9 / 10  # of the multiplications, at most, if there are to be parts: more calls, and filters for each
    piece_bytes = 1 << 20  # of V, at least: more calls on smaller arrays take longer
    kept: Kept | None = None  # the filters' other form, for those who run the layer over a few images at a time
    keeps_values = False  # V from forward to backward, for those who have the memory

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        if not (parts := self._tiles(x)):
            return super().forward(x, train)
        values: list[Array] | None = [] if train and self.keeps_values else None
        self._saved = x if values is None else (x, values)
        N, O, oH, oW = self.output_shape(x.shape)
        W, b = (self.params[key].astype(x.dtype, copy=False) for key in ("weight", "bias"))
        y = empty(x, (N, oH, oW, O))
        for ins, outs in self._slices():
            U = self._filters(W, outs, parts[0])
            for images, tiles in product(self._pieces(x, parts), parts):
                A, _, B = tiles.matrices(x.dtype)
                V = times(B, tiles.cut(x[images, ins]), "V" if values is None else None)
                if values is not None:
                    values.append(V)
                M = products(V, U, tiles, "M")
                tiles.add(b[outs], M)
                Y = times(A, M, "tiles")
                if self._rectifies:
                    np.maximum(Y, filled(0, Y.shape[1:], Y.dtype), out=Y)
                tiles.lay(Y, y[images, :, :, outs])
        return self._pass_on(y.transpose(0, 3, 1, 2))

    def backward(self, dy: Array) -> Array:
        saved = self._recall()
        x, values = saved if isinstance(saved, tuple) else (saved, None)
        if not (parts := self._tiles(x)):
            return super().backward(dy)
        self._check_upstream(dy, self.output_shape(x.shape))
        W = self.params["weight"].astype(x.dtype, copy=False)
        dW, db = zeros(x, W.shape), zeros(x, (self.out_channels,))
        shape = (len(x), *x.shape[2:], self.in_channels) if self.input_gradient else (len(x), 0, 0, 0)
        dx = empty(x, shape).transpose(0, 3, 1, 2)
        G, kept = parts[0].matrices(x.dtype)[1], iter(values or ())
        for ins, outs in self._slices():
            UT = self._filters(W, outs, parts[0], turned=True)
            dU = room(x, (len(UT), UT.shape[2], UT.shape[1]), "dU")
            for images, tiles in product(self._pieces(x, parts), parts):
                A, _, B = tiles.matrices(x.dtype)
                dY = tiles.lay_adjoint(dy[images, outs].transpose(0, 2, 3, 1))
                dM = times(A.T, dY, "M")
                db[outs] += tiles.add_adjoint(dM)
                V = times(B, tiles.cut(x[images, ins]), "V") if values is None else next(kept)
                add_products(V, dM, tiles, dU, first=tiles is parts[0] and images.start == 0)
                if self.input_gradient:
                    tiles.cut_adjoint(times(B.T, products(dM, UT, tiles, "V"), "tiles"), dx[images, ins])
            if len(x):
                dW[outs] = parts[0].filters_adjoint(of_taps(G.T, dU, "U"))
        for key, gradient in (("weight", dW), ("bias", db)):
            self.grads[key] = gradient.astype(self.params[key].dtype, copy=False)
        return dx

    def remember(self, x: Array, y: Array | None = None) -> None:
        super().remember(x, y)
        if y is not None and self._tiles(x):
            self._pass_on(y)

    def tiles(self, shape: Shape) -> tuple[Tiles, ...]:
        """The tiles for images of this shape that take the fewest multiplications, part by part, if that pays."""
        channels = self.in_channels // self.groups, self.out_channels // self.groups
        _, _, oH, oW = self.output_shape(shape)
        return cheapest(channels, self.kernel_size, self.stride, self.padding, (oH, oW), self.pays, self.splits)

    def images_at_once(self, parts: tuple[Tiles, ...], itemsize: int) -> int:
        """So many that V is about as large as U: with fewer, U is read too often; with more, V leaves the cache."""
        tiles = max(parts, key=lambda tiles: prod(tiles.width) * prod(tiles.grid))
        one_image = prod(tiles.width) * prod(tiles.grid) * prod(tiles.stride) * self.in_channels // self.groups * itemsize
        return max(1, self.out_channels // self.groups // prod(tiles.grid), self.piece_bytes // one_image)

    def _filters(self, W: Array, outs: slice, tiles: Tiles, turned: bool = False) -> Array:
        """U of a group's weights, or Uᵀ; kept, if it is to be."""
        make = partial(transformed, W[outs], tiles, turned)
        return make() if self.kept is None else self.kept.of(W, (outs.start, tiles, turned), make)

    def _tiles(self, x: Array) -> tuple[Tiles, ...]:
        real = x.dtype.kind == "f" and x.itemsize >= 4
        return self.tiles(x.shape) if real and array_module(x) is np else ()

    def _pieces(self, x: Array, parts: tuple[Tiles, ...]) -> list[slice]:
        step = self.images_at_once(parts, x.itemsize)
        return [slice(n, min(n + step, len(x))) for n in range(0, len(x), step)]


def times(matrix: Array, tiles: Array, name: str | None) -> Array:
    """matrix (i, t) times each of the tiles (p, t, c), in the room of this name, or in new memory."""
    shape = len(tiles), len(matrix), tiles.shape[2]
    return np.matmul(matrix, tiles, out=empty(tiles, shape) if name is None else room(tiles, shape, name))


def by_place(of_tiles: Array, tiles: Tiles) -> Array:
    """(p, n n, c) -> a view (n, n, p, c)."""
    return of_tiles.reshape(len(of_tiles), *tiles.width, -1).transpose(1, 2, 0, 3)


def products(a: Array, b: Array, tiles: Tiles, name: str) -> Array:
    """a (p, n n, c) and the filters b (t, c, o) -> (p, n n, o), a product for each place, in the room of this name."""
    out = room(a, (*a.shape[:2], b.shape[2]), name)
    np.matmul(by_place(a, tiles), tiles.of_these(b), out=by_place(out, tiles))
    return out


def add_products(a: Array, b: Array, tiles: Tiles, total: Array, first: bool) -> None:
    """total (t, c, o) grows by aᵀ b, for each place of a (p, n n, c) and b (p, n n, o); the first ones make it anew."""
    here, at = tiles.of_these(total), by_place(a, tiles).swapaxes(2, 3)
    if first:
        np.matmul(at, by_place(b, tiles), out=here)
    else:
        here += np.matmul(at, by_place(b, tiles), out=room(a, here.shape, "more"))
