"""python -m minialex.bench.worker: our contestant, one net in a process of its own. peers.py talks to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minialex.bench import bound
from minialex.bench.loading import loaded
from minialex.bench.places import Place, by_name, describe, describe_layer, plain_twin
from minialex.bench.serve import Answer, memory, serve
from minialex.bench.workload import Workload
from minialex.devices import allow_tf32
from minialex.trace import write_trace


@dataclass
class Worker:
    """The requests, each a method; `build` comes first."""

    before: Answer = field(default_factory=memory)
    load: Workload | None = None
    limit: Any = None

    def build(self, net: str, devices: str, batch_size: int, blas_threads: int | None = None, tf32: bool = False) -> Answer:
        """Make the net. blas_threads: instead of the one for each virtual CPU device. tf32: allow it, on GPUs."""
        if tf32:
            allow_tf32()
        self.load = Workload(net, devices, batch_size)
        if blas_threads is not None:
            from threadpoolctl import threadpool_limits  # noqa: PLC0415

            self.limit = threadpool_limits(limits=blas_threads, user_api="blas")
        used = {device.name for stage in self.load.net.stages for device in stage.devices}
        return {
            "spec": describe(self.load.net),
            "input_shape": self.load.net.input_shape,
            "num_classes": self.load.net.num_classes,
            "devices": sorted(used),
            "planned": self.load.planned.host,
            "levels": {name: _level(level) for name, level in by_name(self.load.net, batch_size).items()},
        }

    def steps(self, count: int = 1) -> Answer:
        return {"seconds": [self._net.step() for _ in range(count)]}

    def infer(self, count: int = 1) -> Answer:
        return {"seconds": [self._net.infer() for _ in range(count)]}

    def layer(self, name: str, plain: bool = False) -> Answer:
        return {"seconds": self._net.layer(name, plain)}

    def loaded(self, folder: str, view: str, count: int, alone: bool = False) -> Answer:
        return loaded(self._net.net, folder, view, self._net.batch_size, count, alone)

    def bound(self) -> Answer:
        measured = bound.measure(self._net.net, self._net.batch_size)
        return measured._asdict()

    def where(self, repeats: int) -> Answer:
        return self._net.where(repeats)._asdict()

    def trace(self, steps: int, file: str | None, picture: str | None) -> Answer:
        """Write the timeline of so many steps, for Perfetto and as a picture."""
        spans = self._net.trace(steps)
        if file is not None:
            write_trace(spans, file)
        if picture is not None:
            from minialex.plots.timeline import timeline  # noqa: PLC0415  matplotlib takes a second

            timeline(spans).savefig(picture)
        return {"spans": len(spans)}

    def memory(self) -> Answer:
        """Bytes: the process's peak, its size before the net was made; what crossed between devices in the last step.

        gpu_peak: on GPUs, what CuPy's pools have taken of their memory; they give nothing back.
        """
        gpus = {device.name: device for device in self._net.net.devices if device.name.startswith("cuda")}
        taken = [device.submit(device.xp.get_default_memory_pool().total_bytes).result() for device in gpus.values()]
        of_gpus = {"gpu_peak": sum(taken)} if taken else {}
        return memory() | {"before": self.before["now"], "crossed": self._net.net.ledger.bytes()} | of_gpus

    @property
    def _net(self) -> Workload:
        if self.load is None:
            raise RuntimeError("build comes first")
        return self.load


def _level(level: list[Place]) -> Answer:
    """One layer of all towers: as plain data, and its work for the whole batch, forward and backward."""
    one = sum(place.layer.multiply_adds(place.ins) for place in level)
    back = sum((1 + place.reads_gradient) * place.layer.multiply_adds(place.ins) for place in level)
    return {
        "layers": [describe_layer(place.name, place.layer) for place in level],
        "shapes": [place.ins for place in level],
        "outs": [place.outs for place in level],
        "reads": level[0].reads_gradient,
        "has_twin": plain_twin(level[0].layer) is not None,
        "multiply_adds": (one, back),
        "moved": bound.moved(level, 4),
    }


def main() -> None:
    worker = Worker()
    names = ("build", "steps", "infer", "layer", "loaded", "bound", "where", "trace", "memory")
    serve({name: getattr(worker, name) for name in names})


if __name__ == "__main__":
    main()
