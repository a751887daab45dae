"""The verb `run` finds the robot that is asked for, or says what is missing."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from sayso import cli
from sayso.data.appearance import NUMBERS
from sayso.data.statistics import Stats
from sayso.models.checkpoint import save
from sayso.models.table import build
from sayso.robots import known_robot
from sayso.runtime.connecting import connected
from sayso.runtime.finding import cameras_of, make_robot
from sayso.runtime.robot import DryRun, ImaginedRobot
from sayso.runtime.run import RunConfig, run
from sayso.runtime.simulated import simulated
from sayso.sim.robots import LEKIWI, SO101
from sayso.spec import (
    ACTION,
    SPLITS,
    STATE,
    TASK,
    Chunk,
    Dimension,
    Features,
    SaysoError,
    UnknownNameError,
    image_key,
)
from sayso.tasks.household.scenes import scenes_with
from sayso.tasks.household.words.language import NotUnderstoodError
from small_drivers import Driver, Steady
from small_worlds import FEATURES

ARM = SO101.features()


class Rising:
    """Ask for twenty degrees everywhere."""

    def reset(self) -> None:
        """Remember nothing."""

    def act(self, observation) -> Chunk:
        """Return sixteen times the same action."""
        return Chunk(np.full((16, 6), 20, np.float32))


def test_a_run_without_a_robot_tells_what_would_be_sent_and_writes_its_report(tmp_path):
    told: list[str] = []
    out = tmp_path / "reports" / "dry.json"
    config = RunConfig(robot="dry", seconds=0.3, rest_s=0, out=out)
    report = run(Rising(), ARM, "rise", config, told.append)
    assert report.stopped == "its time was over" and not report.fault
    assert told[0].startswith("dry: there is no robot, its cameras show grey")
    assert told[1] == '"rise"; Ctrl-C stops the robot'
    assert sum(line.startswith("would send shoulder_pan.pos") for line in told) == 1 < report.ticks
    said = told.index(str(report))
    assert "stopped: its time was over" in told[said] and told[said + 1] == "what would have been sent:"
    assert told[said + 2].startswith("  shoulder_pan.pos")
    raw = json.loads(out.read_text())
    assert raw["robot_type"] == "so101" and raw["config"]["robot"] == "dry" and raw["ticks"] == report.ticks


def test_the_simulated_robot_stands_in_a_scene_that_has_what_is_named():
    told: list[str] = []
    robot = simulated(ARM, "put the cyan mug in the yellow basket", tell=told.append)
    assert robot.seed > SPLITS["test"].start, "the first scene has neither"
    assert told[0].startswith(f"in scene {robot.seed - SPLITS['test'].start},")
    assert {"cyan mug", "yellow basket"} <= set(robot.world.describe())
    assert robot.instruction == "put the cyan mug in the yellow basket"
    robot.disconnect()


def test_a_drawer_that_is_to_be_shut_stands_open():
    robot = simulated(LEKIWI.features(), "close the drawer")
    assert not robot.succeeded and not robot.conditions["drawer_closed"]
    robot.disconnect()


@pytest.mark.parametrize(
    "instruction",
    [
        "put the white can in the yellow tray",
        "push the red mug onto the blue mat",
        "put the green can in the tray",
    ],
)
def test_what_one_scene_in_hundreds_has_is_found(instruction):
    robot = simulated(ARM, instruction, tell=lambda line: None)
    task = robot.world.task
    assert task.instruction.startswith(instruction.removesuffix("the tray"))
    assert not robot.succeeded and task.feasible()
    robot.disconnect()


def test_no_further_scene_is_looked_for_once_one_will_do(monkeypatch):
    found = []

    def noted(*asked):
        for seed in scenes_with(*asked):
            found.append(seed)
            yield seed

    monkeypatch.setattr("sayso.tasks.household.world.scenes_with", noted)
    robot = simulated(ARM, "put the white can in the yellow tray", tell=lambda line: None)
    assert found == [robot.seed]
    robot.disconnect()


def test_a_scene_that_is_named_is_kept_though_it_has_other_things():
    with pytest.raises(NotUnderstoodError, match=r"There is no yellow tray here, only the \w+"):
        simulated(ARM, "put the white can in the yellow tray", 3)
    robot = simulated(ARM, "put the white can in the yellow tray", 162)
    assert robot.seed == SPLITS["test"].start + 162
    robot.disconnect()


def test_what_no_scene_has_is_refused(monkeypatch):
    with pytest.raises(NotUnderstoodError):
        simulated(ARM, "put the moon in the blue tray")
    with pytest.raises(UnknownNameError, match="no simulated robot 'point'"):
        simulated(FEATURES, "go")
    monkeypatch.setattr("sayso.runtime.simulated.SCENES", 2)
    with pytest.raises(
        NotUnderstoodError, match=r"none of 2 scenes will do. Of the first: There is no .* only"
    ):
        simulated(ARM, "put the white can in the yellow tray")


class Rests:
    """Want to be where it is."""

    def reset(self) -> None:
        """Remember nothing."""

    def act(self, observation) -> Chunk:
        """Return sixteen times where the joints are."""
        return Chunk(np.tile(observation["observation.state"], (16, 1)))


def test_a_run_that_fails_in_simulation_says_in_words_what_happened():
    told: list[str] = []
    config = RunConfig(seconds=0.3, rest_s=0, watchdog_ms=5000)
    run(Rests(), ARM, "put the can in the blue bowl", config, told.append)
    assert told[0].startswith("in scene ") and told[-1] == "not done: it was never picked up"


def test_a_dry_run_of_a_real_robot_sends_nothing():
    robot = make_robot(RunConfig(robot="dry"), ARM, "rise")
    assert isinstance(robot, DryRun) and isinstance(robot._robot, ImaginedRobot)
    with pytest.raises(SaysoError, match="needs --port, such as --port /dev/ttyACM0"):
        make_robot(RunConfig(robot="so101"), ARM, "rise")
    with pytest.raises(SaysoError, match="needs --ip"):
        make_robot(RunConfig(robot="lekiwi", dry_run=True), ARM, "rise")


class Torn(ImaginedRobot):
    """Have a cable that is out, at the beginning or at the end."""

    def __init__(self, at: str) -> None:
        super().__init__(ARM)
        self.at, self.disconnected = at, 0

    def connect(self) -> None:
        if self.at == "connect":
            raise ConnectionError("no such port")

    def disconnect(self) -> None:
        self.disconnected += 1
        if self.at == "disconnect":
            raise ConnectionError("no status packet")


def test_a_robot_that_is_not_there_is_refused_in_words():
    robot = Torn("connect")
    with (
        pytest.raises(SaysoError, match="cannot be connected: ConnectionError: no such port"),
        connected(robot),
    ):
        raise AssertionError("it was driven")
    assert robot.disconnected == 1


def test_a_robot_that_cannot_be_let_go_of_does_not_cost_the_report():
    told: list[str] = []
    with connected(Torn("disconnect"), told.append):
        pass
    assert told == ["the robot was not disconnected in good order: ConnectionError: no status packet"]


def test_cameras_are_named_with_their_number_or_device():
    assert cameras_of(("front=0", "wrist=/dev/video2")) == {"front": 0, "wrist": "/dev/video2"}
    for bad in ("front", "=0", "front="):
        with pytest.raises(SaysoError, match="NAME=NUMBER or NAME=DEVICE"):
            cameras_of((bad,))


def test_the_command_drives_with_a_checkpoint(tmp_path, capsys):
    stats = {name: Stats.of(np.zeros((2, 6), np.float32)) for name in ("observation.state", "action")}
    save(build("vla", preset="tiny", features=ARM, stats=stats), tmp_path / "policy")
    given = ["run", str(tmp_path / "policy"), "rise", "--robot", "dry", "--seconds", "0.3"]
    assert cli.main(given) == 0
    assert "stopped: its time was over" in capsys.readouterr().out
    assert cli.main([*given, "--max-speed-deg-s", "0"]) == 2
    assert capsys.readouterr().err == "sayso: a joint needs a speed above 0 deg/s, but got 0.0\n"


def lerobots(robot_type: str, most: float, names=ARM.action_names):
    """Return a policy trained on a recording of LeRobot's, which names no units, and its features."""
    dimensions = tuple(Dimension(name=name, unit="") for name in names)
    features = Features(robot_type=robot_type, fps=30, state=dimensions, action=dimensions, cameras={})
    rows = np.random.default_rng(0).uniform(-0.5, 0.5, (50, len(names)))
    rows[0, 4] = most
    stats = {name: Stats.of(rows) for name in (STATE, ACTION)}
    policy = Steady([0.0] * 4 + [most] + [0.0] * (len(names) - 5))
    policy.stats = stats
    return policy, features


