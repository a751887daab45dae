"""LeRobot's own robots pass through our loop under the same names and units, without any hardware."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from sayso.data.statistics import Stats
from sayso.robots import Connection
from sayso.runtime.connecting import connected
from sayso.runtime.drivers import lerobot_at
from sayso.runtime.finding import RobotChoice, make_robot
from sayso.runtime.lerobot import SILENT_S, LeRobotRobot, never_made_up
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.robot import check_robot
from sayso.sim.robots import LEKIWI, SO101
from sayso.spec import ACTION, STATE, Chunk, Dimension, Features, SaysoError

ARM = dataclasses.replace(SO101.features(), cameras={})
_SIDES = tuple(
    dataclasses.replace(d, name=f"{side}_{d.name}") for side in ("left", "right") for d in ARM.action
)
TWO_ARMS = Features(robot_type="bi_so_follower", fps=30, state=_SIDES, action=_SIDES, cameras={})


class Seesaw:
    """Ask for ten degrees more than what is felt, in eight equal steps, and full speed ahead."""

    def __init__(self, features: Features) -> None:
        self.features = features

    def reset(self) -> None:
        """Remember nothing."""

    def act(self, observation) -> Chunk:
        """Return eight actions."""
        ramp = np.linspace(1.25, 10, 8, dtype=np.float32)[:, None]
        actions = observation[STATE] + ramp
        actions[:, [i for i, d in enumerate(self.features.action) if d.unit not in ("deg", "%")]] = 0.1
        return Chunk(actions)


class Client:
    """Stand for a driver that hands out the same reading when it has heard nothing."""

    observation_features = action_features = {"x.vel": float}  # noqa: RUF012
    is_calibrated = None

    def __init__(self) -> None:
        self.reading = {"x.vel": 0.0}
        self.connected = 0

    def connect(self) -> None:
        self.connected += 1

    def get_observation(self):
        return self.reading

    def send_action(self, action):
        return {**action, "action": np.array([*action.values()])}

    def disconnect(self) -> None:
        self.connected -= 1


def test_a_robot_that_has_fallen_silent_is_noticed():
    clock = {"now": 0.0}
    driver = Client()
    robot = LeRobotRobot(driver, lambda: clock["now"])
    robot.connect()
    robot.get_observation()
    clock["now"] = SILENT_S
    robot.get_observation()
    driver.reading = {"x.vel": 0.0}
    clock["now"] = 2 * SILENT_S
    robot.get_observation()
    clock["now"] = 4 * SILENT_S
    with pytest.raises(ConnectionError, match=r"sent nothing for 1\.0 s"):
        robot.get_observation()


class Guessing(Client):
    """Read a message as LeKiwi's client does: what is missing in it is zero."""

    def __init__(self, messages) -> None:
        super().__init__()
        self.messages = iter(messages)

    def _remote_state_from_obs(self, message):
        return {name: message.get(name, 0.0) for name in self.action_features}

    def get_observation(self):
        with contextlib.suppress(ConnectionError):
            self.reading = self._remote_state_from_obs(next(self.messages))
        return self.reading


def test_a_number_that_is_missing_in_a_message_is_never_zero():
    clock = {"now": 0.0}
    robot = LeRobotRobot(never_made_up(Guessing([{"x.vel": 0.2}, {}, {}, {}])), lambda: clock["now"])
    robot.connect()
    for now in (0.0, 0.1, 0.2):
        clock["now"] = now
        assert robot.get_observation() == {"x.vel": 0.2}
    clock["now"] = 1.0
    with pytest.raises(ConnectionError, match="sent nothing for"):
        robot.get_observation()


def test_only_the_numbers_of_an_action_come_back():
    assert LeRobotRobot(Client()).send_action({"x.vel": 0.1}) == {"x.vel": pytest.approx(0.1)}


def test_a_robot_without_calibration_is_refused_and_let_go():
    class Uncalibrated(Client):
        is_calibrated = False

    driver = Uncalibrated()
    with pytest.raises(SaysoError, match="not calibrated; run lerobot-calibrate"):
        LeRobotRobot(driver).connect()
    assert driver.connected == 0


def test_where_lerobot_is_missing_it_is_said_how_to_get_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "lerobot"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lerobot", None)
    for kind in ("so101_follower", "lekiwi_client", "their_arm"):
        with pytest.raises(SaysoError, match=r"pip install .*--editable '\.\[lerobot\]'"):
            lerobot_at(Connection(lerobot=kind))


class Bus:
    """Be motors that are where they were told to be."""

    def __init__(self, port, motors, calibration) -> None:
        self.motors, self.calibration = motors, calibration
        self.positions = dict.fromkeys(motors, 5.0)
        self.is_connected, self.is_calibrated, self.torque_off = False, True, None

    def connect(self) -> None:
        self.is_connected = True

    def disconnect(self, disable_torque) -> None:
        self.is_connected, self.torque_off = False, disable_torque

    def sync_read(self, register, **_):
        assert register == "Present_Position"
        return dict(self.positions)

    def sync_write(self, register, values) -> None:
        assert register == "Goal_Position"
        self.positions |= values


