"""Other tasks that a scene allows: the rest of a suite whose scenes hold the same things."""

from __future__ import annotations

from typing import Any

from sayso.tasks.libero.simulators import Simulator, sentence_of
from sayso.tasks.libero.suites import TASKS_EACH

ALIKE = ("object", "goal")
"""Suites whose tasks are asked for in one scene; elsewhere a sentence means another thing in each."""


def others(simulator: Simulator, family: str) -> list[tuple[str, list[str]]]:
    """Return sentences of other tasks of a suite that could be asked for now, each with its first goal."""
    suite, _, number = family.rpartition("-")
    if suite not in ALIKE:
        return []
    found = []
    for other in range(TASKS_EACH):
        if other == int(number):
            continue
        goals = _goals(f"{suite}-{other}")
        open_goals = [goal for goal in goals if _knows(simulator, goal) and not simulator.holds(goal)]
        if len(open_goals) == len(goals):
            found.append((sentence_of(f"{suite}-{other}"), open_goals[0]))
    return found


_read: dict[str, list[list[str]]] = {}


def _goals(family: str) -> list[list[str]]:
    if family not in _read:
        from libero.libero.envs.bddl_utils import robosuite_parse_problem

        from sayso.tasks.libero.simulators import files_of

        parsed: dict[str, Any] = robosuite_parse_problem(str(files_of(family).problem))
        _read[family] = parsed["goal_state"]
    return _read[family]


def _knows(simulator: Simulator, goal: list[str]) -> bool:
    return all(name in simulator.env.object_states_dict for name in goal[1:])
