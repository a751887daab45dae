"""LIBERO's arm under our controller: robosuite's numbers, to the bit, whatever it touches."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("robosuite", reason="pip install 'sayso[libero]'")
from sayso.tasks.libero.experts import Expert
from sayso.tasks.libero.simulators import OperationalSpaceController
from sayso.tasks.libero.world import Libero

FAMILY, SEED = "goal-8", 7
"""A bowl is taken by its rim and put on a plate."""


@pytest.fixture(scope="module")
def world():
    world = Libero(draw_px=16)
    yield world
    world.close()


def seen(simulator):
    """Return everything that a step changes: state, forces, what was sampled for a policy."""
    data, shown = simulator.data, simulator.env.shown
    return [np.copy(each) for each in (data.qpos, data.qvel, data.ctrl, shown.positions, shown.state)]


def replayed(world, actions, robosuites):
    """Begin anew and carry actions out, each with robosuite's own step or ours; return what each led to."""
    world.reset(seed=SEED, options={"family": FAMILY})
    found = []
    for action, robosuites_own in zip(actions, robosuites, strict=True):
        world.simulator.robosuite = robosuites_own
        world.simulator.step(action)
        found.append(seen(world.simulator))
    world.simulator.robosuite = False
    return found


def test_a_whole_episode_with_its_contacts_is_robosuites_to_the_bit_though_both_take_turns(world):
    world.reset(seed=SEED, options={"family": FAMILY})
    expert, actions, states = Expert(world), [], []
    while not world.simulator.solved():
        actions.append(expert.act({}).actions[0].astype(np.float64))
        world.simulator.step(actions[-1])
        states.append(seen(world.simulator))
        assert len(actions) < 300
    thing = world.simulator.env.objects_dict["akita_black_bowl_1"]
    height = world.simulator.model.joint(thing.joints[-1]).qposadr[0] + 2
    assert np.ptp([positions[height] for positions, *_ in states]) > 0.03  # it was carried
    for mine, theirs in zip(states, replayed(world, actions, np.arange(len(actions)) % 10 != 5), strict=True):
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_wrong_goal_would_be_noticed(world, monkeypatch):
    """What the test above compares depends on the controller."""
    actions = [np.full(7, 0.3)] * 2
    right = replayed(world, actions, [False, False])
    monkeypatch.setattr(OperationalSpaceController, "aim", lambda self, action: None)
    assert not np.array_equal(replayed(world, actions, [False, False])[-1][0], right[-1][0])
