"""Success conditions: named, on the simulation, so that a failure says why it is one."""

from __future__ import annotations

import numpy as np

from sayso.geometry import wrap_angle
from sayso.sim.simulation import Simulation
from sayso.tasks.household.stations import station_of

AT_REST_M_S = 0.03
DRAWER_OPEN_M, DRAWER_SHUT_M = 0.10, 0.012
STACK_OFF_M, STACK_GAP_M = 0.018, 0.008
"""How far a stacked thing's middle may be from the one below, and how far its foot from the other's top."""
BESIDE_M = 0.03
"""Largest gap between the footprints of two things that stand next to each other."""
LIFTED_M = 0.015
NEAR_M, AHEAD_RAD = 0.12, 0.35
"""How far from its station, and how far turned, a base may stop."""


def inside(simulation: Simulation, name: str, place: str) -> bool:
    """Tell whether a thing is in a container, or on a flat place."""
    return simulation.inside(name, place)


def beside(simulation: Simulation, name: str, place: str) -> bool:
    """Tell whether two things stand next to each other."""
    across, along, _ = simulation.position(name) - simulation.position(place)
    reach = simulation.shape(name).radius_m + simulation.shape(place).radius_m
    return bool(np.hypot(across, along) < reach + BESIDE_M)


def on_top(simulation: Simulation, name: str, place: str) -> bool:
    """Tell whether a thing stands on another."""
    foot, below = simulation.data.body(name).xpos, simulation.data.body(place).xpos
    gap = foot[2] - below[2] - simulation.shape(place).height_m
    return bool(np.hypot(*(foot - below)[:2]) < STACK_OFF_M and abs(gap) < STACK_GAP_M)


def in_place(simulation: Simulation, name: str, place: str) -> dict[str, bool]:
    """Return the conditions of a thing that was brought to a place and left there."""
    return {"object_in_place": inside(simulation, name, place)} | _let_go(simulation, name)


def stacked(simulation: Simulation, name: str, place: str) -> dict[str, bool]:
    """Return the conditions of a thing that stands on another."""
    return {"object_on_top": on_top(simulation, name, place)} | _let_go(simulation, name)


def pushed_onto(simulation: Simulation, name: str, place: str) -> dict[str, bool]:
    """Return the conditions of a thing that was pushed onto a flat place."""
    return in_place(simulation, name, place) | _never_lifted(simulation, name)


def pushed_beside(simulation: Simulation, name: str, place: str) -> dict[str, bool]:
    """Return the conditions of a thing that was pushed next to another."""
    together = {"object_beside": beside(simulation, name, place)}
    return together | _let_go(simulation, name) | _never_lifted(simulation, name)


def drawer_open(simulation: Simulation, name: str, place: str) -> dict[str, bool]:
    """Return the conditions of a drawer that is open and left alone."""
    return {"drawer_open": simulation.drawer_m >= DRAWER_OPEN_M} | _left_alone(simulation, place)


def drawer_closed(simulation: Simulation, name: str, place: str) -> dict[str, bool]:
    """Return the conditions of a drawer that is shut and left alone."""
    return {"drawer_closed": simulation.drawer_m <= DRAWER_SHUT_M} | _left_alone(simulation, place)


def standing_at(simulation: Simulation, name: str, place: str) -> dict[str, bool]:
    """Return the conditions of a base that stopped at a place."""
    dx, dy, turn = station_of(place) - simulation.base_pose
    return {
        "near_place": bool(np.hypot(dx, dy) < NEAR_M),
        "facing_ahead": abs(wrap_angle(turn)) < AHEAD_RAD,
        "stopped": simulation.base_speed < AT_REST_M_S,
    }


def _let_go(simulation: Simulation, name: str) -> dict[str, bool]:
    return {
        "gripper_released": not simulation.touching(name),
        "object_at_rest": simulation.speed(name) < AT_REST_M_S,
    }


def _never_lifted(simulation: Simulation, name: str) -> dict[str, bool]:
    return {"never_lifted": simulation.highest(name) < LIFTED_M}


def _left_alone(simulation: Simulation, drawer: str) -> dict[str, bool]:
    return {
        "gripper_released": not simulation.touching(drawer),
        "drawer_at_rest": simulation.speed(drawer) < AT_REST_M_S,
    }
