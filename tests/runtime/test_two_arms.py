"""Two arms of somebody else's, one robot behind LeRobot's interface, are driven as any other.

They come from a package of its own, with 12 or 14 numbers, three cameras, and units that nobody told.
"""

from __future__ import annotations

import threading
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from sayso import robots
from sayso.data.appearance import of_pictures
from sayso.data.statistics import Stats
from sayso.robots import Connection, RobotEntry
from sayso.runtime.lerobot import LeRobotRobot
from sayso.runtime.run import RunConfig, run
from sayso.spec import ACTION, STATE, Chunk, Dimension, Features, SaysoError, image_key

SIX = (
    "shoulder_pan.pos",
    "shoulder_lift.pos",
    "elbow_flex.pos",
    "wrist_flex.pos",
    "wrist_roll.pos",
    "gripper.pos",
)
SEVEN = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
CAMERAS = ("top", "left_wrist", "right_wrist")
SIZE = (24, 32)


def features_of(joints: tuple[str, ...], robot_type: str = "their_pair") -> Features:
    both = tuple(Dimension(name=f"{side}_{j}", unit="") for side in ("left", "right") for j in joints)
    return Features(
        robot_type=robot_type, fps=50, state=both, action=both, cameras=dict.fromkeys(CAMERAS, SIZE)
    )


class Pair:
    """Be two arms behind LeRobot's interface, whose pictures are larger than what the policy learned from."""

    is_connected = is_calibrated = True
    connection: Connection
    made: list[Pair] = []  # noqa: RUF012
    joints = SEVEN
    lost: range = range(0)

    def __init__(self) -> None:
        names = features_of(self.joints).action_names
        self.felt = dict.fromkeys(names, 0.0)
        self.sent: list[dict[str, float]] = []
        self.readings, self.torque = 0, False
        self._noise = np.random.default_rng(0)
        self.observation_features = {
            **dict.fromkeys(names, float), **dict.fromkeys(CAMERAS, (48, 64, 3)), "top_depth": (48, 64, 1)
        }  # fmt: skip
        self.action_features = dict.fromkeys(names, float)

    def connect(self, calibrate: bool = True) -> None:
        assert not calibrate
        self.torque = True

    def get_observation(self):
        self.readings += 1
        pictures = {name: self._noise.integers(90, 110, (48, 64, 3), np.uint8) for name in CAMERAS}
        if self.readings in self.lost:
            del pictures["left_wrist"]
        return {**self.felt, **pictures}

    def send_action(self, action):
        assert set(action) == set(self.action_features)
        self.sent.append(dict(action))
        for name, number in action.items():  # motors lag
            self.felt[name] += 0.5 * (number - self.felt[name])
        return dict(action)

    def disconnect(self) -> None:
        self.torque = False


def pair_at(connection: Connection) -> LeRobotRobot:
    pair = Pair()
    pair.connection = connection
    Pair.made.append(pair)
    return LeRobotRobot(pair)


THEIRS = RobotEntry(
    name="their_pair",
    dimensions=features_of(SEVEN).action,
    driver="test_two_arms:pair_at",
    address="192.168.1.40",
)


@pytest.fixture(params=[SIX, SEVEN], ids=["12 numbers", "14 numbers"])
def joints(request, monkeypatch):
    """A package outside that offers two arms as one robot, which nothing here knows."""
    point = EntryPoint(name="their_pair", value="test_two_arms:THEIRS", group=robots.GROUP)
    monkeypatch.setattr("sayso.extensions._offered", lambda group: {"their_pair": point})
    monkeypatch.setattr(Pair, "joints", request.param)
    monkeypatch.setattr(Pair, "made", [])
    return request.param


