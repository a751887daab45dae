"""Give shipped policies reference pictures of their worlds, and the price of a camera that has moved.

    python scripts/views.py tabletop home
    python scripts/views.py --costs-only tabletop home metaworld

Pictures are of training scenes, with all cameras in their places. What a moved camera costs is success at the
levels of the axis `camera` in benchmarks/results/generalisation.json, where it was measured.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")

import tyro

from sayso.data.views import Costs, Views
from sayso.data.views_files import read_views, write_views
from sayso.evaluation.report import training_of
from sayso.learn.views import of_world
from sayso.models.checkpoint import digested, load
from sayso.spec import SaysoError, known
from sayso.spec.files import VIEWS_PICTURES
from sayso.tasks.worlds import WORLDS
from sayso.work.digests import write_digests

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "benchmarks" / "results" / "generalisation.json"


@dataclass(frozen=True, kw_only=True)
class Add:
    """Say whose reference pictures are to be made."""

    worlds: tyro.conf.Positional[tuple[str, ...]]
    """Worlds, and names of their policies in checkpoints/."""
    costs_only: bool = False
    """Keep the pictures, and write down anew what a moved camera costs."""


def costs(world: str, shown: float) -> Costs | None:
    """Return success at those levels of the axis `camera` that were measured; None where none was."""
    if not MEASURED.exists():
        return None
    found = json.loads(MEASURED.read_text(encoding="utf-8"))
    names = {0: f"undisturbed_{world}"} | {level: f"camera_{level}_{world}" for level in range(1, 6)}
    success = {level: found["metrics"][name] for level, name in names.items() if name in found["metrics"]}
    if 0 not in success or len(success) == 1:
        return None
    return Costs(
        success=tuple(success.items()),
        of=f"{world}, {found['date'][:10]}, commit {found['commit'][:12]}",
        shown=int(shown),
    )


def made(world: str, folder: Path, config: Add) -> Views:
    """Return the reference pictures of a world's policy."""
    policy = load(folder)
    if config.costs_only:
        return policy.views
    return of_world(WORLDS.ready(world), policy.features)


def add(world: str, config: Add) -> Path:
    """Write reference pictures into the folder of a world's policy, and its digests anew; return it."""
    folder = ROOT / "checkpoints" / known("world", world, WORLDS)
    views = replace(
        made(world, folder, config), costs=costs(world, training_of(folder).within.get("camera", (0, 0))[1])
    )
    pictures = (folder / VIEWS_PICTURES).read_bytes() if config.costs_only else None
    write_views(views, folder)
    if pictures:  # as they were: written again they would lose a little each time
        (folder / VIEWS_PICTURES).write_bytes(pictures)
    write_digests(folder, digested(folder))
    read_views(folder)
    return folder


def main(config: Add) -> None:
    """Write them, and say how large they are."""
    for world in config.worlds:
        folder = add(world, config)
        views = read_views(folder)
        size_kb = sum((folder / name).stat().st_size for name in ("views.json", "views.jpg")) / 1000
        told = ", ".join(
            f"{camera} {view.usual.off:.3f} usual, {view.per_level:.3f} a level"
            for camera, view in views.cameras.items()
        )
        known_too = "known" if views.costs else "not known"
        print(f"{folder.relative_to(ROOT)}: {size_kb:.0f} kB; {told}; what it costs is {known_too}")


if __name__ == "__main__":
    try:
        main(tyro.cli(Add, description=__doc__))
    except SaysoError as error:
        sys.exit(f"views.py: {error}")
