"""Suggestions of what to ask: in a scene of the simulation, and in a real room of which nothing is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np

from sayso.evaluation.planner import Room
from sayso.tasks.contract import Listed, Told, World
from sayso.tasks.household.draw import called, say
from sayso.tasks.household.errands import errands
from sayso.tasks.household.words.language import examples
from sayso.tasks.household.words.plan import join

SUGGESTIONS = 4


def room_of(world: World) -> Room | None:
    """Return a world that can be told what is next, or None: then each sentence is a task of its own."""
    return cast(Room, world) if isinstance(world, Told) else None


def suggestions(world: World, seed: int) -> tuple[str, ...]:
    """Think of things to say that a scene allows as it was laid out; the last is a long one if it can."""
    rng = np.random.default_rng(seed)
    if (room := room_of(world)) is not None:
        ideas = errands(room, SUGGESTIONS - 1, rng)
        long = [join([called(idea) for idea in ideas[:2]], rng)] if len(ideas) > 1 else []
        return *(say(idea, rng) for idea in ideas), *long
    asked = world.task.instruction
    others = [s for s in world.sentences() if s != asked] if isinstance(world, Listed) else []
    return asked, *(others[i] for i in rng.permutation(len(others))[: SUGGESTIONS - 1])


def unknown_room(world: World) -> Room | None:
    """Return a room for the planner in which nothing is known, not even whether a drawer is open.

    None where a world's sentences cannot be divided.
    """
    if room_of(world) is None:
        return None
    empty = SimpleNamespace(things={})
    return cast(Room, SimpleNamespace(task=empty, families=world.families, holds=lambda intent: False))


def general_suggestions(world: World) -> tuple[str, ...]:
    """Return things to say in any room."""
    if room_of(world) is not None:
        return examples(None, world.families)[:SUGGESTIONS]
    return world.sentences()[:SUGGESTIONS] if isinstance(world, Listed) else ()
