"""Remedies: commands that mend what was found, ready to copy. Each writes a new dataset."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from sayso.data.checks.finding import runs, written


def edit(root: Path, *flags: str) -> str:
    """Return the command that writes a changed copy of a dataset; without flags, one in perfect order."""
    given, out = str(root), str(root.with_name(f"{root.name}-mended"))
    return shlex.join(["sayso", "edit", given, "--out", out, *flags])


def drop_episodes(root: Path, episodes: Iterable[int]) -> str:
    """Return the command that leaves episodes out."""
    return edit(root, "--drop-episodes", written(runs(episodes), ","))


def drop_dimensions(root: Path, *names: str) -> str:
    """Return the command that leaves numbers of state and action out."""
    return edit(root, "--drop-dimensions", *names)


def drop_camera(root: Path, camera: str) -> str:
    """Return the command that leaves a camera out."""
    return edit(root, "--drop-cameras", camera)


def relabel(root: Path, episodes: Iterable[int], old: str, new: str = "WHAT IS DONE") -> str:
    """Return the command that writes another sentence; for one that is hard to type, by its episodes."""
    plain = old == old.strip() and old.isprintable() and "=" not in old and len(old) <= 80
    which = old if plain and not old.startswith("#") else f"#{written(runs(episodes), ',')}"
    return edit(root, "--relabel", f"{which}={new}")
