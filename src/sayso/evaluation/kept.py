"""Reports that were kept, read again: their episodes, what was asked, and by whom, each checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sayso.evaluation.journal import from_json
from sayso.evaluation.statistics import Tally, tally
from sayso.spec import Episode, Outcome, SaysoError
from sayso.spec.files import parsed

NAMED = ("policy", "weights", "world", "axis", "options", "execute", "swap", "recover")
"""What decides an episode besides its family and seed, in a report's ``config``."""
WORDINGS = {"wrong": "the sentence of another task is said", "blank": "nothing is said"}
"""Wordings of an episode that are probes of listening, and what they are called."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Report of an evaluation, as it lies on disk."""

    path: Path
    world: str
    families: tuple[str, ...]
    episodes: tuple[Episode, ...]
    config: Mapping[str, Any]
    raw: Mapping[str, Any]
    """All of it."""

    @property
    def policy(self) -> str:
        """Return what the policy was called; empty if the report does not say."""
        return str(self.config.get("policy", ""))

    @property
    def levels(self) -> Mapping[str, int]:
        """Return how far the world departed from training: axis -> level, without those at level 0."""
        found = dict(str(word).partition("=")[::2] for word in self.config.get("axis") or ())
        return {axis: int(level) for axis, level in found.items() if level.isdigit() and int(level)}

    @property
    def other_named(self) -> bool:
        """Tell whether another thing of the scene was named than the scene was made for."""
        return bool(self.config.get("swap") or dict(self.config.get("options") or {}).get("swap"))

    @property
    def probes(self) -> str:
        """Say which probe of listening this is: other words than the scene asks for; empty if it is none."""
        if self.other_named:
            return "another thing is named"
        if wording := WORDINGS.get(str(dict(self.config.get("options") or {}).get("wording"))):
            return wording
        said = {e.instruction.strip() for e in self.episodes if e.outcome is not Outcome.INVALID}
        return "nothing is said" if said == {""} else ""

    def of(self, families: Sequence[str] | None = None) -> Tally:
        """Count the episodes of some families; of all, if none are given."""
        return tally([e for e in self.episodes if families is None or e.family in families])


def read_report(path: Path) -> Kept:
    """Read what ``sayso eval --out`` wrote.

    Raises:
        SaysoError: if there is no such file, or it is no report of episodes.
    """
    raw = read_result(path)
    if not isinstance(raw.get("episodes"), list):
        raise SaysoError(
            f"{path} is no report of an evaluation in a world: it lists no episodes. `sayso eval CHECKPOINT "
            f"--world W --out {path.name}` writes one"
        )
    try:
        return Kept(
            path=path,
            world=str(raw["world"]),
            families=tuple(map(str, raw["families"])),
            episodes=tuple(from_json(episode) for episode in raw["episodes"]),
            config=dict(raw["config"]),
            raw=raw,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SaysoError(f"{path} is damaged ({type(error).__name__}: {error}): measure again") from error


def read_result(path: Path) -> dict[str, Any]:
    """Read a file of results.

    Raises:
        SaysoError: if there is none, or it holds no JSON object.
    """
    if not path.is_file():
        folder = path if path.is_dir() else path.parent
        there = sorted(file.name for file in folder.glob("*.json") if not file.name.startswith("."))
        near = there if path.is_dir() else difflib.get_close_matches(path.name, there)
        hint = f" Did you mean {folder / near[0]}?" if near else ""
        what = "is a folder" if path.is_dir() else "is not there"
        raise SaysoError(f"{path} {what}; name the JSON file of a report, as --out wrote it.{hint}")
    try:
        raw = parsed(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SaysoError(f"{path} is no JSON ({error}): name a report that --out wrote") from error
    if not isinstance(raw, dict):
        raise SaysoError(f"{path} holds {type(raw).__name__} and no report")
    return raw


def told_apart(one: Kept, other: Kept) -> list[str]:
    """Say in which settings two reports differ, such as ``policy: runs/a there, runs/b here``."""
    return [
        f"{name}: {one.config.get(name)} and {other.config.get(name)}"
        for name in NAMED
        if name != "weights" and one.config.get(name) != other.config.get(name)
    ]
