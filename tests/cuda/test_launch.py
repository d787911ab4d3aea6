"""What is asked of a kernel before it is launched, what reaches it, and how far it can count."""

from __future__ import annotations

import mmap
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minialex.layers import cuda
from minialex.layers.cuda.launch import by_image, launch
from minialex.layers.cuda.source import Parameter, layouts, signatures, source
from tests.cuda.layers import get
from tests.cuda.stand_in import RawModule, gpu, put, settings
from tests.devices import fake_cupy
from tests.devices.fake_gpus import Memory


@pytest.fixture(autouse=True)
def cupy() -> Iterator[Any]:
    with gpu() as stand_in:
        yield stand_in


def test_signatures_are_read_from_the_source() -> None:
    assert signatures()["im2col"] == (
        Parameter("x", "REAL", pointer=True, const=True),
        Parameter("X", "REAL", pointer=True, const=False),
        Parameter("g", "Windows", pointer=False, const=False),
    )
    assert len(signatures()) == source().count("__global__")
    fields: Any = layouts()["Images"].fields
    assert fields["sN"][1] == 32  # seven ints, and then eight bytes want a multiple of eight, as in C


def test_importing_the_kernels_imports_no_cupy() -> None:
    code = "import sys, minialex.layers.cuda; sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_which_arrays_are_for_the_kernels(cupy: Any) -> None:
    assert cuda.fits(cupy.empty((2, 3), np.float32))
    assert not cuda.fits(cupy.empty((2, 3), np.int64))
    assert not cuda.fits(np.zeros((2, 3), np.float32))


def images(*shape: int) -> Any:
    """On the GPU, channels-last."""
    N, C, H, W = shape
    return put(np.random.default_rng(0).standard_normal((N, H, W, C)).astype(np.float32)).transpose(0, 3, 1, 2)


def test_vectors_move_where_lengths_allow_it() -> None:
    with settings(launched=[]):
        for C, first in ((8, 0), (6, 0), (8, 3)):
            cuda.im2col(images(1, 16, 3, 4)[:, first : first + C], (2, 2))
        assert RawModule.launched == ["im2col_vectors", "im2col", "im2col"]


def test_one_launch_and_no_copies_for_images_in_order(cupy: Any) -> None:
    """Channels-last images, and slices of their channels, are read where they are; others are copied once."""
    whole = images(2, 8, 6, 5)
    machine = fake_cupy.ndarray.machine
    for x, allocations in ((whole, 2), (whole[:, 4:], 3), (put(np.zeros((2, 8, 6, 5), np.float32)), 3)):
        before = machine.allocations[0]
        cuda.max_pool_forward(x, (2, 2), (3, 3), (2, 2))
        assert machine.allocations[0] - before == allocations
    before = machine.allocations[0]
    cuda.im2col(whole[:, 4:], (3, 3), padding=(1, 1, 1, 1))
    assert machine.allocations[0] - before == 1


def test_a_workspace_is_used_from_its_beginning(cupy: Any) -> None:
    x, workspace = images(2, 4, 3, 3), put(np.full(1000, 7, np.float32))
    columns = cuda.im2col(x, (2, 2), out=workspace)
    assert columns.shape == (2, 2, 2, 2, 2, 4)
    assert columns.data == workspace.data
    assert (workspace.get()[columns.size :] == 7).all()
    for wrong in (cupy.empty(100, np.float32), cupy.empty(1000, np.float64), workspace[::2]):
        with pytest.raises(ValueError, match="room for 128 numbers"):
            cuda.im2col(x, (2, 2), out=wrong)


