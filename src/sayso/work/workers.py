"""Workers of this machine: jobs in processes of their own, one per core, which outlive those that die.

Each process builds what it works with (a world, a policy) once and then takes one job after the other::

    next_job() ──> worker 1: build() once, then work(job) ──> (job, result)
               ──> worker 2: ...                          ──> (job, Lost), and a new worker 2
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast

from sayso.refusals import in_one_sentence
from sayso.spec import SaysoError

J = TypeVar("J")
R = TypeVar("R")

ENVIRONMENT: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LP_NUM_THREADS": "0",  # the software renderer then draws in the calling thread
} | ({"MUJOCO_GL": "egl"} if sys.platform == "linux" else {})
"""What keeps a process on one core and off the screen: processes share the cores, their threads do not."""
TRACEBACK_LINES = 12


class WorkerError(SaysoError):
    """Worker that could not begin or could not do a job, in its own words."""


@dataclass(frozen=True)
class Lost:
    """Result of a job whose process died."""

    reason: str


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Ready:
    """Word from a worker that has built what it works with."""


@dataclass(frozen=True)
class Raised:
    """Words of an error in a worker."""

    text: str


def run_here(
    build: Callable[[], Callable[[J], R]],
    next_job: Callable[[], J | None],
    workers: int,
    environment: Mapping[str, str],
) -> Generator[tuple[J, R | Lost], None, None]:
    """Yield each job with its result; see `sayso.work.pool.run`."""
    crew: list[Worker[J, R]] = []
    try:
        while True:
            _hand_out(crew, next_job, workers, build, environment)
            if not crew or all(worker.job is None for worker in crew):
                return
            for worker in _that_moved(crew):
                ended = worker.receive()
                if not worker.alive:
                    crew.remove(worker)
                if ended is not None:
                    yield ended
    finally:
        for worker in crew:
            worker.stop()


def _hand_out(
    crew: list[Worker[J, R]],
    next_job: Callable[[], J | None],
    workers: int,
    build: Callable[[], Callable[[J], R]],
    environment: Mapping[str, str],
) -> None:
    """Give every free worker a job, starting workers only while there are jobs for them."""
    while any(worker.job is None for worker in crew) or len(crew) < workers:
        job = next_job()
        if job is None:
            return
        free = next((worker for worker in crew if worker.job is None), None)
        if free is None:
            free = Worker[J, R](build, environment)
            crew.append(free)
        free.give(job)


def _that_moved(crew: list[Worker[J, R]]) -> list[Worker[J, R]]:
    moved = wait([worker.connection for worker in crew if worker.job is not None])
    return [worker for worker in crew if worker.connection in moved]


class Worker(Generic[J, R]):
    """One process and the job it is at."""

    def __init__(self, build: Callable[[], Callable[[J], R]], environment: Mapping[str, str]) -> None:
        """Start it."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _inherited(environment):
            self._process.start()
        theirs.close()  # so that its death reads as the end of the pipe
        self.connection.send(build)
        self._ready = False
        self.alive = True
        self.job: J | None = None

    def give(self, job: J) -> None:
        """Hand over a job."""
        self.job = job
        # If it has died, `receive` will read the end of the pipe and say so.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(job)

    def receive(self) -> tuple[J, R | Lost] | None:
        """Wait for a finished job; None if the worker has only become ready.

        Raises:
            WorkerError: if `build` or the job raised, or the process died before it was ready.
        """
        try:
            message: Any = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return self._bury()
        if isinstance(message, _Ready):
            self._ready = True
            return None
        if isinstance(message, Raised):
            raise WorkerError(message.text)
        job, self.job = cast(J, self.job), None
        return job, cast(R, message)

    def stop(self) -> None:
        """Terminate the process, whatever it is at."""
        self._process.terminate()
        self._process.join()
        self.connection.close()

    def _bury(self) -> tuple[J, Lost]:
        self.alive = False
        self._process.join()
        self.connection.close()
        reason = f"its process died ({_name_of_death(self._process.exitcode)})"
        if not self._ready:
            raise WorkerError(f"a worker could not begin: {reason}")
        return cast(J, self.job), Lost(reason)


def _name_of_death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


@contextlib.contextmanager
def _inherited(environment: Mapping[str, str]) -> Iterator[None]:
    """Let processes that are started inside a `with` begin with these variables.

    Set inside the new process they would come too late: this module has brought numpy along by then, and
    the program's main module, which a spawned process imports first, may have brought anything.
    """
    added = {name: value for name, value in environment.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _serve(connection: Connection) -> None:
    """Be the process: build once, then do jobs until the parent closes its end, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        # Received and not passed to the process, so that an error of its import can be sent back.
        work = _guarded(lambda: connection.recv()())
        connection.send(work if isinstance(work, Raised) else _Ready())
        for job in _received(connection):
            connection.send(_guarded(lambda: work(job)))  # noqa: B023 - called at once


def _received(connection: Connection) -> Iterator[Any]:
    while True:
        try:
            yield connection.recv()
        except EOFError:
            return


def _guarded(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except SaysoError as error:
        return Raised(str(error))
    except (OSError, MemoryError) as error:
        return Raised(in_one_sentence(error))
    except Exception:  # the border of a process: the parent raises it again
        last = traceback.format_exc().strip().splitlines()[-TRACEBACK_LINES:]
        return Raised("\n".join(["a worker failed:", *last]))
