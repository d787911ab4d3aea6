"""What goes wrong in the fast layers' backward passes, and in the linear steps that they are made of."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from functools import partial
from types import ModuleType
from typing import Any

from minialex.layers.fast import (
    avg_pool,
    biased,
    blocked,
    columns,
    conv,
    filters,
    linear,
    lrn,
    max_pool,
    runs,
    sides,
    small,
    split,
    tiles,
    toom_cook,
    winners,
)
from minialex.layers.fast.cheapest import cheapest
from minialex.layers.fast.tiles import Tiles
from tests.checks import (
    check_avg_pool2d,
    check_conv2d,
    check_linear,
    check_local_response_norm,
    check_max_pool2d,
    check_relu,
    check_sequential,
)
from tests.mutants.engine import Mutant, Subject, run
from tests.strategies import tiled_cases

check_tiles = partial(check_conv2d, cases=tiled_cases())


def in_tiles(fresh: ModuleType) -> Any:
    """Conv2d, always in tiles, of two sizes where one does not fit, with as many pieces of the batch as there are images."""
    return type("InTiles", (fresh.Conv2d,), {"pays": float("inf"), "splits": 10.0, "piece_bytes": 1})


def with_tiles(fresh: ModuleType) -> Any:
    """The fast Conv2d, which cuts these tiles: of two sizes for one channel; for more of 3 x 2, which fit or not."""
    module = run(conv, inspect.getsource(conv))

    def chosen(*case: Any) -> Any:
        (channels, _), *geometry, _, _ = case
        found = cheapest(*case) if channels == 1 else (Tiles((3, 2), *geometry),)
        return tuple(fresh.Tiles(**asdict(tiles)) for tiles in found)

    module.__dict__["cheapest"] = chosen
    return in_tiles(module)


def with_matrices(fresh: ModuleType) -> Any:
    """The fast Conv2d, with these matrices."""
    of_tiles = run(tiles, inspect.getsource(tiles))
    of_tiles.__dict__["in_two_dimensions"] = fresh.in_two_dimensions
    return with_tiles(of_tiles)


def small_products(fresh: ModuleType) -> Any:
    """LocalResponseNorm, seven pixels at a time, in products of three pixels and of blocks of two channels."""
    fresh.__dict__.update(BLOCK=2, ROWS=3)
    return type(
        "SmallProducts",
        (fresh.LocalResponseNorm,),
        {"_pieces": lambda self, X, N: [slice(p, p + 7) for p in range(0, len(X), 7)]},
    )


def by_ones_and_twos(kind: Any) -> Any:
    """This pooling layer, with one or two images at a time, as their width has it."""

    def pieces(self: Any, x: Any) -> Any:
        self.piece_bytes = (1 + x.shape[3] % 2) * x[:1].nbytes
        return super(few, self)._pieces(x)

    few = type("ByOnesAndTwos", (kind,), {"_pieces": pieces})
    return few


def with_winners(fresh: ModuleType) -> Any:
    """MaxPool2d, whose winners are found like this."""
    module = run(max_pool, inspect.getsource(max_pool))
    module.__dict__.update({name: getattr(fresh, name) for name in ("maxima_and_codes", "offsets_by_code")})
    return by_ones_and_twos(module.MaxPool2d)


def avg_by_sides(fresh: ModuleType) -> Any:
    """AvgPool2d, with these sides."""
    return by_ones_and_twos(type("AvgBySides", (fresh.BySides, avg_pool.AvgPool2d), {}))


def with_runs(fresh: ModuleType) -> Any:
    """Conv2d by columns, which are copied by these runs."""
    module = run(columns, inspect.getsource(columns))
    module.__dict__["copy_runs"] = fresh.copy_runs
    return by_few_columns(module)


def in_halves(fresh: ModuleType) -> Any:
    """Linear, as where other devices' cores are idle."""
    return type("InHalves", (fresh.Linear,), {"side_by_side": staticmethod(map)})


def by_few_columns(fresh: ModuleType) -> Any:
    """Conv2d by columns, those of one image at a time."""
    return type("ByFewColumns", (fresh.Conv2d,), {"workspace_bytes": {"numpy": 1}})


def with_small_products(fresh: ModuleType) -> Any:
    """Conv2d by columns, with these products, of a few rows each."""
    fresh.__dict__["MULTIPLY_ADDS"] = 60
    module = run(columns, inspect.getsource(columns))
    module.__dict__.update(rows_times=fresh.rows_times, add_columns_times=fresh.add_columns_times)
    return module.__dict__["Conv2d"]


