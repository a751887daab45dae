"""Remedies: commands that mend what was found, ready to copy. Each writes a new dataset."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from sayso.data.checks.evidence import Evidence
from sayso.data.checks.finding import runs, written

EPISODES = "--drop-episodes"


class Edit(str):
    """Command that writes a mended copy, which can be joined with others.

    With words before it (``"or " + command``) it is a text like any other: then a person must choose.
    """

    flags: Mapping[str, tuple[str, ...]]
    """Each flag and its values; episodes one by one."""


def edit(e: Evidence, flag: str = "", *values: str) -> Edit:
    """Return the command that writes a changed copy of a dataset; without a flag, one in perfect order."""
    return _command(e, {flag: values} if flag else {})


def _command(e: Evidence, flags: Mapping[str, tuple[str, ...]]) -> Edit:
    root = e.root if e.root.name not in ("", "..") else e.root.resolve()
    words = ["sayso", "edit", str(root), "--out", str(root.with_name(f"{root.name}-mended"))]
    for flag, values in flags.items():
        words += [flag, *([written(runs(map(int, values)), ",")] if flag == EPISODES else values)]
    command = Edit(shlex.join(words))
    command.flags = flags
    return command


def together(e: Evidence, remedies: Iterable[str]) -> str:
    """Return the one command that does what several would; nothing if there are not several.

    Each alone writes a copy in which episodes have other numbers, so that the next would miss its own.
    """
    edits = {remedy: remedy.flags for remedy in remedies if isinstance(remedy, Edit)}
    flags: dict[str, tuple[str, ...]] = {}
    for flag, values in (pair for one in edits.values() for pair in one.items()):
        flags[flag] = tuple(dict.fromkeys((*flags.get(flag, ()), *values)))
    if "--fps" in flags:
        flags["--fps"] = (min(flags["--fps"], key=float),)
    everything = len(flags.get(EPISODES, ())) == len({span.index for span in e.episodes})
    return "" if len(edits) < 2 or everything else _command(e, flags)


def drop_episodes(e: Evidence, episodes: Iterable[int], camera: str = "") -> str:
    """Return the command that leaves episodes out; where none would be left, the camera, or no command."""
    dropped = set(episodes)
    if dropped < {span.index for span in e.episodes}:
        return edit(e, EPISODES, *map(str, sorted(dropped)))
    if camera and len(e.features.cameras) > 1:
        return drop_camera(e, camera)
    return "no episode would be left without: take the files from a whole copy, or record again"


def drop_dimensions(e: Evidence, *names: str) -> str:
    """Return the command that leaves numbers of state and action out."""
    return edit(e, "--drop-dimensions", *names)


def drop_camera(e: Evidence, camera: str) -> str:
    """Return the command that leaves a camera out."""
    return edit(e, "--drop-cameras", camera)


def relabel(e: Evidence, episodes: Iterable[int], old: str, new: str = "WHAT IS DONE") -> str:
    """Return the command that writes another sentence; for one that is hard to type, by its episodes."""
    plain = old == old.strip() and old.isprintable() and "=" not in old and len(old) <= 80
    which = old if plain and not old.startswith("#") else f"#{written(runs(episodes), ',')}"
    return edit(e, "--relabel", f"{which}={new}")
