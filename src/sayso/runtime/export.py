"""Export of a policy to a graph that runs without torch, checked on the spot to be still that policy.

::

    checkpoint --> PolicyGraph --trace--> OpenVINO | ONNX | TorchScript --> fp32 | bf16 | int8
                                                     |
        the same frames, the same clock, the same episodes: actions, latency, success (`parity`)
                                                     |
                             a folder that `exported` opens, or a refusal

An export that answers otherwise than its source, or succeeds less often, is refused unless it is forced.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sayso.data.statistics import RELATIVE, Stats
from sayso.data.transforms import RelativeChunk, Standardise, two_way
from sayso.data.views_files import write_views
from sayso.models import checkpoint as checkpoints
from sayso.models.policy import ModelPolicy
from sayso.models.repacked import in_world
from sayso.refusals import naming
from sayso.runtime import exported, parity
from sayso.runtime.engines import FILES, WORDS, EngineFacts, EngineName, ExportError, Precision, first_line
from sayso.runtime.exported import ExportedPolicy, files_of
from sayso.runtime.graphs import PRECISIONS, Feeds, Graph, graph_of, write_graph
from sayso.runtime.parity import Agreement, ClosedLoop, Latency
from sayso.spec import ACTION, STATE, Array, ConfigError, Observation, Policy, above, at_least, image_key
from sayso.spec.files import CARD, CONFIG, STATS
from sayso.tasks.contract import World
from sayso.tasks.worlds import WORLDS, WorldEntry, chosen_families, world_of
from sayso.work import pool
from sayso.work.digests import write_digests
from sayso.work.provenance import digest_of, graph_digest, provenance, training_facts


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What to export to, and how to check it."""

    engine: EngineName = "openvino"
    """What runs it: openvino, onnx (ONNX Runtime) or torchscript, which needs torch."""
    precision: Precision = "fp32"
    """What it computes in: fp32; bf16, where the CPU has it; or int8, calibrated on training frames."""
    out: Path | None = None
    """Folder to write; <checkpoint>-<engine>-<precision> if none is named."""
    calibrate: Path | None = None
    """LeRobotDataset whose frames int8 is calibrated on and the export is checked on; by default the
    expert of the robot's own world shows some, on training seeds."""
    frames: int = 64
    """How many frames to check on, and as many others to calibrate on."""
    calls: int = 200
    """Calls of either policy that are timed."""
    threads: int = 2
    """CPU threads of either policy while they are timed."""
    verify: int = 0
    """Validation seeds of each family of tasks on which to compare success; 0 leaves that out."""
    families: tuple[str, ...] = ()
    """Families of tasks on which to compare it; none named means all of the world's."""
    tolerance: float = 0.03
    """Mean error of the actions that is allowed, in standard deviations of what the policy predicts; in 95 %
    of the frames the largest may be ten times that."""
    force: bool = False
    """Keep the export even if its errors are larger, or it costs success."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.precision not in PRECISIONS[self.engine]:
            allowed = " or ".join(PRECISIONS[self.engine])
            able = " or ".join(engine for engine, can in PRECISIONS.items() if self.precision in can)
            raise ValueError(
                f"{self.engine} cannot compute in {self.precision}, but in {allowed}; "
                f"{self.precision} needs {able}"
            )
        at_least(self, frames=1, calls=1, threads=1, verify=0)
        if self.families and not self.verify:
            raise ConfigError("families are those of --verify, which says on how many seeds of each")
        above(self, tolerance=0)


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Findings when an export was held against its source."""

    frames_from: str
    agreement: Agreement
    threads: int
    before: Latency
    after: Latency
    closed_loop: ClosedLoop | None
    faults: tuple[str, ...]
    """Why it should not be used; none if it may."""

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dicts."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def __str__(self) -> str:
        """Return a few lines for a person."""
        lines = [
            str(self.agreement) + f"; frames from {self.frames_from}",
            f"latency of {self.before.calls} calls in turn, {self.threads} threads: "
            f"before {self.before}, after {self.after}",
        ]
        return "\n".join([*lines, *([str(self.closed_loop)] if self.closed_loop else []), *self.faults])