NAMES = ("so_follower", "so100_follower", "so101_follower", "so100", "so101", "koch", "koch_follower")


@pytest.mark.parametrize("robot_type", [*NAMES, "omx_follower", "bi_so_follower", "aloha", ""])
@pytest.mark.parametrize("most", [117.8, 99.0])
def test_a_policy_from_a_recording_of_lerobots_runs_dry(robot_type, most):
    policy, features = lerobots(robot_type, most)
    told: list[str] = []
    report = run(policy, features, "rise", RunConfig(robot="dry", seconds=0.2, rest_s=0), told.append)
    assert not report.fault and report.stopped == "its time was over"
    assert ("degrees:" in told[0]) == (most > 100) and "no units" in told[0]


def test_a_dry_run_ends_with_how_far_the_targets_were_from_what_was_shown():
    policy, features = lerobots("so_follower", 117.8)
    policy.action[:2] = [0.6, -0.2]
    told: list[str] = []
    run(policy, features, "rise", RunConfig(robot="dry", seconds=0.5, rest_s=0), told.append)
    assert "what would have been sent, and what the demonstrations show:" in told
    (lift,) = (line for line in told if line.startswith("  shoulder_lift.pos "))
    shown = policy.stats[ACTION]
    assert lift.endswith(f"{shown.min[1]:.2f} to {shown.max[1]:.2f}") and "-0.20 to" in lift
    assert told[-1].startswith("beyond what they show: shoulder_pan.pos by 0.") and "lift" not in told[-1]