def test_what_is_wrong_is_said(cupy: Any) -> None:
    x, n = images(1, 4, 4, 4), np.float32
    with pytest.raises(TypeError, match="float32 and float64, got int64"):
        cuda.im2col(put(np.zeros((1, 1, 2, 2), np.int64)), (1, 1))
    with pytest.raises(TypeError, match="dx must be float32, got float64"):
        launch("col2im", (1,), (32,), dX=x, dx=cupy.empty(1, np.float64), g={})
    with pytest.raises(TypeError, match="takes x, X, g, got x, X"):
        launch("im2col", (1,), (32,), x=x, X=x)
    with pytest.raises(TypeError, match="g has the fields N, H"):
        launch("im2col", (1,), (32,), x=x, X=x, g={"N": 1})
    with pytest.raises(ValueError, match="too large"):
        by_image(1, 1 << 31)
    with pytest.raises(ValueError, match="C = 4294967296 is too large"):
        launch("bias_relu", (1,), (32,), y=x, bias=x, rows=1, C=1 << 32, relu=1)
    with pytest.raises(ValueError, match="more than 256 places"):
        cuda.max_pool_forward(x, (1, 1), (17, 16), (1, 1))
    with pytest.raises(ValueError, match="changed in place must be contiguous"):
        cuda.bias_relu(put(np.zeros((4, 4), n)).T, cupy.empty(4, n))
    with pytest.raises(ValueError, match="out must be float32"):
        cuda.col2im(cupy.empty((1, 4, 4, 1, 1, 4), n), (1, 4, 4, 4), out=cupy.empty((1, 4, 4, 5), n))
    with pytest.raises(ValueError, match="channels-last memory"):
        cuda.col2im(cupy.empty((1, 4, 4, 1, 1, 4), n), (1, 4, 4, 4), out=cupy.empty((1, 4, 4, 4), n))
    with pytest.raises(TypeError, match="PCG64 has no counter"):
        cuda.mask_numbers(np.random.default_rng(0), 8)
    stored, places, flags = put(np.zeros((1, 3, 4, 4), np.uint8)), cupy.zeros(1, np.int32), cupy.zeros(1, np.uint8)
    out = cupy.empty((1, 2, 2, 3), n)
    for shape, mean_at, said in (((3, 2, 2), "centre", "(2, 2, 3)"), ((2, 2, 3), "pixel", "(4, 4, 3)")):
        with pytest.raises(ValueError, match=re.escape(f"mean must be contiguous and of shape {said}, got {shape}")):
            cuda.views(stored, (2, 2), places, places, flags, cupy.empty(shape, n), out, mean_at=mean_at)
    with pytest.raises(ValueError, match=r"lefts must be contiguous and of shape \(1,\), got \(2,\)"):
        cuda.views(stored, (2, 2), places, cupy.zeros(2, np.int32), flags, cupy.empty((2, 2, 3), n), out)


def test_no_images_are_no_work() -> None:
    empty = images(0, 4, 3, 3)
    assert cuda.im2col(empty, (2, 2)).shape == (0, 2, 2, 2, 2, 4)
    assert cuda.max_pool_forward(empty, (1, 1), (2, 2), (2, 2))[0].shape == (0, 4, 1, 1)
    assert cuda.lrn_forward(empty, 5, 1e-4, 0.75, 2.0)[0].shape == (0, 4, 3, 3)
    assert cuda.relu_backward(empty.transpose(0, 2, 3, 1), empty.transpose(0, 2, 3, 1))[1].shape == (4,)


@pytest.fixture
def vast(cupy: Any) -> Any:
    """Three images of 2^30 numbers: addresses without memory behind them, zeros until written."""
    try:
        pages = mmap.mmap(-1, 3 << 32, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)  # MAP_NORESERVE
    except (OSError, ValueError, OverflowError):
        pytest.skip("this machine gives no such range of addresses")
    values = np.frombuffer(pages, np.float32, 3 << 30).reshape(3, 1 << 15, 1 << 15, 1)
    machine = fake_cupy.ndarray.machine
    return fake_cupy.ndarray(values, Memory(machine, values, machine.stream()))


def test_distances_beyond_32_bits(vast: Any) -> None:
    """A few numbers far apart, in an array of 3 * 2^30: every index is counted in 64 bits."""
    last = (1 << 15) - 1
    vast._values[2, last, last], vast._values[1, 0, last] = 5, 3
    x = vast.transpose(0, 3, 1, 2)
    columns = get(cuda.im2col(x, (1, 1), (last, last))).reshape(3, 2, 2)
    assert columns[2, 1, 1] == 5
    assert columns[1, 0, 1] == 3
    y, _ = cuda.max_pool_forward(x, (2, 2), (1, 1), (last, last))
    assert (get(y).reshape(3, 2, 2) == columns).all()
    assert (get(cuda.avg_pool_forward(x, (2, 2), (1, 1), (last, last))).reshape(3, 2, 2) == columns).all()
