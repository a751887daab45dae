"""Selection of episodes: which are kept, what each is told, and the parts of a split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sayso.data.edit.config import (
    MARK,
    REST,
    EditConfig,
    known_numbers,
    read_episodes,
    read_pairs,
    read_split,
)
from sayso.data.edit.source import Episode, Source
from sayso.data.format import FormatError
from sayso.spec import ConfigError, SaysoError, known


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Episode that is kept, and what its frames are told in the new recording."""

    source: int
    """Which of the recordings it comes from."""
    episode: Episode
    told: Mapping[int, str]
    """Index of an instruction in that recording -> its text in the new one."""


def chosen(sources: Sequence[Source], config: EditConfig) -> list[Kept]:
    """Return the episodes to keep, in their order.

    Raises:
        ConfigError: if an episode is named that is not there, or none is left.
        UnknownNameError: if an instruction is named that is not there.
        FormatError: if a frame that is kept has no instruction.
    """
    _check_sentences(sources, config)
    by_number = {
        name: _numbers(sources, name, read_episodes(name, getattr(config, name)))
        for name in ("episodes", "drop_episodes")
    }
    kept = []
    for number, source in enumerate(sources):
        for episode in source.episodes:
            said = {source.tasks.get(index, "").strip() for index in episode.tasks}
            if config.episodes and episode.index not in by_number["episodes"]:
                continue
            if episode.index in by_number["drop_episodes"] or said & {*config.drop_tasks}:
                continue
            if config.tasks and not said & {*config.tasks}:
                continue
            source.check(episode)
            told = _told(source, episode, config)
            kept.append(Kept(source=number, episode=episode, told=told))
    if not kept:
        raise ConfigError("no episode would be left: nothing is written")
    return kept


def divided(kept: Sequence[Kept], config: EditConfig) -> dict[str, list[Kept]]:
    """Return the parts of a split by their names; one without a name where none is asked for.

    Raises:
        ConfigError: if a part, or the rest, would hold nothing.
    """
    parts = read_split(config.split)
    if not parts:
        return {"": list(kept)}
    there = {one.episode.index for one in kept}
    owner: dict[int, str] = {}
    for name, part in parts.items():
        if isinstance(part, float):
            continue
        for index in known_numbers("split", part, there):
            if index in owner:
                raise ConfigError(f"split has episode {index} in both {owner[index]!r} and {name!r}")
            owner[index] = name
    # Episodes go by number only where there is one recording; else by their place among those that are kept.
    places = {
        k: owner[one.episode.index] for k, one in enumerate(kept) if owner and one.episode.index in owner
    }
    left = [k for k in range(len(kept)) if k not in places]
    drawn = np.random.default_rng(config.seed).permutation(left).tolist()
    for name, part in parts.items():
        if isinstance(part, float):
            n = max(1, round(part * len(kept)))
            places |= dict.fromkeys(drawn[:n], name)
            drawn = drawn[n:]
    found = {
        name: [one for k, one in enumerate(kept) if places.get(k, REST) == name] for name in (REST, *parts)
    }
    for name, members in found.items():
        if not members:
            raise ConfigError(f"no episode would be left for {name!r}: there are {len(kept)} to divide")
    return found


def numbered(kept: Iterable[Kept]) -> dict[str, int]:
    """Return the number of each instruction in the new recording: in the order that they had."""
    said = sorted(
        ((one.source, index, place), text)
        for place, one in enumerate(kept)
        for index, text in one.told.items()
    )
    return {text: number for number, text in enumerate(dict.fromkeys(text for _, text in said))}


def _numbers(sources: Sequence[Source], name: str, numbers: frozenset[int]) -> frozenset[int]:
    return known_numbers(name, numbers, {e.index for source in sources for e in source.episodes})


def _check_sentences(sources: Sequence[Source], config: EditConfig) -> None:
    there = {text.strip() for source in sources for text in source.tasks.values()}
    for text in (*config.tasks, *config.drop_tasks):
        known("instruction", text, there)
    for old in read_pairs("relabel", config.relabel):
        if old.startswith(MARK):
            _numbers(sources, "relabel", read_episodes("relabel", old.removeprefix(MARK)))
        elif old:
            known("instruction", old, there)


def _told(source: Source, episode: Episode, config: EditConfig) -> dict[int, str]:
    """Return the text of each instruction of an episode, anew where that is asked for."""
    pairs = read_pairs("relabel", config.relabel)
    always = {
        index: new
        for old, new in pairs.items()
        if old.startswith(MARK)
        for index in read_episodes("relabel", old.removeprefix(MARK))
    }
    told = {}
    for index in (*episode.tasks, *episode.other_tasks):
        text = source.tasks.get(index, "").strip()
        told[index] = pairs.get(text, text)
        if index in episode.tasks and episode.index in always:
            told[index] = always[episode.index]
        if not told[index]:
            raise FormatError(
                f"{source.where(episode)}: task_index {index} has no instruction. Give it one (--relabel "
                f'"{MARK}{episode.index}=TEXT", or "=TEXT" for all such), or leave the episode out '
                f"(--drop-episodes {episode.index})"
            )
    return told


def refuse_numbers(sources: Sequence[Source], config: EditConfig) -> None:
    """Refuse episodes by number where several recordings each have their own.

    Raises:
        SaysoError: if there are several.
    """
    if len(sources) > 1 and config.counts_episodes:
        raise SaysoError(
            "episodes by number say nothing where several datasets are given, each of which has its own: "
            "edit each of them first, then put the new ones together"
        )
