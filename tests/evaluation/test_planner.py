"""The planner: what a step needs first, one step after the other, another attempt, and what to ask for."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from sayso.evaluation.planner import BROKEN_OFF, PlanReport, carry_out, needs
from sayso.spec import STATE, Chunk, Episode, Outcome
from sayso.tasks.household.draw import draw_task
from sayso.tasks.household.errands import errands
from sayso.tasks.household.words.kinds import MOVABLE, Place, Thing
from sayso.tasks.household.words.language import Intent, NotUnderstoodError, plain
from sayso.tasks.household.words.plan import decompose
from sayso.tasks.worlds import make_world
from small_rooms import SpotRoom
from small_worlds import SpotExpert, Still

DRAWER, TABLE, SOFA, PERSON = (Place("", kind) for kind in ("drawer", "table", "sofa", "person"))
OPEN, CLOSE = (Intent("drawer", variant, None, DRAWER) for variant in ("open", "close"))
BACK, AWAY = (Intent("goto", "to", None, place) for place in (TABLE, SOFA))
SEED = 2_000_000


@pytest.fixture(scope="module")
def tabletop():
    world = make_world("tabletop")
    yield world
    world.close()


@pytest.fixture(scope="module")
def home():
    world = make_world("home")
    yield world
    world.close()


def begin(world, family, variant):
    """Begin the first episode in which this is asked for, and return two of the things to move."""
    seed = seed_of(world.name, family, variant)
    world.reset(seed=seed, options={"family": family})
    assert world.task.intent.variant == variant
    return [thing for thing in world.task.things.values() if thing.kind in MOVABLE][:2]


@functools.cache
def seed_of(world, family, variant):
    """Find the seed without building its scene."""
    drawn = (draw_task(world, family, np.random.default_rng(seed)).intent.variant for seed in range(30))
    return next(seed for seed, found in enumerate(drawn) if found == variant)


def fill(thing):
    return Intent("drawer", "in", thing, DRAWER)


def bring(thing):
    return Intent("fetch", "bring", thing, PERSON)


def put(room, thing):
    place = next(
        place for place in room.task.things.values() if place.kind in ("tray", "bowl", "basket", "plate")
    )
    return Intent("put", "in", thing, place)


class Acts:
    """Carry out sentences by succeeding or not as it is told, and keep what was said."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.said = []

    def __call__(self, sentence):
        self.said.append(sentence)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.SUCCESS
        return Episode(world="", family="", instruction=sentence, seed=0, horizon=1, outcome=outcome)


class Idle:
    """Be a policy that stays as it is."""

    def reset(self): ...

    def act(self, observation):
        return Chunk(np.repeat(observation[STATE][None], 8, axis=0))


NO, CRASH = Outcome.FAILURE, Outcome.INVALID


def test_what_begins_at_the_table_needs_the_robot_back_there(home):
    one, other = begin(home, "drawer", "open")
    assert needs(home, bring(one), None) == []
    assert needs(home, put(home, other), bring(one)) == [BACK]
    assert needs(home, put(home, other), OPEN) == [BACK]
    assert needs(home, put(home, other), AWAY) == [BACK]
    assert needs(home, bring(other), put(home, one)) == []
    assert needs(home, bring(other), BACK) == []


def test_who_is_sent_somewhere_needs_nothing_first(home):
    one, _ = begin(home, "drawer", "open")
    assert needs(home, AWAY, bring(one)) == needs(home, AWAY, None, failed=True) == []


def test_a_closed_drawer_is_opened_before_it_is_filled_and_an_open_one_is_not(home):
    one, other = begin(home, "drawer", "open")
    assert needs(home, fill(one), None) == [OPEN, BACK]
    assert needs(home, fill(one), bring(other)) == [BACK, OPEN, BACK]
    one, other = begin(home, "drawer", "in")
    assert needs(home, fill(one), None) == []
    assert needs(home, fill(one), bring(other)) == [BACK]


def test_another_attempt_starts_from_the_table(home):
    one, _ = begin(home, "drawer", "open")
    assert needs(home, bring(one), bring(one), failed=True) == [BACK]
    assert needs(home, put(home, one), put(home, one), failed=True) == [BACK]
    assert needs(home, fill(one), OPEN, failed=True) == [BACK, OPEN, BACK]


def test_an_arm_on_a_table_needs_nothing(tabletop):
    one, other = begin(tabletop, "put", "in")
    first, second = put(tabletop, one), put(tabletop, other)
    assert needs(tabletop, second, first) == needs(tabletop, second, second, failed=True) == []