class Reaches:
    """Ask for a place, twenty times; hang from some question on, if it is told to."""

    def __init__(self, features: Features, where: float, hangs_at: int = 0) -> None:
        self.where, self.hangs_at, self.asked, self.width = where, hangs_at, 0, len(features.action)
        self.over = threading.Event()
        rows = np.random.default_rng(1).uniform(-1, 1, (200, self.width))
        light = [np.full((*SIZE, 3), level, np.uint8) for level in range(80, 120, 5)]
        self.stats = {STATE: Stats.of(rows), ACTION: Stats.of(rows)}
        self.stats |= {image_key(camera): of_pictures(light) for camera in CAMERAS}
        self.seen: set[tuple[int, ...]] = set()

    def reset(self) -> None:
        """Remember nothing."""

    def act(self, observation) -> Chunk:
        self.asked += 1
        self.seen |= {observation[image_key(camera)].shape for camera in CAMERAS}
        if self.hangs_at and self.asked > self.hangs_at:
            self.over.wait(20)
        return Chunk(np.full((20, self.width), self.where, np.float32))


def driven(joints, where: float = 0.5, hangs_at: int = 0, **config):
    features = features_of(joints)
    policy, told = Reaches(features, where, hangs_at), list[str]()
    usual = {"robot": "their_pair 192.168.1.41", "seconds": 1.0, "rest_s": 0.1, "units": ""}
    try:
        report = run(policy, features, "fold the cloth", RunConfig(**{**usual, **config}), told.append)
    finally:
        policy.over.set()
    return report, told, policy


def test_two_arms_move_within_what_was_shown_and_stop_where_they_are(joints):
    report, told, policy = driven(joints, where=1.3)
    (pair,) = Pair.made
    assert not report.fault, report.stopped
    assert pair.connection.where == "192.168.1.41" and not pair.torque
    assert policy.seen == {(*SIZE, 3)}
    sent = np.array([[*one.values()] for one in pair.sent])
    assert len(sent) > 20 and sent.max() > 0.5
    if joints is SEVEN:
        assert sent.max() <= 1.21 and any("limits taken from the demonstrations: " in line for line in told)
    assert np.abs(np.diff(sent[: report.ticks], axis=0)).max() < 270 / 50, "no number jumps"
    assert report.at_rest and (sent[-1] == sent[-2]).all()
    assert not any(line.startswith("camera ") for line in told)


def test_what_two_arms_do_not_show_holds_them_and_stops_them_when_it_lasts(joints, monkeypatch):
    monkeypatch.setattr(Pair, "lost", range(10, 13))
    report, _, _ = driven(joints)
    assert not report.fault and report.held >= 3 and "left_wrist" in str(report.failures)
    monkeypatch.setattr(Pair, "lost", range(10, 1000))
    report, _, _ = driven(joints, watchdog_ms=300, seconds=5)
    assert report.fault and "left_wrist" in report.stopped and report.at_rest
    assert not any(pair.torque for pair in Pair.made)


def test_the_watchdog_holds_two_arms_whose_policy_hangs(joints):
    report, _, _ = driven(joints, hangs_at=3, watchdog_ms=200, patience_s=0.5, seconds=5)
    assert report.fault and "held for 0.5 s" in report.stopped and report.watchdog and report.at_rest
    tail = np.array([[*one.values()] for one in Pair.made[0].sent])[-5:]
    assert (np.abs(np.diff(tail, axis=0)) < 0.02).all()


def test_a_dry_run_of_two_arms_sends_nothing(joints):
    report, told, _ = driven(joints, dry_run=True, seconds=0.3)
    assert not report.fault and Pair.made[0].sent == []
    assert any("right_" + joints[0] in line and "left_" + joints[0] in line for line in told)
    report, told, _ = driven(joints, robot="dry", seconds=0.3)
    assert not report.fault and len(Pair.made) == 1


def test_two_arms_that_stand_where_they_never_did_are_not_moved(joints, monkeypatch):
    monkeypatch.setattr(
        Pair, "connect", lambda self, calibrate: self.felt.update({f"right_{joints[1]}": -25.0})
    )
    report, told, _ = driven(joints)
    assert report.fault and "has not moved" in report.stopped and Pair.made[0].sent == []
    assert sum("stands at -25" in line for line in told) == 1


def test_another_policys_arms_are_refused_before_they_are_connected(joints):
    features = features_of(joints, robot_type="so_follower")
    with pytest.raises(SaysoError, match="made for 'so_follower', which --robot their_pair is not"):
        run(Reaches(features, 0.1), features, "fold", RunConfig(robot="their_pair here"), [].append)