@pytest.fixture
def arm(monkeypatch, tmp_path):
    module = pytest.importorskip("lerobot.robots.so_follower.so_follower")
    monkeypatch.setattr(module, "FeetechMotorsBus", Bus)
    monkeypatch.setattr(module.SOFollower, "configure", lambda self: None)
    return made("so101 /dev/null", SO101.features(), f"calibration_dir={tmp_path}")


def made(robot: str, features: Features, *settings: str, **how):
    """Return the robot that ``--robot`` and ``--robot-config`` name."""
    return make_robot(RobotChoice(robot=robot, robot_config=settings, **how), features, "rise")


def test_the_so101_of_lerobot_has_the_names_and_units_of_ours(arm):
    assert tuple(arm.action_features) == SO101.features().action_names
    modes = {name: motor.norm_mode.value for name, motor in arm._driver.bus.motors.items()}
    units = {d.name.removesuffix(".pos"): d.unit for d in SO101.features().action}
    assert modes == {name: {"deg": "degrees", "%": "range_0_100"}[unit] for name, unit in units.items()}


def test_our_loop_drives_the_so101_of_lerobot(arm):
    features = blind(SO101.features())
    arm.connect()
    check_robot(arm, features)
    report = drive(
        arm,
        Seesaw(features),
        "rise",
        features=features,
        limits=limits_of(features),
        config=LoopConfig(hz=50, seconds=0.5, rest_s=0.1),
    )
    bus = arm._driver.bus
    arm.disconnect()
    assert report.stopped == "its time was over" and report.at_rest
    assert all(position > 6 for position in bus.positions.values())
    assert bus.torque_off is False, "the arm would fall"


def test_a_driver_of_lerobots_has_the_units_that_the_policy_learned_and_keeps_its_torque(arm, tmp_path):
    per_cent = tuple(
        dataclasses.replace(d, unit="normalized" if d.unit == "deg" else d.unit) for d in ARM.action
    )
    other = made(
        "so100_follower /dev/null",
        dataclasses.replace(ARM, state=per_cent, action=per_cent),
        f"calibration_dir={tmp_path}",
        "max_relative_target=5",
        cameras=("front=0", "wrist=/dev/video2"),
        limp=True,
    )
    config, usual = other._driver.config, arm._driver.config
    assert usual.use_degrees and not usual.disable_torque_on_disconnect and usual.id == "sayso"
    assert not config.use_degrees and config.disable_torque_on_disconnect
    assert config.max_relative_target == 5
    assert {name: str(look.index_or_path) for name, look in config.cameras.items()} == {
        "front": "0",
        "wrist": "/dev/video2",
    }
    assert (config.cameras["front"].width, config.cameras["front"].height) == (640, 480)


def test_what_a_driver_of_lerobots_cannot_be_told_is_refused_with_the_nearest(arm):
    for robot, words in [
        ("lerobot:koch_folower port=/dev/null", "Did you mean 'koch_follower'"),
        ("lerobot:reachy2 ip=1.2.3.4", r"no field of reachy2 'ip'. Known: .*ip_address"),
        ("lerobot:koch_follower", "needs --port"),
        ("lerobot:hope_jr_hand", "a hope_jr_hand needs port, side; say --robot-config port=... side=..."),
    ]:
        with pytest.raises(SaysoError, match=words):
            made(robot, dataclasses.replace(ARM, robot_type="own"))
    with pytest.raises(SaysoError, match=r"no field of so101_follower 'prt'\. Did you mean 'port'"):
        made("so101 /dev/null", ARM, "prt=1")
    with pytest.raises(SaysoError, match=r"so101_follower cannot be configured so: .*use_degrees"):
        made("so101 /dev/null", ARM, "use_degrees=perhaps")


def test_two_arms_of_lerobots_are_one_robot_with_its_prefixes(arm, tmp_path):
    pytest.importorskip("lerobot.robots.bi_so_follower")
    robot = made(
        "bi_so /dev/left /dev/right left_wrist=0 right_wrist=2",
        TWO_ARMS,
        f"calibration_dir={tmp_path}",
    )
    assert tuple(robot.action_features) == TWO_ARMS.action_names
    assert {*robot.observation_features} == {*TWO_ARMS.state_names, "left_wrist", "right_wrist"}
    both = robot._driver.left_arm.config, robot._driver.right_arm.config
    assert [one.port for one in both] == ["/dev/left", "/dev/right"]
    assert all(one.use_degrees and not one.disable_torque_on_disconnect for one in both)
    robot = made("bi_so /dev/left /dev/right", TWO_ARMS, f"calibration_dir={tmp_path}")
    with connected(robot):
        report = drive(
            robot,
            Seesaw(TWO_ARMS),
            "rise",
            features=TWO_ARMS,
            limits=limits_of(TWO_ARMS),
            config=LoopConfig(hz=50, seconds=0.5, rest_s=0.1),
        )
    assert report.stopped == "its time was over" and report.at_rest
    for side in (robot._driver.left_arm, robot._driver.right_arm):
        assert all(position > 6 for position in side.bus.positions.values())
        assert side.bus.torque_off is False


