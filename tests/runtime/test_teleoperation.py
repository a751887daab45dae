"""A person records on an arm through a teleoperator: leader, keys, phone; keeps some, discards some."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import sys
import time

import numpy as np
import pytest

import mock_arm
from sayso import cli
from sayso.data.reader import Dataset
from sayso.robots import JOINTS, Connection
from sayso.runtime import teleoperation
from sayso.runtime.by_person import PersonConfig
from sayso.runtime.drivers import teleoperator_at
from sayso.runtime.lerobot import LeRobotRobot
from sayso.runtime.operators.contract import Moment
from sayso.runtime.operators.teleoperator import TeleoperatorOperator
from sayso.runtime.senses import RobotFailedError
from sayso.runtime.teleoperation import teleoperate
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import LEKIWI, REST_RAD, SO101, from_robot_units, to_robot_units
from sayso.spec import ACTION, STATE, SaysoError, image_key
from small_drivers import Driver

ARM = SO101.features()
NAMES = ARM.action_names
SIZE = (72, 96)
REST = to_robot_units(REST_RAD)


class Leader:
    """Be an arm that a person moves: its first joint swings, faster than it is followed at first."""

    is_calibrated = True

    def __init__(self, pose=REST) -> None:
        self.pose, self.asked, self.open = np.array(pose, float), 0, False

    def connect(self) -> None:
        self.open = True

    def get_action(self):
        self.asked += 1
        swing = self.pose + [20 * np.sin(self.asked / 15), 0, 0, 0, 0, 0]
        return dict(zip(NAMES, map(float, swing), strict=True))

    def disconnect(self) -> None:
        self.open = False


class Says(Leader):
    """Say the same thing always."""

    def __init__(self, said) -> None:
        super().__init__()
        self.said = said

    def get_action(self):
        if isinstance(self.said, Exception):
            raise self.said
        return dict(self.said)


class Terminal(io.TextIOBase):
    """Be a standard input that is no terminal, on which one line comes whenever enough has happened."""

    def __init__(self, *lines) -> None:
        self.lines = list(lines)

    def isatty(self) -> bool:
        return False

    def __iter__(self):
        for holds, line in self.lines:
            until = time.monotonic() + 120
            while not holds():
                assert time.monotonic() < until
                time.sleep(0.01)
            yield line + "\n"


def moments(operator, features=ARM, last=REST, steps=10, period=1 / 30):
    """Ask an operator step after step as the loop does, and return its last action."""
    operator.begin({}, None, None, period)
    for step in range(steps):
        last = operator.act(Moment(step * period, period, {}, np.asarray(last, np.float32)))
    return last


def hand_m(action):
    return ArmKinematics().forward(from_robot_units(action)[0])[0]


def config(out, *more, **fields):
    usual = {"robot": "so101 /dev/none desk=0 hand=2", "task": "put the red block in the bowl"}
    return PersonConfig(out=out, teleop=("lerobot:so101_leader", "port=/dev/lead"), **{**usual, **fields})


def at_rest(cameras):
    """Return an arm that does what it is told, with such cameras."""
    robot = Driver(dataclasses.replace(ARM, cameras=cameras, points=()))
    robot.state |= dict(zip(NAMES, map(float, REST), strict=True))
    return robot


def driven(monkeypatch, robot, device):
    """Let a robot and a device take the place of LeRobot's."""
    monkeypatch.setattr("sayso.runtime.drivers.lerobot_at", lambda _: robot)
    monkeypatch.setattr(teleoperation, "teleoperator_at", lambda _: device)


def test_a_leader_is_met_slowly_and_then_followed():
    far = REST + np.float32([0, 40, 0, 0, 0, 0])
    operator = TeleoperatorOperator(Says(dict(zip(NAMES, map(float, far), strict=True))), ARM)
    soon, later = moments(operator, steps=3), moments(operator, steps=60)
    assert 2 < soon[1] - REST[1] < 8 and not operator.moving
    np.testing.assert_allclose(later, far, atol=1e-4)


def test_a_leader_of_an_arm_on_wheels_leaves_the_wheels_alone():
    still = np.append(REST, [0.1, 0, 0]).astype(np.float32)
    said = {f"{joint}.pos": float(x) for joint, x in zip(JOINTS, REST, strict=True)}
    action = moments(TeleoperatorOperator(Says(said), LEKIWI.features()), last=still)
    np.testing.assert_allclose(action, [*REST, 0, 0, 0], atol=1e-4)


