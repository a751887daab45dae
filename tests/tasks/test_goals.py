"""Goals: descriptions are read, grounded, imagined and practised; the impossible is refused with why."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sayso.sim.objects import Item
from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.spec import SaysoError
from sayso.tasks.household.goals import search
from sayso.tasks.household.goals.endpoint import by_model
from sayso.tasks.household.goals.grammar import read_goal
from sayso.tasks.household.goals.grounding import NoSuchThingError, distance, ground
from sayso.tasks.household.goals.imagination import FAN, arranged, imagined, somewhere
from sayso.tasks.household.goals.recipe import Call, Recipe, Routine
from sayso.tasks.household.goals.relations import RELATIONS
from sayso.tasks.household.goals.scenes import NoSceneError, Scene
from sayso.tasks.household.goals.search import NotLearnedError, Search
from sayso.tasks.household.goals.sense import ImpossibleError, refuse_senseless
from sayso.tasks.household.goals.trial import Trial, scene_of
from sayso.tasks.household.goals.world import in_own_words
from sayso.tasks.household.words.kinds import Place, Thing
from sayso.tasks.household.words.references import NotUnderstoodError

MUG, CAN, BLOCK = Thing("blue", "mug"), Thing("red", "can"), Thing("green", "block")
BOWL, MAT = Place("white", "bowl"), Place("yellow", "mat")


def scene(description: str, *where: tuple[Thing, float, float], world: str = "tabletop") -> Scene:
    """Return a scene in which things stand at points of the table, and what a description means there."""
    items = tuple(
        Item(name=thing.name, kind=thing.kind, rgb=(1, 0, 0), position_m=(x, y, 0.0)) for thing, x, y in where
    )
    things = {thing.name: thing for thing, _, _ in where}
    return Scene(layout=Layout(items=items), things=things, asked=ground(read_goal(description), things, {}))


@pytest.mark.parametrize(
    ("description", "plain"),
    [
        ("put it to the left of the mug", "any one thing is to the left of the mug"),
        ("Please put all red things into the bowl.", "all red things are in the bowl"),
        ("push everything off the mat", "all things are off the mat, pushed and never lifted"),
        ("there is nothing left on the mat", "all things are off the mat"),
        ("line up the three blocks", "all three blocks are in a row"),
        ("shut the drawer with the can inside", "the drawer is shut, and the can is in the drawer"),
        ("put both cans on the tray", "all two cans are on the tray"),
        ("pick up the can and put it on the plate", "the can is on the plate"),
        ("put the can in the bin by the sofa", "the can is in the bin by the sofa"),
        ("put the tallest thing in the basket", "the tallest thing is in the basket"),
        ("put the red cube between the tin and the cup", "the red block is between the can and the mug"),
        (
            "put the mug behind the red block and the can in front of it",
            "the mug is behind the red block, and the can is in front of the red block",
        ),
        (
            "put the can in the drawer, then close it",
            "the can is in the drawer; and after that: the drawer is shut",
        ),
        ("drive to the sofa", "the robot is at the sofa"),
        ("lift the bottle", "the bottle is held"),
    ],
)
def test_descriptions_are_read_and_said_in_plain_words(description, plain):
    assert read_goal(description).plain() == plain


@pytest.mark.parametrize(
    ("description", "why"),
    [
        ("juggle the can", "'juggle'"),
        ("put the can", "Where shall the can be"),
        ("", "nothing to do"),
        ("put the can to the left", "'left'|expected"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(description, why):
    with pytest.raises(NotUnderstoodError, match=why):
        read_goal(description)


@pytest.mark.parametrize(
    ("description", "world", "why"),
    [
        ("put the bowl to the left of the mug", "tabletop", "cannot move the bowl"),
        ("put the can in the mug", "tabletop", "nothing goes into the mug"),
        ("put the block on the ball", "tabletop", "nothing stays on the ball"),
        ("shut the drawer", "tabletop", "no drawer in the world"),
        ("put the can to the left of the mug and to the right of the mug", "tabletop", "cannot be that"),
        ("put the block on the cylinder and the cylinder on the block", "tabletop", "cannot be that"),
        ("push the can off the mat", "home", "no mat"),
        ("line up the can", "tabletop", "one thing alone"),
        ("drive to the tray", "home", "I can drive to"),
    ],
)
def test_what_can_never_be_is_answered_with_why(description, world, why):
    with pytest.raises(ImpossibleError, match=why):
        refuse_senseless(read_goal(description), world)


def test_left_is_left_for_the_person_at_the_table_and_distance_falls_to_nothing():
    found = scene("put the can to the left of the mug", (MUG, 0.22, 0.0), (CAN, 0.22, 0.12))
    simulation = Simulation("tabletop", found.layout)
    misses = []
    for y in (0.12, 0.0, -0.2, -0.08):  # the camera looks at the arm: its left is where y is small
        with imagined(simulation, "red can", np.array([0.22, y, 0.0])):
            misses.append(distance(found.asked[0], simulation))
    assert misses[3] == 0.0
    assert 0 < misses[2] < misses[0]
    u_of = [simulation.in_image("front", np.array([0.22, y, 0.02]))[0] for y in (-0.08, 0.0)]
    assert u_of[0] < u_of[1]


def test_what_stands_against_the_wall_of_a_bowl_is_beside_it_and_what_is_in_it_or_half_on_a_mat_is_not():
    for place, apart_m, so in (
        (BOWL, 0.066, True),
        (BOWL, 0.0, False),
        (MAT, 0.066, False),
        (MAT, 0.1, True),
    ):
        found = scene(f"push the can beside the {place.kind}", (place, 0.2, 0.1), (CAN, 0.2, -0.1))
        simulation = Simulation("tabletop", found.layout)
        with imagined(simulation, "red can", np.array([0.2, 0.1 - apart_m, 0.0])):
            assert found.asked[0][0].holds(simulation) == so, (place, apart_m)


def test_imagination_leaves_everything_as_it_was():
    found = scene("put the can in the bowl", (BOWL, 0.2, 0.1), (CAN, 0.2, -0.1))
    simulation = Simulation("tabletop", found.layout)
    before, where = simulation.data.qpos.copy(), simulation.position("red can")
    with imagined(simulation, "red can", np.array([0.2, 0.1, 0.01])):
        assert found.asked[0][0].holds(simulation)
    assert (simulation.data.qpos == before).all()
    assert (simulation.position("red can") == where).all()
    assert not found.asked[0][0].holds(simulation)


@pytest.mark.parametrize("relation", sorted(RELATIONS.keys() - {"at", "open", "shut", "upright", "held"}))
def test_every_relation_between_things_can_be_imagined(relation):
    said = {
        "in": "put the can in the bowl",
        "between": "put the can between the mug and the block",
        "in a row": "line up the can, the mug and the block",
        "off": "take the can off the mat",
        "on": "put the can on the block",
    }.get(relation, f"put the can {relation} the mug")
    more = [(MAT, 0.18, -0.17)] if relation == "off" else [(BOWL, 0.17, 0.14)] if relation == "in" else []
    can = (CAN, 0.21, -0.08) if relation == "far from" else (CAN, 0.18, -0.17)
    found = scene(said, can, (MUG, 0.23, 0.0), (BLOCK, 0.25, 0.12), *more)
    simulation = Simulation("tabletop", found.layout)
    assert distance(found.asked[0], simulation) > 0.0
    assert arranged(simulation, found.asked[0]) == []
    assert distance(found.asked[0], simulation) == 0.0


def test_references_must_fit_one_thing_or_as_many_as_are_said():
    things = {thing.name: thing for thing in (CAN, MUG, BLOCK, BOWL, Thing("pink", "can"))}
    with pytest.raises(NoSuchThingError, match="more than one"):
        ground(read_goal("put the can in the bowl"), things, {})
    with pytest.raises(NoSuchThingError, match="nothing here"):
        ground(read_goal("put the ball in the bowl"), things, {})
    ((one, two),) = ground(read_goal("put both cans in the bowl"), things, {})
    assert {one.ways[0][0], two.ways[0][0]} == {"red can", "pink can"}
    ((tall,),) = ground(
        read_goal("put the tallest thing in the bowl"), things | {"b": Thing("red", "bottle")}, {}
    )
    assert tall.ways[0][0] == "b"


def test_scenes_have_what_is_named_and_it_is_not_so_yet():
    goal = read_goal("push everything off the mat")
    found = scene_of("tabletop", goal, 3)
    simulation = Simulation("tabletop", found.layout)
    assert distance(found.asked[0], simulation) > 0.0
    assert any(simulation.inside(one.ways[0][0], one.ways[0][1]) for one in found.asked[0])
    assert scene_of("tabletop", goal, 3).layout == found.layout
    with pytest.raises(NoSceneError, match="it is so from the start"):
        scene_of("tabletop", read_goal("stand the can upright"), 0)


@pytest.mark.parametrize(
    ("description", "heard"),
    [
        ("put the can in the bowl", "put the blue can in the purple bowl"),
        ("put the red can in the bowl", "put the red can in the purple bowl"),
        ("put the biggest can onto the mat", "put the biggest can onto the purple mat"),
        ("put all red things in the bowl", "put all red things in the purple bowl"),
        ("put any can in a bowl", "put any can in a bowl"),
    ],
)
def test_a_policy_hears_which_one_of_the_things_that_a_description_leaves_to_the_scene(description, heard):
    seen = [Thing("blue", "can"), Thing("purple", "bowl"), Thing("purple", "mat"), Thing("green", "mug")]
    things = {thing.name: thing for thing in seen}
    if "red can" in description:
        things["red can"] = Thing("red", "can")
    assert in_own_words(read_goal(description), things) == heard


def test_a_recipe_carries_a_thing_to_the_left_and_leaves_it_there():
    found = scene("put the can to the left of the mug", (MUG, 0.22, 0.02), (CAN, 0.20, 0.12))
    recipe = Recipe(((Routine(0, (Call("carry", "table", ((-0.08, 0.0),)),)),),))
    assert Recipe.from_json(recipe.to_json()) == recipe
    tried = Trial("tabletop", found).run(recipe)
    assert tried.success, tried.why
    assert tried.offset == (-0.08, 0.0)


def test_a_push_never_lifts_and_a_carry_does_not_count_as_one():
    found = scene("push the can off the mat", (MAT, 0.22, 0.02), (CAN, 0.22, 0.02))
    pushed = Trial("tabletop", found).run(Recipe(((Routine(0, (Call("push", "table", FAN),)),),)))
    assert pushed.success, pushed.why
    carried = Trial("tabletop", found)
    assert not carried.run(Recipe(((Routine(0, (Call("carry", "table", ((-0.09, 0.0),)),)),),))).success
    assert distance(carried.asked, carried.simulation) > 0.0


def test_practice_finds_which_skill_and_where_to(monkeypatch):
    monkeypatch.setattr(search, "SCENES", 2)
    monkeypatch.setattr(search, "DRAWS", 24)
    said: list[str] = []
    goal = read_goal("put the can behind the block")
    found = Search("tabletop", goal, range(20, 40), say=said.append).run()
    ((routine,),) = found.stages
    assert routine.calls[-1].skill == "carry"
    assert routine.calls[-1].offsets[0][1] < -0.03  # behind is further from the camera
    assert any("imagined to miss" in line for line in said)


def test_practice_says_why_nothing_can_be_learned(monkeypatch):
    monkeypatch.setattr(search, "SCENES", 1)
    goal = read_goal("lift the can")
    searching = Search("tabletop", goal, range(10))
    monkeypatch.setattr(search, "_simple", lambda dreams: [])
    monkeypatch.setattr(search, "_dreamt", lambda *given: None)
    with pytest.raises(NotLearnedError, match="the can is held"):
        searching.run()


def test_a_thing_has_no_place_where_there_is_no_room():
    crowd = [(Thing(colour, "block"), 0.22, y) for colour, y in (("red", -0.06), ("blue", 0.06))]
    found = scene("put the can between the red block and the blue block", (CAN, 0.3, 0.1), *crowd)
    assert somewhere(Simulation("tabletop", found.layout), found.asked[0][0], found.asked[0]) is not None
    near = [(Thing(colour, "block"), 0.22, y) for colour, y in (("red", -0.02), ("blue", 0.02))]
    found = scene("put the can between the red block and the blue block", (CAN, 0.3, 0.1), *near)
    assert somewhere(Simulation("tabletop", found.layout), found.asked[0][0], found.asked[0]) is None


@pytest.mark.parametrize("answer", ["put the can to the left of the mug.", "I would move it over there"])
def test_of_a_language_model_only_what_parses_is_believed(answer):
    model = SimpleNamespace(ask=lambda system, text: answer)
    if answer.startswith("put"):
        goal, words = by_model("the tin belongs west of the cup", model)
        assert goal.plain() == "the can is to the left of the mug"
        assert (goal.said, words) == ("the tin belongs west of the cup", "put the can to the left of the mug")
    else:
        with pytest.raises(SaysoError, match="The language model said"):
            by_model("the tin belongs west of the cup", model)
