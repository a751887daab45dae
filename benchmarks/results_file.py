"""Write a benchmark's numbers as one self-describing file, ``benchmarks/results/<name>.json``.

What the numbers are counted from are reports of evaluations that take hours. Each is made only `once`.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sayso.journal import Journal
from sayso.learn.run import trained_seconds
from sayso.measure import EvalConfig, evaluate_policy
from sayso.provenance import provenance, training_facts, write_json
from sayso.report import Report
from sayso.spec import SaysoError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
KEYS = ("benchmark", "command", "commit", "date", "machine", "seeds", "n", "config", "metrics")
"""What every result file holds; ``episodes`` comes behind where there are any."""


def write_result(
    name: str,
    metrics: Mapping[str, float],
    *,
    seeds: Sequence[int],
    n: int,
    config: Mapping[str, Any],
    episodes: Sequence[Mapping[str, Any]] | None = None,
    folder: Path = RESULTS,
) -> Path:
    """Write ``<name>.json`` whole or not at all and return its path.

    Args:
        name: name of the benchmark and of the file.
        metrics: flat map from name to number. A success rate is a fraction 0..1 with ``<name>/low`` and
            ``<name>/high``, the ends of its interval, beside it.
        seeds: every seed an episode ran on; empty where nothing was random.
        n: how many episodes or samples stand behind each metric.
        config: what else one must know to run it again; plain JSON.
        episodes: one plain mapping per episode, where there are any.
        folder: where the file goes.

    Raises:
        ValueError: if a number is not finite, or an interval does not hold its number.
    """
    check_metrics(metrics)
    result: dict[str, Any] = {
        "benchmark": name,
        **provenance(ROOT),
        "command": command(),
        "seeds": list(seeds),
        "n": n,
        "config": dict(config),
        "metrics": dict(metrics),
    }
    if episodes is not None:
        result["episodes"] = [dict(episode) for episode in episodes]
    return write_json(folder / f"{name}.json", result)


def once(path: Path, make: Callable[[], object]) -> dict[str, Any]:
    """Return the report in `path`, which `make` writes there unless it is there in full.

    Raises:
        SaysoError: if `make` was interrupted.
    """
    found = _whole(path)
    if found is None:
        path.unlink(missing_ok=True)
        make()
        found = _whole(path)
    if found is None:
        raise SaysoError("interrupted; give the same command again to go on")
    return found


def _whole(path: Path) -> dict[str, Any] | None:
    """Return a report, unless there is none or only a part of it."""
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return None if found.get("partial") else found


def evaluated(policy: Path | str, wanted: EvalConfig) -> dict[str, Any]:
    """Return the report of an evaluation in ``wanted.out``, which is run unless it is there in full.

    Raises:
        SaysoError: if it was interrupted.
    """
    assert wanted.out is not None
    return once(wanted.out, lambda: evaluate_policy(str(policy), wanted))


def once_by_episode(path: Path, asked: Mapping[str, Any], run: Callable[..., Report]) -> dict[str, Any]:
    """Do as `once`, and go on with the episode at which an earlier call was stopped.

    Args:
        path: file of the report; the journal lies beside it.
        asked: plain JSON that decides the episodes, beside the code.
        run: the evaluation, which is given its ``journal``.

    Raises:
        SaysoError: if it was interrupted, or the journal belongs to something else.
    """

    def make() -> None:
        journal = Journal(path.with_suffix(".episodes.jsonl"), {**asked, "commit": provenance()["commit"]})
        report = run(journal=journal)
        if not report.partial:
            report.write(path)
            journal.close()

    return once(path, make)


def success(found: Mapping[str, Any], world: str, prefix: str = "") -> dict[str, float]:
    """Return the success of each family with its interval, named as the table wants it."""
    ends = ("", "/low", "/high")
    names = [f"{family}_{world}{end}" for family in found["families"] for end in ends]
    return {prefix + name: found["metrics"][name] for name in names}


def trained_hours(policy: Path) -> float:
    """Return how long a policy was trained, by its own account."""
    return trained_seconds(policy) / 3600


def hours_from_nothing(policy: Path) -> float:
    """Return how long it took to record what a policy learned from, and to train it, by its own account.

    What a policy it began with had learned from counts if this one learned from it, too.
    """
    return float(training_facts(policy)["recording_seconds"]) / 3600 + trained_hours(policy)


def command() -> str:
    """Return the command line of this process as one would type it at the top of the repository."""
    return shlex.join(["python", *map(portable, [str(Path(sys.argv[0]).resolve()), *sys.argv[1:]])])


def portable(argument: str) -> str:
    """Return an absolute path as one from the top of the repository, or its last part; the rest as it is."""
    path = Path(argument)
    if not path.is_absolute():
        return argument
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def check_metrics(metrics: Mapping[str, float]) -> None:
    """Refuse numbers that are not finite and intervals that do not hold their number.

    Raises:
        ValueError: naming the metric.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise ValueError(f"metric {name!r} is {value}; leave out what could not be measured")
        end = next((end for end in ("/low", "/high") if name.endswith(end)), "")
        if not end:
            continue
        about = metrics.get(name.removesuffix(end))
        if about is None:
            raise ValueError(f"{name!r} is the end of an interval around a number that is not there")
        if not 0 <= min(value, about) <= max(value, about) <= 1:
            raise ValueError(f"{name!r} = {value} around {about}: a success rate is a fraction from 0 to 1")
        if (value > about) if end == "/low" else (value < about):
            raise ValueError(f"{name!r} = {value} lies on the wrong side of {about}")
