"""Measure episodes per second on one and two workers, and say what ends the growth with more (docs/scale.md).

    python benchmarks/scaling.py
    python benchmarks/scaling.py --no-cluster
    python benchmarks/scaling.py --episodes 8 40 --network-gbit 10

The expert's demonstrations are recorded, on the same seeds, with one worker and with two: on this machine,
then on a Ray cluster that is begun here. Each is recorded twice, few episodes and more, so that what the
difference takes is the price of an episode without that of a start. Measured of each episode: seconds of a
worker, processor seconds of the process that collects, those of Ray's own, and the bytes that come home.

From these follows how many episodes per second a cluster can do. `w` workers do at most
``min(w * worker, 1 / head, disk / bytes, network / bytes)``; ``episodes_per_s_<w>_model`` is that, and
``workers_until_<what>`` how many it takes until the head's one thread, its disk or its network is full. The
network is a figure (``--network-gbit``), the disk's speed is measured. A model is no measurement: nothing
beyond two workers was run.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro

from results_file import write_result
from sayso.learn.record import RecordConfig, record
from sayso.spec import ConfigError, seeds
from sayso.work import cluster as clusters
from sayso.work import pool
from sayso.work.parcel import put_in_place

MODELLED = (10, 100, 1000)
RAYS_OWN = ("raylet", "gcs_server")
DISK_MB = 512


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What to record, and with which network to reckon."""

    world: str = "tabletop"
    """In which world."""
    episodes: tuple[int, int] = (6, 30)
    """Demonstrations of the short and of the long recording; their difference is what counts."""
    start: int = 90_000
    """Number of seeds of the training split to skip."""
    cluster: bool = True
    """Record on a Ray cluster that is begun here as well (the extra ``cluster``)."""
    network_gbit: float = 1.0
    """Gigabits per second of the collecting machine's network."""

    def __post_init__(self) -> None:
        """Refuse recordings that have no difference."""
        if not 0 < self.episodes[0] < self.episodes[1]:
            raise ConfigError(f"episodes must be a few and then more, but are {self.episodes}")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a recording took; of a difference, what its further episodes took."""

    seconds: float
    head_s: float
    """Processor time of the process that collects."""
    rays_s: float
    """Processor time of Ray's own processes."""
    home_bytes: int
    """Bytes that came home from other machines."""

    def per_episode(self, fewer: Cost, episodes: int) -> Cost:
        """Return the cost of one of the episodes that a shorter recording has not."""
        return Cost(
            seconds=(self.seconds - fewer.seconds) / episodes,
            head_s=(self.head_s - fewer.head_s) / episodes,
            rays_s=(self.rays_s - fewer.rays_s) / episodes,
            home_bytes=(self.home_bytes - fewer.home_bytes) // episodes,
        )


def main(config: Scaling) -> None:
    """Measure, print the numbers and write ``scaling.json``."""
    metrics: dict[str, float] = {}
    recorded(config, 1, 1, pool.Where())  # what is imported and cached at first is not an episode's price
    for workers in (1, 2):
        here = episode(config, workers, pool.Where())
        metrics[f"episodes_per_s_{workers}"] = 1 / here.seconds
        metrics[f"head_ms_{workers}"] = 1000 * here.head_s
    metrics["share_of_twice"] = metrics["episodes_per_s_2"] / (2 * metrics["episodes_per_s_1"])
    metrics["disk_mb_per_s"] = disk_speed() / 1e6
    if config.cluster:
        metrics |= on_cluster(config)
        metrics |= model(metrics, config.network_gbit)
    for name, value in metrics.items():
        print(f"{name:32} {value:10.3f}")
    shown = list(seeds("train", config.episodes[1], config.start))
    settings = {name: value for name, value in vars(config).items() if name != "start"}
    print("wrote", write_result("scaling", metrics, seeds=shown, n=config.episodes[1], config=settings))


def on_cluster(config: Scaling) -> dict[str, float]:
    """Return the same of a cluster of this machine's two cores, begun for it and ended."""
    metrics: dict[str, float] = {}
    with begun() as address:
        for workers in (1, 2):
            one = episode(config, workers, pool.Where(cluster=address))
            metrics[f"cluster_episodes_per_s_{workers}"] = 1 / one.seconds
    metrics["cluster_head_ms"] = 1000 * one.head_s
    metrics["cluster_rays_ms"] = 1000 * one.rays_s
    metrics["mb_per_episode"] = one.home_bytes / 1e6
    return metrics


def episode(config: Scaling, workers: int, where: pool.Where) -> Cost:
    """Return what one episode costs with so many workers."""
    few, many = (recorded(config, episodes, workers, where) for episodes in config.episodes)
    return many.per_episode(few, config.episodes[1] - config.episodes[0])


def recorded(config: Scaling, episodes: int, workers: int, where: pool.Where) -> Cost:
    """Record demonstrations into a folder that is thrown away, and return what that took."""
    pool.use(where)
    arrived = [0]

    def counted(files: Mapping[str, bytes], folder: Path) -> None:
        arrived[0] += sum(map(len, files.values()))
        put_in_place(files, folder)

    clusters.put_in_place = counted
    try:
        with tempfile.TemporaryDirectory() as folder:
            began, head_s, rays_s = time.perf_counter(), time.process_time(), rays_seconds()
            wanted = RecordConfig(
                world=config.world,
                out=Path(folder) / "demonstrations",
                episodes=episodes,
                start=config.start,
                workers=workers,
            )
            record(wanted)
            return Cost(
                seconds=time.perf_counter() - began,
                head_s=time.process_time() - head_s,
                rays_s=rays_seconds() - rays_s,
                home_bytes=arrived[0],
            )
    finally:
        clusters.put_in_place = put_in_place
        pool.use(pool.Where())


@contextlib.contextmanager
def begun() -> Iterator[str]:
    """Begin a Ray cluster of two cores on this machine and return its address."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        yield str(made.address)
    finally:
        ray.shutdown()
        made.shutdown()


def rays_seconds() -> float:
    """Return the processor time that Ray's own processes on this machine have taken (Linux)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text(encoding="utf-8").partition("(")[2].rpartition(")")
            if name in RAYS_OWN:
                ticks += sum(int(field) for field in rest.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def disk_speed() -> float:
    """Return bytes per second that this folder's disk takes, until they lie on it."""
    block = os.urandom(1_000_000)
    with tempfile.NamedTemporaryFile(dir=Path.cwd()) as file:
        began = time.perf_counter()
        for _ in range(DISK_MB):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return DISK_MB * len(block) / (time.perf_counter() - began)


def model(metrics: Mapping[str, float], network_gbit: float) -> dict[str, float]:
    """Return how many episodes per second larger clusters can do, and how many workers fill what."""
    worker = metrics["cluster_episodes_per_s_1"]
    home = metrics["mb_per_episode"]
    most = {
        "head": 1000 / (metrics["cluster_head_ms"] + metrics["cluster_rays_ms"]),
        "disk": metrics["disk_mb_per_s"] / home,
        "network": network_gbit * 1000 / 8 / home,
    }
    found = {f"workers_until_{what}": limit / worker for what, limit in most.items()}
    for workers in MODELLED:
        found[f"episodes_per_s_{workers}_model"] = min(workers * worker, *most.values())
    return found


if __name__ == "__main__":
    main(tyro.cli(Scaling, description=__doc__))
