"""Write a benchmark's numbers as one self-describing file, ``benchmarks/results/<name>.json``.

What the numbers are counted from are reports of evaluations that take hours. Each is made only `once`.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sayso.evaluation.measure import EvalConfig, Subject, asked_of, evaluate_policy
from sayso.evaluation.statistics import is_void
from sayso.learn.run import trained_seconds
from sayso.loading import subject
from sayso.refusals import in_one_sentence
from sayso.spec import Outcome, SaysoError
from sayso.tasks.axes import departures, options_of
from sayso.tasks.worlds import WORLDS, WorldEntry
from sayso.work.provenance import code, provenance, training_facts, write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
KEYS = ("benchmark", "command", "commit", "date", "machine", "seeds", "n", "config", "metrics")
"""What every result file holds; ``episodes`` and how many are ``invalid`` come behind where there are any."""
BEGAN = provenance(ROOT)
"""Taken before anything is measured: whoever commits meanwhile has measured nothing."""


def write_result(
    name: str,
    metrics: Mapping[str, float],
    *,
    seeds: Sequence[int],
    n: int,
    config: Mapping[str, Any],
    episodes: Sequence[Mapping[str, Any]] | None = None,
    reports: Iterable[Mapping[str, Any]] = (),
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
        reports: what the numbers are counted from, if that was measured before: the result then names the
            commit that measured. Without any, it names the commit at which this process began.
        folder: where the file goes.

    Raises:
        ValueError: if a number is not finite, or an interval does not hold its number.
    """
    check_metrics(metrics)
    result: dict[str, Any] = {
        "benchmark": name,
        **BEGAN,
        **(measured_by(reports) if (reports := list(reports)) else {}),
        "command": command(),
        "seeds": list(seeds),
        "n": n,
        "config": dict(config),
        "metrics": dict(metrics),
    }
    if episodes is not None:
        result["invalid"] = sum(episode.get("outcome") == Outcome.INVALID for episode in episodes)
        result["episodes"] = [dict(episode) for episode in episodes]
    return write_json(folder / f"{name}.json", result)


def once(path: Path, make: Callable[[], object], asked: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the report in `path`, which `make` writes there unless it is there in full and still holds.

    It holds if the same code made it (this package and the benchmark's own files) and its ``config`` is what
    is asked for now. Another one is set aside, as ``<name>.old.json``, and measured anew.

    Raises:
        SaysoError: if `make` was interrupted, or too many of the report's episodes crashed.
    """
    measuring = benchmark_code()
    if not (why := _why_not(path, measuring, asked or {})):
        return _refuse_void(path, _read(path))
    if path.exists():
        kept = path.replace(path.with_suffix(".old.json"))
        print(f"{path} {why}; it is now {kept.name}, and is measured anew", flush=True)
    make()
    found = _read(path)
    if not found or found.get("partial"):
        raise SaysoError("interrupted; give the same command again to go on")
    found |= {"measured_by": measuring}
    write_json(path, found)
    return _refuse_void(path, found)


def _why_not(path: Path, measuring: str, asked: Mapping[str, Any]) -> str:
    """Say why a report cannot be used again; nothing if it can."""
    found = _read(path)
    if not found:
        return "is not there or cannot be read"
    if found.get("partial"):
        return "is only a part"
    if found.get("measured_by") != measuring:
        return f"was measured by other code (commit {found.get('commit', 'unknown')})"
    other = [name for name, value in asked.items() if found.get("config", {}).get(name) != value]
    return f"answers another question ({', '.join(other)})" if other else ""


def _read(path: Path) -> dict[str, Any]:
    """Return a report; nothing if there is none, or it was damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}
    except OSError as error:
        raise SaysoError(in_one_sentence(error)) from error


def _refuse_void(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    outcomes = [episode["outcome"] for episode in found.get("episodes", ())]
    invalid = outcomes.count(Outcome.INVALID)
    if outcomes and is_void(len(outcomes) - invalid, invalid):
        raise SaysoError(
            f"{invalid} of the {len(outcomes)} episodes in {path} are invalid, too many for a rate. It says "
            "of each what went wrong; mend that, delete the file, and give the same command again"
        )
    return found


def benchmark_code() -> str:
    """Return a digest of what measures in this process: the package, and the benchmarks that are loaded."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return code(file for file in map(Path, filter(None, files)) if file.parent == ROOT / "benchmarks")


def evaluated(
    policy: Path | str | Subject,
    wanted: EvalConfig,
    *,
    options: Mapping[str, Any] | None = None,
    place: WorldEntry | None = None,
) -> dict[str, Any]:
    """Return the report of an evaluation in ``wanted.out``, which is run unless it is there in full.

    One that was stopped goes on with the episode it was at.

    Args:
        policy: what is measured; by its name, if nothing is done to it.
        wanted: on what.
        options: see `evaluate_policy`, as for `place`.
        place: a world that is in no table.

    Raises:
        SaysoError: if it was interrupted, or is void.
    """
    assert wanted.out is not None
    measured = policy if isinstance(policy, Subject) else subject(str(policy))
    departs = departures((place or WORLDS[wanted.world]).axes, wanted.axis)
    reset = options_of(departs) | dict(options or {})
    asked = asked_of(measured, wanted, reset, ("workers", "out", "films", "max_films"))
    return once(wanted.out, lambda: evaluate_policy(measured, wanted, options=options, place=place), asked)


def success(found: Mapping[str, Any], world: str, prefix: str = "") -> dict[str, float]:
    """Return the success of each family with its interval, named as the table wants it.

    Raises:
        SaysoError: if the rate of a family is void.
    """
    ends = ("", "/low", "/high", "/invalid")
    for family in found["families"]:
        if found["metrics"][f"{family}_{world}"] is None:
            raise SaysoError(f"the rate of {family} in {world} is void: too many of its episodes are invalid")
    names = [f"{family}_{world}{end}" for family in found["families"] for end in ends]
    return {prefix + name: found["metrics"][name] for name in names}


def measured_by(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return where and when numbers were measured that are counted from reports, and by which code.

    Raises:
        SaysoError: if they were not all measured by the same.
    """
    first, *others = reports
    for other in others:
        if other.get("measured_by") != first.get("measured_by"):
            raise SaysoError("these reports were measured by different code; give the same command again")
    return {key: first[key] for key in ("commit", "code", "date", "machine") if key in first}


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
