"""Jobs on a cluster of two nodes: the same results, whoever is killed, and whoever joins."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from test_pool import buggy, jobs, mortal, squarer, stillborn

from sayso import cli
from sayso.evaluation.trials import evaluate
from sayso.learn.record import RecordConfig, record
from sayso.spec import ConfigError, SaysoError
from sayso.work import pool
from sayso.work.parcel import Folder, Parcel, put_in_place, read
from small_worlds import SMALL_WORLDS, SpotWorld, still

TESTS = Path(__file__).parents[1]
STORE = 80_000_000
"""Bytes of a node's object store: Ray takes no less."""


class Copying:
    """Copy what is read into a folder of the job's name, and tell the node's process, and how much."""

    def __init__(self, source, sink, pause_s=0.0):
        self.source, self.sink, self.pause_s = source, sink, pause_s

    def __call__(self):
        def work(job):
            time.sleep(self.pause_s)
            content = (Path(self.source) / "weights").read_bytes()
            (self.sink / job).mkdir(parents=True)
            (self.sink / job / "weights").write_bytes(content)
            return int(os.environ.get("RAY_RAYLET_PID", 0)), len(content)

        return work


@pytest.fixture
def copying(tmp_path):
    """Return what copies a folder, and where to."""
    (tmp_path / "read").mkdir()
    (tmp_path / "read" / "weights").write_bytes(b"heavy")
    return partial(Copying, Folder(tmp_path / "read"), tmp_path / "written"), tmp_path / "written"


def test_a_folder_is_sent_and_what_is_written_comes_back_whole(copying, tmp_path):
    make, written = copying
    unpacked = Parcel.of(make(), written).unpacked_in(tmp_path / "there")
    (tmp_path / "read" / "weights").unlink()
    assert pickle.loads(unpacked()(pickle.dumps("seven")))[1] == 5
    files = read(tmp_path / "there" / "written")
    assert files == {"seven/weights": b"heavy"} and not written.exists()
    for _ in range(2):  # a second time changes nothing
        put_in_place(files, written)
        assert read(written) == files and [path.name for path in written.iterdir()] == ["seven"]


def test_a_word_that_is_also_the_name_of_a_folder_is_sent_as_a_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("home").mkdir()
    assert Parcel.of(partial(print, "home", Path("home")), None).folders == ()
    assert Parcel.of(partial(print, Folder("home"), Folder("home")), None).folders == ({},)


