"""Worker processes for one function and many tasks. They end when the process that started them does, even by SIGKILL."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from threadpoolctl import threadpool_limits

from minialex.data.errors import DataError

Task = TypeVar("Task")
Result = TypeVar("Result")


class Crew:
    """crew.each(function, tasks) -> (task, result) of all tasks, in the order in which they end."""

    def __init__(self, pool: ProcessPoolExecutor | None, workers: int) -> None:
        self._pool, self._ahead = pool, 2 * workers

    def each(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """function must be one that another process finds by its name, and tasks and results be small."""
        if self._pool is None:
            yield from ((task, function(task)) for task in tasks)
            return
        tasks, running = iter(tasks), dict[Future[Result], Task]()
        while True:
            with _signals_held():  # submit may start a process, which must not be left half started
                running.update({self._pool.submit(function, task): task for task in islice(tasks, self._ahead - len(running))})
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


@contextmanager
def crew(workers: int | None) -> Iterator[Crew]:
    """`workers` processes; None: one for each core; 0: none, this process does it all.

    They are started afresh (spawn), not copied from a process that may have threads or a GPU. Raises DataError if one of
    them is ended from outside.
    """
    if workers == 0:
        yield Crew(None, 0)
        return
    workers = cores() if workers is None else workers
    pool = None
    try:
        with _signals_held():
            pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
        yield Crew(pool, workers)
    except BrokenProcessPool:
        raise DataError(
            "a worker process was ended from outside (is there enough memory for so many --workers?); "
            "what is done is kept: run the same command again"
        ) from None
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _signals_held() -> Iterator[None]:
    """Ctrl-C and SIGTERM that come inside arrive when it is left; a process started inside does not notice Ctrl-C at all."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    arrived: list[int] = []
    handlers = {number: signal.signal(number, lambda n, _: arrived.append(n)) for number in (signal.SIGINT, signal.SIGTERM)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # what a new process inherits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for late in arrived:
            signal.raise_signal(late)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides
    warnings.filterwarnings("ignore", module="PIL")  # remarks about damaged EXIF data and the like
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
