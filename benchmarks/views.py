"""Measure how well a moved camera is noticed, and by how much it is said to have moved (docs/runtime.md).

    python benchmarks/views.py --worlds tabletop home metaworld --scenes 30

Reference pictures are those of the shipped policies, scenes those of the test split. Each is entered with its
cameras in their places and moved by levels of the axis ``camera``, and undisturbed again with other light,
other paint, and the arm elsewhere. Where the camera really is, the simulation knows: points that it sees are
carried over into the moved picture, and how far they went is the truth.

``alarm_<camera>_<world>`` is the share of scenes with cameras in their places in which one is called moved,
``alarm_<axis>_...`` the same along another axis at level 3. ``found_<level>_<camera>_<world>`` is the share
that is noticed, ``told_<level>_...`` that in which a place is told. For these, in per cent of the width:
``went_<level>_...`` is how far points went, ``error_<level>_...`` how far from there they are said to be,
medians.
Meta-World's second picture is cut out of its first, so no truth of its own is known.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import tyro
from numpy.typing import NDArray

from mt50_table import flat
from results_file import ROOT, write_result
from sayso.data.registration import Placement
from sayso.data.views import Found
from sayso.data.views_files import read_views
from sayso.evaluation.statistics import Interval, wilson
from sayso.geometry import project
from sayso.sim.physics import Eye, Physics
from sayso.spec import STATE, SaysoError, image_key, seeds
from sayso.tasks.axes import departures, options_of
from sayso.tasks.contract import Drawn, World
from sayso.tasks.worlds import WORLDS

LEVELS = (0, 1, 3, 5)
OTHERS = ("light", "background", "start")
"""Axes along which an undisturbed camera must not be called moved, at level 3."""
POINTS = 9
"""Points along each side of a picture that are followed."""
Points = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What to measure."""

    worlds: tuple[str, ...] = ("tabletop", "home")
    """In which worlds."""
    scenes: int = 30
    """Scenes of each."""
    start: int = 2000
    """Number of seeds of the test split to skip."""
    policies: Path = ROOT / "checkpoints"
    """Folder with a policy per world."""
    parts: Path = ROOT / "runs" / "views"
    """Folder of what was found in each world, which is not repeated where it is there."""


def main(config: Measured) -> None:
    """Run what is missing, print the numbers and write ``views.json``."""
    rows = [row for world in config.worlds for row in kept(config, world)]
    metrics = summary(rows)
    for name, value in metrics.items():
        if "/" not in name:
            print(f"{name:40} {value:9.3f}")
    told = {
        "scenes": config.scenes,
        "start": config.start,
        "worlds": list(config.worlds),
        "levels": list(LEVELS),
    }
    block = seeds("test", config.scenes, config.start)
    print("wrote", write_result("views", metrics, seeds=block, n=config.scenes, config=told))


def kept(config: Measured, world: str) -> list[dict[str, Any]]:
    """Return what was found in a world, which is measured unless it is there."""
    path = config.parts / f"{world}_{config.start}_{config.scenes}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(list(found(config, world))) + "\n", encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def found(config: Measured, world: str) -> Iterator[dict[str, Any]]:
    """Yield what became of each camera in each scene, under each circumstance."""
    entry = WORLDS.ready(world)
    views = read_views(config.policies / Path(entry.checkpoint).name)
    if not views:
        raise SaysoError(f"the policy of {world} has no reference pictures: scripts/views.py makes them")
    circumstances = [f"camera={level}" for level in LEVELS] + [f"{name}=3" for name in OTHERS]
    place = entry.make()
    for number, seed in enumerate(seeds("test", config.scenes, config.start)):
        print(f"{world}: scene {number}", flush=True)
        before: Mapping[str, tuple[Points, Points]] = {}
        for circumstance in circumstances:
            options = options_of(departures(entry.axes, [circumstance]))
            family = place.families[seed % len(place.families)]
            seen, _ = place.reset(seed=seed, options={"family": family, **options})
            physics = physics_of(place)
            before = before or {camera: followed(physics, eye) for camera, eye in physics.eyes.items()}
            for camera, view in views.cameras.items():
                one = view.compared(seen[image_key(camera)], seen[STATE])
                row = {"world": world, "camera": camera, "seed": seed, "circumstance": circumstance}
                row |= {"moved": one.moved, "noticed": not one.familiar, "told": one.alike}
                if camera in before and circumstance.startswith("camera"):
                    row |= truth(one, before[camera], physics, physics.eyes[camera], view.pictures.shape[1:3])
                yield row
    place.close()


