"""What goes wrong in the fast layers' backward passes, and in the linear steps that they are made of."""

from __future__ import annotations

import inspect
from functools import partial
from types import ModuleType
from typing import Any

from minialex.layers.fast import blocked, conv, lrn, pool, rotated, split, tiles
from tests.checks import check_conv2d, check_local_response_norm, check_max_pool2d, check_sequential
from tests.mutants.engine import Mutant, Subject, run
from tests.strategies import small_kernel_cases

check_small_kernels = partial(check_conv2d, cases=small_kernel_cases())


def with_tiles(fresh: ModuleType) -> Any:
    """The fast Conv2d, made of these steps."""
    module = run(conv, inspect.getsource(conv))
    module.__dict__["tiles"] = fresh
    return module.__dict__["Conv2d"]


def one_tile_at_a_time(fresh: ModuleType) -> Any:
    """Conv2d, with as many pieces of the batch as there are images."""
    return type("OneTileAtATime", (fresh.Conv2d,), {"tile_bytes": 1})


def one_image_at_a_time(fresh: ModuleType) -> Any:
    """Blocked, with as many blocks as there are images."""
    return type("OneImageAtATime", (fresh.Blocked,), {"block_bytes": {"numpy": 1}})


def one_image_a_piece(fresh: ModuleType) -> Any:
    """Split, with as many pieces as there are images."""
    return type("OneImageAPiece", (fresh.Split,), {"piece_bytes": {"numpy": 1}})


def few_patches(fresh: ModuleType) -> Any:
    """Conv2d with room for one image's patches at a time."""
    return type("FewPatches", (fresh.Conv2d,), {"workspace_bytes": {"numpy": 1}})


ROTATED = Subject(
    "fast.rotated",
    rotated,
    ((few_patches, check_small_kernels),),
    (
        Mutant(
            "kernels not turned",
            "[:, :, ::-1, ::-1]",
            "",
            "the kernels are not turned by 180 degrees: dx is a convolution of dy with rotated kernels",
            "Conv2d._correlate",
        ),
        Mutant(
            "kernels turned upside down only",
            "[:, :, ::-1, ::-1]",
            "[:, :, ::-1]",
            "the kernels are turned upside down, but not left to right",
            "Conv2d._correlate",
        ),
        Mutant(
            "padding of the forward pass",
            "sides = kH - 1 - top, kH - 1 - bottom, kW - 1 - left, kW - 1 - right",
            "sides = (kH - 1) // 2, kH - 1 - (kH - 1) // 2, (kW - 1) // 2, kW - 1 - (kW - 1) // 2",
            "dy is padded as if x had been padded to keep its size",
            "Conv2d._correlate",
        ),
        Mutant(
            "padding's sides exchanged",
            "kH - 1 - top, kH - 1 - bottom",
            "kH - 1 - bottom, kH - 1 - top",
            "the padding above and below dy is exchanged",
            "Conv2d._correlate",
        ),
        Mutant(
            "rows and columns of a patch exchanged",
            ".transpose(2, 3, 0, 1)",
            ".transpose(3, 2, 0, 1)",
            "rows and columns of the kernels are exchanged",
            "Conv2d._correlate",
        ),
        Mutant(
            "dx for the wrong images",
            "p = slice(n * H * W, (n + step) * H * W)",
            "p = slice(0, min(step, N - n) * H * W)",
            "dx of every piece lands on the first images",
            "Conv2d._correlate",
        ),
        Mutant(
            "dW of the last block only",
            "dW[g] += ",
            "dW[g][...] = ",
            "dW counts only the last images: = where += is meant",
            "Conv2d._parameters_gradients",
        ),
        Mutant(
            "turned where patches jump",
            "self.stride == (1, 1)",
            "True",
            "dx is taken for a convolution of dy though the stride is not 1",
            "Conv2d._turns",
        ),
    ),
)

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
    ((one_tile_at_a_time, check_small_kernels),),
    (
        Mutant(
            "dU of the last piece only",
            "dU += np",
            "dU[...] = np",
            "dW counts only the last images: = where += is meant",
            "Conv2d.backward",
        ),
        Mutant(
            "dW without Gᵀ",
            "tiles.transposed(tiles.G)",
            "((1, 0, 0, 0), (0, 1, 1, 0), (0, 0, 0, 1))",
            "dW is not brought back by G transposed",
            "Conv2d.backward",
        ),
        Mutant(
            "U not transposed",
            "U.transpose(0, 1, 3, 2)",
            "U.transpose(1, 0, 3, 2)",
            "rows and columns of the filters are exchanged in dx",
            "Conv2d.backward",
        ),
        Mutant(
            "dW flipped",
            "dU).transpose(3, 2, 0, 1)",
            "dU).transpose(3, 2, 0, 1)[:, :, ::-1, ::-1]",
            "dW is turned by 180 degrees",
            "Conv2d.backward",
        ),
        Mutant(
            "dW's rows and columns exchanged",
            "dU).transpose(3, 2, 0, 1)",
            "dU).transpose(3, 2, 1, 0)",
            "dW is transposed",
            "Conv2d.backward",
        ),
        Mutant(
            "db averaged",
            "@ dY.reshape(-1, self.out_channels)",
            "@ dY.reshape(-1, self.out_channels) / len(dY)",
            "db is averaged over the batch",
            "Conv2d.backward",
        ),
        Mutant(
            "x without its padding's place",
            "(top, _, left, _), (H, W) =",
            "(left, _, top, _), (H, W) =",
            "top and left padding are exchanged",
            "Conv2d._inside",
        ),
        Mutant(
            "dx of the wrong place",
            "padded[:, top : top + H",
            "padded[:, : H",
            "the padding above is not cut off",
            "Conv2d._inside",
        ),
        Mutant(
            "dx for the wrong images",
            "dx[images] = ",
            "dx[: len(dpadded)] = ",
            "dx of every piece lands on the first images",
            "Conv2d.backward",
        ),
    ),
)

