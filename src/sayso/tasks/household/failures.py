"""Failure analysis, in words: where the thing lies, what was taken, how much is missing.

Conditions name what must hold ("object_in_place"); a person wants to hear what happened ("it fell off the
table"). Both look at the same simulation, so they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sayso.geometry import wrap_angle
from sayso.sim.scene import TABLE_HEIGHT_M
from sayso.sim.simulation import Simulation, Vector
from sayso.tasks.household.stations import station_of
from sayso.tasks.household.success import AHEAD_RAD, DRAWER_SHUT_M, LIFTED_M, NEAR_M
from sayso.tasks.household.task import HouseholdTask
from sayso.tasks.household.words.kinds import KINDS

MOVED_M = 0.02
"""From how far on a thing was moved."""
BELOW_M = 0.03
"""How far below the top of the table a thing is no longer on it."""
BESIDE_M = 0.10
"""Up to which gap a thing lies beside a place."""
FLAT = ("mat", "plate")
"""Kinds of place that have nothing to be in."""


def why_not(task: HouseholdTask, simulation: Simulation, began: Mapping[str, Vector], taken: str) -> str:
    """Return what is missing for success, such as ``it fell off the table``; empty if nothing is.

    Args:
        task: what was asked.
        simulation: as it is now.
        began: where every movable thing was when it was asked, [3] each.
        taken: the first thing that was grasped or, where things are pushed, moved; empty if none was.
    """
    conditions = task.conditions(simulation)
    missing = [name for name, held in conditions.items() if not held]
    if not missing:
        return ""
    if "near_place" in conditions:
        return _not_there(task, simulation)
    if not task.object_name:
        return _drawer(task, simulation, missing)
    if task.placed(simulation):
        return _not_left(task, missing)
    return _not_placed(task, simulation, began, taken)


def _not_there(task: HouseholdTask, simulation: Simulation) -> str:
    dx, dy, turn = station_of(task.place_name) - simulation.base_pose
    place, off_m, turned = f"the {task.intent.place.name}", math.hypot(dx, dy), abs(wrap_angle(turn))
    if off_m >= NEAR_M:
        return f"the robot is {_length(off_m)} from where it should stand at {place}"
    if turned >= AHEAD_RAD:
        return f"the robot is at {place}, but turned by {math.degrees(turned):.0f} degrees"
    return f"the robot is at {place}, but has not stopped"


def _drawer(task: HouseholdTask, simulation: Simulation, missing: list[str]) -> str:
    open_m = simulation.drawer_m
    if "drawer_open" in missing:
        shut = open_m <= DRAWER_SHUT_M
        return "the drawer is still shut" if shut else f"the drawer is open by {_length(open_m)} only"
    if "drawer_closed" in missing:
        return f"the drawer is still open by {_length(open_m)}"
    rest = "the hand still touches it" if "gripper_released" in missing else "it still moves"
    return f"the drawer is {'open' if task.row.opens else 'closed'}, but {rest}"


def _not_left(task: HouseholdTask, missing: list[str]) -> str:
    """Say why a thing that is where it should be does not count yet."""
    if "never_lifted" in missing:
        return "it was lifted there, and should have been pushed"
    rest = "the hand still touches it" if "gripper_released" in missing else "it still moves"
    return f"it is {_preposition(task)} {_place(task)}, but {rest}"


def _not_placed(task: HouseholdTask, simulation: Simulation, began: Mapping[str, Vector], taken: str) -> str:
    name, pushing = task.object_name, task.row.pushed
    now, lifted = simulation.position(name), simulation.highest(name) >= LIFTED_M
    fallen = now[2] < (TABLE_HEIGHT_M if simulation.kind.mobile else 0.0) - BELOW_M
    if not lifted and float(np.linalg.norm(now - began[name])) < MOVED_M:
        if fallen:
            return "it lies on the floor"
        if taken not in ("", name):
            return f"it {'pushed' if pushing else 'took'} the {taken} instead"
        return f"it was never {'pushed' if pushing else 'picked up'}"
    if simulation.held(name):
        return f"the hand still holds it, {_length(max(0.0, _gap_m(task, simulation)))} from {_place(task)}"
    if other := _elsewhere(task, simulation):
        return f"it is in the {other}, not {_preposition(task)} {_place(task)}"
    if fallen:
        return "it was dropped on the floor" if lifted and simulation.kind.mobile else "it fell off the table"
    if not lifted and not pushing:
        return "it was pushed about, but never picked up"
    return _beside(task, simulation)


def _elsewhere(task: HouseholdTask, simulation: Simulation) -> str:
    """Return the name of another place with walls that the thing is in; empty if it is in none."""
    for other in task.things.values():
        walls = KINDS[other.kind].holds and other.kind not in FLAT and other.name != task.place_name
        if walls and simulation.inside(task.object_name, other.name):
            return other.name
    return ""


def _beside(task: HouseholdTask, simulation: Simulation) -> str:
    gap_m, place, word = _gap_m(task, simulation), _place(task), _preposition(task)
    if gap_m >= BESIDE_M or word == "beside":
        return f"it lies {_length(gap_m)} from {place}"
    on_edge = gap_m < 0 and not task.row.builds
    return f"it lies {'on the edge of' if on_edge else 'beside'} {place}, not {word} it"


def _gap_m(task: HouseholdTask, simulation: Simulation) -> float:
    """Return how far the thing is from the edge of where it should go, seen from above."""
    across, along, _ = simulation.position(task.object_name) - simulation.position(task.place_name)
    reach = simulation.shape(task.place_name).radius_m
    if task.row.preposition == "beside":
        reach += simulation.shape(task.object_name).radius_m
    return math.hypot(across, along) - reach


def _place(task: HouseholdTask) -> str:
    place = task.intent.place
    return "the person's basket" if place.kind == "person" else f"the {place.name}"


def _preposition(task: HouseholdTask) -> str:
    return task.row.preposition or KINDS[task.intent.place.kind].prepositions[0]


def _length(metres: float) -> str:
    """Return a length for a person: ``4 cm``, ``1.2 m``."""
    return f"{metres:.1f} m" if metres >= 1 else f"{max(1, round(100 * metres))} cm"