def with_filters(fresh: ModuleType) -> Any:
    """Conv2d in tiles, whose filters are kept."""
    module = run(conv, inspect.getsource(conv))
    module.__dict__.update(transformed=fresh.transformed, of_taps=fresh.of_taps)
    kind = in_tiles(module)

    def make(*arguments: Any, **named: Any) -> Any:
        layer = kind(*arguments, **named)
        layer.kept = fresh.Kept()
        return layer

    return make


def one_image_at_a_time(fresh: ModuleType) -> Any:
    """Blocked, with as many blocks as there are images."""
    return type("OneImageAtATime", (fresh.Blocked,), {"block_bytes": {"numpy": 1}})


def one_image_a_piece(fresh: ModuleType) -> Any:
    """Split, with as many pieces as there are images."""
    return type("OneImageAPiece", (fresh.Split,), {"piece_bytes": {"numpy": 1}})


SPLIT = Subject(
    "fast.Split",
    split,
    ((one_image_a_piece, check_sequential),),
    (
        Mutant(
            "gradients of the last piece only",
            "reduce(add, (own.grads[key] for _, own in twins))",
            "twins[-1][1].grads[key]",
            "only the last piece's gradients count",
            "Split.backward",
        ),
        Mutant(
            "gradients averaged",
            "reduce(add, (own.grads[key] for _, own in twins))",
            "reduce(add, (own.grads[key] for _, own in twins)) / len(twins)",
            "the pieces' gradients are averaged instead of added up",
            "Split.backward",
        ),
        Mutant(
            "one dy for all pieces",
            "twin.backward(dy[piece])",
            "twin.backward(dy[pieces[0]])",
            "every piece gets the first images' dy",
            "Split.backward",
        ),
        Mutant(
            "pieces in the wrong order",
            "zip(pieces, parts, strict=True)",
            "zip(reversed(pieces), parts, strict=True)",
            "dx's pieces come back in the wrong order",
            "Split.backward",
        ),
        Mutant(
            "memories shared",
            "own = copy(layer)",
            "own = layer",
            "all pieces share one layer, whose memory is the last one's",
            "_twin",
        ),
        Mutant(
            "gradients shared",
            "own.grads, own._saved = {}, None",
            "own._saved = None",
            "all pieces write their gradients into one place",
            "_twin",
        ),
    ),
)

FAST_CONV2D = Subject(
    "fast.Conv2d",
    conv,
    ((in_tiles, check_tiles),),
    (
        Mutant(
            "dU of the last piece only",
            "here += np.matmul",
            "here[...] = np.matmul",
            "dW counts only the last images: = where += is meant",
            "add_products",
        ),
        Mutant(
            "dU kept from before",
            "first=tiles is parts[0] and images.start == 0",
            "first=False",
            "dU is added to whatever was there",
            "Conv2d.backward",
        ),
        Mutant(
            "dU begun anew by each part",
            "first=tiles is parts[0] and images.start == 0",
            "first=images.start == 0",
            "of several parts the last one's first images begin dU anew",
            "Conv2d.backward",
        ),
        Mutant(
            "dW without Gᵀ",
            "of_taps(G.T, dU,",
            "of_taps(np.linalg.pinv(G), dU,",
            "dW is brought back by G's inverse instead of G transposed",
            "Conv2d.backward",
        ),
        Mutant(
            "dM without Aᵀ",
            "times(A.T, dY,",
            "times(np.linalg.pinv(A), dY,",
            "dM is brought back by A's inverse instead of A transposed",
            "Conv2d.backward",
        ),
        Mutant(
            "dX without Bᵀ",
            "times(B.T, products",
            "times(np.linalg.inv(B), products",
            "dX is brought back by B's inverse instead of B transposed",
            "Conv2d.backward",
        ),
        Mutant(
            "dX by B",
            "times(B.T, products",
            "times(B, products",
            "B is not transposed on the way back",
            "Conv2d.backward",
        ),
        Mutant(
            "V not made again",
            'times(B, tiles.cut(x[images, ins]), "V") if values is None',
            "tiles.cut(x[images, ins]) if values is None",
            "dU is made of the tiles themselves, not of V",
            "Conv2d.backward",
        ),
        Mutant(
            "db averaged",
            "db[outs] += tiles.add_adjoint(dM)",
            "db[outs] += tiles.add_adjoint(dM) / len(x)",
            "db is averaged over the batch",
            "Conv2d.backward",
        ),
        Mutant(
            "db of the last piece only",
            "db[outs] += ",
            "db[outs] = ",
            "db counts only the last images: = where += is meant",
            "Conv2d.backward",
        ),
        Mutant(
            "dx for the wrong images",
            "dx[images, ins])",
            "dx[: len(x[images]), ins])",
            "dx of every piece lands on the first images",
            "Conv2d.backward",
        ),
        Mutant(
            "dx of the first group",
            "dx[images, ins])",
            "dx[images, : ins.stop - ins.start])",
            "dx of every group lands on the first one's channels",
            "Conv2d.backward",
        ),
    ),
)

