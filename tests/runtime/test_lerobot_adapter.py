"""LeRobot's own robots pass through our loop under the same names and units, without any hardware."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import numpy as np
import pytest

from sayso.runtime.lerobot import SILENT_S, LeRobotRobot, never_made_up
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.robot import check_robot
from sayso.sim.robots import LEKIWI, SO101
from sayso.spec import STATE, Chunk, Features, SaysoError


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
    from sayso.runtime.lerobot import lekiwi, so101

    monkeypatch.setitem(__import__("sys").modules, "lerobot", None)
    for make in (lambda: so101("/dev/ttyACM0", id="x", cameras={}), lambda: lekiwi("127.0.0.1", id="x")):
        with pytest.raises(SaysoError, match=r"pip install .*--editable '\.\[lerobot\]'"):
            make()


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
    from sayso.runtime.lerobot import so101

    monkeypatch.setattr(module, "FeetechMotorsBus", Bus)
    monkeypatch.setattr(module.SOFollower, "configure", lambda self: None)
    return so101("/dev/null", id="test", cameras={}, calibration=tmp_path)


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


def test_our_loop_drives_the_lekiwi_of_lerobot_over_its_sockets_and_stops_when_it_goes():
    pytest.importorskip("lerobot.robots.lekiwi")
    from sayso.runtime.lerobot import lekiwi

    features = blind(LEKIWI.features())
    robot = lekiwi("127.0.0.1", id="test")
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
