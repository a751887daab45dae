"""Selection of demonstrations: which episodes and cameras are learned from, and which episodes are held out.

::

    50 episodes -- --episodes, --tasks --> 40 -- --heldout 0.1 --> 36 to learn from, 4 to measure on

Held-out episodes depend on the recording and the share alone, so that policies trained with other seeds are
measured on the same ones. Of each instruction about the same share is held out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from sayso.data.edit.config import known_numbers, read_episodes, read_part, spans
from sayso.data.excerpt import Excerpt
from sayso.data.fit import read_names
from sayso.data.format import REAL
from sayso.data.reader import Dataset, RecordedEpisode
from sayso.data.windows import Windows
from sayso.evaluation.report import Training, training_of
from sayso.learn.claim import Claim
from sayso.learn.config import NOTHING, TrainConfig
from sayso.spec import Features, SaysoError, known

USUAL_SHARE = 0.1
USUAL_CHUNK_S = 1.5
"""How far ahead a policy plans where people showed it: a hand moves slowly, and hesitates."""
ENOUGH = 10
"""Episodes from which on some are held out unless something else is said."""
_ORDER = 0x4E1D
"""Seed of the order in which episodes are held out."""


def chosen(config: TrainConfig) -> list[Dataset]:
    """Return what a config learns from: its datasets, or parts of them.

    Raises:
        SaysoError: if what is to be chosen is not there, or nothing is left of a dataset.
    """
    datasets = [Dataset(root) for root in config.datasets]
    for sentence in config.tasks:
        known("instruction", sentence, {task for dataset in datasets for task in dataset.tasks})
    names = read_names(config.rename)
    called = [{there: names.get(there, there) for there in dataset.features.cameras} for dataset in datasets]
    shown = {name for each in called for pair in each.items() for name in pair}
    for camera in config.cameras:
        known("camera", camera, shown)
    numbers = _numbers("episodes", config.episodes, datasets)
    found: list[Dataset] = []
    for dataset, cameras in zip(datasets, called, strict=True):
        episodes = [e.index for e in dataset.episodes if _is_chosen(e, config, numbers)]
        kept = [there for there, here in cameras.items() if {there, here} & {*config.cameras}]
        if len(episodes) == len(dataset.episodes) and not config.cameras:
            found.append(dataset)
        else:
            found.append(Excerpt(dataset, episodes=episodes, cameras=kept if config.cameras else None))
    return found


def held_out(config: TrainConfig, datasets: Sequence[Dataset]) -> list[frozenset[int]]:
    """Return which episodes of each dataset are held out; a run that is there goes on with those it has.

    Raises:
        SaysoError: if one is not there, or none would be left to learn from.
    """
    begun = Claim.held_out(config.out)
    if not config.heldout and begun is not None and len(begun) in (0, len(datasets)):
        return [read_episodes("heldout", text) for text in begun] or [frozenset()] * len(datasets)
    if config.heldout == NOTHING:
        return [frozenset()] * len(datasets)
    part = read_part("heldout", config.heldout)
    if not isinstance(part, float):
        part = _numbers("heldout", config.heldout, datasets)
    found = [_held_out(dataset, part) for dataset in datasets]
    for dataset, held in zip(datasets, found, strict=True):
        if len(held) >= len(dataset.episodes):
            raise SaysoError(
                f"--heldout {config.heldout} would hold out all {len(held)} episodes of {dataset.root} and "
                "leave none to learn from: give a smaller share, or none"
            )
    return found


def paced(config: TrainConfig, datasets: Sequence[Dataset], begins_as: Features | None) -> TrainConfig:
    """Return a config that says how far apart a chunk's actions are, and whether idle frames are skipped.

    Args:
        config: as it was typed, but resolved.
        datasets: what is learned from.
        begins_as: features of the policy to begin with, if it was trained for this robot and these cameras.
    """
    assert config.chunk, "a config that is not resolved"
    elsewhere = any(map(_made_elsewhere, datasets))
    frames = USUAL_CHUNK_S * datasets[0].features.fps
    usual: int | None = max(1, round(frames / config.chunk)) if elsewhere else 1
    if begins_as:  # of several robots each has its own
        usual = begins_as.spacing if not begins_as.robots else None
    idle = config.idle or ("skip" if elsewhere else "keep")
    return dataclasses.replace(config, spacing=config.spacing or usual, idle=idle)


def _made_elsewhere(dataset: Dataset) -> bool:
    """Tell whether a dataset was not recorded in one of our simulations."""
    return any(episode.seed is None or episode.family == REAL for episode in dataset.episodes)


def said(windows: Windows) -> list[str]:
    """Return the held-out episodes of each dataset as they are typed; nothing if there are none at all."""
    return [spans(held) for held in windows.heldout] if any(windows.heldout) else []


def remarks(config: TrainConfig, windows: Windows) -> Iterator[str]:
    """Say what was chosen without being typed, what is held out, and what would spoil it."""
    if windows.spacing > 1 and not config.spacing:
        seconds = windows.chunk * windows.spacing / windows.features.fps
        yield (
            f"the actions of a chunk are {windows.spacing} frames apart, so that it lasts {seconds:.1f} s; "
            "--spacing 1 takes those of every frame"
        )
    if windows.skip_idle and not config.idle:
        yield "what lies before an episode's first motion is not learned from; --idle keep learns from it"
    before = training_of(config.init) if config.init else Training()
    for dataset, held in zip(windows.datasets, windows.heldout, strict=True):
        if held:
            by_default = f"; --heldout {NOTHING} learns from all" if not config.heldout else ""
            yield (
                f"{dataset.root}: {len(held)} of {len(dataset.episodes)} episodes are held out to measure on "
                f"and not learned from (by number: {spans(held)}){by_default}"
            )
        if seen := held - before.unseen(dataset.whole.hash, held):
            yield (
                f"{config.init} has learned from episodes {spans(seen)} of these, so that the error there "
                "will look smaller than it is"
            )


def _is_chosen(episode: RecordedEpisode, config: TrainConfig, numbers: frozenset[int]) -> bool:
    if config.episodes and episode.index not in numbers:
        return False
    return not config.tasks or bool({*episode.tasks} & {*config.tasks})


def _numbers(name: str, text: str, datasets: Sequence[Dataset]) -> frozenset[int]:
    """Return episodes by number, of one dataset only: of several each has its own."""
    numbers = read_episodes(name, text)
    if numbers and len(datasets) > 1:
        raise SaysoError(
            f"--{name} {text} says nothing where several datasets are given, each of which numbers its own: "
            "write one of the episodes that you want first, with `sayso edit`"
        )
    return known_numbers(f"--{name}", numbers, {e.index for d in datasets for e in d.episodes})


def _held_out(dataset: Dataset, part: float | frozenset[int]) -> frozenset[int]:
    if isinstance(part, frozenset) and part:
        return part
    if not part and (not _made_elsewhere(dataset) or len(dataset.episodes) < ENOUGH):
        return frozenset()
    share = part or USUAL_SHARE
    assert isinstance(share, float)
    return frozenset(_in_turn(dataset.episodes)[: max(1, round(share * len(dataset.episodes)))])


def _in_turn(episodes: Sequence[RecordedEpisode]) -> list[int]:
    """Return the episodes in the order in which they are held out: all instructions come evenly."""
    rng = np.random.default_rng(_ORDER)
    places: list[tuple[float, float, int]] = []
    for _, group in groupby(sorted(episodes, key=_asks), key=_asks):
        members = [episode.index for episode in group]
        for place, index in enumerate(rng.permutation(members).tolist()):
            places.append(((place + 0.5) / len(members), float(rng.random()), index))
    return [index for _, _, index in sorted(places)]


def _asks(episode: RecordedEpisode) -> tuple[str, ...]:
    return episode.tasks