TILES = Subject(
    "fast.tiles",
    tiles,
    ((with_tiles, check_tiles),),
    (
        Mutant(
            "overlaps overwritten",
            "np.add(place, part, out=place)",
            "np.copyto(place, part)",
            "where tiles overlap the last one wins: = where += is meant",
            "Tiles.cut_adjoint",
        ),
        Mutant(
            "overlaps kept from before",
            "cells[:, rows:] = cells[:, :, :, columns:] = 0",
            "pass",
            "what the first parts of the tiles do not cover is whatever was there",
            "Tiles.cut_adjoint",
        ),
        Mutant(
            "db of one place more",
            "first, *others = everywhere(self.m, self.taps)",
            "first, *others = (*everywhere(self.m, self.taps), 0)",
            "db hears of a place at which b was not added",
            "Tiles.add_adjoint",
        ),
        Mutant(
            "overlaps forgotten",
            "np.ndindex(*self._reach)",
            "np.ndindex(1, 1)",
            "what tiles have beyond their own m x m cells is dropped",
            "Tiles._overlaps",
        ),
        Mutant(
            "rows and columns exchanged",
            "*self.width, -1).transpose(0, 1, 3, 2, 4, 5)",
            "*self.width, -1).transpose(0, 1, 4, 2, 3, 5)",
            "rows and columns of the tiles are exchanged",
            "Tiles.cut_adjoint",
        ),
        Mutant(
            "padding not cut off",
            "cells, self._margin)",
            "cells)",
            "the padding above and beside the image is not cut off",
            "Tiles.cut_adjoint",
        ),
        Mutant(
            "what no kernel sees left as it was",
            "dx[...] = 0",
            "pass",
            "pixels that no kernel reaches keep what was in the memory",
            "Tiles.cut_adjoint",
        ),
        Mutant(
            "parts overwrite",
            "pixels += in_cells",
            "pixels[...] = in_cells",
            "where two parts see the same pixels the last one wins",
            "Tiles.cut_adjoint",
        ),
        Mutant(
            "parts added to what was there",
            "first = dx[self._seen], self.begin == (0, 0)",
            "first = dx[self._seen], False",
            "the first part adds to whatever was in the memory",
            "Tiles.cut_adjoint",
        ),
        Mutant(
            "dy of the first part",
            "matching(dy[self._outputs], dtiles)",
            "matching(dy[:, : self.outputs[0], : self.outputs[1]], dtiles)",
            "every part has the dy of the first outputs",
            "Tiles.lay_adjoint",
        ),
        Mutant(
            "beyond the lower edge",
            "dtiles[:, self.outputs[0] // mH :] = 0",
            "pass",
            "below the image stands what was in the memory",
            "Tiles.lay_adjoint",
        ),
        Mutant(
            "beyond the right edge",
            "dtiles[:, :, self.outputs[1] // mW :] = 0",
            "pass",
            "to the right of the image stands what was in the memory",
            "Tiles.lay_adjoint",
        ),
        Mutant(
            "dW's rows and columns exchanged",
            ".transpose(0, 2, 1, 3, 4, 5)",
            ".transpose(0, 3, 1, 2, 4, 5)",
            "rows and columns of a tap's pixels are exchanged",
            "Tiles.filters_adjoint",
        ),
        Mutant(
            "dW flipped",
            "whole[:kH, :kW]",
            "whole[:kH, :kW][::-1, ::-1]",
            "dW is turned by 180 degrees",
            "Tiles.filters_adjoint",
        ),
    ),
)

TOOM_COOK = Subject(
    "fast.toom_cook",
    toom_cook,
    ((with_matrices, check_tiles),),
    (
        Mutant(
            "infinity forgotten",
            "E[-1, -1] = 1",
            "pass",
            "the point at infinity has no value",
            "_values",
        ),
        Mutant(
            "infinity sees the lowest coefficient",
            "E[-1, -1] = 1",
            "E[-1, 0] = 1",
            "the point at infinity has the value of 0",
            "_values",
        ),
        Mutant("powers turned round", "increasing=True", "increasing=False", "the highest power comes first", "_values"),
        Mutant(
            "not divided by the value at p",
            "G[k] /= np.prod(p - others) * np.prod(p - further)",
            "pass",
            "the polynomial that should be 1 at p is not",
            "matrices",
        ),
        Mutant(
            "divided by the value's negative",
            "np.prod(p - others) *",
            "np.prod(others - p) *",
            "q - p stands where p - q is meant",
            "matrices",
        ),
        Mutant(
            "filters of a larger tile not made good for",
            "polyfromroots(others) * np.prod(p - further)",
            "polyfromroots(others)",
            "the smaller tiles of a part take the larger ones' filters as their own",
            "matrices",
        ),
        Mutant(
            "infinity last",
            "np.kron(np.roll(row, 1, place), np.roll(column, 1, place))",
            "np.kron(row, column)",
            "the last places of the larger tiles' filters are cut off, infinity among them",
            "in_two_dimensions",
        ),
        Mutant(
            "all points where p is left out",
            "others = np.delete(points, k)",
            "others = points[: len(points) - 1]",
            "of every p the last point is left out",
            "matrices",
        ),
    ),
)