def test_every_step_is_said_in_full_with_its_reason(home):
    one, other = begin(home, "drawer", "open")
    acts = Acts()
    text = f"put the {one.name} in the drawer, then close it and bring me the {other.name}"
    report = carry_out(home, Idle(), text, SEED, act=acts)
    assert [step.reason for step in report.steps] == ["needed", "needed", "asked"] + ["needed", "asked"] * 2
    assert acts.said == [
        "open the drawer",
        "drive to the table",
        f"put the {one.name} in the drawer",
        "drive to the table",
        "close the drawer",
        "drive to the table",
        f"bring me the {other.name}",
    ]
    assert report.success and report.done == 3
    assert [step.instruction for step in report.steps] == acts.said


def test_what_was_done_before_decides_what_is_needed(home):
    one, other = begin(home, "drawer", "open")
    acts = Acts()
    carry_out(home, Idle(), f"bring me the {one.name}", SEED, act=acts, last=bring(other))
    assert acts.said == ["drive to the table", f"bring me the {one.name}"]


def test_where_a_step_that_was_broken_off_left_the_robot_is_read_not_assumed(home):
    one, _ = begin(home, "drawer", "open")
    home.simulation.place_robot((0.6, 1.0, 0.0))
    assert needs(home, bring(one), BROKEN_OFF) == [BACK]
    assert needs(home, bring(one), BACK) == [], "a drive back that came to its end is believed"
    home.simulation.place_robot((0.0, 0.0, 0.0))
    assert needs(home, bring(one), BROKEN_OFF) == []


def test_only_a_step_that_succeeded_says_where_the_robot_is(home):
    begin(home, "drawer", "open")
    assert carry_out(home, Idle(), "go to the sofa", SEED, act=Acts()).last.place.kind == "sofa"
    assert carry_out(home, Idle(), "go to the sofa", SEED, act=Acts(NO, NO, NO)).last is BROKEN_OFF


def test_a_step_that_fails_is_tried_again_after_what_that_needs(home):
    one, _ = begin(home, "drawer", "open")
    acts = Acts(NO)
    report = carry_out(home, Idle(), f"bring me the {one.name}, then go to the sofa", SEED, act=acts)
    assert [step.reason for step in report.steps] == ["asked", "needed", "again", "asked"]
    assert acts.said[1] == "drive to the table"
    assert report.success and report.done == 2


def test_a_step_whose_need_fails_is_not_taken(home):
    one, _ = begin(home, "drawer", "open")
    acts = Acts(NO, NO)
    report = carry_out(home, Idle(), f"put the {one.name} in the drawer", SEED, act=acts)
    assert acts.said == ["open the drawer", "drive to the table"]
    assert [step.reason for step in report.steps] == ["needed", "needed"]
    assert not report.success and report.done == 0


def test_a_plan_ends_at_the_first_step_that_fails_for_good():
    room = SpotRoom()
    room.reset(seed=1)
    one, other, last = room.spots
    text = ", then ".join(f"put the {colour} block in the tray" for colour in (one, other, last))
    acts = Acts(Outcome.SUCCESS, NO, NO, NO)
    report = carry_out(room, Still(), text, SEED, act=acts, attempts=3)
    assert len(report.asked) == 3 and report.done == 1 and not report.success
    assert [step.reason for step in report.steps] == ["asked", "asked", "again", "again"]


def test_a_crash_ends_a_plan_at_once():
    room = SpotRoom()
    room.reset(seed=1)
    text = ", then ".join(f"put the {colour} block in the tray" for colour in room.spots)
    report = carry_out(room, Still(), text, SEED, act=Acts(Outcome.SUCCESS, CRASH))
    assert len(report.steps) == 2 and report.done == 1 and not report.success


def test_the_same_thing_asked_twice_must_succeed_twice(home):
    begin(home, "drawer", "open")
    text = "go to the sofa, then go back to the table, then go to the sofa"
    report = carry_out(home, Idle(), text, SEED, act=Acts())
    assert len(report.asked) == 3 and report.done == 3 and report.success
    report = carry_out(home, Idle(), text, SEED, act=Acts(Outcome.SUCCESS, Outcome.SUCCESS, NO, NO))
    assert report.done == 2 and not report.success