@pytest.mark.parametrize("address", ["10.0.0.5", "somewhere", "http://10.0.0.5:6379", "a b:1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match="must be auto or HOST:PORT of its head"):
        pool.Where(cluster=address)


def test_without_ray_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    given = ["record", "--world", "tabletop", "--out", str(tmp_path), "--cluster", "127.0.0.1:6379"]
    assert cli.main(given) == 2
    assert "pip install 'sayso[cluster]'" in capsys.readouterr().err
    pool.use(pool.Where())


@pytest.fixture(scope="module")
def cluster():
    """Return a cluster of two nodes, each a process with an object store and one core."""
    ray = pytest.importorskip("ray", reason="make cluster installs it")
    from ray.cluster_utils import Cluster

    paths = [str(TESTS.parent / "src"), str(TESTS), str(TESTS / "work"), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_health_check_period_ms", "500")
        patch.setenv("RAY_health_check_failure_threshold", "4")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": STORE})
        made.add_node(num_cpus=1, object_store_memory=STORE)
        made.wait_for_nodes()
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def there(cluster):
    """Let pools work on it."""
    pool.use(pool.Where(cluster=cluster.address))
    yield cluster
    pool.use(pool.Where())


def test_nobody_at_the_address_is_told_at_once(monkeypatch):
    pytest.importorskip("ray", reason="make cluster installs it")
    pool.use(pool.Where(cluster="127.0.0.1:1"))
    began = time.monotonic()
    with pytest.raises(SaysoError, match=r"no cluster is there that this machine belongs to.*ray start"):
        list(pool.run(squarer, jobs(1), workers=0))
    assert time.monotonic() - began < 30
    pool.use(pool.Where())


def test_both_nodes_do_jobs_and_what_they_write_is_here_before_the_result(there, copying):
    make, written = copying
    nodes = set()
    for job, (node, size) in pool.run(make(0.3), jobs(*"abcdefghij"), workers=0, writes=written):
        assert read(written / job) == {"weights": b"heavy"} and size == 5
        nodes.add(node)
    assert nodes == {raylet(node) for node in there.list_all_nodes()}
    assert sorted(path.name for path in written.iterdir()) == [*"abcdefghij"]


def test_a_process_that_dies_there_loses_its_job_only(there):
    results = dict(pool.run(mortal, jobs(1, 2, 3, 4), workers=1))
    assert isinstance(results[3], pool.Lost) and "SIGKILL" in results[3].reason
    assert {job: result for job, result in results.items() if job != 3} == {1: 1, 2: 2, 4: 4}


@pytest.mark.parametrize(
    ("build", "words"), [(stillborn, "could not begin.*exit code 7"), (buggy, "(?s)ZeroDivisionError")]
)
def test_what_cannot_work_there_says_why_as_it_would_here(there, build, words):
    with pytest.raises(pool.WorkerError, match=words):
        list(pool.run(build, jobs(0), workers=1))


def test_a_node_that_joins_is_used_and_one_that_is_killed_loses_nothing(there, copying):
    make, written = copying
    given, left = [], [6]
    deadline = time.monotonic() + 240

    def more():
        """Give jobs until the node was killed, and some more."""
        left[0] -= new is not None and new not in there.list_all_nodes()
        if left[0] < 0 or time.monotonic() > deadline:
            return None
        given.append(f"job-{len(given)}")
        return given[-1]

    results, new = {}, None
    with contextlib.closing(pool.run(make(0.5), more, workers=0, writes=written)) as running:
        for job, (node, _) in running:
            assert job not in results
            results[job] = node
            new = new or there.add_node(num_cpus=2, object_store_memory=STORE)
            if new in there.list_all_nodes() and node == raylet(new):
                there.remove_node(new, allow_graceful=False)  # in the middle of two jobs
    assert left[0] < 0, "it was never used"
    assert sorted(results) == sorted(given)
    assert read(written) == {f"{name}/weights": b"heavy" for name in given}


def test_a_dataset_is_the_same_byte_for_byte_though_a_node_is_killed(there, tmp_path):
    def recorded(name):
        config = RecordConfig(world="spots", out=tmp_path / name, episodes=12)
        return record(config, SMALL_WORLDS)

    new = there.add_node(num_cpus=1, object_store_memory=STORE)

    def kill_in_the_middle():
        while not [*(tmp_path / "far").glob("staging/episode-*")]:
            time.sleep(0.05)
        there.remove_node(new, allow_graceful=False)

    killer = threading.Thread(target=kill_in_the_middle, daemon=True)
    killer.start()
    far = recorded("far")
    killer.join(timeout=60)
    pool.use(pool.Where())
    near = recorded("near")
    assert (far.episodes, far.failed, far.next_start) == (near.episodes, near.failed, near.next_start)
    here, elsewhere = read(near.out), read(far.out)
    differing = {name for name in here.keys() | elsewhere.keys() if here.get(name) != elsewhere.get(name)}
    assert differing <= {"failed.jsonl", "recording.json"}, differing


def test_a_report_is_the_same(there):
    def report():
        seeds = range(2_000_000, 2_000_004)
        return timeless(
            evaluate(SpotWorld, still, families=("go", "visit"), seeds=seeds, workers=0).to_json()
        )

    far = report()
    pool.use(pool.Where())
    assert far["episodes"] and far == report()


def timeless(value):
    """Return a report without what tells the time."""
    if isinstance(value, dict):
        kept = {key: timeless(of) for key, of in value.items()}
        return {key: of for key, of in kept.items() if key != "date" and not key.endswith(("_ms", "seconds"))}
    return [timeless(of) for of in value] if isinstance(value, list) else value


def raylet(node):
    """Return the process of Ray's that is a node."""
    return node.all_processes["raylet"][0].process.pid