def test_keys_and_a_gamepad_move_the_hand_and_the_gripper():
    deltas = {"delta_x": 1.0, "delta_y": 0.0, "delta_z": 0.0, "gripper": 0}
    action = moments(TeleoperatorOperator(Says(deltas), ARM), steps=15)
    np.testing.assert_allclose(hand_m(action) - hand_m(REST), [0.06, 0, 0], atol=0.006)
    assert action[5] == 0
    theirs = {"action.delta_x": 0.0, "action.delta_y": 1.0, "action.delta_z": 0.0, "gripper": 2}
    action = moments(TeleoperatorOperator(Says(theirs), ARM), steps=15)
    np.testing.assert_allclose(hand_m(action) - hand_m(REST), [0, 0.06, 0], atol=0.006)
    assert action[5] > 50


def test_a_phone_moves_the_hand_while_it_is_enabled():
    said = {"phone.enabled": True, "phone.pos": np.array([0.02, -0.05, 0.03]), "phone.rot": None}
    action = moments(TeleoperatorOperator(Says(said | {"phone.raw_inputs": {"a3": -1.0}}), ARM), steps=40)
    np.testing.assert_allclose(hand_m(action) - hand_m(REST), [0.05, 0.02, 0.03], atol=0.004)
    assert action[5] == 0
    action = moments(TeleoperatorOperator(Says(said | {"phone.enabled": False}), ARM))
    np.testing.assert_allclose(action, REST, atol=1e-3)
    np.testing.assert_allclose(moments(TeleoperatorOperator(Says({}), ARM)), REST, atol=1e-3)


def test_held_keys_drive_wheels_and_no_arm():
    still = np.append(REST, [0, 0, 0]).astype(np.float32)
    driving = TeleoperatorOperator(Says({"w": None, "z": None}), LEKIWI.features())
    ahead, aside, turn = moments(driving, last=still)[6:]
    assert ahead > 0.1 and aside == 0 and turn > 20
    with pytest.raises(SaysoError, match="wheels only"):
        moments(TeleoperatorOperator(Says({"w": None}), ARM))


@pytest.mark.parametrize(
    ("said", "told"),
    [({"left": 1.0}, "nobody knows here what .* left"), (OSError("no packet"), "failed: OSError: no packet")],
)
def test_a_device_that_fails_or_says_something_else_ends_it_in_a_sentence(said, told):
    with pytest.raises(RobotFailedError, match=told):
        moments(TeleoperatorOperator(Says(said), ARM))


def test_what_is_kept_is_a_dataset_and_grows(monkeypatch, tmp_path):
    lines, out = [], tmp_path / "desk"
    device = Leader()
    heard = lambda text, n: lambda: sum(text in line for line in lines) >= n  # noqa: E731
    later = lambda n: lambda: device.asked >= n  # noqa: E731

    def sit(*keys, episodes=2):
        driven(monkeypatch, at_rest({"desk": SIZE, "hand": SIZE}), device)
        lines.clear()
        device.asked = 0
        return teleoperate(config(out, episodes=episodes), lines.append, Terminal(*keys))

    said = sit(
        (heard("Enter begins", 1), ""),
        (later(120), "d"),
        (heard("Enter begins", 2), ""),
        (later(300), ""),
        (heard("Enter begins", 3), "q"),
    )
    assert "1 kept now, 1 in all" in said and "discarded" in lines
    said = sit((heard("Enter begins", 1), ""), (later(120), ""), episodes=1)
    assert "1 kept now, 2 in all" in said and not device.open
    dataset = Dataset(out)
    assert [episode.tasks for episode in dataset.episodes] == [("put the red block in the bowl",)] * 2
    assert all(episode.ending.actor == "person" for episode in dataset.episodes)
    assert dict(dataset.features.cameras) == {"desk": SIZE, "hand": SIZE}
    frames = list(dataset.frames(dataset.episodes[0]))
    assert len(frames) > 20
    sent = np.array([frame[ACTION] for frame in frames])
    assert np.ptp(sent[:, 0]) > 5 and np.abs(sent[:, 1:] - REST[1:]).max() < 1
    np.testing.assert_allclose(frames[5][STATE], frames[4][ACTION], atol=1e-3)
    assert frames[0][image_key("desk")].std() > 10