def physics_of(world: World) -> Physics:
    """Return the physics of a world of ours."""
    assert isinstance(world, Drawn)
    return world.physics()


def followed(physics: Physics, eye: Eye) -> tuple[Points, Points]:
    """Return where points that a camera sees are, metres ``[N, 3]``, and where in its picture, ``[N, 2]``."""
    model, data = physics.model, physics.data
    camera = model.camera(eye.name).id
    origin, rotation = data.cam_xpos[camera].copy(), data.cam_xmat[camera].reshape(3, 3).copy()
    half = np.tan(np.radians(model.cam_fovy[camera]) / 2)
    points, hit = [], np.zeros(1, np.int32)
    for v in (np.arange(POINTS) + 0.5) / POINTS:
        for u in (np.arange(POINTS) + 0.5) / POINTS:
            ray = rotation @ np.array([(2 * u - 1) * half * eye.aspect, (1 - 2 * v) * half, -1.0])
            away = mujoco.mj_ray(model, data, origin, ray, None, 1, -1, hit)
            if away > 0:
                points.append(origin + away * ray)
    return np.array(points), seen_at(np.array(points), physics, eye)


def seen_at(points_m: Points, physics: Physics, eye: Eye) -> Points:
    """Return where points appear in a camera's picture now, right and down from its middle, ``[N, 2]``.

    In shares of the width; NaN for what is behind it.
    """
    model, data = physics.model, physics.data
    camera = model.camera(eye.name).id
    rotation, fovy = data.cam_xmat[camera].reshape(3, 3), np.radians(model.cam_fovy[camera])
    ahead = (points_m - data.cam_xpos[camera]) @ rotation
    uv = [project(p, data.cam_xpos[camera], rotation, float(fovy), eye.aspect)[:2] for p in points_m]
    at = (np.array(uv) - 0.5) * (1, 1 / eye.aspect) * (-1 if eye.turned else 1)
    return np.where(ahead[:, 2:] < -1e-6, at, np.nan)


def truth(
    one: Found, before: tuple[Points, Points], physics: Physics, eye: Eye, shape: tuple[int, int]
) -> dict[str, float]:
    """Return how far the points went, and how far from there the estimate says they are: means, in shares."""
    points_m, at = before
    now, said = seen_at(points_m, physics, eye), carried(at, one.placement)
    there = np.isfinite(now).all(1) & (np.abs(now) < (0.5, 0.5 * shape[0] / shape[1])).all(1)
    if not there.any():
        return {}
    went, off = np.linalg.norm((now - at)[there], axis=1), np.linalg.norm((now - said)[there], axis=1)
    return {"went": float(went.mean()), "off": float(off.mean())}


def carried(at: Points, placement: Placement) -> Points:
    """Return where a placement carries points of a picture, ``[N, 2]``."""
    cos, sin = np.cos(placement.turned_rad), np.sin(placement.turned_rad)
    turned = at @ np.array([[cos, sin], [-sin, cos]])
    return placement.larger * turned + (placement.right, placement.down)


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return every metric."""
    metrics: dict[str, float] = {}
    for world, camera in dict.fromkeys((row["world"], row["camera"]) for row in rows):
        mine = [row for row in rows if (row["world"], row["camera"]) == (world, camera)]
        whose = f"{camera}_{world}"
        metrics |= flat(f"alarm_{whose}", noticed(mine, "camera=0"))
        for name in OTHERS:
            metrics |= flat(f"alarm_{name}_{whose}", noticed(mine, f"{name}=3"))
        for level in LEVELS[1:]:
            there = [row for row in mine if row["circumstance"] == f"camera={level}"]
            metrics |= flat(f"found_{level}_{whose}", noticed(mine, f"camera={level}"))
            metrics[f"told_{level}_{whose}"] = float(np.mean([row["told"] for row in there]))
            known = [row for row in there if row["told"] and "off" in row]
            if known:
                metrics[f"went_{level}_{whose}"] = 100 * float(np.median([row["went"] for row in known]))
                metrics[f"error_{level}_{whose}"] = 100 * float(np.median([row["off"] for row in known]))
    return metrics


def noticed(rows: list[dict[str, Any]], circumstance: str) -> Interval:
    """Return the share in which a camera was called moved under a circumstance, with its interval."""
    chosen = [row["noticed"] for row in rows if row["circumstance"] == circumstance]
    return wilson(sum(chosen), len(chosen))


if __name__ == "__main__":
    main(tyro.cli(Measured, description=__doc__))
