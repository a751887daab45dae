"""A failure is told in words: what happened to the thing, not only which condition does not hold."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sayso.evaluation.rollout import rollout
from sayso.spec import STATE, Chunk, seeds
from sayso.tasks.household.words.language import parse
from sayso.tasks.household.world import HouseholdWorld


class Rests:
    """Want to be where it is."""

    def reset(self) -> None: ...

    def act(self, observation) -> Chunk:
        state = observation[STATE].copy()
        state[6:] = 0
        return Chunk(np.tile(state, (16, 1)))


@pytest.fixture(scope="module")
def worlds():
    found = {name: HouseholdWorld(name) for name in ("tabletop", "home")}
    yield found
    for world in found.values():
        world.close()


def begin(world, family, variant):
    """Begin an episode of a family and variant, and return its task."""
    for seed in seeds("test", 50):
        world.reset(seed=seed, options={"family": family})
        if world.task.intent.variant == variant:
            return world.task
    raise AssertionError(f"no scene for {family}, {variant}")


def bring(world, name, position_m, *, by_way_of_m=0.0):
    """Put a thing somewhere, after it was so high, and let it come to rest."""
    simulation = world.simulation
    joint = simulation.data.joint(name)
    for height in filter(None, (by_way_of_m, None)):
        joint.qpos[:3] = joint.qpos[:3] + np.array([0, 0, height])
        simulation.apply(simulation.state())
    joint.qpos[:3] = position_m
    joint.qvel[:] = 0
    for _ in range(40):
        simulation.apply(simulation.state())
    return world.why_not()


def test_a_thing_that_nobody_touched_was_never_picked_up(worlds):
    world = worlds["tabletop"]
    begin(world, "put", "in")
    assert world.why_not() == "it was never picked up"
    begin(world, "push", "beside")
    assert world.why_not() == "it was never pushed"


def test_what_fell_off_the_table_is_told_so(worlds):
    task = begin(worlds["tabletop"], "put", "in")
    assert bring(worlds["tabletop"], task.object_name, [0.9, 0.9, 0.1]) == "it fell off the table"
    task = begin(worlds["home"], "put", "in")
    assert bring(worlds["home"], task.object_name, [0.2, 0.6, 0.05]) == "it fell off the table"
    worlds["home"].instruct(task.instruction)
    assert worlds["home"].why_not() == "it lies on the floor"


def test_what_lies_beside_its_place_is_told_so(worlds):
    world = worlds["tabletop"]
    task = begin(world, "put", "in")
    place = world.simulation.position(task.place_name)
    reach = world.simulation.shape(task.place_name).radius_m
    outwards = place / np.linalg.norm(place)
    there = place + (reach + 0.05) * outwards + [0, 0, 0.01]
    preposition = "on" if task.intent.place.kind == "plate" else "in"
    said = bring(world, task.object_name, there, by_way_of_m=0.05)
    assert said == f"it lies beside the {task.place_name}, not {preposition} it"
    task = begin(world, "put", "in")
    assert bring(world, task.object_name, place + [0, 0, 0.02]) == ""


def test_what_lies_in_another_place_is_told_so(worlds):
    world = worlds["home"]
    task = begin(world, "fetch", "to")
    name = next(n for n, t in task.things.items() if t.kind == "bin" and n != task.place_name)
    there = world.simulation.position(name) + [0, 0, 0.05]
    assert bring(world, task.object_name, there).startswith(f"it is in the {name}, not in the ")


def test_another_thing_that_was_taken_is_named(worlds):
    world = worlds["tabletop"]
    task = begin(world, "put", "in")
    other = next(name for name in world._began if name != task.object_name)
    world._taken = other
    assert world.why_not() == f"it took the {other} instead"


def test_a_drawer_is_told_by_how_far_it_is_open(worlds):
    world = worlds["home"]
    begin(world, "drawer", "close")
    world.simulation.data.joint("drawer").qpos[0] = 0.04
    assert world.why_not() == "the drawer is still open by 4 cm"
    begin(world, "drawer", "open")
    world.simulation.data.joint("drawer").qpos[0] = 0.004
    assert world.why_not() == "the drawer is still shut"
    world.simulation.data.joint("drawer").qpos[0] = 0.06
    assert world.why_not() == "the drawer is open by 6 cm only"


def test_a_robot_that_did_not_arrive_is_told_by_how_far(worlds):
    world = worlds["home"]
    begin(world, "goto", "to")
    world.instruct("drive to the sofa")
    world.simulation.place_robot((0.62, 0.6, 0.0))
    assert re.fullmatch(r"the robot is 4\d cm from where it should stand at the sofa", world.why_not())
    world.simulation.place_robot((0.62, 1.0, 1.0))
    assert world.why_not() == "the robot is at the sofa, but turned by 57 degrees"
    world.simulation.place_robot((0.62, 1.0, 0.0))
    assert world.why_not() == ""


@pytest.mark.parametrize(
    ("name", "family"),
    [("tabletop", family) for family in ("put", "stack", "push")]
    + [("home", family) for family in ("put", "drawer", "fetch", "goto")],
)
def test_words_and_conditions_agree_wherever_a_thing_is(worlds, name, family):
    world, rng = worlds[name], np.random.default_rng(0)
    for seed in seeds("test", 4):
        world.reset(seed=seed, options={"family": family})
        for _ in range(10):
            if thing := world.task.object_name:
                joint = world.simulation.data.joint(thing)
                joint.qpos[:3] = world.simulation.position(world.task.place_name) + rng.normal(0, 0.08, 3)
            world.simulation.apply(world.simulation.state())
            assert bool(world.why_not()) is not all(world.conditions().values())
            assert "  " not in world.why_not() and "not  " not in world.why_not()


def test_an_episode_that_fails_keeps_the_words(worlds):
    world = worlds["tabletop"]
    episode = rollout(world, Rests(), seeds("test", 1)[0], family="put")
    assert episode.why == episode.notes["why"] == "it was never picked up"
    assert parse(episode.instruction, world.task.things.values()) == world.task.intent