FAST_MAX_POOL2D = Subject(
    "fast.MaxPool2d",
    max_pool,
    ((lambda fresh: by_ones_and_twos(fresh.MaxPool2d), check_max_pool2d),),
    (
        Mutant(
            "= where windows overlap",
            "np.add.at(dx[n].reshape(-1), winners.reshape(-1), dy[n].transpose(0, 2, 3, 1).reshape(-1))",
            "dx[n].reshape(-1)[winners.reshape(-1)] = dy[n].transpose(0, 2, 3, 1).reshape(-1)",
            "a pixel that wins twice keeps one gradient",
            "MaxPool2d.backward",
        ),
        Mutant(
            "the first images' codes for all",
            "codes[0][n]",
            "codes[0][: n.stop - n.start]",
            "every piece gets the first images' winners",
            "MaxPool2d.backward",
        ),
        Mutant(
            "the first images for all",
            "self.sides, images,",
            "self.sides, x[: len(images)].transpose(0, 2, 3, 1),",
            "the winners of every piece are looked for in the first images",
            "MaxPool2d.forward",
        ),
        Mutant("dx not from 0", "dx[n] = 0", "dx[n] = 1", "a 1 is added to every pixel's gradient", "MaxPool2d.backward"),
        Mutant(
            "the first images' dy for all",
            "dy[n].transpose",
            "dy[: n.stop - n.start].transpose",
            "every piece gets the first images' gradients",
            "MaxPool2d.backward",
        ),
        Mutant(
            "height and width of the stride exchanged",
            "(sH, sW), (top, left) = shape, pixels, stride",
            "(sW, sH), (top, left) = shape, pixels, stride",
            "the stride's height and width are exchanged",
            "_origins",
        ),
        Mutant("stride forgotten", "i * sH - top) * W", "i - top) * W", "the stride is forgotten along the rows", "_origins"),
        Mutant("batch forgotten", "((n * H + i * sH", "((0 * n + i * sH", "all images write into the first", "_origins"),
        Mutant(
            "the padding forgotten",
            "(self.padding[0], self.padding[2]))\n            winners",
            "(0, 0))\n            winners",
            "windows begin at the image's first pixel",
            "MaxPool2d.backward",
        ),
    ),
)

FAST_WINNERS = Subject(
    "fast.winners",
    winners,
    ((with_winners, check_max_pool2d),),
    (
        Mutant(
            "ties given to the last row",
            "rank * (down.kernel - u)",
            "rank * (u + 2)",
            "of the rows that tie the last has the winner",
            "_down",
        ),
        Mutant(
            "the last row never wins",
            "e[...] = rank",
            "e[...] = 0",
            "the last row of a window, which nobody asks, has no code",
            "_down",
        ),
        Mutant(
            "the others never win",
            "np.maximum(e[:, i], won[:, i], out",
            "np.maximum(e[:, i], e[:, i], out",
            "nobody but the last row of a window is given a code",
            "_down",
        ),
        Mutant(
            "ties given to the last in a row",
            "in reversed(range(along.kernel))",
            "in range(along.kernel)",
            "of the pixels of a row that tie the last gets the gradient",
            "_along",
        ),
        Mutant(
            "places without rank",
            "codes += 1",
            "codes += 0",
            "all places of a row have the last one's code",
            "_along",
        ),
        Mutant(
            "padding wins",
            "deal.out(e, 0)",
            "deal.out(e, 8 * along.kernel)",
            "where all pixels are -infinity, as padding is, the gradient goes there",
            "_along",
        ),
        Mutant(
            "the first column's rows for all",
            "won *= deal.place(codes, v)",
            "won *= deal.place(codes, 0)",
            "the winner's row is that of the window's first column",
            "_along",
        ),
        Mutant(
            "columns not shifted",
            "v // self.along.stride * self.C :]",
            "v // self.along.stride * 0 :]",
            "places further on than the stride are taken for those before it",
            "_Deal.place",
        ),
        Mutant(
            "one array for all",
            "[v % self.along.stride,",
            "[v * 0,",
            "every place is taken for one a stride before",
            "_Deal.place",
        ),
        Mutant(
            "width forgotten",
            "(u * W + v) * C",
            "(u * kW + v) * C",
            "the winner's row is counted in kernels, not in pixels",
            "offsets_by_code",
        ),
        Mutant(
            "channels forgotten",
            "(u * W + v) * C",
            "(u * W + v)",
            "the winner's place is counted in numbers, not in pixels",
            "offsets_by_code",
        ),
        Mutant(
            "codes counted from the wrong end",
            "for u in reversed(range(kH))",
            "for u in range(kH)",
            "the winner's row is counted from the wrong end of the window",
            "offsets_by_code",
        ),
    ),
)

