import gymnasium
import numpy as np
import pytest

import sayso  # noqa: F401 (registers the worlds)
from contracts.world_contract import WorldContract
from sayso.sim.scene import SHAPES
from sayso.spec import TASK, SaysoError, UnknownNameError, image_key
from sayso.tasks.language import NotUnderstoodError, parse
from sayso.tasks.task import TASKS
from sayso.tasks.world import make_world


class TestTabletop(WorldContract):
    def make(self):
        return make_world("tabletop")


class TestHome(WorldContract):
    def make(self):
        return make_world("home")


@pytest.fixture(scope="module")
def home():
    world = make_world("home")
    yield world
    world.close()


@pytest.mark.parametrize("name", ["sayso/Tabletop-v0", "sayso/Home-v0"])
def test_worlds_are_registered_with_gymnasium(name):
    env = gymnasium.make(name)
    observation, _ = env.reset(seed=1)
    assert TASK in observation
    env.close()


def test_an_unknown_world_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'tabletop'"):
        make_world("tabeltop")


def test_asking_before_the_first_reset_says_what_to_do():
    world = make_world("tabletop")
    with pytest.raises(SaysoError, match="reset"):
        world.labels()
    world.close()


def test_every_scene_leaves_the_choice_to_the_instruction(home):
    """Three things to grasp in three colours, and two containers where things are put, in every scene."""
    for seed in range(20):
        home.reset(seed=seed)
        kinds = [item.kind for item in home.task.layout.items]
        movable = [item for item in home.task.layout.items if SHAPES[item.kind].movable]
        assert len(movable) == 3 and len({item.rgb for item in movable}) == 3
        assert kinds.count("tray") == kinds.count("bowl") == 1 and kinds.count("bin") == 2


def test_every_drawn_instruction_names_what_its_task_asks_for(home):
    for seed in range(40):
        home.reset(seed=seed)
        assert parse(home.task.instruction, home.task.things.values()) == home.task.intent


def test_held_out_wording_is_understood_and_differs_from_training_wording(home):
    home.reset(seed=3, options={"family": "put"})
    plain = home.task.instruction
    home.reset(seed=3, options={"family": "put", "wording": "heldout"})
    assert home.task.instruction != plain
    assert parse(home.task.instruction, home.task.things.values()) == home.task.intent


def test_swapping_keeps_the_scene_and_names_another_object(home):
    first, _ = home.reset(seed=9, options={"family": "put"})
    named, place = home.task.object_name, home.task.place_name
    second, _ = home.reset(seed=9, options={"family": "put", "swap": True})
    assert np.array_equal(first[image_key("front")], second[image_key("front")])
    assert home.task.object_name != named and home.task.place_name == place
    assert home.original_object == named


def test_what_was_taken_is_told_apart_from_what_was_named():
    world = make_world("tabletop")
    world.reset(seed=9, options={"swap": True})
    expert, info = world.expert(), {}
    for _ in range(world.task.horizon):
        *_, terminated, _, info = world.step(expert.act({}).actions[0])
        if terminated:
            break
    assert info["went_for"] == "named"
    world.close()


def test_a_new_instruction_leaves_things_where_they_are(home):
    home.reset(seed=6, options={"family": "put"})
    objects = [item.name for item in home.task.layout.items if SHAPES[item.kind].movable]
    before = np.stack([home.simulation.position(name) for name in objects])
    home.instruct(f"take the {objects[0]} to the bin by the sofa")
    assert home.task.family == "fetch" and home.task.object_name == objects[0]
    after = np.stack([home.simulation.position(name) for name in objects])
    assert after == pytest.approx(before, abs=1e-3)


def test_what_a_sentence_leaves_open_is_said_in_full_to_the_policy(home):
    home.reset(seed=6)
    named = next(name for name in home.describe() if "bin by the sofa" in name)
    colour = named.split()[0]
    thing = home.task.object_name
    observation = home.instruct(f"please take the {thing} to the {colour} bin")
    assert observation[TASK] == f"take the {thing} to the bin by the sofa"
    whole = f"Please take the {thing} to the bin by the sofa!"
    assert home.instruct(whole)[TASK] == whole


def test_what_is_not_understood_changes_nothing(home):
    home.reset(seed=6)
    task = home.task
    with pytest.raises(NotUnderstoodError, match="I can"):
        home.instruct("make me a sandwich")
    assert home.task is task


def test_two_worlds_side_by_side_draw_their_own_scenes():
    """A second GL context used to make the first world draw the second one's meshes, silently."""
    tabletop, home = make_world("tabletop"), make_world("home")
    alone, _ = tabletop.reset(seed=2)
    home.reset(seed=2)
    again = tabletop.simulation.pictures(tabletop._cameras)
    assert np.array_equal(alone[image_key("front")], again["front"])
    home.close()
    after = tabletop.simulation.pictures(tabletop._cameras)
    assert np.array_equal(alone[image_key("front")], after["front"])
    tabletop.close()


@pytest.mark.slow
@pytest.mark.parametrize(("world", "family"), [(w, f) for w, row in TASKS.items() for f in row.families])
def test_expert_succeeds_on_98_of_100_seeds(world, family):
    from sayso.rollout import rollout

    env = make_world(world)
    episodes = [rollout(env, env.expert(), seed, family=family) for seed in range(2_000_000, 2_000_100)]
    env.close()
    assert sum(episode.success for episode in episodes) >= 98
