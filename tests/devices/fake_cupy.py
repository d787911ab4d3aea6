"""A stand-in for CuPy where there is no GPU: NumPy computes, and the rest is as strict as two real GPUs are.

    with installed(gpus=2, peers=False) as machine:         # `import cupy` now finds the stand-in
        net = small_towers(parse_devices("0,1"))

Every array lives on one GPU. Work with an array of another GPU than the current one raises, and so does work in the null
stream, with NumPy arrays, in the wrong order (`Race`, fake_gpus.py), or after a silent conversion to NumPy. A view may be
taken anywhere: it starts no work. Fresh memory holds nan.

Only what minialex uses is here. A test compares each name and its arguments with the real CuPy, where that is installed.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, partialmethod
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tests.devices.fake_gpus import Copy, CUDARuntimeError, Event, Machine, Memory, Moved, Stream, Values


def operators(ufunc: Any) -> tuple[Any, Any, Any]:
    """x + y, y + x (what Python asks y for where x does not know how), and x += y."""
    return (
        lambda x, y: compute(ufunc, x, y),
        lambda x, y: compute(ufunc, y, x),
        lambda x, y: compute(ufunc, x, y, out=x),
    )


class ndarray:
    """An array on a GPU: its numbers, and the memory that they are in."""

    machine: Machine  # the one that is installed
    __array_priority__ = 100
    __add__, __radd__, __iadd__ = operators(np.add)
    __sub__, __rsub__, __isub__ = operators(np.subtract)
    __mul__, __rmul__, __imul__ = operators(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = operators(np.true_divide)
    __pow__, __rpow__, __ipow__ = operators(np.power)
    __matmul__, __rmatmul__, _ = operators(np.matmul)
    __or__, __ror__, __ior__ = operators(np.bitwise_or)
    __lt__, __gt__, _ = operators(np.less)
    __le__, __ge__, _ = operators(np.less_equal)
    __eq__, __ne__ = operators(np.equal)[0], operators(np.not_equal)[0]
    __hash__ = None  # type: ignore[assignment]

    _values: Any

    def __init__(self, values: Values, memory: Memory) -> None:
        self._values, self._memory = values, memory

    shape = property(lambda self: self._values.shape)
    dtype = property(lambda self: self._values.dtype)
    ndim = property(lambda self: self._values.ndim)
    size = property(lambda self: self._values.size)
    itemsize = property(lambda self: self._values.itemsize)
    nbytes = property(lambda self: self._values.nbytes)
    strides = property(lambda self: self._values.strides)
    flags = property(lambda self: self._values.flags)
    real = property(lambda self: self._view(self._values.real))
    T = property(lambda self: self._view(self._values.T))
    device = property(lambda self: SimpleNamespace(id=self._memory.gpu))
    data = property(lambda self: SimpleNamespace(ptr=self._values.__array_interface__["data"][0], device_id=self._memory.gpu))

    def __neg__(self) -> ndarray:
        return compute(np.negative, self)

    def __abs__(self) -> ndarray:
        return compute(np.absolute, self)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{self.dtype} {self.shape} on GPU {self._memory.gpu}>"

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __array__(self, *arguments: Any, **options: Any) -> Values:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return NotImplemented if method != "__call__" or options else compute(ufunc, *inputs)  # a NumPy number comes first

    def transpose(self, *axes: Any) -> ndarray:
        return self._view(self._values.transpose(*axes))

    def view(self, dtype: Any) -> ndarray:
        assert self.flags.c_contiguous, "view: the last axis must be contiguous"
        return self._view(self._values.view(dtype))

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> ndarray:
        values = self._values.reshape(*shape, order=order)
        is_view = not values.size or np.may_share_memory(values, self._values)
        return self._view(values) if is_view else result("reshape", values, self)

    def astype(self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True) -> ndarray:
        if self.dtype == np.dtype(dtype) and not copy:
            return self
        return result("astype", self._values.astype(dtype, order=order), self)

    def copy(self, order: str = "C") -> ndarray:
        return result("copy", self._values.copy(order=order), self)

    def _reduce(self, method: str, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> ndarray:
        options = {"keepdims": keepdims} | ({} if dtype is None else {"dtype": dtype})
        return result(method, getattr(self._values, method)(axis=axis, **options), self)

    sum = partialmethod(_reduce, "sum")
    mean = partialmethod(_reduce, "mean")

    def max(self, axis: Any = None, out: None = None, keepdims: bool = False) -> ndarray:
        return self._reduce("max", axis, keepdims=keepdims)

    def any(self, axis: Any = None, out: None = None, keepdims: bool = False) -> ndarray:
        return self._reduce("any", axis, keepdims=keepdims)

    def all(self, axis: Any = None, out: None = None, keepdims: bool = False) -> ndarray:
        return self._reduce("all", axis, keepdims=keepdims)

    def argmax(self, axis: Any = None, out: None = None, dtype: None = None, keepdims: bool = False) -> ndarray:
        return self._reduce("argmax", axis, keepdims=keepdims)

    def item(self) -> Any:
        return self.get().item()

    def __getitem__(self, key: Any) -> ndarray:
        keys, arrays = indices(key)
        if arrays:
            return result("indexing", self._values[keys], self, *arrays)
        return self._view(self._values[keys if Ellipsis in keys else (*keys, ...)])

    def __setitem__(self, key: Any, value: Any) -> None:
        keys, arrays = indices(key)
        target = self if arrays else self[key]
        if isinstance(value, ndarray) and value._place == target._place:
            return  # x[key] += y: what is assigned is there already
        reads = [array._memory for array in (*arrays, value) if isinstance(array, ndarray)]
        number = value._values if isinstance(value, ndarray) else scalar("assignment", value)
        self.machine.launch("assignment", reads, [self._memory])
        target._values[keys if arrays else ...] = number

    def get(self, stream: Stream | None = None, order: str = "C", out: Values | None = None, blocking: bool = True) -> Values:
        out = np.empty(self.shape, self.dtype, order=order) if out is None else out  # type: ignore[call-overload]
        assert (out.dtype, out.shape) == (self.dtype, self.shape), "get: out must be of the same dtype and shape"
        pinned = self.machine.pinned(out)
        assert blocking or pinned, "get: a copy that the host does not wait for needs pinned memory"
        self.machine.launch("get", [self._memory], pinned, stream)
        self.machine.copies.append(Copy("down", self._memory.gpu, None, self.nbytes))
        queue = stream or self.machine.stream()
        if blocking:
            np.copyto(out, self._values)
            queue.synchronize()
        else:
            self.machine.left(pinned[0])
            self.machine.landing.append(moved(pinned[0], out, self._values, queue))
            self.machine.landing[-1].there[...] = 0xA5  # type: ignore[index]  # nobody knows what is there until it has arrived
        return out

    def set(self, arr: Values, stream: Stream | None = None) -> None:
        assert isinstance(arr, np.ndarray), "set: only from NumPy arrays"
        assert (arr.dtype, arr.shape) == (self.dtype, self.shape), "set: arr must be of the same dtype and shape"
        assert self.flags.c_contiguous or self.flags.f_contiguous, "set: only to contiguous memory"
        queue, pinned = stream or self.machine.stream(), self.machine.pinned(arr)
        self.machine.launch("set", pinned, [self._memory], queue)
        self.machine.copies.append(Copy("up", None, self._memory.gpu, self.nbytes))
        self.machine.arrived(queue.clock)
        self._values[...] = arr
        if pinned:
            self.machine.leaving.append(moved(pinned[0], arr, arr, queue))
        else:
            self.machine.waits += 1  # the driver may have to

    def _view(self, values: Values) -> ndarray:
        return ndarray(values, self._memory)

    @property
    def _place(self) -> tuple[Any, ...]:
        return self.data.ptr, self.shape, self.strides


def compute(function: Any, *inputs: Any, out: ndarray | None = None) -> ndarray:
    """A NumPy ufunc of arrays on the current GPU and numbers."""
    numbers = [x._values if isinstance(x, ndarray) else scalar(function.__name__, x) for x in inputs]
    if out is None:
        return result(function.__name__, function(*numbers), *inputs)
    reads = [x._memory for x in inputs if isinstance(x, ndarray)]
    ndarray.machine.launch(function.__name__, reads, [out._memory])
    function(*numbers, out=out._values)
    return out


def moved(memory: Memory, there: Values, values: Values, queue: Stream) -> Moved:
    """The last piece of a queue's work, a copy of these values to or from `there`, which lies in this pinned memory."""
    offset = there.__array_interface__["data"][0] - memory.low
    return Moved({queue.ptr: queue.clock[queue.ptr]}, memory.block, offset, np.frombuffer(values.tobytes(), np.uint8))