SIDES = Subject(
    "fast.sides",
    sides,
    ((avg_by_sides, check_avg_pool2d),),
    (
        Mutant(
            "begin with the second",
            "first = max(0, -(begin",
            "first = max(1, -(begin",
            "the first window is left out",
            "Side.reach",
        ),
        Mutant("one window too few", "// self.stride + 1)", "// self.stride)", "the last window is left out", "Side.reach"),
        Mutant(
            "padding forgotten",
            "begin = place - self.before",
            "begin = place",
            "windows begin at the first pixel",
            "Side.reach",
        ),
        Mutant(
            "the pixels of other windows",
            "begin += first * self.stride",
            "begin += first",
            "where a window has no pixel the next one's is taken from a wrong place",
            "Side.reach",
        ),
        Mutant(
            "overhang counted",
            "min(begin + self.kernel, pixels)",
            "(begin + self.kernel)",
            "padding behind counts",
            "Side.counts",
        ),
        Mutant("padding counted", "max(begin, 0)", "begin", "padding in front counts", "Side.counts"),
        Mutant("the first two only", "whole[2:]", "whole[3:]", "of the third place nobody hears", "Side.along"),
        Mutant(
            "incomplete places left out",
            "if windows.shape != out.shape",
            "if False",
            "a place that some windows lack is left out for all",
            "Side.along",
        ),
        Mutant(
            "= where += is meant",
            "pixels += windows",
            "pixels[...] = windows",
            "a pixel hears of its last window only",
            "Side.spread",
        ),
        Mutant(
            "gaps left as they are",
            "dx[self._cut(slice(seen, None))] = 0",
            "pass",
            "where no window is there is no 0",
            "Side.spread",
        ),
        Mutant(
            "both sides alike",
            "Side(2, kW, sW, left)",
            "Side(2, kH, sW, left)",
            "the kernel is taken to be square",
            "BySides.sides",
        ),
        Mutant(
            "the first images for all",
            "x[n : n + step]",
            "x[: len(x[n : n + step])]",
            "every piece is the first",
            "BySides._pieces",
        ),
    ),
)

FAST_AVG_POOL2D = Subject(
    "fast.AvgPool2d",
    avg_pool,
    ((lambda fresh: by_ones_and_twos(fresh.AvgPool2d), check_avg_pool2d),),
    (
        Mutant(
            "not divided",
            "share = dy.transpose(0, 2, 3, 1) /",
            "share = dy.transpose(0, 2, 3, 1) + 0 *",
            "dy is not shared",
            "AvgPool2d.backward",
        ),
        Mutant("the mean not divided", "y /= _counts", "y += 0 * _counts", "sums are taken for means", "AvgPool2d.forward"),
        Mutant(
            "the first images' dy for all",
            "along.spread(share[n], columns)",
            "along.spread(share[: len(images)], columns)",
            "every piece gets the first images' gradients",
            "AvgPool2d.backward",
        ),
        Mutant(
            "divided once more",
            "down.spread(columns, images)",
            "down.spread(columns / len(images), images)",
            "gradients are averaged over the piece",
            "AvgPool2d.backward",
        ),
        Mutant(
            "by the kernel's size",
            "np.outer(down, along)",
            "np.outer([sides[0].kernel] * len(down), along)",
            "all windows count as whole",
            "_counts",
        ),
        Mutant(
            "rows for columns",
            "np.outer(down, along)",
            "np.outer(down, along[::-1])",
            "the pixels of a window are counted from the wrong end",
            "_counts",
        ),
    ),
)

