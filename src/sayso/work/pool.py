"""Process pool: jobs in processes of their own, one per core, here or on every machine of a cluster.

Each process builds what it works with (a world, a policy) once and then takes one job after the other::

    next_job() ──> worker 1: build() once, then work(job) ──> (job, result)
               ──> worker 2: ...                          ──> (job, Lost), and a new worker 2

Where the workers are is nobody's business but the person's who typed ``--cluster`` (`use`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sayso.spec import ConfigError
from sayso.work.cluster import run_there
from sayso.work.workers import ENVIRONMENT, Lost, WorkerError, cores, run_here

__all__ = ["ENVIRONMENT", "Lost", "Where", "WorkerError", "cores", "run", "use"]

J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where episodes are run: flags of every verb that runs some."""

    cluster: str = ""
    """Address of a Ray cluster whose machines run the episodes, such as 10.0.0.5:6379, or auto for the one
    that this machine belongs to. docs/scale.md tells how to start one."""

    def __post_init__(self) -> None:
        """Refuse what is no address."""
        address = self.cluster.removeprefix("ray://")
        if address not in ("", "auto") and not re.fullmatch(r"[^/\s]+:\d{1,5}", address):
            raise ConfigError(
                f"cluster is {self.cluster}, but must be auto or HOST:PORT of its head, such as 10.0.0.5:6379"
            )


_WHERE: ContextVar[Where] = ContextVar("where", default=Where())  # noqa: B039 - it is frozen


def use(where: Where) -> None:
    """Let jobs be done there from now on."""
    _WHERE.set(where)


def run(
    build: Callable[[], Callable[[J], R]],
    next_job: Callable[[], J | None],
    *,
    workers: int,
    environment: Mapping[str, str] = ENVIRONMENT,
    writes: Path | None = None,
) -> Generator[tuple[J, R | Lost], None, None]:
    """Return a generator of each job with its result, in the order in which they end.

    Close the generator (``contextlib.closing``) to end the workers early.

    Args:
        build: called once in each process; returns the function that does a job. It, the jobs and the
            results must be picklable, since processes are spawned. Each `sayso.work.parcel.Folder` in it is
            there on other machines, too.
        next_job: called when a worker is free; None means that there is nothing to do until another job
            has ended, and the end once none is running.
        workers: number of processes; 0 is one per core, of all machines.
        environment: variables a worker begins with, so that they stand before it imports anything: numpy
            and torch read theirs only then. A variable that is set already keeps its value.
        writes: folder that jobs write into, named in `build`. What they write on other machines is here
            before their result is.

    Raises:
        WorkerError: if `build` or a job raised, or a process died before it was ready.
        SaysoError: if there is no such cluster, or nothing here to reach one with.
    """
    if workers < 0:
        raise ValueError(f"there must be at least one worker, or 0 for one per core, but got {workers}")
    if address := _WHERE.get().cluster:
        return run_there(address, build, next_job, workers, environment, writes)
    return run_here(build, next_job, workers or cores(), environment)