def result(work: str, values: Any, *inputs: Any) -> ndarray:
    """New memory on the current GPU, with what one piece of work has made of the inputs."""
    values, machine = np.asarray(values), ndarray.machine
    memory = Memory(machine, values, machine.stream())
    machine.launch(work, [x._memory for x in inputs if isinstance(x, ndarray)], [memory])
    return ndarray(values, memory)


def scalar(work: str, value: Any) -> Any:
    """A number, which any GPU's work may use."""
    if not isinstance(value, bool | int | float | complex | np.generic):
        raise TypeError(f"{work}: Unsupported type {type(value)}")
    return value


def indices(key: Any) -> tuple[tuple[Any, ...], list[ndarray]]:
    """What NumPy indexes with, and the arrays among it."""
    keys = key if isinstance(key, tuple) else (key,)
    assert not any(isinstance(k, np.ndarray | list) for k in keys), "indexing: by slices, ints and arrays of the GPU only"
    return tuple(k._values if isinstance(k, ndarray) else k for k in keys), [k for k in keys if isinstance(k, ndarray)]


@contextmanager
def installed(gpus: int = 2, *, peers: bool = True) -> Iterator[Machine]:
    """In this block `import cupy` finds the stand-in, on a machine with so many GPUs."""
    machine, before = Machine(gpus, peers), sys.modules.get("cupy")
    ndarray.machine = Stream.machine = Event.machine = machine
    sys.modules["cupy"] = module(machine)
    try:
        yield machine
    finally:
        del sys.modules["cupy"]
        if before is not None:
            sys.modules["cupy"] = before
    for each in machine.leaving:
        machine.check(each)
    assert not machine.late, machine.late


