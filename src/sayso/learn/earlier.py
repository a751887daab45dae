"""Search for the demonstrations that a policy learned from, which its folder names by what they hold.

A checkpoint knows its datasets by digest and not by place, since it travels without them. Where they were,
the run beside it says, and the command that made it; only a folder that still holds the same is taken.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sayso.data.reader import Dataset
from sayso.learn.claim import RUN, TYPED
from sayso.spec import SaysoError
from sayso.spec.files import parsed
from sayso.work.provenance import training_facts

BEFORE = "before "
"""What the names of datasets begin with that only an earlier training learned from."""
IMPROVED = "improve.json"
"""What ``sayso improve`` writes into its folder."""
DATASETS = "datasets"


def demonstrations_of(policy: Path) -> tuple[Path, ...]:
    """Return the datasets that a policy was last trained on, where its run or its command says they are.

    Raises:
        SaysoError: if it does not say what it learned from, or one of them is no longer there.
    """
    facts = training_facts(policy)
    told = dict(facts.get(DATASETS) or {})
    named = {name: str(digest) for name, digest in told.items() if not name.startswith(BEFORE)}
    if not named:
        raise SaysoError(
            f"{policy} does not say what it learned from: give --datasets, the folders of demonstrations to "
            "keep beside the new experience"
        )
    there: dict[str, Path] = {}
    for folder in dict.fromkeys(_places(policy, facts)):
        if set(named.values()) <= set(there):
            break
        with contextlib.suppress(SaysoError, OSError):
            there.setdefault(Dataset(folder).hash, folder)
    if lost := [name.partition("-")[2] or name for name, digest in named.items() if digest not in there]:
        raise SaysoError(
            f"{policy} learned from {', '.join(lost)}, and no such recording is where it was: give "
            "--datasets, the folders of the demonstrations to keep beside the new experience"
        )
    return tuple(there[digest] for digest in named.values())


def _places(policy: Path, facts: Mapping[str, Any]) -> Iterator[Path]:
    """Yield folders in which datasets of a policy may be."""
    run = policy.resolve().parent
    said = [*_said_in(run / RUN), *_said_in(run / IMPROVED), *_typed(str(facts.get("command", "")))]
    for each in run.glob(f"round_*/training/{RUN}"):
        said += _said_in(each)
    bases = (Path.cwd(), run, *list(run.parents)[:3])
    yield from (base / where for where in said for base in bases if (base / where).is_dir())


def _said_in(path: Path) -> list[str]:
    """Return the datasets that a run's file names; none if it cannot be read."""
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        found = parsed(path.read_bytes())
        return list(map(str, found.get(TYPED, found).get(DATASETS) or ()))
    return []


def _typed(command: str) -> list[str]:
    """Return the words behind ``--datasets`` in a command line."""
    with contextlib.suppress(ValueError):
        words = shlex.split(command)
        behind = words[words.index("--datasets") + 1 :] if "--datasets" in words else []
        stop = next((k for k, word in enumerate(behind) if word.startswith("--")), len(behind))
        return behind[:stop]
    return []