TILES = Subject(
    "fast.tiles",
    tiles,
    ((with_tiles, check_small_kernels),),
    (
        Mutant(
            "overlaps overwritten",
            "out += part",
            "out[...] = part",
            "where tiles overlap the last one wins: = where += is meant",
            "_add",
        ),
        Mutant("a sign lost", "out -= part", "out += part", "a minus sign of the matrices is lost", "_add"),
        Mutant(
            "B not transposed for columns",
            "combine_onto(transposed(B), places",
            "combine_onto(B, places",
            "B is not transposed on the way back along the columns",
            "inputs_adjoint",
        ),
        Mutant(
            "B not transposed for rows",
            "combine_onto(transposed(B), dhalf",
            "combine_onto(B, dhalf",
            "B is not transposed on the way back along the rows",
            "inputs_adjoint",
        ),
        Mutant(
            "A's last row forgotten",
            "combine(transposed(A), half, dM)",
            "combine(transposed(A)[:3] + ((0, 1),), half, dM)",
            "A transposed has a wrong last row",
            "outputs_adjoint",
        ),
        Mutant(
            "the edge mirrored",
            "whole[:, :oH, :oW] = dy",
            "whole[:, -oH:, -oW:] = dy",
            "dy is pushed to the far edge of the last tiles",
            "outputs_adjoint",
        ),
        Mutant(
            "rows and columns exchanged in dM",
            "tiles[:, :, a, :, b] for b",
            "tiles[:, :, b, :, a] for b",
            "rows and columns of the tiles are exchanged",
            "outputs_adjoint",
        ),
        Mutant(
            "tiles begin one apart",
            "slice(k, k + 2 * count - 1, 2)",
            "slice(k, k + count, 1)",
            "tiles begin one apart, not two",
            "_starts",
        ),
        Mutant(
            "filters on one side only",
            "combine(matrix, half[s], whole[s])",
            "combine(matrix, half[0], whole[s])",
            "every row of the filters is made of the first",
            "both_ways",
        ),
    ),
)