RUNS = Subject(
    "fast.runs",
    runs,
    ((with_runs, check_conv2d),),
    (
        Mutant(
            "half a run",
            "source.shape[-2] * source.shape[-1])",
            "source.shape[-1])",
            "only the first part moves",
            "copy_runs",
        ),
        Mutant(
            "the first image only", "_by(run, target)[...]", "_by(run, target)[:1]", "other images keep what was", "copy_runs"
        ),
        Mutant(
            "the first row only", "_by(run, target)[...]", "_by(run, target)[:, :1]", "other rows keep what was", "copy_runs"
        ),
        Mutant("mirrored", "= _by(run, source)", "= _by(run, source)[:, :, ::-1]", "the positions are mirrored", "copy_runs"),
        Mutant(
            "kernel upside down",
            "= _by(run, source)",
            "= _by(run, source)[..., ::-1]",
            "the kernel's rows change places",
            "copy_runs",
        ),
        Mutant(
            "one image for all",
            "= _by(run, source)",
            "= _by(run, source)[:, :1, :1]",
            "all positions see the first",
            "copy_runs",
        ),
    ),
)

FAST_RELU = Subject(
    "fast.ReLU",
    biased,
    ((lambda fresh: fresh.ReLU, check_relu),),
    (
        Mutant(
            "below 0",
            "black = _black(x.shape, x.dtype)",
            "black = _black(x.shape, x.dtype) - 1",
            "what is above -1 passes",
            "ReLU.forward",
        ),
        Mutant(
            "absolute", "np.maximum(x.reshape", "np.maximum(-x.reshape", "what is below 0 passes, upside down", "ReLU.forward"
        ),
        Mutant(
            "the kink given to both", "(y > 0).astype", "(y >= 0).astype", "the gradient passes where y = 0", "ReLU.backward"
        ),
        Mutant("masked by dy", "(y > 0).astype", "(dy > 0).astype", "the gradient's own sign decides", "ReLU.backward"),
        Mutant("not masked", "dx *= dy", "dx = dx * 0 + dy", "the gradient passes everywhere", "ReLU.backward"),
        Mutant("times y", "dx *= dy", "dx *= dy * y", "the derivative of y²/2", "ReLU.backward"),
    ),
)

FAST_LRN = Subject(
    "fast.LocalResponseNorm",
    lrn,
    ((small_products, check_local_response_norm),),
    (
        Mutant(
            "the first pixels' d for all",
            "t /= d[p]",
            "t /= d[: len(t)]",
            "every piece is divided by the first one's d",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "the neighbours' term dropped",
            "dX[p] -= neighbours",
            "pass",
            "the neighbours' term is missing",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "the own term dropped",
            "np.divide(dY[p], e[p], out=dX[p])",
            "dX[p] = 0",
            "dy d^-beta is missing",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "window not turned round",
            "X.dtype).T",
            "X.dtype)",
            "for even n the windows that channel i lies in reach further down than up",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "factor 2 missing",
            "2 * self._alpha * self.beta",
            "self._alpha * self.beta",
            "the derivative of a square has a factor 2",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "beta missing",
            "2 * self._alpha * self.beta",
            "2 * self._alpha",
            "beta is missing in the neighbours' term",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "1/d missing",
            "t /= d[p]",
            "pass",
            "t is not divided by d",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "x_m where y_m is meant",
            "np.multiply(dY[p], Y[p],",
            "np.multiply(dY[p], X[p],",
            "t is made of x, not of y",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "x_i missing",
            "neighbours *= X[p]",
            "pass",
            "the neighbours' sum is not multiplied by x_i",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "a window of one less",
            "_band(self.size,",
            "_band(self.size - 1,",
            "the window is one channel short",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "before and behind exchanged",
            "S[:, :, : w + behind], B[: w + behind, :w]",
            "S[:, :, : w + before], B[: w + before, :w]",
            "the first block reads as far as it should read back",
            "banded_product",
        ),
        Mutant(
            "the last block without those before",
            "S[:, :, -w - before :], B[-w - before :, -w:]",
            "S[:, :, -w:], B[-w:, -w:]",
            "the last block does not hear of the channels before it",
            "banded_product",
        ),
        Mutant(
            "the middle from the block's own start",
            "begin=w - before",
            "begin=w",
            "the blocks in the middle read from their own first channel on",
            "banded_product",
        ),
        Mutant(
            "blocks in the middle a channel apart",
            "strides = (*inner.shape[:3], before + w + behind), (w * one,",
            "strides = (*inner.shape[:3], before + w + behind), (one,",
            "the blocks in the middle begin one channel apart",
            "banded_product",
        ),
        Mutant(
            "the rest left out",
            "banded_product(S[whole:], B, before, behind, out=out[whole:])",
            "pass",
            "the pixels beyond the last whole product are left out",
            "banded_product",
        ),
    ),
)

