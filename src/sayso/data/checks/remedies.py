"""Remedies: commands that mend what was found, ready to copy. Each writes a new dataset."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from sayso.data.checks.evidence import Evidence
from sayso.data.checks.finding import runs, written


def edit(e: Evidence, *flags: str) -> str:
    """Return the command that writes a changed copy of a dataset; without flags, one in perfect order."""
    given, out = str(e.root), str(e.root.with_name(f"{e.root.name}-mended"))
    return shlex.join(["sayso", "edit", given, "--out", out, *flags])


def drop_episodes(e: Evidence, episodes: Iterable[int], camera: str = "") -> str:
    """Return the command that leaves episodes out; where none would be left, the camera, or no command."""
    dropped = set(episodes)
    if dropped < {span.index for span in e.episodes}:
        return edit(e, "--drop-episodes", written(runs(dropped), ","))
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
