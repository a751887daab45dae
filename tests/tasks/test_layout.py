"""What worlds draw: scenes with room to act, and tasks that can be carried out in them."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from sayso.sim.objects import SHAPES, shape_of
from sayso.sim.simulation import Simulation
from sayso.spec import UnknownNameError
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.draw import alternatives, draw_task
from sayso.tasks.household.families.push import PUSHABLE
from sayso.tasks.household.home import FIXTURES
from sayso.tasks.household.layout import Demand, NoRoomError, draw_objects, held_out, scatter
from sayso.tasks.household.stations import AWAY_M, STATIONS
from sayso.tasks.household.success import DRAWER_OPEN_M, DRAWER_SHUT_M
from sayso.tasks.household.variants import SENTENCES
from sayso.tasks.household.variants import VARIANTS as ROWS
from sayso.tasks.household.words.kinds import EVERYDAY, HELD_OUT_KINDS, HELD_OUT_PAIRS, MOVABLE, Place, Thing
from sayso.tasks.household.words.language import parse

FAMILIES = [(world, family) for world, row in TASKS.items() for family in row.families]
VARIANTS = [(w, f, row.name) for w, f in FAMILIES for row in TASKS[w].families[f]]
OBJECTS_MOVE = [(w, f) for w, f in FAMILIES if f != "goto"]
EACH = 30
"""How many tasks of each family are drawn to look at."""

RELEASED = {"gripper_released", "object_at_rest"}
CONDITIONS = {
    ("put", "in"): {"object_in_place", *RELEASED},
    ("stack", "on"): {"object_on_top", *RELEASED},
    ("push", "onto"): {"object_in_place", "never_lifted", *RELEASED},
    ("push", "beside"): {"object_beside", "never_lifted", *RELEASED},
    ("drawer", "open"): {"drawer_open", "gripper_released", "drawer_at_rest"},
    ("drawer", "close"): {"drawer_closed", "gripper_released", "drawer_at_rest"},
    ("drawer", "in"): {"object_in_place", *RELEASED},
    ("fetch", "to"): {"object_in_place", *RELEASED},
    ("fetch", "bring"): {"object_in_place", *RELEASED},
    ("goto", "to"): {"near_place", "facing_ahead", "stopped"},
}


def draw(world, family, seed, **options):
    return draw_task(world, family, np.random.default_rng(seed), **options)


@pytest.fixture(scope="module")
def drawn():
    return {(w, f): [draw(w, f, seed) for seed in range(EACH)] for w, f in FAMILIES}


@pytest.fixture(scope="module")
def everything(drawn):
    return [task for tasks in drawn.values() for task in tasks]


def test_nothing_that_is_held_out_stands_in_any_scene_of_training(everything):
    assert len(everything) == EACH * len(FAMILIES)
    shown = {thing for task in everything for thing in task.things.values() if thing.kind in MOVABLE}
    assert not [thing.name for thing in shown if held_out(thing)]
    assert {thing.kind for thing in shown} == set(EVERYDAY) - set(HELD_OUT_KINDS)
    colours, kinds = ({getattr(thing, part) for thing in shown} for part in ("colour", "kind"))
    assert all(colour in colours and kind in kinds for colour, kind in HELD_OUT_PAIRS)


@pytest.mark.parametrize(("world", "family"), OBJECTS_MOVE)
def test_held_out_objects_are_asked_for_among_everyday_ones(world, family):
    for task in (draw(world, family, seed, objects="heldout") for seed in range(6)):
        if task.intent.object is None:
            continue
        assert held_out(task.intent.object)
        others = [t for t in task.things.values() if t.kind in MOVABLE and t != task.intent.object]
        assert len(others) == 2 and not any(map(held_out, others))


def test_an_unknown_split_of_objects_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'heldout'"):
        draw("home", "put", 0, objects="held-out")


def test_every_variant_is_asked_equally_often(drawn):
    for (world, family), tasks in drawn.items():
        variants = [row.name for row in TASKS[world].families[family]]
        asked = Counter(task.intent.variant for task in tasks)
        assert set(asked) == set(variants)
        assert min(asked.values()) > 0.4 * EACH / len(variants)


def test_every_task_asks_for_kinds_that_its_words_can_name(everything):
    for task in everything:
        intent, row = task.intent, SENTENCES[task.family, task.intent.variant]
        assert intent.place.kind in row.places
        assert intent.object.kind in row.objects if row.objects else intent.object is None
        assert intent.object != intent.place


def test_every_drawn_instruction_names_what_its_task_asks_for(everything):
    for task in everything:
        assert parse(task.instruction, task.things.values()) == task.intent


def test_every_scene_leaves_the_choice_to_the_instruction(everything):
    """Three things to grasp and two to put them into; now and then only the kind tells two apart."""
    shared = 0
    for task in everything:
        movable = [thing for thing in task.things.values() if thing.kind in MOVABLE]
        assert len(set(movable)) == 3
        shared += len({thing.colour for thing in movable}) < 3
        places = {thing.kind for thing in task.things.values()}
        assert len(places & {"tray", "bowl", "basket", "plate", "mat"}) == 2
    assert 0.1 < shared / len(everything) < 0.4


def test_the_same_seed_draws_the_same_task():
    for world, family in FAMILIES:
        assert draw(world, family, 7) == draw(world, family, 7)
        assert draw(world, family, 7).layout != draw(world, family, 8).layout


def test_a_home_has_its_furniture_its_person_and_two_bins(drawn):
    for task in drawn["home", "put"]:
        assert set(FIXTURES) <= set(task.things)
        bins = [thing for thing in task.things.values() if thing.kind == "bin"]
        assert [bin_.landmark for bin_ in bins] == ["sofa", "cabinet"] and bins[0].colour != bins[1].colour
    assert not set(FIXTURES) & set(drawn["tabletop", "put"][0].things)


def on_mat(one, other):
    """Tell whether one of two things is a mat, and the other lies on it."""
    return "mat" in (one.kind, other.kind) and math.dist(one.position_m, other.position_m) < 0.03


def test_no_two_things_touch_unless_one_lies_on_a_mat_and_nothing_is_pushed(everything):
    for task in everything:
        for one, other in combinations(task.layout.items, 2):
            apart = math.dist(one.position_m[:2], other.position_m[:2])
            clear = apart > shape_of(one).radius_m + shape_of(other).radius_m
            assert clear or (task.family != "push" and on_mat(one, other)), (one.name, other.name)


@pytest.mark.parametrize("family", ["put", "stack"])
def test_mats_lie_in_some_scenes_of_every_family_of_the_table_and_things_on_some(drawn, family):
    scenes = [task.layout.items for task in drawn["tabletop", family]]
    mats = sum(item.kind == "mat" for items in scenes for item in items)
    on_one = sum(on_mat(one, other) for items in scenes for one, other in combinations(items, 2))
    assert 0 < on_one < mats < len(scenes)


def test_things_to_grasp_come_in_several_sizes(everything):
    scales = {item.scale for task in everything for item in task.layout.items if SHAPES[item.kind].movable}
    assert min(scales) < 1.05 and max(scales) > 1.15


def test_too_many_things_for_a_place_are_refused():
    things = [Thing("red", "block"), Thing("blue", "block")]
    with pytest.raises(NoRoomError, match="no room for red block, blue block"):
        scatter(np.random.default_rng(0), things, lambda rng, thing: (0.2, 0.0, 0.0), 0.0)


def test_every_third_or_so_episode_starts_out_of_the_folded_posture(drawn):
    for tasks in drawn.values():
        assert 0.1 < np.mean([task.layout.arm_rad is not None for task in tasks]) < 0.8


def test_what_is_pushed_slides_and_has_a_way_to_go(drawn):
    for task in drawn["tabletop", "push"]:
        items = {item.name: item for item in task.layout.items}
        thing, place = items[task.object_name], items[task.place_name]
        assert thing.kind in PUSHABLE
        assert 0.05 < math.dist(thing.position_m, place.position_m) < 0.30


def test_one_is_sent_only_where_one_is_not(drawn):
    for task in drawn["home", "goto"]:
        assert math.dist(task.layout.robot_pose[:2], STATIONS[task.place_name]) > AWAY_M


def test_the_drawer_starts_as_the_task_needs_it(drawn):
    for task in drawn["home", "drawer"]:
        if task.intent.variant == "open":
            assert task.layout.drawer_m <= DRAWER_SHUT_M
        else:
            assert task.layout.drawer_m >= DRAWER_OPEN_M


def test_the_drawer_stands_open_now_and_then_where_it_does_not_matter(drawn):
    opened = [task.layout.drawer_m >= DRAWER_OPEN_M for task in drawn["home", "fetch"]]
    assert 0 < sum(opened) < EACH / 2


@pytest.mark.parametrize(("world", "family"), FAMILIES)
def test_something_else_could_be_asked_for_in_the_same_scene(world, family):
    task = draw(world, family, 3, swappable=True)
    others = alternatives(task)
    assert others and task.intent not in others
    if family == "goto":
        assert all(other.place != task.intent.place for other in others)
    else:
        assert all(other.object not in (None, task.intent.object) for other in others)


@pytest.mark.parametrize(("world", "family", "variant"), VARIANTS)
def test_conditions_have_these_names_and_do_not_all_hold_at_first(drawn, world, family, variant):
    task = next(task for task in drawn[world, family] if task.intent.variant == variant)
    conditions = task.conditions(Simulation(world, task.layout))
    assert set(conditions) == CONDITIONS[family, variant]
    assert not all(conditions.values())


def test_objects_for_a_stack_include_one_to_build_on():
    want = Demand(ROWS["stack", "on"])
    for seed in range(20):
        first, second, _ = draw_objects(np.random.default_rng(seed), want)
        assert first.kind in want.objects and second.kind in want.places


def test_places_are_told_apart_from_things_to_move(everything):
    for task in everything:
        assert all(isinstance(thing, Place) is (thing.kind not in MOVABLE) for thing in task.things.values())
