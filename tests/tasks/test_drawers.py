"""The drawer slides, stays, and is opened and closed by a robot that sees the state."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sayso.sim.drawer import HANDLE_OUT_M, INSIDE_M, TRAVEL_M, add_cabinet
from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.tasks.household.motions import motion
from sayso.tasks.household.motions.drawers import CLOSE_SKILL, OPEN_SKILL
from sayso.tasks.household.success import AT_REST_M_S, DRAWER_OPEN_M, DRAWER_SHUT_M
from sayso.tasks.household.task import HouseholdTask
from sayso.tasks.household.variants import VARIANTS
from sayso.tasks.household.words.language import Intent, Place

STEPS = 330


def cabinet(opening_m: float) -> tuple[mujoco.MjModel, mujoco.MjData]:
    spec = mujoco.MjSpec()
    add_cabinet(spec, opening_m)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def steps_until(simulation: Simulation, skill: motion.Skill, done) -> int | None:
    task = HouseholdTask(
        world="home",
        row=VARIANTS["drawer", "close"],
        intent=Intent("drawer", "close", None, Place("", "drawer")),
        instruction="",
        horizon=STEPS,
        layout=Layout(items=()),
        things={},
    )
    for step in range(STEPS):
        situation = skill.observe(simulation, task)
        phase = next(phase for phase in skill.phases if phase.enters(situation))
        simulation.apply(motion.act(situation.pose, phase.do(situation)))
        let_go = not simulation.touching("drawer") and simulation.speed("drawer") < AT_REST_M_S
        if let_go and done(simulation.drawer_m):
            return step
    return None


def start(seed: int, opening_m: tuple[float, float]) -> Layout:
    rng = np.random.default_rng(seed)
    pose = rng.uniform((-0.15, -0.3, -0.3), (0.10, 0.3, 0.3))
    return Layout(items=(), robot_pose=tuple(pose), drawer_m=float(rng.uniform(*opening_m)))


@pytest.mark.parametrize("opening_m", [0.0, 0.07, TRAVEL_M])
def test_the_drawer_stays_where_it_was_left(opening_m: float) -> None:
    model, data = cabinet(opening_m)
    for _ in range(500):
        mujoco.mj_step(model, data)
    assert data.joint("drawer").qpos[0] == pytest.approx(opening_m, abs=1e-3)


def test_the_drawer_carries_its_floor_and_its_handle_along_towards_the_robot() -> None:
    (_, shut), (_, wide) = cabinet(0.0), cabinet(TRAVEL_M)
    for site in ("drawer_floor", "drawer_handle"):
        np.testing.assert_allclose(wide.site(site).xpos - shut.site(site).xpos, [-TRAVEL_M, 0, 0], atol=1e-6)


def test_an_open_drawer_shows_the_middle_of_its_floor() -> None:
    (_, shut), (_, wide) = cabinet(0.0), cabinet(TRAVEL_M)
    front_x = shut.body("cabinet").xpos[0]
    assert wide.site("drawer_floor").xpos[0] < front_x - 0.05


def test_a_weak_pull_at_the_handle_moves_nothing_and_a_firm_one_opens() -> None:
    for pull_n, opens in ((0.5, False), (4.0, True)):
        model, data = cabinet(0.0)
        for _ in range(500):
            data.body("drawer").xfrc_applied[0] = -pull_n
            mujoco.mj_step(model, data)
        assert (data.joint("drawer").qpos[0] > 0.1) == opens


def test_the_drawer_holds_a_thing_that_fell_in_while_it_is_pushed_shut() -> None:
    spec = mujoco.MjSpec()
    add_cabinet(spec, 0.14)
    body = spec.worldbody.add_body(name="ball", pos=[1.0 - 0.14 + INSIDE_M[0] / 2, -1.25, 0.2])
    body.add_freejoint()
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.015, 0, 0], mass=0.025)
    model = spec.compile()
    data = mujoco.MjData(model)
    for step in range(1500):
        data.body("drawer").xfrc_applied[0] = 3.0 if step > 500 else 0.0
        mujoco.mj_step(model, data)
    across, along, up = data.body("ball").xpos - data.site("drawer_floor").xpos
    assert data.joint("drawer").qpos[0] < 0.005
    assert abs(across) < INSIDE_M[0] / 2 and abs(along) < INSIDE_M[1] / 2 and 0 < up < INSIDE_M[2]


def test_there_is_room_for_a_finger_behind_the_handle() -> None:
    _, data = cabinet(0.0)
    gap = data.body("drawer").xpos[0] - data.site("drawer_handle").xpos[0]
    assert gap >= HANDLE_OUT_M


def test_an_opening_wider_than_the_slide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0 to 0\.16"):
        add_cabinet(mujoco.MjSpec(), 0.2)


@pytest.mark.parametrize("seed", range(3))
def test_the_expert_opens_the_drawer_and_lets_go(seed: int) -> None:
    simulation = Simulation("home", start(seed, (0.0, 0.015)))
    assert steps_until(simulation, OPEN_SKILL, lambda opening_m: opening_m >= DRAWER_OPEN_M) is not None


@pytest.mark.parametrize("seed", range(3))
def test_the_expert_pushes_the_drawer_shut_and_draws_back(seed: int) -> None:
    simulation = Simulation("home", start(seed, (0.09, 0.15)))
    assert steps_until(simulation, CLOSE_SKILL, lambda opening_m: opening_m <= DRAWER_SHUT_M) is not None
