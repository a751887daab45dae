"""Cluster of machines (Ray) whose cores do the jobs of a pool, each in a process as it would be here.

::

    here                        a machine of the cluster, one member per core
    run_there --- parcel -----> _Member --> Worker: a process, as in `sayso.work.workers`
              --- job --------> _Member ----'
              <-- result, files it wrote ---'

A machine that is lost loses nothing: its jobs are done elsewhere, and what it had written of them is nowhere.
One that joins has members at once. What dies or raises there is told as if it were here.

Ray (https://docs.ray.io) is only imported where a cluster is named: it is the extra ``cluster``.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import shutil
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from sayso.spec import SaysoError
from sayso.work.parcel import WRITTEN, Files, Parcel, put_in_place, read
from sayso.work.provenance import code
from sayso.work.workers import Lost, Raised, Worker, WorkerError

J = TypeVar("J")
R = TypeVar("R")
LOOK_S = 1.0
"""How often to look for machines that joined."""
KNOCK_S = 5.0
TRIES = 3
"""Machines that may be lost with a job until it is given up: it may be what kills them."""


def run_there(
    address: str,
    build: Callable[[], Callable[[J], R]],
    next_job: Callable[[], J | None],
    workers: int,
    environment: Mapping[str, str],
    writes: Path | None,
) -> Generator[tuple[J, R | Lost], None, None]:
    """Yield each job with its result; see `sayso.work.pool.run`.

    Args:
        address: of the cluster, as Ray has it: ``auto``, ``host:port``, ``ray://host:port``.
        build: as there.
        next_job: as there.
        workers: most members at a time; 0 is as many as the cluster has cores, also later.
        environment: as there; a variable that is set on a machine keeps its value.
        writes: as there.
    """
    with _joined(address) as ray:
        crew = _Crew[J](ray, Parcel.of(build, writes), environment, workers)
        try:
            while crew.hand_out(next_job):
                for job, found, files in crew.ended():
                    if writes:
                        put_in_place(files, writes)
                    yield job, found if isinstance(found, Lost) else pickle.loads(found)
        finally:
            crew.stop()


@contextlib.contextmanager
def _joined(address: str) -> Iterator[Any]:
    """Be part of a cluster.

    Raises:
        SaysoError: if Ray is not installed, or there is none.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise SaysoError(
            "--cluster needs Ray, which is not installed: pip install 'sayso[cluster]', on each machine"
        ) from error
    mine = not ray.is_initialized()
    if mine:
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, OSError, AssertionError) as error:
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            raise SaysoError(
                f"--cluster is {address}, but no cluster is there that this machine belongs to ({why}): type "
                "`ray start --head` on one machine, and `ray start --address HOST:6379` on each other one"
            ) from error
    try:
        yield ray
    finally:
        if mine:
            ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at ``host:port``: Ray itself takes minutes to say so."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_S).close()


class _Member:
    """Actor on a machine of the cluster: one process there, and what it read and wrote."""

    def __init__(self, parcel: Parcel, environment: Mapping[str, str]) -> None:
        self._parcel, self._environment = parcel, environment
        # Else each process of ours would begin with importing the program of Ray's.
        vars(sys.modules["__main__"]).pop("__file__", None)
        self._scratch = Path(tempfile.mkdtemp(prefix="sayso-"))
        self._worker: Worker[bytes, bytes] | None = None

    def begin(self) -> tuple[str, str] | Raised:
        """Start the process; return on which machine, and which code, or why it could not."""
        try:
            self._build()
        except WorkerError as error:
            return Raised(str(error))
        return socket.gethostname(), code()

    def do(self, job: bytes) -> tuple[bytes | Lost | Raised, Files]:
        """Do a job; return its result and what it wrote."""
        try:
            worker = self._worker or self._build()
            worker.give(job)
            ended = worker.receive()
        except WorkerError as error:
            return Raised(str(error)), {}
        assert ended is not None
        if not worker.alive:
            self._worker = None
        written = self._scratch / WRITTEN
        files = {} if isinstance(ended[1], Lost) else read(written)
        shutil.rmtree(written)
        written.mkdir()
        return ended[1], files

    def end(self) -> None:
        """Terminate the process and leave nothing behind."""
        if self._worker:
            self._worker.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _build(self) -> Worker[bytes, bytes]:
        shutil.rmtree(self._scratch)
        built = self._parcel.unpacked_in(self._scratch)
        worker = Worker[bytes, bytes](built, self._environment)
        worker.receive()  # that it is ready
        self._worker = worker
        return worker


@dataclass(eq=False)
class _Job(Generic[J]):
    """Job, and how often a machine was lost with it."""

    job: J
    lost: int = 0