def test_grey_pictures_of_a_robot_that_is_none_are_not_called_unlike_the_demonstrations():
    policy, told = Rising(), list[str]()
    policy.stats = {image_key("front"): Stats.of(np.zeros((4, NUMBERS)))}
    run(policy, ARM, "rise", RunConfig(robot="dry", seconds=0.1, rest_s=0), told.append)
    assert not [line for line in told if line.startswith("camera front")]


def test_what_would_find_a_robot_is_not_ignored_where_there_is_none():
    told: list[str] = []
    config = RunConfig(robot="dry front=0", port="x", cameras=("front=0",), seed=3)
    make_robot(config, ARM, "rise", told.append)
    assert told == [
        "--robot dry has nothing to connect, so that these say nothing: --port, --cameras, front=0, --seed"
    ]
    make_robot(RunConfig(robot="dry"), ARM, "rise", told.append)
    assert len(told) == 1


@pytest.mark.parametrize("robot_type", ["so_follower", "somebodys_arm"])
def test_a_policy_of_a_recording_without_robot_hears_of_dry_and_of_its_own_robot(robot_type):
    policy, features = lerobots(robot_type, 117.8)
    features = dataclasses.replace(features, cameras={"desk": (48, 64)})
    with pytest.raises(
        SaysoError, match=r"the policy learned from another set-up. `--robot dry` runs"
    ) as how:
        run(policy, features, "put the can in the bowl", RunConfig(), [].append)
    assert "--cameras NAME=0" in str(how.value)
    if robot_type == "so_follower":
        assert "has no desk" in str(how.value) and "--rename front=desk" in str(how.value)


ALOHA = tuple(d.name for d in known_robot("aloha").dimensions)
BI_SO = tuple(d.name for d in known_robot("bi_so").dimensions)
MAIN = tuple("main_" + name.removesuffix(".pos") for name in ARM.action_names)


@pytest.mark.parametrize("shown", [True, False], ids=["with statistics", "without"])
@pytest.mark.parametrize(
    ("robot_type", "action", "state"),
    [
        ("so100", MAIN, MAIN),
        ("", tuple("012345"), tuple("012345")),
        ("xarm", tuple(f"motor_{k}" for k in range(7)), tuple(f"motor_{k}" for k in range(7))),
        ("bi_so_follower", BI_SO, BI_SO),
        ("aloha", ALOHA, ALOHA),
        ("unknown", ("dx", "dy", "dz", "grip"), ("x", "y", "z", "yaw", "grip")),
        ("unknown", tuple(f"j{k}" for k in range(14)), ()),
    ],
)
def test_every_policy_runs_dry_whatever_its_robot(robot_type, action, state, shown):
    def dimensions(names):
        return tuple(Dimension(name=name, unit="") for name in names)

    features = Features(
        robot_type=robot_type,
        fps=50,
        state=dimensions(state),
        action=dimensions(action),
        cameras={"top": (24, 32), "left": (24, 32), "right": (24, 32)},
    )
    rows = np.random.default_rng(0).uniform(-1, 1, (50, 20))
    policy = Steady(rows[3, : len(action)].tolist())
    policy.stats = {ACTION: Stats.of(rows[:, : len(action)])} if shown else {}
    if shown and state:
        policy.stats[STATE] = Stats.of(rows[:, : len(state)])
    report = run(policy, features, "rise", RunConfig(robot="dry", seconds=0.1, rest_s=0), [].append)
    assert not report.fault, report.stopped


