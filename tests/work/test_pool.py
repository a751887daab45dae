"""Jobs in processes of their own: order, loss, errors, ends."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

import pytest
import threadpoolctl

from sayso.spec import SaysoError
from sayso.work import pool


def squarer() -> Callable[[int], int]:
    return lambda job: job * job


def who() -> Callable[[int], tuple[int, str]]:
    return lambda job: (os.getpid(), os.environ["OMP_NUM_THREADS"] + os.environ.get("X_SET", "unset"))


def threads() -> Callable[[int], list[int]]:
    return lambda job: [int(library["num_threads"]) for library in threadpoolctl.threadpool_info()]


def mortal() -> Callable[[int], int]:
    def work(job: int) -> int:
        if job == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return job

    return work


def stillborn() -> Callable[[int], int]:
    os._exit(7)


def refusing() -> Callable[[int], int]:
    raise SaysoError("no such world")


def buggy() -> Callable[[int], int]:
    return lambda job: 1 // job


def mixed() -> Callable[[int], int]:
    def work(job: int) -> int:
        time.sleep(0 if job == 1 else 30)
        return job

    return work


def jobs(*given: int) -> Callable[[], int | None]:
    waiting = iter(given)
    return lambda: next(waiting, None)


def test_every_job_comes_back_with_its_result():
    assert sorted(pool.run(squarer, jobs(*range(1, 8)), workers=2)) == [(n, n * n) for n in range(1, 8)]


def test_numpy_computes_with_one_thread_in_a_worker(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    [(_, counts)] = pool.run(threads, jobs(1), workers=1)
    assert set(counts) == {1}
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_workers_are_processes_of_their_own_with_the_environment_they_were_given():
    results = [
        r
        for _, r in pool.run(who, jobs(1, 2), workers=1, environment={"OMP_NUM_THREADS": "1", "X_SET": "yes"})
    ]
    assert len({pid for pid, _ in results}) == 1
    assert results[0] == (results[0][0], "1yes")
    assert results[0][0] != os.getpid()
    assert "X_SET" not in os.environ


def test_a_process_that_dies_loses_its_job_only_and_is_replaced():
    results = dict(pool.run(mortal, jobs(1, 2, 3, 4, 5), workers=1))
    assert isinstance(results[3], pool.Lost) and "SIGKILL" in results[3].reason
    assert {job: result for job, result in results.items() if job != 3} == {1: 1, 2: 2, 4: 4, 5: 5}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (stillborn, "could not begin.*exit code 7"),
        (refusing, "^no such world$"),
        (buggy, "(?s)ZeroDivisionError"),
    ],
)
def test_a_worker_that_cannot_work_says_why(build, words):
    with pytest.raises(pool.WorkerError, match=words):
        list(pool.run(build, jobs(0), workers=1))


def test_jobs_may_depend_on_results():
    """The next job is asked for only after what was yielded has been seen."""
    found = [2]

    def double_up_to_100() -> int | None:
        return found[-1] if found[-1] < 100 else None

    for _, result in pool.run(squarer, double_up_to_100, workers=1):
        assert isinstance(result, int)
        found.append(result)
    assert found == [2, 4, 16, 256]


def test_closing_ends_workers_in_the_middle_of_a_job():
    started = time.monotonic()
    running = pool.run(mixed, jobs(1, 2), workers=2)
    with contextlib.closing(running):
        assert next(running) == (1, 1)
    assert time.monotonic() - started < 10


def test_no_workers_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        list(pool.run(squarer, jobs(1), workers=-1))