@dataclass(eq=False)
class _Seat(Generic[J]):
    """Member as it is seen from here, and what it is at."""

    member: Any
    waits_for: Any
    """What it will say next; None if it is free."""
    job: _Job[J] | None = None
    ready: bool = False


@dataclass(eq=False)
class _Crew(Generic[J]):
    """Members on all machines, and the jobs that wait for one."""

    ray: Any
    parcel: Parcel
    environment: Mapping[str, str]
    most: int
    _waiting: deque[_Job[J]] = field(default_factory=deque)
    _seats: list[_Seat[J]] = field(default_factory=list)
    _stillborn: int = 0
    """Members that were lost before they were ready, one after the other."""

    def __post_init__(self) -> None:
        """Send the parcel once."""
        self._sent = self.ray.put(self.parcel)
        self._actor = self.ray.remote(num_cpus=1, max_restarts=0, max_concurrency=1)(_Member)

    def hand_out(self, next_job: Callable[[], J | None]) -> bool:
        """Let there be as many jobs as cores and members as jobs; return False if nothing is to be done."""
        places = self._places()
        running = [seat.job for seat in self._seats if seat.job]
        while len(self._waiting) + len(running) < places and (job := next_job()) is not None:
            self._waiting.append(_Job(job))
        for seat in [seat for seat in self._seats if seat.ready and not seat.job]:
            if self._waiting:
                self._give(seat, self._waiting.popleft())
        starting = sum(not seat.ready for seat in self._seats)
        for _ in range(min(len(self._waiting) - starting, places - len(self._seats))):
            member = self._actor.remote(self._sent, self.environment)
            self._seats.append(_Seat(member, member.begin.remote()))
        return bool(self._waiting or any(seat.job for seat in self._seats))

    def ended(self) -> Iterator[tuple[J, bytes | Lost, Files]]:
        """Wait a moment; yield each job that ended, its pickled result and what it wrote.

        Raises:
            WorkerError: if what does jobs could not be built, or a job raised.
            SaysoError: if a machine has another sayso.
        """
        awaited = {seat.waits_for: seat for seat in self._seats if seat.waits_for is not None}
        done, _ = self.ray.wait([*awaited], num_returns=1, timeout=LOOK_S)
        for seat in [awaited[one] for one in done]:
            try:
                said = self.ray.get(seat.waits_for)
            except (self.ray.exceptions.RayActorError, self.ray.exceptions.ObjectLostError) as error:
                yield from self._bury(seat, error)
                continue
            seat.waits_for = None
            if not seat.ready:
                self._welcome(seat, said)
                continue
            found, files = said
            if isinstance(found, Raised):
                raise WorkerError(found.text)
            assert seat.job
            job, seat.job = seat.job.job, None
            yield job, found, files

    def stop(self) -> None:
        """Terminate all members, whatever they are at."""
        idle = [seat.member.end.remote() for seat in self._seats if seat.waits_for is None]
        if idle:
            self.ray.wait(idle, num_returns=len(idle), timeout=LOOK_S)
        for seat in self._seats:
            self.ray.kill(seat.member)

    def _places(self) -> int:
        """Return how many members there may be now."""
        there = int(self.ray.cluster_resources().get("CPU", 0))
        return max(1, min(self.most, there) if self.most else there)

    def _give(self, seat: _Seat[J], job: _Job[J]) -> None:
        seat.job, seat.waits_for = job, seat.member.do.remote(pickle.dumps(job.job))

    def _welcome(self, seat: _Seat[J], said: Any) -> None:
        if isinstance(said, Raised):
            raise WorkerError(said.text)
        host, its = said
        if its != code():
            raise SaysoError(
                f"{host} has another sayso than this machine, so their episodes would not belong together: "
                "install the same one on every machine of the cluster"
            )
        seat.ready, self._stillborn = True, 0

    def _bury(self, seat: _Seat[J], error: Exception) -> Iterator[tuple[J, Lost, Files]]:
        """Let the job of a member that was lost with its machine be done elsewhere, unless it is to blame."""
        self._seats.remove(seat)
        self.ray.kill(seat.member)
        self._stillborn += not seat.ready
        if self._stillborn > TRIES * self._places():
            raise SaysoError(f"no machine of the cluster can begin: {str(error).strip().splitlines()[-1]}")
        if seat.job is None:
            return
        seat.job.lost += 1
        if seat.job.lost < TRIES:
            self._waiting.appendleft(seat.job)
            return
        yield seat.job.job, Lost(f"{TRIES} machines were lost with it ({type(error).__name__})"), {}
