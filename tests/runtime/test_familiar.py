"""A robot that stands or sees as the demonstrations never did is told of, and does not begin by itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sayso.data.appearance import appearance, of_pictures
from sayso.data.statistics import Stats
from sayso.runtime.familiar import unfamiliar, unlike
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.robot import DryRun, ImaginedRobot
from sayso.sim.robots import SO101
from sayso.spec import ACTION, STATE, image_key
from small_drivers import Driver, Steady

ARM = dataclasses.replace(SO101.features(), cameras={})
ROWS = np.random.default_rng(0).normal(0, 10, (500, 6)).clip(-30, 30)
STATS = {STATE: Stats.of(ROWS), ACTION: Stats.of(ROWS)}
FAR = {"shoulder_pan.pos": 80.0, "elbow_flex.pos": -45.0}


def begun(robot, *, stats=STATS, **config):
    told: list[str] = []
    report = drive(
        robot,
        Steady([0.0] * 6),
        "rise",
        features=ARM,
        limits=limits_of(ARM, stats),
        config=LoopConfig(hz=50, rest_s=0.1, **{"seconds": 0.4, **config}),
        stats=stats,
        tell=told.append,
    )
    return report, told


def standing(state=FAR) -> Driver:
    robot = Driver(ARM)
    robot.state |= state
    return robot


def test_a_robot_that_stands_as_it_never_stood_is_told_of_joint_by_joint_and_does_not_move():
    robot = standing()
    report, told = begun(robot)
    assert len(told) == 2
    assert told[0].startswith("shoulder_pan.pos stands at 80 deg; the demonstrations had -")
    assert told[1].startswith("elbow_flex.pos stands at -45 deg")
    assert report.fault and "has not moved" in report.stopped and "--start slowly" in report.stopped
    assert robot.sent == [] and report.at_rest


def test_where_it_stands_as_usual_nothing_is_said_and_it_begins():
    report, told = begun(Driver(ARM))
    assert told == [] and not report.fault and report.ticks > 10


def test_whoever_says_so_may_begin_anywhere():
    report, told = begun(standing(), start="anywhere")
    assert len(told) == 2 and not report.fault and report.ticks > 10


@pytest.mark.parametrize("wrap", [lambda robot: robot, lambda robot: DryRun(robot, [].append)])
def test_a_robot_that_is_not_moved_may_stand_anywhere(wrap):
    imagined = ImaginedRobot(ARM, tuple(FAR.get(name, 0.0) for name in ARM.state_names))
    robot = wrap(imagined if wrap(None) is None else standing())
    report, told = begun(robot)
    assert len(told) == 2 and not report.fault


def test_a_robot_that_is_asked_to_goes_slowly_to_where_it_was_shown_and_begins_there():
    robot = standing({"shoulder_pan.pos": 45.0})
    report, told = begun(robot, start="slowly")
    assert not report.fault and report.ticks > 10 and told[1] == "it first moves there slowly"
    pans = [sent["shoulder_pan.pos"] for sent in robot.sent]
    first = next(i for i, pan in enumerate(pans) if not unfamiliar(ARM, STATS, np.float32([pan] + [0] * 5)))
    steps = -np.diff([45.0, *pans[: first + 1]])
    assert first > 10 and (steps <= 27 / 50 + 1e-3).all(), "a tenth of 270 degrees per second"
    assert not any(sent["elbow_flex.pos"] for sent in robot.sent)
    assert not report.clipped.get("shoulder_pan.pos range")


class Stuck(Driver):
    """Take what it is told, and stay where it is."""

    def send_action(self, action):
        self.sent.append(dict(action))
        return dict(action)


def test_a_robot_that_does_not_come_to_where_it_was_shown_does_not_begin():
    robot = Stuck(ARM)
    robot.state |= {"shoulder_pan.pos": 40.0}
    report, _ = begun(robot, start="slowly")
    assert report.fault and "did not come to where the demonstrations show it" in report.stopped
    assert report.ticks == 0


def test_where_episodes_begin_is_familiar_though_they_spend_their_time_elsewhere():
    rows = np.concatenate([np.full((20, 6), -90.0), np.random.default_rng(0).normal(0, 5, (980, 6))])
    stats = {STATE: Stats.of(rows)}
    assert unfamiliar(ARM, stats, np.full(6, -90, np.float32)) == []
    assert len(unfamiliar(ARM, stats, np.full(6, -60, np.float32))) == 0, "in between, a joint passes by"
    assert len(unfamiliar(ARM, stats, np.full(6, 70, np.float32))) == 6


def test_a_joint_that_hardly_moved_may_stand_a_little_beside():
    rows = np.random.default_rng(0).normal(0, 0.01, (100, 6))
    stats = {STATE: Stats.of(rows)}
    assert unfamiliar(ARM, stats, np.full(6, 1.5, np.float32)) == []
    assert len(unfamiliar(ARM, stats, np.full(6, 4, np.float32))) == 6


SIZE = (48, 64)
TWO = dataclasses.replace(ARM, cameras={"front": SIZE, "wrist": SIZE})


def scene(camera: str, seed: int = 0, light: float = 1.0):
    """Return what a camera shows: a table below a wall, or a gripper's two fingers."""
    picture = np.zeros((*SIZE, 3), np.float32)
    if camera == "front":
        picture[:20], picture[20:] = (190, 190, 200), (120, 80, 50)
    else:
        picture[:], picture[:, :16], picture[:, 48:] = (60, 60, 60), (220, 220, 40), (220, 220, 40)
    picture += np.random.default_rng(seed).normal(0, 6, picture.shape)
    return (picture * light).clip(0, 255).astype(np.uint8)


LOOKS = {
    image_key(camera): of_pictures(scene(camera, seed, 0.9 + 0.01 * seed) for seed in range(20))
    for camera in ("front", "wrist")
}


def seen(front, wrist) -> list[str]:
    return unlike(TWO, LOOKS, {image_key("front"): front, image_key("wrist"): wrist})


def test_cameras_that_show_what_they_did_are_not_mentioned():
    assert seen(scene("front", 7), scene("wrist", 8)) == []
    assert unlike(TWO, {}, {image_key("front"): scene("wrist")}) == [], (
        "an older policy has no such statistics"
    )


@pytest.mark.parametrize(
    ("front", "words"),
    [
        (scene("front", 3, 0.0), "camera front is black"),
        (scene("wrist", 3), "shows what camera wrist showed in the demonstrations: are they swapped?"),
        (scene("front", 3)[::-1, ::-1], "upside down: is it turned?"),
        (scene("front", 3, 0.4), "is darker than ever in the demonstrations"),
        (scene("front", 3, 1.0) // 4 + 190, "is brighter than ever in the demonstrations"),
        (scene("front", 3)[..., [2, 1, 0]], "are its colours in the other order"),
        (np.full((*SIZE, 3), 128, np.uint8), "shows something else than in the demonstrations"),
    ],
)
def test_what_is_wrong_with_a_camera_is_said_in_a_line(front, words):
    (line,) = seen(front, scene("wrist", 5))
    assert line.startswith("camera front ") and words in line


def test_swapped_cameras_are_told_of_both():
    assert [line.split(":")[0] for line in seen(scene("wrist", 3), scene("front", 4))] == [
        "camera front shows what camera wrist showed in the demonstrations",
        "camera wrist shows what camera front showed in the demonstrations",
    ]


def test_what_a_picture_looks_like_does_not_depend_on_its_size():
    small = scene("front")
    large = small.repeat(4, 0).repeat(4, 1)
    np.testing.assert_allclose(appearance(large), appearance(small), atol=0.01)
