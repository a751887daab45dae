"""Measurement of a policy on recordings: its action error on the episodes that it has not learned from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sayso.data.edit.config import spans
from sayso.data.excerpt import Excerpt
from sayso.data.fit import names_of, read_names, refuse_unused
from sayso.data.reader import Dataset
from sayso.data.recognition import named
from sayso.data.statistics import Stats
from sayso.data.windows import Windows
from sayso.evaluation.action_error import MOST_WINDOWS, ActionError, action_error, spread_evenly
from sayso.evaluation.measure import EvalConfig
from sayso.evaluation.report import Training
from sayso.spec import FeatureMismatchError, Features, Policy, differences
from sayso.work.progress import tracked
from sayso.work.provenance import provenance, write_json


def evaluate_on_recordings(
    policy: Policy,
    features: Features,
    training: Training,
    config: EvalConfig,
    remarks: Callable[[Iterable[str]], Iterable[str]] = lambda _: (),
    as_one: Callable[[Policy, Features, int], tuple[Policy, Features]] = lambda policy, its, _: (policy, its),
) -> int:
    """Measure how far a policy is from what recordings show, print it and write it where asked.

    Args:
        policy: who acts.
        features: what it sees and returns.
        training: what it has learned from.
        config: names the recordings; what it says of worlds does not count.
        remarks: what a person should know of the instructions in them.
        as_one: returns a policy as that of one of the robots that it knows, and its features there.

    Returns:
        The exit code, 0.

    Raises:
        FeatureMismatchError: if the recordings are of another robot or other cameras.
    """
    measured_by, names = provenance(), read_names(config.rename)
    whole = [Dataset(root) for root in config.datasets]
    refuse_unused(names, {name for dataset in whole for name in names_of(dataset.features)})
    features = replace(
        features,
        renamed={**features.renamed, **names},
        robots=tuple(replace(r, renamed={**r.renamed, **names}) for r in features.robots),
    )
    acting = {k: (*as_one(policy, features, k), of) for k, of in _by_robot(whole, features).items()}
    of_robot = {k: [_unseen(dataset, its, training) for dataset in of] for k, (_, its, of) in acting.items()}
    parts = [part for some in of_robot.values() for part in some]
    for remark in remarks(dict.fromkeys(s for part in parts for e in part.episodes for s in e.tasks)):
        print(f"sayso: {remark}", file=sys.stderr)
    found = ActionError.of_all(
        {
            "+".join(part.root.resolve().name for part in some): _error(*acting[k][:2], some)
            for k, some in of_robot.items()
        }
    )
    episodes = {str(part.root): spans([e.index for e in part.episodes]) for part in parts}
    print(f"action error on {found.windows} windows of episodes {'; '.join(map(_said, parts))}:\n{found}")
    if config.out:
        facts = {"benchmark": "action error", **measured_by, "episodes": episodes}
        write_json(config.out, {**facts, **found.to_json()})
        print(f"report: {config.out}")
    return 0


def _by_robot(datasets: Sequence[Dataset], features: Features) -> dict[int, list[Dataset]]:
    """Return the datasets of each of the robots that a policy knows; a single one has them all."""
    found: dict[int, list[Dataset]] = {}
    for dataset in datasets:
        given = dataset.features
        number = named(features, names_of(given), given.fps) if features.robots else 0
        found.setdefault(number, []).append(dataset)
    return found


def _error(policy: Policy, features: Features, parts: Sequence[Dataset]) -> ActionError:
    windows = _windows(features, parts)
    stats: Mapping[str, Stats] | None = getattr(policy, "stats", None)
    numbers = spread_evenly(np.arange(len(windows)))
    return action_error(
        policy, windows, numbers, stats or None, lambda parts: tracked(parts, "measuring windows", size=len)
    )


def _unseen(dataset: Dataset, features: Features, training: Training) -> Dataset:
    """Return the part of a dataset that a policy has not learned from, seen through the cameras it has."""
    there = [episode.index for episode in dataset.episodes]
    unseen = training.unseen(dataset.hash, there)
    if not unseen:
        print(
            f"sayso: the policy has learned from all of {dataset.root}: this says how well it remembers, not "
            "how well it does in what it never saw",
            file=sys.stderr,
        )
    cameras = [
        name for name in dataset.features.cameras if features.renamed.get(name, name) in features.cameras
    ]
    return Excerpt(dataset, episodes=unseen or there, cameras=cameras)


def _windows(features: Features, parts: Sequence[Dataset]) -> Windows:
    """Return windows of which no more is decoded than is measured."""
    stride = max(1, sum(map(len, parts)) // MOST_WINDOWS)
    windows = Windows(parts, chunk=1, stride=stride, like=features)
    if unlike := differences(features, windows.features, "the policy", "the recording"):
        raise FeatureMismatchError(
            f"the policy cannot be measured on these recordings: {'; '.join(unlike)}. Say with --rename what "
            "they call the same things, if it is that"
        )
    return windows


def _said(part: Dataset) -> str:
    return f"{spans([e.index for e in part.episodes])} of {part.root}"
