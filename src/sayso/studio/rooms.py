"""Say what can be asked for: in a scene of the simulation, and in a real room of which nothing is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np

from sayso.evaluation.planner import Room
from sayso.tasks.household.draw import called, say
from sayso.tasks.household.errands import errands
from sayso.tasks.household.words.language import examples
from sayso.tasks.household.words.plan import join

SUGGESTIONS = 4


def suggestions(room: Room, seed: int) -> tuple[str, ...]:
    """Think of things to say that a scene allows as it was laid out, the last of them a long one."""
    rng = np.random.default_rng(seed)
    ideas = errands(room, SUGGESTIONS - 1, rng)
    long = [join([called(idea) for idea in ideas[:2]], rng)] if len(ideas) > 1 else []
    return *(say(idea, rng) for idea in ideas), *long


def unknown_room(families: tuple[str, ...]) -> Room:
    """Return a room for the planner in which nothing is known, not even whether a drawer is open."""
    empty = SimpleNamespace(things={})
    return cast(Room, SimpleNamespace(task=empty, families=families, holds=lambda intent: False))


def general_suggestions(families: tuple[str, ...]) -> tuple[str, ...]:
    """Return things to say in any room."""
    return examples(None, families)[:SUGGESTIONS]
