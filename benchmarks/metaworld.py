"""Measure a policy on Meta-World's fifty tasks; `mt50_table` is how.

    python benchmarks/metaworld.py --checkpoint checkpoints/metaworld [--improved FOLDER]

This script is called like the package that it measures with, and lies in the first folder where Python looks
for that. So whoever imports it gets the package.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

if __name__ == "metaworld":
    _here = Path(__file__).resolve().parent
    _elsewhere = [path for path in sys.path if Path(path).resolve() != _here]
    _spec = importlib.machinery.PathFinder.find_spec(__name__, _elsewhere)
    if _spec is None or _spec.loader is None:
        raise ModuleNotFoundError(f"No module named {__name__!r}", name=__name__)
    sys.modules[__name__] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[__name__])

if __name__ == "__main__":
    import tyro

    from mt50_table import Table, main

    main(tyro.cli(Table, description=__doc__))