def export(checkpoint: Path, config: ExportConfig, say: Callable[[str], None] = print) -> Path:
    """Export a checkpoint, check the result against it, and return the folder.

    Args:
        checkpoint: folder of a policy.
        config: what to make.
        say: gets the report, line by line.

    Raises:
        ExportError: if this policy or this machine cannot do it, or if the result is not the same policy and
            that was not forced; then nothing is left behind.
    """
    whole = checkpoint.resolve()  # of "." there is no name
    out = config.out or whole.with_name(f"{whole.name}-{config.engine}-{config.precision}")
    if out.exists():
        raise ExportError(f"{str(out)!r} exists already; delete it or name another folder with --out")
    source = checkpoints.load(checkpoint)
    if n := len(source.features.robots):
        raise ExportError(
            f"an export is of one robot, but {checkpoint} knows {n} kinds: training wrote the policy of each "
            f"into {checkpoint.parent / 'robots'}; export one of those"
        )
    # OpenVINO chooses by itself what is safe in bfloat16; TorchScript computes as it was traced.
    graph = graph_of(source, bf16=(config.engine, config.precision) == ("torchscript", "bf16"))
    if config.verify:  # better now than when all the rest is done
        chosen_families(_world(source).families, config.families)
    if not config.calibrate:
        say("the expert shows what to check on, an episode of each family of tasks")
    samples = _samples(source, config)
    out.parent.mkdir(parents=True, exist_ok=True)
    with naming(out), tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as made:
        folder = Path(made) / out.name
        folder.mkdir()
        path = folder / FILES[config.engine]
        feeds = _feeds(source, graph, samples[1::2])
        try:
            write_graph(graph, path, config.engine, config.precision, feeds)
        except RuntimeError as error:  # engines have no other word for a full disk
            raise ExportError(
                f"{config.engine} could not write the graph into {str(out.parent)!r}: {first_line(error)}"
            ) from error
        _describe(source, checkpoint, folder, graph, config)
        checks = check(source, checkpoint, folder, samples[::2], config)
        _describe(source, checkpoint, folder, graph, config, checks)
        write_digests(folder, (*files_of(config.engine), *write_views(source.views, folder)))
        say(str(checks))
        if checks.faults and not config.force:
            raise ExportError("not exported, as it is not the same policy; --force keeps it all the same")
        folder.rename(out)
    return out


def check(
    source: ModelPolicy,
    checkpoint: Path,
    folder: Path,
    samples: Sequence[Observation],
    config: ExportConfig,
) -> Checks:
    """Hold an export against its source: actions, latency and, where asked for, success."""
    result = exported.load(folder, threads=config.threads)
    agreement = Agreement.of(source, result, samples, source.features, result.stats)
    before, after = _latencies(source, result, samples, config)
    loop = _verify(source, checkpoint, folder, config) if config.verify else None
    faults = []
    if not agreement.within(config.tolerance):
        faults.append(
            f"the actions differ too much: allowed are a mean of {config.tolerance:g} standard deviations "
            f"and, in {parity.USUAL:.0%} of the frames, at most {parity.MAX_TO_MEAN * config.tolerance:g}"
        )
    if loop and loop.costs_success:
        faults.append("it succeeds less often than its source by more than luck explains, or breaks")
    return Checks(
        frames_from=config.calibrate.name if config.calibrate else world_of(source.features.robot_type),
        agreement=agreement,
        threads=config.threads,
        before=before,
        after=after,
        closed_loop=loop,
        faults=tuple(faults),
    )


def _latencies(
    source: Policy, result: Policy, samples: Sequence[Observation], config: ExportConfig
) -> tuple[Latency, Latency]:
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        calls = {"before": _caller(source, samples), "after": _caller(result, samples)}
        found = parity.interleaved(calls, config.calls)
    finally:
        torch.set_num_threads(threads)
    return found["before"], found["after"]


def _caller(policy: Policy, samples: Sequence[Observation]) -> Callable[[], object]:
    """Return what lets a policy act on one sample after the other."""
    looks = itertools.cycle(samples)
    policy.reset()
    return lambda: policy.act(next(looks))