@pytest.mark.parametrize(("most", "per_tick"), [(117.8, 1 / 30), (99.0, 100 / 180 / 30)])
def test_a_speed_limit_binds_a_policy_whose_recording_named_no_units(most, per_tick):
    policy, features = lerobots("so_follower", most)
    rolls: list[float] = []
    config = RunConfig(robot="dry", seconds=0.3, rest_s=0, max_speed_deg_s=1.0)
    run(policy, features, "rise", config, [].append, lambda _: lambda tick: rolls.append(tick.sent[4]))
    assert len(rolls) > 5 and max(np.abs(np.diff(rolls))) < per_tick + 0.011


def test_a_policy_in_per_cent_is_not_given_to_a_robot_that_speaks_degrees_or_is_another():
    policy, features = lerobots("so_follower", 99.0)
    with pytest.raises(SaysoError, match="the policy in per cent of a calibrated range"):
        run(policy, features, "rise", RunConfig(robot="sim"), [].append)
    policy, features = lerobots("koch_follower", 99.0)
    with pytest.raises(SaysoError, match="made for 'koch_follower', which --robot so101 is not"):
        run(policy, features, "rise", RunConfig(robot="so101", port="none"), [].append)


def test_a_policy_in_radians_moves_an_arm_that_speaks_degrees(monkeypatch):
    policy, features = lerobots("so_follower", 1.5)
    driver, told = Driver(features), list[str]()
    monkeypatch.setattr("sayso.runtime.drivers.lerobot_at", lambda _: driver)
    config = RunConfig(robot="so101", port="none", units="rad", seconds=2.5, rest_s=0)
    report = run(policy, features, "rise", config, told.append)
    assert not report.fault, report.stopped
    assert max(action["wrist_roll.pos"] for action in driver.sent) == pytest.approx(
        math.degrees(1.5), abs=0.1
    )
    assert "the robot's wrist_roll.pos deg is wrist_roll.pos rad to the policy" in told


def test_a_policy_is_told_what_a_robot_calls_its_cameras(monkeypatch):
    seen: list[set[str]] = []

    class Watching(Rising):
        def act(self, observation) -> Chunk:
            seen.append({*observation})
            return super().act(observation)

    driver = Driver(dataclasses.replace(ARM, cameras={"cam": (240, 320), "wrist": (240, 320)}))
    monkeypatch.setattr("sayso.runtime.drivers.lerobot_at", lambda _: driver)
    config = RunConfig(robot="so101", port="none", seconds=0.3, rest_s=0, rename=("cam=front",))
    report = run(Watching(), ARM, "rise", config, [].append)
    assert not report.fault, report.stopped
    assert seen and seen[0] == {STATE, TASK, image_key("front"), image_key("wrist")}
    remembering = dataclasses.replace(ARM, renamed={"cam": "front"})
    assert not run(Watching(), remembering, "rise", dataclasses.replace(config, rename=()), [].append).fault
    with pytest.raises(SaysoError, match=r"camera or number to rename 'camm'. Did you mean 'cam'"):
        run(Watching(), ARM, "rise", dataclasses.replace(config, rename=("camm=front",)), [].append)


def test_a_driver_of_lerobots_is_asked_for_the_unit_that_the_policy_learned(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(
        "sayso.runtime.drivers.lerobot_at", lambda how: asked.append(how.unit) or Torn("connect")
    )
    for most in (117.8, 99.0):
        policy, features = lerobots("so_follower", most)
        with pytest.raises(SaysoError, match="no such port"):
            run(policy, features, "rise", RunConfig(robot="so101", port="none"), [].append)
    assert asked == ["deg", "normalized"]


def test_units_that_say_nothing_new_are_refused():
    with pytest.raises(SaysoError, match=r"--units deg says nothing new of shoulder_pan\.pos \[deg\]"):
        run(Rising(), ARM, "rise", RunConfig(robot="dry", units="deg"), [].append)


@pytest.mark.parametrize("instruction", ["", "  "])
def test_an_empty_instruction_is_refused(instruction):
    with pytest.raises(SaysoError, match="the instruction is empty; say what to do"):
        run(Rising(), ARM, instruction, RunConfig(robot="dry"))


def test_help_explains_robots_and_strategies(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    for word in (
        "CHECKPOINT",
        "INSTRUCTION",
        "so101, lekiwi",
        "--hz",
        "realtime,ensemble,naive",
        "--watchdog-ms",
    ):
        assert word in shown


def test_what_only_acts_loads_neither_torch_nor_readers_of_recordings():
    """They take a third of the time to the first action, and 50 MB."""
    code = (
        "import sys, sayso.cli, sayso.runtime.run, sayso.runtime.exported\n"
        "print(sorted({'av', 'pyarrow', 'torch', 'gymnasium'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