FAST_LINEAR = Subject(
    "fast.Linear",
    linear,
    ((in_halves, check_linear),),
    (
        Mutant(
            "dW transposed",
            "np.matmul(dy[:, o].T, x, out=dW[o])",
            "np.copyto(dW[o], (x.T @ dy).reshape(dW.shape)[o])",
            "dW is xᵀ dy: its transpose",
            "Linear.backward",
        ),
        Mutant(
            "dW of the last image",
            "np.matmul(dy[:, o].T, x, out=dW[o])",
            "np.matmul(dy[-1:, o].T, x[-1:], out=dW[o])",
            "dW counts one image",
            "Linear.backward",
        ),
        Mutant(
            "dW averaged",
            "np.matmul(dy[:, o].T, x, out=dW[o])",
            "np.matmul(dy[:, o].T / len(x), x, out=dW[o])",
            "dW is averaged over the batch",
            "Linear.backward",
        ),
        Mutant(
            "one half twice",
            "[slice(0, size // 2), slice(size // 2, size)]",
            "[slice(0, size // 2), slice(0, size // 2)]",
            "the second half is nobody's",
            "Linear._halves",
        ),
        Mutant(
            "the last left out",
            "slice(size // 2, size)",
            "slice(size // 2, size - 1)",
            "the second half ends one too early",
            "Linear._halves",
        ),
        Mutant(
            "dW in the old one's memory",
            "self._memory.lend(W.shape)",
            "self.__dict__.setdefault('one', np.empty_like(W))",
            "whoever holds the last gradients finds the next ones in them",
            "Linear.backward",
        ),
        Mutant(
            "db averaged",
            "self._bias_gradient(dy)",
            "self._bias_gradient(dy) / len(x)",
            "db is averaged over the batch",
            "Linear.backward",
        ),
        Mutant(
            "dx by Wᵀ's inverse",
            "np.matmul(dy, W[:, d], out=dx[:, d])",
            "np.matmul(dy, np.linalg.pinv(W).T[:, d], out=dx[:, d])",
            "dx goes back by the inverse",
            "Linear.backward",
        ),
        Mutant(
            "dx forgets the batch",
            "np.matmul(dy, W[:, d], out=dx[:, d])",
            "np.copyto(dx[:, d], dy[:1] @ W[:, d])",
            "all images get the first one's dx",
            "Linear.backward",
        ),
    ),
)

BLOCKED = Subject(
    "fast.Blocked",
    blocked,
    ((one_image_at_a_time, check_sequential),),
    (
        Mutant(
            "the last block's gradients only",
            "total[key] + value if key in total else value",
            "value",
            "gradients of the blocks are not added",
            "Blocked.backward",
        ),
        Mutant(
            "layers in the wrong order",
            "in reversed(self.layers)",
            "in self.layers",
            "backward runs forwards",
            "Blocked.backward",
        ),
        Mutant(
            "the first block's input for all",
            "self._again(x[block]",
            "self._again(x[: block.stop - block.start]",
            "every block is the first one",
            "Blocked.backward",
        ),
        Mutant(
            "the first block's upstream for all",
            "gradient = dy[block]",
            "gradient = dy[: block.stop - block.start]",
            "every block has the first one's dy",
            "Blocked.backward",
        ),
        Mutant(
            "nothing remembered",
            "layer.remember(x, kept[place])",
            "pass",
            "layers with weights still remember the last block of the forward pass",
            "Blocked._again",
        ),
        Mutant(
            "outputs of the wrong block",
            "{place: outputs[block]",
            "{place: outputs[: block.stop - block.start]",
            "every block has the first one's outputs",
            "Blocked.backward",
        ),
        Mutant(
            "gradients averaged over blocks",
            "leaf.grads.update(total)",
            "leaf.grads.update({k: v / len(self._blocks(x)) for k, v in total.items()})",
            "gradients are averaged over the blocks",
            "Blocked.backward",
        ),
        Mutant(
            "blocks over each other",
            "self[name][block] = part",
            "self[name][: len(part)] = part",
            "every block lands on the first images",
            "Whole.put",
        ),
    ),
)

