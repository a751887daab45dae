"""Remember the episodes of an evaluation as they end, so that one that was stopped can be continued.

A journal is a file of JSON lines: the first says what was asked, each further one is an episode. It is
deleted when the report is whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sayso.spec import Episode, Outcome, SaysoError


class Journal:
    """Hold the episodes that are done, by family and seed, and write each new one down at once."""

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        """Open the journal in `path`, or begin it.

        Args:
            path: the file.
            asked: plain JSON that decides the episodes: policy, world, settings, code.

        Raises:
            SaysoError: if the file belongs to an evaluation that was asked for differently.
        """
        self.path = path
        self.done: dict[tuple[str, int], Episode] = {}
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asked) + "\n")
            return
        first, *lines = path.read_text().splitlines()
        _refuse_others(path, json.loads(first), asked)
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):  # a kill cut it short
                episode = from_json(json.loads(line))
                self.done[episode.family, episode.seed] = episode

    def enter(self, episode: Episode) -> None:
        """Write an episode down, unless it says nothing: what crashed is tried again."""
        if episode.outcome is not Outcome.INVALID:
            with self.path.open("a") as file:
                file.write(json.dumps(to_json(episode)) + "\n")

    def close(self) -> None:
        """Delete the file: everything in it stands in a report."""
        self.path.unlink(missing_ok=True)


def to_json(episode: Episode) -> dict[str, Any]:
    """Return an episode without its frames as plain lists and dicts."""
    raw = dataclasses.asdict(dataclasses.replace(episode, frames=[]))
    del raw["frames"]
    return raw


def from_json(raw: Mapping[str, Any]) -> Episode:
    """Read what `to_json` returned."""
    return Episode(**{**raw, "outcome": Outcome(raw["outcome"])})


def _refuse_others(path: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    differing = [f"{key}: {there.get(key)} there, {value} now" for key, value in asked.items()
                 if there.get(key) != value]  # fmt: skip
    if differing:
        raise SaysoError(
            f"{path} holds the episodes of another evaluation. Delete it to begin anew, or name another file "
            "for the report.\n  " + "\n  ".join(differing)
        )
