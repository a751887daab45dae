"""Before it moves, a run says in one line what is not as in training, and --strict holds it back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from sayso.data.statistics import Stats
from sayso.data.views import Costs, Views
from sayso.models.repacked import on_robot
from sayso.runtime.cameras import looks
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.robot import DryRun, ImaginedRobot, SimulatedRobot, shows_nothing
from sayso.sim.robots import SO101
from sayso.spec import ACTION, STATE, image_key
from sayso.studio.watching import WatchedPolicy
from small_desks import HEIGHT, WIDTH, desk
from small_drivers import Driver, Steady
from small_worlds import SpotWorld

ARM = dataclasses.replace(SO101.features(), cameras={"front": (HEIGHT, WIDTH), "wrist": (HEIGHT, WIDTH)})
ROWS = np.random.default_rng(0).normal(0, 10, (500, 6)).clip(-30, 30).astype(np.float32)
STATS = {STATE: Stats.of(ROWS), ACTION: Stats.of(ROWS)}
FRAMES = [
    {image_key("front"): desk(k), image_key("wrist"): desk(k)[:, ::-1], STATE: ROWS[k]} for k in range(12)
]
KEPT = Views.of(FRAMES, ("front", "wrist"))
VIEWS = Views(cameras={c: dataclasses.replace(v, known=v.usual) for c, v in KEPT.cameras.items()})


class Desk(Driver):
    """Stand at a desk, the front camera perhaps elsewhere; pictures of things that nobody saw before."""

    def __init__(self, right: int = 0, down: int = 0, **state: float) -> None:
        super().__init__(ARM)
        self.shift = (right, down)
        self.state |= {f"{joint}.pos": at for joint, at in state.items()}

    def get_observation(self) -> dict[str, Any]:
        seen = super().get_observation()
        seed = 100 + self.readings
        return seen | {"front": desk(seed, *self.shift), "wrist": desk(seed)[:, ::-1].copy()}


def policy(views: Views | None = VIEWS) -> Steady:
    made = Steady([0.0] * 6)
    if views is not None:
        made.views = views
    return made


def begun(robot, acting, **config):
    told: list[str] = []
    report = drive(
        robot,
        acting,
        "rise",
        features=ARM,
        limits=limits_of(ARM, STATS),
        config=LoopConfig(hz=50, rest_s=0.1, frozen_s=0, **{"seconds": 0.2, **config}),
        stats=STATS,
        tell=told.append,
    )
    return report, told


def test_where_all_is_as_in_training_one_line_says_so_and_strict_begins():
    report, (line,) = begun(Desk(), policy(), strict=True)
    assert line.startswith("as in training: camera front (") and "camera wrist (" in line
    assert line.endswith("and the arm's pose") and not report.fault and report.ticks


def test_a_camera_that_has_moved_is_told_of_in_its_own_pixels_and_stops_nothing():
    report, (line,) = begun(Desk(right=16, down=-8), policy())
    assert (
        "as in training: camera wrist (" in line
        and "and the arm's pose; camera front seems to have moved" in line
    )
    assert "16 px (12% of its width) further right and 8 px (6% of its width) further up" in line
    assert line.endswith("what that costs was not measured") and not report.fault and report.ticks


def test_strict_holds_back_who_has_a_moved_camera():
    robot = Desk(right=16)
    report, (line,) = begun(robot, policy(), strict=True)
    assert report.fault and "--strict is set; nothing has moved" in report.stopped
    assert "seems to have moved" in line and robot.sent == []


def test_strict_holds_back_who_stands_elsewhere_even_where_that_may_begin():
    robot = Desk(shoulder_pan=80.0)
    report, told = begun(robot, policy(), strict=True, start="anywhere")
    assert report.fault and "--strict" in report.stopped and robot.sent == []
    assert "the arm stands otherwise than in training" in told[0]


@pytest.mark.parametrize(("views", "lines"), [(Views(), 1), (None, 0)])
def test_who_has_no_reference_pictures_says_so_if_it_tells_anything_and_strict_holds_it_back(views, lines):
    report, told = begun(Desk(), policy(views))
    assert len(told) == lines and all("keeps no reference pictures" in line for line in told)
    assert not report.fault
    report, _ = begun(Desk(), policy(views), strict=True)
    assert report.fault and "or nobody can tell" in report.stopped


def test_a_robot_that_does_not_exist_shows_nothing_to_compare():
    report, told = begun(ImaginedRobot(ARM, (0.0,) * 6), policy(), strict=True)
    assert told == [] and not report.fault


def test_a_simulated_robot_shows_what_can_be_compared_and_an_imagined_one_nothing():
    imagined = ImaginedRobot(ARM, (0.0,) * 6)
    assert shows_nothing(imagined) and shows_nothing(DryRun(imagined, print))
    assert not shows_nothing(SimulatedRobot(SpotWorld(), seed=0))


def seen(right: int, views: Views):
    now = {image_key("front"): desk(50, right), image_key("wrist"): desk(50)[:, ::-1], STATE: ROWS[0]}
    return looks(Desk(), policy(views), ARM, STATS, now).lines[0]


def measured(*success: float, shown: int = 0) -> Views:
    front = dataclasses.replace(VIEWS.cameras["front"], per_level=0.04)
    costs = Costs(success=tuple(enumerate(success)), of="desk, 2026-11-30", shown=shown) if success else None
    return Views(cameras={**VIEWS.cameras, "front": front}, costs=costs)


def test_what_a_moved_camera_costs_is_said_as_it_was_measured():
    line = seen(10, measured(0.95, 0.9, 0.7, 0.3))
    assert "about level 2.0 of the axis camera, at which 7" in line or "about level 1.9 of the axis" in line
    assert "of the episodes succeed instead of 95% (desk, 2026-11-30)" in line
    assert "training shows up to level 3" in seen(10, measured(0.95, 0.9, 0.7, 0.3, shown=3))
    assert "or less instead of 95%" in seen(16, measured(0.95, 0.9))
    assert seen(10, measured()).endswith("of the axis camera, and what that costs was not measured")


def test_a_robot_that_calls_cameras_otherwise_is_compared_by_its_own_names():
    known = dataclasses.replace(ARM, renamed={"desk": "front"})
    made = policy()
    acting, there = on_robot(made, known, dict.fromkeys((*ARM.state_names, "desk", "wrist"), ""))
    assert set(acting.views.cameras) == {"desk", "wrist"} and set(there.cameras) == {"desk", "wrist"}
    np.testing.assert_allclose(acting.views.cameras["desk"].states, VIEWS.cameras["front"].states)
    assert (
        on_robot(policy(None), known, dict.fromkeys((*ARM.state_names, "desk", "wrist"), ""))[0].views is None
    )


def test_the_page_passes_reference_pictures_on():
    assert WatchedPolicy(policy(), lambda *_: None).views is VIEWS
    assert WatchedPolicy(policy(None), lambda *_: None).views is None