COLUMNS = Subject(
    "fast.columns",
    columns,
    ((by_few_columns, check_conv2d),),
    (
        Mutant(
            "dW of the last images only",
            "add_columns_times(dY[:, outs], X, dWb[g])",
            "dWb[g][...] = 0; add_columns_times(dY[:, outs], X, dWb[g])",
            "dW counts only the last images",
            "Conv2d.backward",
        ),
        Mutant(
            "X overwritten too early",
            "add_columns_times(dY[:, outs], X, dWb[g])",
            "X[:, :-1] = dY[:, outs] @ W[g]; add_columns_times(dY[:, outs], X, dWb[g])",
            "dX takes X's place before dW is made of it",
            "Conv2d.backward",
        ),
        Mutant(
            "dW of all groups in one",
            "X, dWb[g])",
            "X, dWb[0])",
            "all groups add to the first one's dW",
            "Conv2d.backward",
        ),
        Mutant(
            "dX by the first group's weights",
            "np.matmul(dY[:, outs], W[g], out",
            "np.matmul(dY[:, outs], W[0], out",
            "every group goes back by the first one's weights",
            "Conv2d.backward",
        ),
        Mutant(
            "dx of the first group",
            "dx[images, ins])",
            "dx[images, : ins.stop - ins.start])",
            "dx of every group lands on the first one's channels",
            "Conv2d.backward",
        ),
        Mutant(
            "dx for the wrong images",
            "dx[images, ins])",
            "dx[: len(x[images]), ins])",
            "dx of every block lands on the first images",
            "Conv2d.backward",
        ),
        Mutant(
            "the first images' columns",
            "X = self._columns_and_ones(x[images, ins])",
            "X = self._columns_and_ones(x[: len(x[images]), ins])",
            "every block's dW is made of the first images' columns",
            "Conv2d.backward",
        ),
        Mutant(
            "db averaged",
            "np.concatenate([each[:, -1] for each in dWb])",
            "np.concatenate([each[:, -1] for each in dWb]) / N",
            "db is averaged over the batch",
            "Conv2d.backward",
        ),
        Mutant(
            "dY of the first images",
            "pad_channels_last(dy[images]",
            "pad_channels_last(dy[: len(x[images])]",
            "every block has the first images' dy",
            "Conv2d.backward",
        ),
        Mutant(
            "no ones", "X[..., row] = 1", "X[..., row] = 0", "the bias is the weight of nothing", "Conv2d._columns_and_ones"
        ),
        Mutant(
            "one dW behind",
            "each[:, :-1] for each in dWb",
            "each[:, 1:] for each in dWb",
            "dW begins with its second number and ends with db",
            "Conv2d.backward",
        ),
    ),
)

SMALL = Subject(
    "fast.small",
    small,
    ((with_small_products, check_conv2d),),
    (
        Mutant("= where += is meant", "total += ", "total[...] = ", "only the last rows count", "add_columns_times"),
        Mutant("averaged", ".sum(axis=0)", ".mean(axis=0)", "the pieces' products are averaged", "add_columns_times"),
        Mutant("the first piece only", ".sum(axis=0)", "[0]", "only the first piece's product counts", "add_columns_times"),
        Mutant(
            "the first rows of dY",
            "_cut(dY[whole], rows)",
            "_cut(dY[: len(dY[whole])], rows)",
            "what is left over of X meets the first rows of dY",
            "add_columns_times",
        ),
        Mutant(
            "the rest forgotten",
            " + ([(slice(whole, p), p - whole)] if whole < p else [])",
            "",
            "rows that fill no piece are left out",
            "_pieces",
        ),
        Mutant(
            "the rest from the beginning",
            "(slice(whole, p), p - whole)",
            "(slice(0, p - whole), p - whole)",
            "instead of the rows that are left the first ones come again",
            "_pieces",
        ),
    ),
)

FILTERS = Subject(
    "fast.filters",
    filters,
    ((with_filters, check_tiles),),
    (
        Mutant(
            "weights not looked at",
            "not np.array_equal(last[0], weights)",
            "last[0].shape != weights.shape",
            "an update does not reach the filters",
            "Kept.of",
        ),
        Mutant(
            "one number looked at",
            "not np.array_equal(last[0], weights)",
            "last[0].flat[0] != weights.flat[0]",
            "a change of other weights than the first is not seen",
            "Kept.of",
        ),
        Mutant(
            "weights not copied",
            "weights.copy(), {}",
            "weights, {}",
            "the weights are compared with themselves",
            "Kept.of",
        ),
        Mutant(
            "filters left in the room",
            "make().copy()",
            "make()",
            "what is kept lies where the next filters are made",
            "Kept.of",
        ),
        Mutant(
            "the old ones for new weights",
            "made = last[1]",
            "made = last[1] or self.__dict__.setdefault('first', last[1])",
            "filters of the first weights serve again",
            "Kept.of",
        ),
        Mutant(
            "Uᵀ not turned",
            "contiguous(taps.transpose(0, 2, 1)) if turned else taps",
            "taps.reshape(len(taps), taps.shape[2], -1) if turned else taps",
            "Uᵀ has the right shape and U's numbers in their order",
            "transformed",
        ),
    ),
)

FAST = (
    FAST_CONV2D,
    TILES,
    TOOM_COOK,
    COLUMNS,
    RUNS,
    SMALL,
    FILTERS,
    FAST_RELU,
    FAST_MAX_POOL2D,
    FAST_WINNERS,
    FAST_AVG_POOL2D,
    SIDES,
    FAST_LRN,
    FAST_LINEAR,
    BLOCKED,
    SPLIT,
)
