"""Cache folder for what can be made again at any time: thinned meshes, decoded frames."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return ``$SAYSO_CACHE``, ``$XDG_CACHE_HOME/sayso`` or ``~/.cache/sayso``, the first that is set."""
    if own := os.environ.get("SAYSO_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sayso"