FAST_MAX_POOL2D = Subject(
    "fast.MaxPool2d",
    pool,
    ((lambda fresh: fresh.MaxPool2d, check_max_pool2d),),
    (
        Mutant(
            "ties given to the last",
            "np.uint8(kH * kW - k)",
            "np.uint8(k + 1)",
            "of the pixels that tie the last gets the gradient",
            "MaxPool2d.backward",
        ),
        Mutant(
            "= where windows overlap",
            "np.add.at(dpadded.reshape(-1), winners.reshape(-1), dy.reshape(-1))",
            "dpadded.reshape(-1)[winners.reshape(-1)] = dy.reshape(-1)",
            "a pixel that wins twice keeps one gradient",
            "MaxPool2d.backward",
        ),
        Mutant(
            "padding takes the gradient",
            "fill=np.nan",
            "fill=-np.inf",
            "the padding is -infinity and ties with pixels of -infinity",
            "MaxPool2d.backward",
        ),
        Mutant(
            "height and width of the stride exchanged",
            "(sH, sW) = shape, padded, stride",
            "(sW, sH) = shape, padded, stride",
            "the stride's height and width are exchanged",
            "_origins",
        ),
        Mutant("stride forgotten", "i * sH) * pW", "i) * pW", "the stride is forgotten along the rows", "_origins"),
        Mutant(
            "padded width forgotten",
            "(u * pW + v) * C",
            "(u * kW + v) * C",
            "the winner's row is counted in kernels, not in pixels",
            "_offsets_by_code",
        ),
        Mutant(
            "channels forgotten",
            "(u * pW + v) * C",
            "(u * pW + v)",
            "the winner's place is counted in numbers, not in pixels",
            "_offsets_by_code",
        ),
        Mutant(
            "codes counted from the wrong end",
            "for u in reversed(range(kH))",
            "for u in range(kH)",
            "the winner's row is counted from the wrong end of the window",
            "_offsets_by_code",
        ),
        Mutant("batch forgotten", "((n * pH + i * sH)", "((0 * n + i * sH)", "all images write into the first", "_origins"),
    ),
)

FAST_LRN = Subject(
    "fast.LocalResponseNorm",
    lrn,
    ((lambda fresh: fresh.LocalResponseNorm, check_local_response_norm),),
    (
        Mutant(
            "the neighbours' term dropped",
            "dX -= neighbours",
            "pass",
            "the neighbours' term is missing",
            "LocalResponseNorm.backward",
        ),
        Mutant("the own term dropped", "dX = dY * r\n", "dX = 0 * dY\n", "dy d^-beta is missing", "LocalResponseNorm.backward"),
        Mutant(
            "window not turned round",
            "self.size - 1 - self.size // 2",
            "self.size // 2",
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
        Mutant("1/d missing", "t *= q", "pass", "t is not divided by d", "LocalResponseNorm.backward"),
        Mutant(
            "x_m where y_m is meant",
            "np.multiply(dY, Y, out=t)",
            "np.multiply(dY, X, out=t)",
            "t is made of x, not of y",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "x_i missing",
            "X.shape) * X\n",
            "X.shape) * 1\n",
            "the neighbours' sum is not multiplied by x_i",
            "LocalResponseNorm.backward",
        ),
        Mutant(
            "a window of one less",
            "window_sums(s, self.size), X.shape) * X",
            "window_sums(s, self.size - 1), X.shape) * X",
            "the window is one channel short",
            "LocalResponseNorm.backward",
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
            "part = x[block]",
            "part = x[: block.stop - block.start]",
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
            "layer.remember(part)",
            "pass",
            "layers with weights still remember the last block of the forward pass",
            "Blocked.backward",
        ),
        Mutant(
            "outputs of the wrong block",
            "part = kept[place][block]",
            "part = kept[place][: block.stop - block.start]",
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

FAST = (FAST_CONV2D, TILES, ROTATED, FAST_MAX_POOL2D, FAST_LRN, BLOCKED, SPLIT)
