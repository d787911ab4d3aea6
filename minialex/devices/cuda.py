"""A GPU: `cupy.cuda.Device(i)` with one stream of its own, on which all its kernels and copies run in order.

CuPy is imported only here, when a CUDA device is asked for. Launching returns at once, so two GPUs run side by side from one
thread. Copies between GPUs are ordered by events on both sides: the destination waits until the source has computed x, and
the source waits, before it may overwrite x, until the copy has been made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.devices.device import Device, DeviceError, T
from minialex.devices.pinned import Pinned
from minialex.devices.reading import OnTheirWay, Reading


class CudaDevice(Device):
    """`cuda:i`, with a second stream for arrays that set out from the host ahead of their turn.

    Raises DeviceError, in one line, where CuPy, the driver or the GPU is missing.
    """

    sends_ahead = True

    def __init__(self, index: int) -> None:
        self.xp = cupy_or_error()
        count = self.xp.cuda.runtime.getDeviceCount()
        if index >= count:
            raise DeviceError(f"cuda:{index} is not there: this machine has {count} GPU{'s' * (count != 1)}")
        self.name, self.index = f"cuda:{index}", index
        with self.xp.cuda.Device(index):
            self.stream = self.xp.cuda.Stream(non_blocking=True)
            self._uploads = self.xp.cuda.Stream(non_blocking=True)
        self._entered = threading.local()
        self._open: set[int] = set()  # the GPUs whose memory this one has been allowed to read
        self._pinned: dict[int, Array] = {}  # for each source without peer access: the stop on the way through the host
        self._ends = Pinned(self.xp)  # where host arrays set out from, and where numbers for the host arrive

    def __enter__(self) -> CudaDevice:
        inside = ExitStack()
        inside.enter_context(self.xp.cuda.Device(self.index))
        inside.enter_context(self.stream)
        self._entered.__dict__.setdefault("stack", []).append(inside)
        return self

    def __exit__(self, *exception: object) -> None:
        self._entered.stack.pop().close()

    def submit(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        done: Future[T] = Future()
        try:
            with self:
                done.set_result(work(*arguments))
        except Exception as failure:
            done.set_exception(failure)
        return done

    def put(self, host: Array, dtype: Any = None) -> Array:
        host = np.asarray(host, dtype=dtype)
        with self:
            if host.ndim != 4:
                return self.xp.array(host, order="C")
            # images and convolution weights keep channels-last memory, which CuPy's order="K" does not know
            return self.xp.array(host.transpose(0, 2, 3, 1), order="C").transpose(0, 3, 1, 2)

    def get(self, array: Array) -> Array:
        with self:
            return np.ascontiguousarray(self.xp.asnumpy(array, stream=self.stream))

    def read_later(self, array: Any) -> Reading:
        landing = self._ends.empty(array.shape, array.dtype)
        with self:
            array.get(stream=self.stream, out=landing, blocking=False)
            arrival = self.stream.record()
        self._ends.keep(landing, until=arrival)
        return OnTheirWay(landing, arrival)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        with self:
            return self.xp.empty(shape, dtype)

    def receive(self, x: Any, source: Device | None, buffer: Any) -> None:
        if source is None:
            self._send(x, buffer, self.stream)
            return
        assert isinstance(source, CudaDevice)
        with source:
            computed = source.stream.record()
        if self._reaches(source):
            with self:
                self.stream.wait_event(computed)
                self.xp.cuda.runtime.memcpyPeerAsync(
                    buffer.data.ptr, self.index, x.data.ptr, source.index, x.nbytes, self.stream.ptr
                )
        else:
            self._through_the_host(x, source, buffer)
        with self:
            copied = self.stream.record()
        with source:
            source.stream.wait_event(copied)

    def mark(self) -> Any:
        with self:
            return self.stream.record()

    def begin(self, host: Any, buffer: Any, after: Any) -> Any:
        with self.xp.cuda.Device(self.index):
            self._uploads.wait_event(after)
        return self._send(host, buffer, self._uploads)

    def arrive(self, moment: Any) -> None:
        with self:
            self.stream.wait_event(moment)

    def _send(self, host: Any, buffer: Any, stream: Any) -> Any:
        """A host array into `buffer`, by way of pinned memory, in this stream; returns the moment of its arrival."""
        departure = self._ends.empty(host.shape, host.dtype)
        np.copyto(departure, host)
        with self.xp.cuda.Device(self.index):
            buffer.set(departure, stream=stream)
            arrival = stream.record()
        self._ends.keep(departure, until=arrival)
        return arrival

    def _through_the_host(self, x: Any, source: CudaDevice, buffer: Any) -> None:
        """Down into pinned host memory on the source's stream, up from there on ours."""
        pinned = self._pinned.get(source.index)
        if pinned is None or pinned.nbytes < x.nbytes:
            self.synchronize()  # the old one may still be read
            pinned = self._pinned[source.index] = self._ends.empty((x.nbytes,), np.uint8)
        half_way = pinned[: x.nbytes].view(x.dtype).reshape(x.shape)
        with source:
            x.get(stream=source.stream, out=half_way, blocking=False)
            down = source.stream.record()
        with self:
            self.stream.wait_event(down)
            buffer.set(half_way, stream=self.stream)

    def _reaches(self, source: CudaDevice) -> bool:
        """Whether this GPU can read that one's memory directly; opens the way the first time."""
        runtime = self.xp.cuda.runtime
        if source.index in self._open:
            return True
        if not runtime.deviceCanAccessPeer(self.index, source.index):
            return False
        with self:
            try:
                runtime.deviceEnablePeerAccess(source.index)
            except runtime.CUDARuntimeError as error:
                if "PeerAccessAlreadyEnabled" not in str(error):
                    raise
        self._open.add(source.index)
        return True

    def synchronize(self) -> None:
        with self:
            self.stream.synchronize()
            self._uploads.synchronize()


