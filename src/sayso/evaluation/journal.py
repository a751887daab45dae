"""Journal of an evaluation: its episodes as they end, so that one that was stopped can be continued.

The first line of the file says what was asked and who measures, each further one is an episode. It is deleted
when the report is whole::

    {"check": "5f2c11a0", "evaluation": {"asked": ..., "provenance": ...}}
    {"check": "0b77e2d4", "episode": ...}
    {"check": "91c0", "epis                                         <- a kill: cut off when it is opened again
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sayso.spec import CHOSEN_OBJECT, Episode, Outcome, SaysoError
from sayso.work.ledger import Ledger, Row

EVALUATION, EPISODE = "evaluation", "episode"


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
        begun: list[Row] = []

        def read(row: Row) -> bool:
            if EPISODE in row:
                episode = from_json(row[EPISODE])
                self.done[episode.family, episode.seed] = episode
            else:
                begun.append({name: row[EVALUATION][name] for name in ("asked", "provenance")})
            return True

        self._ledger = Ledger(path, read)
        lost = "Its episodes are run again" if begun else "The evaluation begins anew"
        self.damage = self._ledger.damage and f"{self._ledger.damage}. {lost}"
        """What could not be read, in a sentence; empty if nothing was damaged."""
        asked = json.loads(json.dumps(asked))
        if begun:
            _refuse_others(path, begun[0]["asked"], asked)
            self.provenance = begun[0]["provenance"]
        else:  # without its first line nobody knows whose episodes these are
            self.done.clear()
            path.unlink(missing_ok=True)
            self._ledger.append({EVALUATION: {"asked": asked, "provenance": self.provenance}})

    def enter(self, episode: Episode) -> None:
        """Write an episode down, unless it says nothing: what crashed is tried again."""
        if episode.outcome is not Outcome.INVALID:
            self._ledger.append({EPISODE: to_json(episode)})

    def close(self) -> None:
        """Delete the file: everything in it stands in a report."""
        self.path.unlink(missing_ok=True)


def to_json(episode: Episode) -> dict[str, Any]:
    """Return an episode without its frames as plain lists and dicts."""
    raw = dataclasses.asdict(dataclasses.replace(episode, frames=[]))
    del raw["frames"]
    return raw


def from_json(raw: Mapping[str, Any]) -> Episode:
    """Read what `to_json` returned; it once called the chosen object ``went_for``."""
    notes = {CHOSEN_OBJECT if name == "went_for" else name: note for name, note in raw["notes"].items()}
    return Episode(**{**raw, "outcome": Outcome(raw["outcome"]), "notes": notes})


def _refuse_others(path: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    differing = [f"{key}: {there.get(key)} there, {value} now" for key, value in asked.items()
                 if there.get(key) != value]  # fmt: skip
    if differing:
        raise SaysoError(
            f"{path} holds the episodes of another evaluation ({'; '.join(differing)}). Delete it to begin "
            "anew, or name another file for the report with --out"
        )