def _verify(source: ModelPolicy, checkpoint: Path, folder: Path, config: ExportConfig) -> ClosedLoop:
    makers = (partial(_on_one_thread, checkpoint), partial(_opened, folder))
    return parity.closed_loop(_world(source), makers, config.verify, pool.cores(), config.families)


def _on_one_thread(checkpoint: Path, world: World) -> Policy:
    torch.set_num_threads(1)
    policy = checkpoints.load(checkpoint)
    return in_world(policy, policy.features, world.features)


def _opened(folder: Path, world: World) -> Policy:
    policy = exported.load(folder)
    return in_world(policy, policy.features, world.features)


def _world(policy: ModelPolicy) -> WorldEntry:
    return WORLDS.ready(world_of(policy.features.robot_type))


def _samples(source: ModelPolicy, config: ExportConfig) -> list[Observation]:
    """Return twice as many samples as are checked: every other one is for calibration."""
    n = 2 * config.frames
    if config.calibrate:
        return parity.dataset_samples(config.calibrate, source.features, n)
    return parity.world_samples(_world(source).make, source.features, n)


def _feeds(source: ModelPolicy, graph: Graph, samples: Sequence[Observation]) -> list[Feeds]:
    """Return what the graph is fed on each sample."""
    taken: list[Feeds] = []
    width = len(source.features.action)

    def note(feeds: Mapping[str, NDArray[Any]]) -> Array:
        taken.append(dict(feeds))
        return np.zeros((1, 1, width), np.float32)

    listener = ExportedPolicy(note, tuple(graph.inputs), source.features, stats_of(source), _max_words(graph))
    for sample in samples:
        listener.act(sample)
    return taken


def _max_words(graph: Graph) -> int:
    return graph.inputs[WORDS].shape[1]


def stats_of(policy: ModelPolicy) -> dict[str, Stats]:
    """Return the statistics from which an export makes the policy's own chain again.

    Raises:
        ExportError: if none give that chain, for it is more than standardised or relative to the state.
    """
    chain = policy.collator.chain.transforms
    kept = (STATE, ACTION, *map(image_key, policy.features.cameras))
    stats = {key: policy.stats[key] for key in kept if key in policy.stats}
    for transform in chain:
        key = getattr(transform, "key", RELATIVE)
        if isinstance(transform, Standardise | RelativeChunk) and key in policy.stats:
            stats[key] = replace(policy.stats[key], mean=transform.mean, std=transform.std)
    used = (*policy.collator.inputs, ACTION)
    again = two_way(stats, policy.features).transforms
    if chain != tuple(t for t in again if getattr(t, "key", ACTION) in used):
        raise ExportError(
            f"a {policy.type} turns numbers into its own units in a way that an export does not know: only "
            "standardised ones and chunks relative to the state (`sayso.data.transforms.two_way`)"
        )
    return stats


def _describe(
    source: ModelPolicy, checkpoint: Path, folder: Path, graph: Graph, config: ExportConfig,
    checks: Checks | None = None,
) -> None:  # fmt: skip
    """Write all that stands beside the graph."""
    facts = EngineFacts(
        name=config.engine,
        precision=config.precision,
        inputs=tuple(graph.inputs),
        digest=graph_digest(folder),
    )
    described = {
        "engine": {**facts.to_json(), "checks": checks.to_json() if checks else None, **provenance()},
        "source": {"name": checkpoint.resolve().name, "digest": digest_of(checkpoint)},
        "model": {**source.config(), "max_words": _max_words(graph)},
        "features": source.features.to_json(),
        "training": training_facts(checkpoint),
    }
    (folder / CONFIG).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    stats = {key: s.to_json() for key, s in stats_of(source).items()}
    (folder / STATS).write_text(json.dumps(stats, indent=2) + "\n", encoding="utf-8")
    title = f"# {checkpoint.resolve().name} for {config.engine}, {config.precision}"
    (folder / CARD).write_text(f"{title}\n\n```\n{checks or 'Not checked yet.'}\n```\n", encoding="utf-8")