def test_ctrl_c_keeps_what_was_kept(monkeypatch, tmp_path):
    device, lines = Leader(), []
    driven(monkeypatch, at_rest({"desk": SIZE}), device)
    begins = lambda n: lambda: sum("Enter begins" in line for line in lines) >= n  # noqa: E731

    def interrupted() -> bool:
        if sum("recording" in line for line in lines) < 2 or device.asked < 240:
            return False
        os.kill(os.getpid(), signal.SIGINT)
        return True

    keys = [(begins(1), ""), (lambda: device.asked > 120, ""), (begins(2), ""), (interrupted, "?")]
    assert "1 kept now" in teleoperate(config(tmp_path / "desk"), lines.append, Terminal(*keys))
    assert len(Dataset(tmp_path / "desk").episodes) == 1


@pytest.mark.timeout(300)
def test_the_mock_arm_is_recorded_as_it_is_typed_and_its_recording_trains(monkeypatch, tmp_path):
    device = Leader()
    monkeypatch.chdir(tmp_path)
    sentence = mock_arm.SENTENCES[0]
    with mock_arm.serving("--real-time", "--height", str(SIZE[0]), "--sentence", sentence) as address:
        robot = LeRobotRobot(mock_arm.MockArm(address, SIZE))
        driven(monkeypatch, robot, device)
        keys = [(lambda: device.asked > 1, ""), (lambda: device.asked > 60, "")]
        monkeypatch.setattr(sys, "stdin", Terminal(*keys))
        words = [
            "--robot",
            f"so101 {address} desk=0 hand=2",
            "--teleop",
            "lerobot:so101_leader",
            "port=/dev/lead",
        ]
        more = ["--task", mock_arm.SENTENCES[0], "--episodes", "1", "--out", "desk"]
        assert cli.main(["record", "--by", "person", *words, *more]) == 0
    dataset = Dataset(tmp_path / "desk")
    assert dataset.features.fps == 30 and dataset.features.robot_type == "so101"
    assert set(dataset.features.cameras) == {"desk", "hand"} and tuple(dataset.tasks) == (sentence,)
    given = ["--datasets", "desk", "--steps", "2", "--batch-size", "4", "--threads", "1", "--resize", "64"]
    assert cli.main(["train", *given, "--out", "run"]) == 0


def test_a_folder_of_another_robot_is_refused_in_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "recording.json").write_text(
        json.dumps({"config": {"world": "tabletop", "robot": "so101", "by": "person"}, "seconds": 0.0})
    )
    driven(monkeypatch, at_rest({}), Leader())
    with pytest.raises(SaysoError, match=r"holds a recording of world tabletop, .* one of world a real"):
        teleoperate(config(tmp_path / "desk"), [].append, Terminal())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"world": "tabletop"}, "either a world"),
        ({"robot": "sim"}, "either a world"),
        ({"robot": "sim", "world": "tabletp"}, "Did you mean 'tabletop'"),
        ({"dry_run": True}, "are for policies"),
        ({"task": ""}, "say what is done"),
        ({"teleop": ()}, "needs something to move it with"),
        ({"teleop": ("so101_leader",)}, "begins with lerobot:TYPE, but got 'so101_leader'"),
        ({"teleop": ("lerobot:so101_leader", "port")}, "FIELD=VALUE"),
        ({"episodes": 0}, "episodes"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_anything_is_connected(fields, told, tmp_path):
    usual = {"robot": "so101 /dev/none", "task": "rise", "teleop": ("lerobot:so101_leader", "port=/dev/lead")}
    with pytest.raises(SaysoError, match=told):
        PersonConfig(out=tmp_path, **{**usual, **fields})


def test_where_lerobot_is_missing_it_is_said_how_to_get_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "lerobot"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lerobot", None)
    with pytest.raises(SaysoError, match=r"pip install .*--editable '\.\[lerobot\]'"):
        teleoperator_at(Connection(lerobot="so101_leader"))


def test_a_leader_that_is_not_calibrated_is_refused_and_closed(monkeypatch, tmp_path):
    device = Leader()
    device.is_calibrated = False
    driven(monkeypatch, at_rest({}), device)
    with pytest.raises(SaysoError, match="teleoperator is not calibrated"):
        teleoperate(config(tmp_path / "desk"), [].append, Terminal())
    assert not device.open
