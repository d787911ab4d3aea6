"""What goes wrong in pooling's backward passes."""

from __future__ import annotations

from minialex.layers import pool
from tests.checks import check_avg_pool2d, check_max_pool2d
from tests.mutants.engine import Mutant, layer

MAX_POOL2D = layer(
    "MaxPool2d",
    pool,
    check_max_pool2d,
    Mutant(
        "= where windows overlap",
        "dpixel += won",
        "dpixel[...] = won",
        "a pixel that wins in several windows keeps the gradient of one: = where += is meant",
    ),
    Mutant(
        "ties given to all",
        "waiting -= won",
        "pass",
        "every pixel that ties gets the whole gradient",
    ),
    Mutant(
        "ties given to the last",
        "zip(self._offsets(padded, oH, oW), self._offsets(dpadded, oH, oW), strict=True)",
        "zip(self._offsets(padded, oH, oW)[::-1], self._offsets(dpadded, oH, oW)[::-1], strict=True)",
        "of the pixels that tie the last gets the gradient, not the first",
    ),
    Mutant(
        "padding of zeros wins",
        "fill=-np.inf",
        "fill=0.0",
        "the padding is 0 and wins over negative pixels",
        "forward",
    ),
    Mutant(
        "padding of zeros takes the gradient",
        "fill=np.nan",
        "fill=0.0",
        "the padding is 0 in backward, so where the maximum is 0 the gradient falls into the border",
    ),
    Mutant(
        "padding of -infinity takes the gradient",
        "fill=np.nan",
        "fill=-np.inf",
        "the padding is -infinity in backward, so where every pixel is -infinity the gradient falls into the border",
    ),
    Mutant(
        "mask missing",
        "won = waiting * (pixel == y)",
        "won = waiting",
        "the gradient goes to the first pixel of each window, whoever won",
    ),
    Mutant(
        "mask upside down",
        "waiting * (pixel == y)",
        "waiting * (pixel != y)",
        "the gradient goes to a pixel that did not win",
    ),
    Mutant(
        "shared like an average",
        "dpixel += won",
        "dpixel += won / (self.kernel_size[0] * self.kernel_size[1])",
        "the winner's gradient is divided by the size of the window, as if the pool were an average",
    ),
    Mutant(
        "returned after the first place",
        "waiting -= won",
        "return self._crop(dpadded, x.shape)",
        "the return stands inside the loop: only winners at the first place of the window get their gradient",
    ),
    Mutant(
        "padding not cut off",
        "padded[:, top : top + H, left : left + W]",
        "padded[:, :H, :W]",
        "the padding is not cut off: dx is shifted down and to the right",
        "_Pool2d._crop",
    ),
    Mutant(
        "top and left swapped",
        "padded[:, top : top + H, left : left + W]",
        "padded[:, left : left + H, top : top + W]",
        "the padding of the top and of the left are swapped",
        "_Pool2d._crop",
    ),
    Mutant(
        "overhang of ceil_mode forgotten",
        "self._cover(x.shape)",
        "self.padding",
        "the last windows of ceil_mode hang over an edge that backward does not extend",
    ),
    Mutant(
        "dy's rows and columns swapped",
        "dy.transpose(0, 2, 3, 1).astype(x.dtype)",
        "dy.transpose(0, 3, 2, 1).reshape(y.shape).astype(x.dtype)",
        "dy's rows and columns are swapped",
    ),
    Mutant(
        "dy used up",
        ".astype(x.dtype)",
        ".astype(x.dtype, copy=False)",
        "backward subtracts from the caller's dy instead of from a copy",
    ),
    Mutant(
        "dx always in float64",
        "zeros(padded, padded.shape)",
        "np.zeros(padded.shape)",
        "dx starts from NumPy's default zeros, so float32 becomes float64",
    ),
)

AVG_POOL2D = layer(
    "AvgPool2d",
    pool,
    check_avg_pool2d,
    Mutant(
        "divisor missing",
        "dy.transpose(0, 2, 3, 1) / self._counts(x)",
        "dy.transpose(0, 2, 3, 1)",
        "every pixel gets the whole gradient: 1/n is missing",
    ),
    Mutant(
        "divided by the kernel's full area",
        "/ self._counts(x)",
        "/ (self.kernel_size[0] * self.kernel_size[1])",
        "backward divides by kH kW at the border too, where windows see fewer real pixels",
    ),
    Mutant(
        "average over the kernel's full area",
        "return sum(seen[1:], start=seen[0])",
        "return seen[0] * 0 + self.kernel_size[0] * self.kernel_size[1]",
        "padding counts as pixels in the mean (forward and backward agree, so a gradient check alone is content)",
        "_counts",
    ),
    Mutant(
        "multiplied by the count",
        "/ self._counts(x)",
        "* self._counts(x)",
        "the gradient is multiplied by n where it should be divided",
    ),
    Mutant(
        "= where windows overlap",
        "dpixel += share",
        "dpixel[...] = share",
        "a pixel seen by several windows keeps the share of one: = where += is meant",
    ),
    Mutant(
        "first pixel takes all",
        "self._offsets(dpadded, oH, oW):",
        "self._offsets(dpadded, oH, oW)[:1]:",
        "only the first pixel of each window gets its share",
    ),
    Mutant(
        "bottom and right cut off instead",
        "return self._crop(dpadded, x.shape)",
        "return dpadded[:, bottom : bottom + x.shape[2], right : right + x.shape[3]].transpose(0, 3, 1, 2)",
        "the padding of the bottom and the right is cut off at the top and the left",
    ),
    Mutant(
        "padding off by one",
        "return self._crop(dpadded, x.shape)",
        "return dpadded[:, max(top - 1, 0) :, left:][:, : x.shape[2], : x.shape[3]].transpose(0, 3, 1, 2)",
        "the padding is off by one: dx is shifted by a row",
    ),
    Mutant(
        "channels-last memory read as channels-first",
        "return self._crop(dpadded, x.shape)",
        "return self._crop(dpadded, x.shape).transpose(0, 2, 3, 1).reshape(x.shape)",
        "the channels-last memory is reshaped to (N, C, H, W) where its axes should be moved",
    ),
    Mutant(
        "dy divided in place",
        "share = dy.transpose(0, 2, 3, 1) / self._counts(x)",
        "share = dy.transpose(0, 2, 3, 1); share /= self._counts(x)",
        "the caller's dy is divided in place",
    ),
    Mutant(
        "dx always in float64",
        "zeros(x, (N, top + x.shape[2] + bottom, left + x.shape[3] + right, C))",
        "np.zeros((N, top + x.shape[2] + bottom, left + x.shape[3] + right, C))",
        "dx starts from NumPy's default zeros, so float32 becomes float64",
    ),
)
