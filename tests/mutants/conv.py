"""What goes wrong in a convolution's backward pass, and in the scattering that it ends with."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from minialex.layers import conv
from minialex.layers.im2col import im2col
from tests.checks import check_conv2d, check_im2col
from tests.mutants.engine import Mutant, Subject, layer

DB = "self._bias_gradient(dY)"

CONV2D = layer(
    "Conv2d",
    conv,
    check_conv2d,
    Mutant(
        "dW keeps the last block only",
        "dW[g] += dY",
        "dW[g][...] = dY",
        "dW is overwritten by each block of images instead of added up: = where += is meant",
    ),
    Mutant(
        "dW averaged over the batch",
        "self._keep_gradients(dW,",
        "self._keep_gradients([w / N for w in dW],",
        "dW is divided by N; the loss has done that already, so dy brings it along",
    ),
    Mutant(
        "dW transposed",
        "dW[g] += dY[p, outs].T @ X",
        "dW[g] += (X.T @ dY[p, outs]).reshape(dW[g].shape)",
        "the product for dW is transposed, and a reshape to W's shape hides it",
    ),
    Mutant(
        "dW read as (c, u, v)",
        ".reshape(O, kH, kW, C).transpose(0, 3, 1, 2)",
        ".reshape(O, C, kH, kW)",
        "dW's columns are read channel first, but im2col has laid them out with the channel last",
        "_keep_gradients",
    ),
    Mutant(
        "db averaged over the positions",
        DB,
        "dY.mean(axis=0)",
        "db is averaged instead of summed over the positions",
    ),
    Mutant(
        "db over the wrong axis",
        DB,
        "dY.sum(axis=1)[:O].copy()",
        "db is summed over the kernels instead of over the positions",
    ),
    Mutant(
        "db of one position",
        DB,
        "dy[:, :, 0, 0].sum(axis=0)",
        "db is summed over the batch but not over the rows and columns of each map",
    ),
    Mutant(
        "db without its last position",
        "@ dY",
        "[1:] @ dY[:-1]",
        "db is summed over all positions but the last",
        "_bias_gradient",
    ),
    Mutant(
        "dX in the memory of X too early",
        "dW[g] += dY[p, outs].T @ X",
        "X[...] = dY[p, outs] @ W[g]; dW[g] += dY[p, outs].T @ X",
        "dX takes the memory of the columns before dW has been computed from them",
    ),
    Mutant(
        "dy in channels-first order",
        "dY = pad_channels_last(dy, (0, 0, 0, 0)).reshape",
        "dY = dy.reshape",
        "dy is reshaped to a matrix without bringing its channels to the last axis first",
    ),
    Mutant(
        "dy's rows and columns swapped",
        "dY = pad_channels_last(dy, (0, 0, 0, 0))",
        "dY = pad_channels_last(dy.transpose(0, 1, 3, 2), (0, 0, 0, 0))",
        "dy's rows and columns are swapped: its positions are counted column by column, those of x row by row",
    ),
    Mutant(
        "stride forgotten when scattering",
        "self.stride, self.padding)",
        "(1, 1), self.padding)",
        "the stride is forgotten when scattering back: neighbouring patches land one pixel apart",
        "_scatter",
    ),
    Mutant(
        "stride's height and width swapped",
        "self.stride, self.padding)",
        "self.stride[::-1], self.padding)",
        "the stride's height and width are swapped when scattering back",
        "_scatter",
    ),
    Mutant(
        "kernel's height and width swapped",
        "*self.kernel_size,",
        "*self.kernel_size[::-1],",
        "the kernel's height and width are swapped when the columns' gradient is unfolded",
    ),
    Mutant(
        "kernel rotated by 180 degrees",
        "col2im(dX,",
        "col2im(dX[:, :, :, ::-1, ::-1],",
        "the kernel is rotated by 180 degrees, as for a full convolution; col2im has turned it already",
        "_scatter",
    ),
    Mutant(
        "padding's sides swapped",
        "self.stride, self.padding)",
        "self.stride, tuple(self.padding[side] for side in (1, 0, 3, 2)))",
        "top and bottom, left and right padding are swapped when scattering back",
        "_scatter",
    ),
    Mutant(
        "padding off by one",
        "self.stride, self.padding)",
        "self.stride, (max(self.padding[0] - 1, 0), self.padding[1] + 1, *self.padding[2:]))",
        "the padding is off by one: dx is shifted by a row",
        "_scatter",
    ),
    Mutant(
        "border not zero when columns are made again",
        "self._columns(x[images, ins])",
        "im2col(pad_channels_last(x[images, ins], self.padding, 1.0).transpose(0, 3, 1, 2), self.kernel_size, self.stride)"
        ".reshape(len(dY[p]), -1)",
        "dW is computed from other columns than forward used: the border is not zero",
    ),
    Mutant(
        "dx with the first group's weights",
        "W[g], out=X",
        "W[0], out=X",
        "dx of every group is computed with the weights of the first",
    ),
    Mutant(
        "dW from the first group's maps",
        "self._columns(x[images, ins])",
        "self._columns(x[images, : ins.stop - ins.start])",
        "dW of every group is computed from the input maps of the first",
    ),
    Mutant(
        "gradients pile up",
        '("weight", stacked)',
        '("weight", self.grads.get("weight", 0) + stacked)',
        "the gradient is added to that of the last call: grads pile up",
        "_keep_gradients",
    ),
    Mutant(
        "dW in x's dtype",
        "gradient.astype(self.params[key].dtype, copy=False)",
        "gradient",
        "dW has the dtype of x, not that of W",
        "_keep_gradients",
    ),
)


def patches(fresh: ModuleType) -> Any:
    """im2col as it is, with the planted col2im: what check_im2col is run on."""
    return type("Patches", (), {"im2col": staticmethod(im2col), "col2im": staticmethod(fresh.col2im)})


def convolution(fresh: ModuleType) -> Any:
    """Conv2d with the planted col2im."""
    module = CONV2D.real()
    module.__dict__["col2im"] = fresh.col2im
    return module.__dict__["Conv2d"]


_Mutant = partial(Mutant, within="col2im")
COL2IM = Subject(
    "col2im",
    import_module("minialex.layers.im2col"),  # the package has the function of this name
    ((patches, check_im2col), (convolution, check_conv2d)),
    (
        _Mutant(
            "= where windows overlap",
            "+= columns",
            "= columns",
            "where patches overlap the last one wins: = where += is meant",
        ),
        _Mutant(
            "averaged where windows overlap",
            "+= columns[:, :, :, u, v]",
            "+= columns[:, :, :, u, v] / (kH * kW)",
            "overlapping patches are averaged instead of summed",
        ),
        _Mutant(
            "stride forgotten",
            "u : u + sH * oH : sH, v : v + sW * oW : sW",
            "u : u + oH, v : v + oW",
            "the stride is forgotten when scattering back",
        ),
        _Mutant(
            "one stride for both directions",
            "v : v + sW * oW : sW",
            "v : v + sH * oW : sH",
            "the vertical stride is used in both directions",
        ),
        _Mutant(
            "kernel's u and v swapped",
            "columns[:, :, :, u, v]",
            "columns[:, :, :, v % kH, u % kW]",
            "the row and the column inside the kernel are swapped",
        ),
        _Mutant(
            "kernel rotated by 180 degrees",
            "columns[:, :, :, u, v]",
            "columns[:, :, :, kH - 1 - u, kW - 1 - v]",
            "the patch is put back upside down",
        ),
        _Mutant(
            "kernel's last row left out",
            "for u in range(kH):",
            "for u in range(max(1, kH - 1)):",
            "the loop over the kernel's rows ends one too early",
        ),
        _Mutant(
            "padding not cut off",
            "padded[:, top : top + H, left : left + W]",
            "padded[:, :H, :W]",
            "the padding is not cut off: dx is shifted down and to the right",
        ),
        _Mutant(
            "padding off by one",
            "padded[:, top : top + H,",
            "padded[:, max(top - 1, 0) : max(top - 1, 0) + H,",
            "the padding is off by one: dx is shifted by a row",
        ),
        _Mutant(
            "bottom and right cut off instead",
            "padded[:, top : top + H, left : left + W]",
            "padded[:, bottom : bottom + H, right : right + W]",
            "the padding of the bottom and the right is cut off at the top and the left",
        ),
        _Mutant(
            "top and left swapped",
            "padded[:, top : top + H, left : left + W]",
            "padded[:, left : left + H, top : top + W]",
            "the padding of the top and of the left are swapped",
        ),
        _Mutant(
            "channels-last memory read as channels-first",
            ".transpose(0, 3, 1, 2)",
            ".reshape(N, C, H, W)",
            "the channels-last memory is reshaped to (N, C, H, W) where its axes should be moved",
        ),
    ),
)