PLUGIN = """
from dataclasses import dataclass
from lerobot.robots import Robot, RobotConfig

@RobotConfig.register_subclass("their_arm")
@dataclass
class TheirArmConfig(RobotConfig):
    port: str = ""
    joints: int = 2

class TheirArm(Robot):
    config_class, name = TheirArmConfig, "their_arm"
    is_connected, is_calibrated = True, True

    def __init__(self, config):
        super().__init__(config)
        self.config = config
        self.felt = {f"motor_{k}": 0.0 for k in range(config.joints)}

    @property
    def observation_features(self):
        return dict.fromkeys(self.felt, float)

    action_features = observation_features

    def connect(self, calibrate=True):
        assert not calibrate

    def get_observation(self):
        return self.felt  # the very same each time

    def send_action(self, action):
        self.felt.update(action)

    def calibrate(self): ...
    def configure(self): ...
    def disconnect(self): ...
"""


def test_a_plugin_of_lerobots_is_driven_by_its_type(monkeypatch, tmp_path):
    pytest.importorskip("lerobot.robots")
    (tmp_path / "lerobot_robot_theirs.py").write_text(textwrap.dedent(PLUGIN))
    about = tmp_path / "lerobot_robot_theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lerobot_robot_theirs\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    dimensions = tuple(Dimension(name=f"motor_{k}", unit="") for k in range(3))
    features = Features(robot_type="them", fps=20, state=dimensions, action=dimensions, cameras={})
    robot = made("lerobot:their_arm port=here joints=3", features, f"calibration_dir={tmp_path}")
    assert robot._driver.config.port == "here"
    stats = Stats.of(np.array([[-1.0] * 3, [1.0] * 3]))
    with connected(robot):
        report = drive(
            robot,
            Seesaw(features),
            "rise",
            features=features,
            limits=limits_of(features, {STATE: stats, ACTION: stats}),
            config=LoopConfig(hz=50, seconds=0.8, rest_s=0.1),
        )
    assert report.stopped == "its time was over" and report.at_rest and not report.failures
    assert all(number == pytest.approx(0.1) for number in robot._driver.felt.values())


def test_our_loop_drives_the_lekiwi_of_lerobot_over_its_sockets_and_stops_when_it_goes():
    pytest.importorskip("lerobot.robots.lekiwi")
    features = blind(LEKIWI.features())
    robot = made("lekiwi 127.0.0.1", features)
    config = robot._driver.config
    robot._driver.port_zmq_cmd, robot._driver.port_zmq_observations = free_port(), free_port()
    assert tuple(robot.action_features) == features.action_names
    assert set(robot.observation_features) == {*features.state_names, *config.cameras}
    heard: list[dict[str, float]] = []
    gone = threading.Event()
    host = threading.Thread(target=serve, args=(robot._driver, features, heard, gone))
    host.start()
    robot.connect()
    threading.Timer(1.0, gone.set).start()
    report = drive(
        robot,
        Seesaw(features),
        "go",
        features=features,
        limits=limits_of(features),
        config=LoopConfig(hz=20, seconds=60, rest_s=0.2),
    )
    host.join()
    robot.disconnect()
    assert report.fault and "has sent nothing for" in report.stopped
    assert set(heard[0]) == set(features.action_names)
    assert max(command["x.vel"] for command in heard) == pytest.approx(0.1)
    assert heard[-1]["x.vel"] == heard[-1]["theta.vel"] == 0


def serve(client, features: Features, heard: list[dict[str, float]], gone: threading.Event) -> None:
    """Do what LeKiwi's host does: take commands, and report readings until it is gone; listen on a while."""
    import zmq

    state = dict.fromkeys(features.state_names, 5.0)
    with zmq.Context() as context:
        commands, readings = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        commands.bind(f"tcp://127.0.0.1:{client.port_zmq_cmd}")
        readings.bind(f"tcp://127.0.0.1:{client.port_zmq_observations}")
        silent_since = None
        while silent_since is None or time.monotonic() - silent_since < 2.0:
            if commands.poll(20):
                heard.append(json.loads(commands.recv_string()))
                state.update(heard[-1])
            if not gone.is_set():
                with contextlib.suppress(zmq.Again):
                    report_state(readings, client, state, zmq.NOBLOCK)
            elif silent_since is None:
                silent_since = time.monotonic()
        commands.close(0)
        readings.close(0)


def report_state(readings, client, state, flags) -> None:
    """Send a reading as LeKiwi's host does, in the manner of the installed version."""
    if hasattr(client, "_parse_observation_json"):
        readings.send_string(json.dumps(state), flags=flags)
    else:
        readings.send_multipart([json.dumps({**state, "_cams": []}).encode()], flags=flags)


def blind(features: Features) -> Features:
    return Features(
        robot_type=features.robot_type, fps=20, state=features.state, action=features.action, cameras={}
    )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