def module(machine: Machine) -> ModuleType:
    """What `import cupy` gives."""
    cupy = ModuleType("cupy")
    for name in ("maximum", "tanh", "sqrt", "reciprocal", "exp", "log", "matmul", "multiply", "isfinite"):
        setattr(cupy, name, partial(compute, getattr(np, name)))
    vars(cupy).update(
        ndarray=ndarray,
        is_available=lambda: machine.gpus > 0,
        array=array,
        asarray=asarray,
        asnumpy=asnumpy,
        ascontiguousarray=ascontiguousarray,
        empty=empty,
        zeros=zeros,
        ones=ones,
        empty_like=empty_like,
        zeros_like=zeros_like,
        ones_like=ones_like,
        arange=arange,
        copyto=copyto,
        concatenate=concatenate,
        lib=SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=as_strided)),
        cuda=SimpleNamespace(
            Device=partial(Device, machine),
            Event=Event,
            Stream=Stream,
            alloc_pinned_memory=partial(PinnedMemoryPointer, machine),
            get_current_stream=partial(get_current_stream, machine),
            runtime=Runtime(machine),
        ),
    )
    cupy._core = Core()  # type: ignore[attr-defined]
    return cupy


def array(
    obj: Any,
    dtype: Any = None,
    copy: bool = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> ndarray:
    if isinstance(obj, ndarray):
        return obj.copy() if copy else obj
    order = "F" if order == "F" or (order in ("K", "A") and obj.flags.fnc) else "C"  # K keeps nothing but these two
    device = result("upload", np.array(obj, dtype=dtype, order=order))  # type: ignore[call-overload]
    device.machine.copies.append(Copy("up", None, device._memory.gpu, device.nbytes))
    return device


def asarray(
    a: Any, dtype: Any = None, order: str | None = None, *, copy: bool | None = None, blocking: bool = False
) -> ndarray:
    return array(a, dtype, False, order or "K")


def ascontiguousarray(a: ndarray, dtype: Any = None) -> ndarray:
    return a if a.flags.c_contiguous else a.copy()


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> Values:
    host: Values = a.get(stream, order, out, blocking)
    return host


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    values = np.empty(shape, dtype, order)  # type: ignore[call-overload]
    values[...] = np.nan if values.dtype.kind in "fc" else 99
    return ndarray(values, Memory(ndarray.machine, values, ndarray.machine.stream()))


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return filled(empty(shape, dtype, order), 0)


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return filled(empty(shape, dtype, order), 1)


def empty_like(prototype: ndarray, dtype: Any = None, order: str = "K", subok: None = None, shape: Any = None) -> ndarray:
    alike = np.empty_like(prototype._values, dtype, order, False, shape)  # type: ignore[call-overload]
    fresh = empty(alike.shape, alike.dtype)
    return ndarray(np.lib.stride_tricks.as_strided(fresh._values, alike.shape, alike.strides), fresh._memory)


def zeros_like(a: ndarray, dtype: Any = None, order: str = "K", subok: None = None, shape: Any = None) -> ndarray:
    return filled(empty_like(a, dtype, order, subok, shape), 0)


def ones_like(a: ndarray, dtype: Any = None, order: str = "K", subok: None = None, shape: Any = None) -> ndarray:
    return filled(empty_like(a, dtype, order, subok, shape), 1)


def filled(x: ndarray, number: int) -> ndarray:
    x[...] = number
    return x


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    return result("arange", np.arange(*((start,) if stop is None else (start, stop, step)), dtype=dtype))


def copyto(dst: ndarray, src: ndarray, casting: str = "same_kind", where: ndarray | None = None) -> None:
    reads = [src._memory] + ([] if where is None else [where._memory])
    dst.machine.launch("copyto", reads, [dst._memory])
    np.copyto(dst._values, src._values, casting, True if where is None else where._values)  # type: ignore[call-overload]


def concatenate(tup: Any, axis: int = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind") -> ndarray:
    joined = np.concatenate([x._values for x in tup], axis, dtype=dtype, casting=casting)  # type: ignore[call-overload]
    return result("concatenate", np.ascontiguousarray(joined), *tup)  # CuPy's never keeps another memory order


def as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    values = np.lib.stride_tricks.as_strided(x._values, shape, strides)
    low, high = byte_bounds(values)
    assert x._memory.low <= low <= high <= x._memory.high, "as_strided: outside the array's memory"
    return ndarray(values, x._memory)


class Device:
    """`with Device(1):` makes GPU 1 the current one; Device() is the current one."""

    compute_capability = "90"

    def __init__(self, machine: Machine, device: int | None = None) -> None:
        self.machine, self.id = machine, machine.current[-1] if device is None else device

    def __enter__(self) -> Device:
        if self.id >= self.machine.gpus:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        self.machine.current.append(self.id)
        return self

    def __exit__(self, *exception: object) -> None:
        self.machine.current.pop()


def get_current_stream(machine: Machine, device_id: int = -1) -> Stream:
    assert device_id == -1, "only that of the current GPU"
    return machine.stream()


class Core:
    """cupy._core: how the factors of matrix products are rounded."""

    def __init__(self) -> None:
        self._routines_linalg = SimpleNamespace(COMPUTE_TYPE_DEFAULT=1, COMPUTE_TYPE_TF32=7)
        self.compute_types: dict[Any, int] = {}

    def set_compute_type(self, dtype: Any, compute_type: int) -> None:
        self.compute_types[dtype] = compute_type


class PinnedMemoryPointer(bytearray):
    """Host memory that GPUs copy from and to by themselves."""

    def __init__(self, machine: Machine, size: int) -> None:
        super().__init__(size)
        self.mem = Memory(machine, np.frombuffer(self, np.uint8), None)
        self.mem.block = weakref.ref(self)


class Runtime:
    """cupy.cuda.runtime."""

    CUDARuntimeError = CUDARuntimeError

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def getDeviceCount(self) -> int:
        return self.machine.gpus

    def deviceCanAccessPeer(self, device: int, peerDevice: int) -> int:
        return int(self.machine.peers and device != peerDevice)

    def deviceEnablePeerAccess(self, peerDevice: int) -> None:
        device = self.machine.current[-1]
        if not self.deviceCanAccessPeer(device, peerDevice):
            raise CUDARuntimeError("cudaErrorPeerAccessUnsupported: peer access is not supported between these two devices")
        if (device, peerDevice) in self.machine.opened:
            raise CUDARuntimeError("cudaErrorPeerAccessAlreadyEnabled: peer access is already enabled")
        self.machine.opened.add((device, peerDevice))

    def memcpyPeerAsync(self, dst: int, dstDevice: int, src: int, srcDevice: int, size: int, stream: int) -> None:
        machine, queue = self.machine, self.machine.streams[stream]
        assert queue.device_id == machine.current[-1], "memcpyPeerAsync: a stream of another GPU than the current one"
        queue.work("memcpyPeerAsync", [machine.at(srcDevice, src, size)], [machine.at(dstDevice, dst, size)])
        machine.copies.append(Copy("peer", srcDevice, dstDevice, size))
        ctypes.memmove(dst, src, size)