def test_what_is_only_needed_does_not_count_as_done(home):
    one, _ = begin(home, "drawer", "open")
    text = f"put the {one.name} in the drawer and open the drawer"
    report = carry_out(home, Idle(), text, SEED, act=Acts(Outcome.SUCCESS, Outcome.SUCCESS, NO, NO, NO))
    assert report.done == 0 and not report.success
    assert PlanReport(asked=report.asked, steps=()).done == 0


def test_what_is_not_understood_moves_nothing():
    room = SpotRoom()
    room.reset(seed=1)
    with pytest.raises(NotUnderstoodError, match="tea"):
        carry_out(room, SpotExpert(room), "put the red block in the tray and make tea", SEED)
    assert room.moves == 0


def test_an_expert_carries_out_two_steps_on_the_real_table(tabletop):
    drawn = (draw_task("tabletop", "put", np.random.default_rng(seed)).things for seed in range(30))
    seed = next(seed for seed, things in enumerate(drawn) if "mat" not in {t.kind for t in things.values()})
    tabletop.reset(seed=seed, options={"family": "put"})
    things = tabletop.task.things.values()
    one, other, _ = (thing for thing in things if thing.kind in MOVABLE)
    first, second = (place for place in things if place.kind not in MOVABLE)
    steps = [Intent("put", "in", one, first), Intent("put", "in", other, second)]
    text = " and then ".join(map(plain, steps))
    report = carry_out(tabletop, tabletop.expert(), text, SEED)
    assert report.asked == tuple(steps) and report.success
    assert [step.instruction for step in report.steps][-1] == plain(steps[1])
    assert all(map(tabletop.holds, steps))  # the second has not undone the first


def test_who_does_nothing_fails_as_often_as_it_may_try():
    room = SpotRoom()
    room.reset(seed=1)
    report = carry_out(room, Still(), f"put the {room.task.colour} block in the tray", SEED, attempts=3)
    assert [step.episode.outcome for step in report.steps] == [NO] * 3
    assert [step.episode.steps for step in report.steps] == [room.horizon] * 3
    assert not report.success and room.moves == 3 * room.horizon


def is_sensible(room, intents):
    """Tell whether steps move each thing once, pile nothing up, and ask only for what is not so already."""
    moved = [intent.object for intent in intents if intent.object]
    places = [intent.place for intent in intents if intent.object]
    if len(set(moved)) < len(moved) or len(set(places)) < len(places):
        return False
    is_open, at = room.task.layout.drawer_m > 0.05, "table"
    for intent in intents:
        if intent.family == "drawer" and is_open is (intent.variant == "open"):
            return False
        if intent.family == "goto" and {intent.place.kind, at} in ({at}, {"drawer", "cabinet"}):
            return False
        is_open = {"open": True, "close": False}.get(intent.variant, is_open)
        at = "table" if intent.family == "put" else intent.place.kind
    return True


@pytest.mark.parametrize(("name", "counts"), [("tabletop", {2, 3}), ("home", {3})])
def test_errands_change_something_each_and_are_understood_in_one_breath(name, counts, request):
    room = request.getfixturevalue(name)
    families, found = set(), set()
    for seed in range(5):
        room.reset(seed=seed, options={"family": room.families[seed % len(room.families)]})
        intents = errands(room, 3, np.random.default_rng(seed))
        assert is_sensible(room, intents), [plain(intent) for intent in intents]
        assert decompose(", then ".join(map(plain, intents)), room.task.things.values()) == tuple(intents)
        families |= {intent.family for intent in intents}
        found.add(len(intents))
    assert families == set(room.families)
    assert found <= counts


def test_errands_of_the_same_seed_are_the_same_and_of_another_are_not(home):
    begin(home, "put", "in")
    draws = [errands(home, 3, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_a_room_offers_as_many_errands_as_it_has_things_and_places():
    room = SpotRoom()
    room.reset(seed=1)
    intents = errands(room, 5, np.random.default_rng(0))
    assert len(intents) == 3 and is_sensible(room, intents)
    assert {intent.object for intent in intents} == {Thing(colour, "block") for colour in room.spots}


def test_pushes_among_errands_have_room(tabletop):
    pushed = 0
    for seed in range(4):
        tabletop.reset(seed=seed, options={"family": "push"})
        for intent in errands(tabletop, 2, np.random.default_rng(seed)):
            items = {item.name: item for item in tabletop.task.layout.items}
            if intent.family == "push":
                pushed += 1
                way = math.dist(*(items[thing.name].position_m for thing in (intent.object, intent.place)))
                assert 0.05 < way < 0.30
    assert pushed
