"""What is claimed of Conv2d."""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex import layers
from tests.checks.every_layer import MANNERS, NUMBERS
from tests.checks.initial import gaussian_start
from tests.checks.suite import Suite, complains, copies, gradients, same
from tests.strategies import ConvCase, conv_cases


def columns_may_be_made_for_any_number_of_images(cls: Any) -> None:
    """The result does not depend on how many images share a block of columns"""
    case = ConvCase(shape=(7, 4, 6, 5), out_channels=6, kernel_size=(3, 2), stride=(2, 1), padding=1, groups=2)
    x, results = case.x(), []
    for images in (100, 7, 3, 1, 0):  # 3: the last block is shorter; 0: less room than one image needs
        layer = case.layer(cls)
        _, _, oH, oW = layer.output_shape(x.shape)
        layer.workspace_bytes = {"numpy": images * oH * oW * (3 * 2) * (4 // 2) * x.itemsize}
        y = layer.forward(x)
        results.append({"y": y} | gradients(layer, layer.backward(case.dy(y.shape))))
    for result in results[1:]:
        for name, value in results[0].items():
            same(name, result[name], value, 1e-12)


def the_first_layer_may_skip_the_pixels(cls: Any) -> None:
    """With input_gradient = False the parameters' gradients are the same, though nobody asks for dx"""
    case = ConvCase(shape=(2, 4, 5, 6), out_channels=2, kernel_size=(3, 2), stride=2, padding=1, groups=2, seed=3)
    layer = case.layer(cls)
    dy = case.dy(layer.forward(case.x()).shape)
    layer.backward(dy)
    expected = copies(layer.grads)
    layer.input_gradient = False
    layer.backward(dy)
    for name, value in expected.items():
        same(f"d{name}", layer.grads[name], value)


def convolution_starts_as_the_paper_says(cls: Any) -> None:
    """Weights start from N(0, std²), biases constant, in the dtype asked for; the same generator gives the same start"""
    layers_ = [cls(32, 64, (5, 3), groups=2, std=0.02, bias=1.0, dtype=d, rng=np.random.default_rng(7)) for d in "fd"]
    for layer, dtype in zip(layers_, (np.float32, np.float64), strict=True):
        gaussian_start(layer, (64, 16, 5, 3), 0.02, 1.0, dtype)
    same("weight in float64", layers_[1].params["weight"], layers_[0].params["weight"])
    gaussian_start(cls(32, 64, 5), (64, 32, 5, 5), 0.01, 0.0, np.float32)


def convolution_counts_its_multiplications(cls: Any) -> None:
    """multiply_adds of the paper's second layer (groups: 48 of 96 maps each) is 223.9 million an image"""
    layer = cls(96, 256, 5, padding=2, groups=2)
    counted = layer.multiply_adds((10, 96, 27, 27))
    assert counted == 10 * 27 * 27 * 256 * 48 * 25, f"counted {counted}"


def convolution_names_what_is_wrong(cls: Any) -> None:
    """Wrong channels, dimensions, numbers and kernels that do not fit are errors of one line"""
    layer, image = cls(3, 4, (5, 2)), np.zeros((2, 3, 8, 6), np.float32)
    complains(ValueError, "(2, 4, 8, 6)", "3", of=lambda: layer.forward(np.zeros((2, 4, 8, 6), np.float32)))
    complains(ValueError, "(3, 8, 6)", of=lambda: layer.forward(image[0]))
    complains(ValueError, "5", "4", of=lambda: layer.forward(image[:, :, :4]))
    complains(ValueError, "5", "4", of=lambda: layer.output_shape((2, 3, 4, 6)))
    complains((TypeError, ValueError), "int64", of=lambda: layer.forward(image.astype(np.int64)))
    complains((TypeError, ValueError), "list", of=lambda: layer.forward(image.tolist()))
    complains(ValueError, "groups", "3", of=lambda: cls(4, 6, 3, groups=3))
    complains(ValueError, "kernel_size", of=lambda: cls(4, 6, (3, 3, 3)))
    complains(ValueError, "kernel_size", of=lambda: cls(4, 6, 0))
    complains(ValueError, "stride", of=lambda: cls(4, 6, 3, stride=(1, 0)))
    complains(ValueError, "padding", of=lambda: cls(4, 6, 3, padding=(1, 1, 1)))
    complains(ValueError, "padding", of=lambda: cls(4, 6, 3, padding=(0, 0, -1, 0)))


CONV2D = Suite(
    layers.Conv2d,
    conv_cases(),
    NUMBERS + MANNERS,
    (
        columns_may_be_made_for_any_number_of_images,
        the_first_layer_may_skip_the_pixels,
        convolution_starts_as_the_paper_says,
        convolution_counts_its_multiplications,
        convolution_names_what_is_wrong,
    ),
)

check_conv2d = CONV2D.run
