"""Ledger of an evaluation: its episodes as they end, so that one that was stopped can be continued.

A journal is a file of JSON lines: the first says what was asked and who measures, each further one is an
episode, and each carries a check of its own bytes. It is deleted when the report is whole::

    {"check": "5f2c11a0", "evaluation": {"asked": ..., "provenance": ...}}
    {"check": "0b77e2d4", "episode": ...}
    {"check": "91c0", "epis                                         <- a kill: cut off when it is opened again
"""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sayso.refusals import naming
from sayso.spec import CHOSEN_OBJECT, Episode, Outcome, SaysoError


class Journal:
    """Journal of the episodes that are done, by family and seed; each new one is written down at once."""

    def __init__(self, path: Path, asked: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Open the journal in `path`, or begin it.

        Args:
            path: the file.
            asked: plain JSON that decides the episodes: policy, world, settings, code.
            provenance: of this process; of a journal that is continued, `provenance` is that of its begin.

        Raises:
            SaysoError: if the file belongs to an evaluation that was asked for differently.
        """
        self.path = path
        self.done: dict[tuple[str, int], Episode] = {}
        self.provenance = dict(provenance)
        self.damage = ""
        """What could not be read, in a sentence; empty if nothing was damaged."""
        self._asked = json.loads(json.dumps(asked))
        first, *lines = _whole_lines(path) or [b""]
        begun = _read(first, "evaluation")
        if begun is None:
            self._begin()
            return
        _refuse_others(path, begun["asked"], self._asked)
        self.provenance = begun["provenance"]
        episodes = [_episode(line) for line in lines]
        self.done = {(e.family, e.seed): e for e in episodes if e is not None}
        if bad := sum(e is None for e in episodes):
            self.damage = f"{path}: {bad} of {len(episodes)} lines are damaged; their episodes are run again"

    def enter(self, episode: Episode) -> None:
        """Write an episode down, unless it says nothing: what crashed is tried again."""
        if episode.outcome is not Outcome.INVALID:
            with naming(self.path), self.path.open("a") as file:
                file.write(_line("episode", to_json(episode)))

    def close(self) -> None:
        """Delete the file: everything in it stands in a report."""
        self.path.unlink(missing_ok=True)

    def _begin(self) -> None:
        """Write the first line, whole or not at all; what is there and cannot be read is kept beside it."""
        if self.path.exists() and self.path.stat().st_size:
            kept = self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))
            self.damage = f"{self.path} could not be read and is now {kept}; the evaluation begins anew"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.partial")
        with naming(self.path):
            partial.write_text(_line("evaluation", {"asked": self._asked, "provenance": self.provenance}))
            partial.replace(self.path)


def to_json(episode: Episode) -> dict[str, Any]:
    """Return an episode without its frames as plain lists and dicts."""
    raw = dataclasses.asdict(dataclasses.replace(episode, frames=[]))
    del raw["frames"]
    return raw


def from_json(raw: Mapping[str, Any]) -> Episode:
    """Read what `to_json` returned; it once called the chosen object ``went_for``."""
    notes = {CHOSEN_OBJECT if name == "went_for" else name: note for name, note in raw["notes"].items()}
    return Episode(**{**raw, "outcome": Outcome(raw["outcome"]), "notes": notes})


def _whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file, and cut off a last one that has no end: the next would be glued to it."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole and len(whole) < len(content):
        os.truncate(path, len(whole))
    return whole.splitlines()


def _line(kind: str, facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts)
    return f'{{"check": "{_check(text)}", "{kind}": {text}}}\n'


def _read(line: bytes, kind: str) -> dict[str, Any] | None:
    """Return what `_line` wrote, or None if a byte of it is another."""
    try:
        raw = json.loads(line)
        facts = dict(raw[kind])
        return facts if raw["check"] == _check(json.dumps(facts)) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _episode(line: bytes) -> Episode | None:
    raw = _read(line, "episode")
    return None if raw is None else from_json(raw)


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _refuse_others(path: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    differing = [f"{key}: {there.get(key)} there, {value} now" for key, value in asked.items()
                 if there.get(key) != value]  # fmt: skip
    if differing:
        raise SaysoError(
            f"{path} holds the episodes of another evaluation ({'; '.join(differing)}). Delete it to begin "
            "anew, or name another file for the report with --out"
        )
