"""Policies that ship with sayso: ``checkpoints/home`` names one from any folder, installed or in a clone."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_NEAR = (_PACKAGE, _PACKAGE.parents[1])
"""What holds the folder ``checkpoints``: the installed package, or the clone that it runs from."""


def shipped(folder: str | Path) -> Path:
    """Return a folder as it is named, or the policy that ships under that name if there is no such folder."""
    named = Path(folder)
    if named.parent == Path("checkpoints") and not named.exists():
        return next((near / named for near in _NEAR if (near / named).is_dir()), named)
    return named