def cupy_or_error() -> Any:
    """The cupy module, once it is known to find a GPU; else DeviceError with what is missing."""
    try:
        import cupy  # noqa: PLC0415  only where a GPU is asked for: nothing needs it on a CPU machine
    except ImportError as error:
        why = [line.strip() for line in str(error).splitlines() if line.strip(" =")] or ["no reason given"]
        raise DeviceError(f"CuPy cannot be imported ({why[-1]}): pip install 'minialex[cuda12]' (or [cuda13])") from None
    if not cupy.is_available():
        raise DeviceError("CuPy finds no CUDA device: no GPU, or no working driver (python -m minialex doctor tells)")
    return cupy


def cuda_count() -> int:
    """How many GPUs CuPy can use: 0 where CuPy, driver or GPU is missing."""
    try:
        return int(cupy_or_error().cuda.runtime.getDeviceCount())
    except DeviceError:
        return 0


def allow_tf32(on: bool = True) -> None:
    """Whether float32 matrix products on GPUs may round their factors to TF32's 10 bits, which is several times faster.

    For the whole process, from its next product on. Sums stay float32, and so does all that is no product. Where this is never
    called CuPy decides: IEEE float32, unless CUPY_TF32=1 was set. DeviceError where the GPU, or this CuPy, cannot switch.
    """
    cupy = cupy_or_error()
    capability = cupy.cuda.Device().compute_capability
    if on and int(capability) < 80:
        has = f"{capability[:-1]}.{capability[-1]}"
        raise DeviceError(f"TF32 needs a GPU of compute capability 8.0 or later, and this one has {has}")
    try:  # CuPy has no public way but the environment, which it reads only once
        linalg = cupy._core._routines_linalg
        cupy._core.set_compute_type(np.float32, linalg.COMPUTE_TYPE_TF32 if on else linalg.COMPUTE_TYPE_DEFAULT)
    except AttributeError:
        raise DeviceError("this CuPy cannot switch TF32 while it runs; set CUPY_TF32=1 (or 0) before Python starts") from None
