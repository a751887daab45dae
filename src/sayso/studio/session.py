"""Carry out what a page is told, in one thread: one room, one policy, and one robot at a time.

    page, any thread ── orders ──> the session's thread: physics, cameras, drivers, the control loop
          ^                                   │
          └───────────── View ────────────────┘

Whoever asks for something stops what was asked for before: the robot comes to rest, then the new order
counts.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from sayso.data.units import check_fits_robot
from sayso.evaluation.planner import Room, carry_out
from sayso.runtime.chunking import StrategyName
from sayso.runtime.limits import SERVO_DEG_S, limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.report import RunReport
from sayso.runtime.robot import DRIVER_ERRORS, SimulatedRobot
from sayso.runtime.run import SIMULATION, ending
from sayso.sim.disturbance import Disturbance, Staging
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import from_robot_units
from sayso.sim.scene import Layout
from sayso.sim.simulation import Simulation
from sayso.spec import (
    WHY,
    Chunk,
    Episode,
    Features,
    Image,
    Outcome,
    Policy,
    Robot,
    SaysoError,
    image_key,
    seeds,
)
from sayso.studio.addresses import connected_robot
from sayso.studio.orders import Order, Orders
from sayso.studio.progress import begun, ended, kept, told, verdict
from sayso.studio.rooms import general_suggestions, suggestions, unknown_room
from sayso.studio.view import Line, Tone, View, poses_of, scene_of
from sayso.studio.watching import RobotInRoom, WatchedPolicy, WatchedRobot, path_of
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.draw import called
from sayso.tasks.household.words.language import Intent, NotUnderstoodError, Thing, plain
from sayso.tasks.household.words.plan import split
from sayso.tasks.household.world import World

GLANCE_S = 0.1
"""How often to look through a real robot's cameras while nothing is asked of it."""
MAX_DELAY_S = 0.8
"""How late an answer may be made on purpose: as long as the chunks of the shipped policies."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SessionConfig(LoopConfig):
    """Which room to enter, and which robot to begin with."""

    world: str = "tabletop"
    """Name of the world: tabletop or home."""
    seed: int = 0
    """Which scene: the seed-th of the test split, which no demonstration was recorded in."""
    robot: str = SIMULATION
    """The robot to begin with: sim, dry, "lekiwi 192.168.1.20" or "so101 /dev/ttyACM0 front=0 wrist=2".
    The page can switch."""
    id: str = "sayso"
    """Name under which LeRobot keeps a robot's calibration."""
    max_speed_deg_s: float = SERVO_DEG_S
    """Fastest change of a joint's target. Begin with 60 on a robot you do not know."""


class Session:
    """Room, policy and robot together. What may be asked returns at once, and from any thread."""

    def __init__(self, policy: Policy, features: Features, config: SessionConfig) -> None:
        """Enter the room; `close` leaves it.

        Raises:
            SaysoError: if there is no such room, or the policy belongs to another robot.
        """
        self.view = View(wanted_hz=config.hz or float(features.fps))
        self.strategy: StrategyName = config.strategy
        self._features, self._config = features, config
        self._policy = WatchedPolicy(policy, self._heard)
        self._limits = limits_of(features, speed_deg_s=config.max_speed_deg_s)
        self._arm = ArmKinematics()
        self._lock, self._orders = threading.Lock(), Orders()
        self._disturbance = self._disturbed = Disturbance()
        self._seed, self._last = config.seed, cast(Intent | None, None)
        self._real: Robot | None = None
        self._driven: WatchedRobot | None = None
        self._finished = False
        opened = Future[None]()
        self._thread = threading.Thread(target=self._work, args=(opened,), name="session", daemon=True)
        self._thread.start()
        opened.result()
        if config.robot != SIMULATION:
            self.switch(config.robot)

    def tell(self, text: str) -> None:
        """Carry out an instruction, or several in one text."""
        self._orders.put_motion(lambda: self._carry_out(text))

    def stop(self) -> None:
        """Bring the robot to rest and forget what it was asked for."""
        self._orders.stop("somebody stopped it")

    def finish(self) -> None:
        """Take the present step as done: of a real robot, only a person can say so."""
        self._finished = True
        self._orders.stop_step("somebody said that it is done")

    def reset(self) -> None:
        """Lay out the same scene again."""
        self._orders.put(lambda: self._enter(self._seed))

    def new_scene(self) -> None:
        """Lay out the next scene."""
        self._orders.put(lambda: self._enter(self._seed + 1))

    def switch(self, address: str) -> None:
        """Bring the robot to rest, let go of it and take another; see `sayso.studio.addresses`."""
        self._orders.put(lambda: self._connect(address))

    def disturb(self, disturbance: Disturbance) -> None:
        """Move the front camera and dim the lamps of the simulation, while it runs."""
        self._disturbance = disturbance
        self._orders.put_aside(self._show_disturbed)

    def delay(self, seconds: float) -> None:
        """Let every answer of the policy come later by so much."""
        self._policy.delay_s = seconds

    def close(self) -> None:
        """Stop, leave the room and let go of the robot."""
        self._orders.stop("the page was closed")
        self._orders.end()
        self._thread.join()

    def _work(self, opened: Future[None]) -> None:
        """Be the session's thread."""
        try:
            self._room = World(self._config.world)
            self.room_features = self._room.features
            check_fits_robot(replace(self._features, fps=self.room_features.fps), self.room_features)
            self._enter(self._seed)
        except BaseException as error:  # the border of a thread: who waits for it has it raised
            opened.set_exception(error)
            return
        opened.set_result(None)
        try:
            while (order := self._next()) is not None:
                self._obey(order)
        finally:
            self._let_go()
            self._room.close()

    def _next(self) -> Order | None:
        """Return the next order; until there is one, look through a real robot's cameras."""
        while self._real is not None:
            try:
                return self._orders.next(GLANCE_S)
            except queue.Empty:
                self._glance(self._real)
        return self._orders.next()

    def _glance(self, robot: Robot) -> None:
        try:
            self._seen(robot.get_observation())
        except DRIVER_ERRORS as error:
            self._let_go()
            self._stand_in_room()
            self._say("The robot is gone", "bad", f"{told(error)} The simulation goes on.")

    def _obey(self, order: Order) -> None:
        try:
            order()
        except Exception as error:  # the border to a person, who reads it on the page
            if not isinstance(error, SaysoError):
                LOG.exception("an order failed")
            self._say("That did not work", "bad", told(error))

    def _show(self, **changes: Any) -> None:
        with self._lock:
            self.view = replace(self.view, **changes)

    def _say(self, headline: str, tone: Tone, detail: str = "", **more: Any) -> None:
        self._show(headline=headline, tone=tone, detail=detail, driving=False, path_m=None, **more)

    def _enter(self, seed: int) -> None:
        """Lay out a scene of the simulation."""
        if self._real is not None:
            raise SaysoError("a real room is put in order by hand; only the simulation can be laid out anew")
        family = self._room.families[seed % len(self._room.families)]
        self._room.reset(seed=seeds("test", 1, seed)[0], options={"family": family})
        self._seed, self._staging = seed, Staging(self._room.simulation)
        self._disturbed = Disturbance()
        self._stand_in_room()

    def _stand_in_room(self) -> None:
        """Show the simulation as it is."""
        self._simulation = self._room.simulation
        self._stage()
        suggested = suggestions(cast(Room, self._room), self._seed)
        self._begin_anew(f"simulated, in scene {self._seed}", suggested, self._pictures())

    def _connect(self, address: str) -> None:
        """Let go of the robot and take another; the simulated one if that fails."""
        self._let_go()
        self._say(f"Looking for {address}", "busy", lines=(), conditions={})
        try:
            if address != SIMULATION:
                self._real = connected_robot(address, self._features, self._config.id, LOG.debug)
        except SaysoError as error:
            self._stand_in_room()
            self._say(f"No robot at “{address}”", "bad", f"{told(error)} The simulation goes on.")
            return
        if self._real is None:
            self._stand_in_room()
            return
        self._simulation = Simulation(self._config.world, Layout(items=()))
        self._begin_anew(address, general_suggestions(self._room.families), {})
        self._glance(self._real)

    def _let_go(self) -> None:
        if self._real is not None:
            robot, self._real = self._real, None
            with contextlib.suppress(*DRIVER_ERRORS):  # it may be gone already
                robot.disconnect()

    def _begin_anew(self, robot: str, suggested: tuple[str, ...], images: Mapping[str, Image]) -> None:
        """Show a scene in which nothing was asked for yet, all of it at once."""
        self._last, self._driven = None, None
        self._say(
            "Ready",
            "idle",
            scene=scene_of(self._simulation, robot_alone=self._real is not None),
            poses=poses_of(self._simulation),
            images=images,
            examples=suggested,
            robot=robot,
            simulated=self._real is None,
            number=self._seed,
            lines=(),
            conditions={},
            hz=0.0,
        )

    def _pictures(self) -> Mapping[str, Image]:
        observation = self._room.observe()
        return {name: observation[image_key(name)] for name in self._features.cameras}

    def _show_room(self) -> None:
        self._show(images=self._pictures(), poses=poses_of(self._simulation))

    def _show_disturbed(self) -> None:
        if self._real is None and self._disturbed is not self._disturbance:
            self._stage()
            self._show_room()

    def _stage(self) -> None:
        if self._disturbed is not self._disturbance:
            self._disturbed = self._disturbance
            self._staging.show(self._disturbed)

    def _carry_out(self, text: str) -> None:
        self._say("Thinking", "busy", lines=(), conditions={})
        try:
            report = carry_out(
                cast(Room, self._room) if self._real is None else unknown_room(self._room.families),
                self._policy,
                text,
                self._seed,
                splitter=self._divided,
                attempts=2 if self._real is None else 1,
                act=self._act,
                last=self._last,
            )
        except NotUnderstoodError as error:
            self._say("I did not understand", "bad", str(error))
            return
        self._last = report.last
        headline, tone, why = verdict(report, self._orders.stopped)
        self._say(headline, tone, f"{why} {self.view.detail}".strip())

    def _divided(
        self, text: str, known: Iterable[Thing] | None = None, families: Collection[str] | None = None
    ) -> tuple[Intent, ...]:
        """Divide a text into steps, and show them."""
        intents = split(text, known if self._real is None else None, families)
        self._show(lines=tuple(Line(sentence=plain(called(intent))) for intent in intents))
        return intents

    def _act(self, sentence: str) -> Episode:
        """Carry out one step with the control loop."""
        robot = self._real or RobotInRoom(self._room, sentence)
        if self._real is None:
            robot.connect()
        lines = begun(self.view.lines, sentence)
        self._show(lines=lines, headline="Driving", tone="busy", detail="", driving=True, path_m=None)
        self._driven, self._finished = WatchedRobot(robot, self._seen), False
        heard: list[str] = []
        report = drive(
            self._driven,
            self._policy,
            sentence,
            features=self._features,
            limits=self._limits,
            config=self._loop(),
            stop=self._orders.begin_step(),
            until=lambda: self._judged(robot),
            tell=heard.append,
        )
        episode = self._episode(report, robot, sentence)
        lines = ended(self.view.lines, success=episode.success)
        self._show(lines=lines, detail=" ".join([*heard, kept(report)]), driving=False, path_m=None)
        if self._real is None:
            self._show_room()
        return episode

    def _judged(self, robot: Robot) -> str:
        """Show what holds of a step, and return why it is over, or nothing."""
        if isinstance(robot, SimulatedRobot):
            self._show(conditions=robot.conditions)
        return ending(robot)

    def _loop(self) -> LoopConfig:
        """Return how to drive now."""
        own = self._config
        # What is late on purpose is not what the watchdog is for; at worst an answer is used twice as late.
        late_s = MAX_DELAY_S if self._real is None else self._policy.delay_s
        longest = (
            max(row.horizons[own.world] for rows in TASKS[own.world].families.values() for row in rows)
            / self._features.fps
        )
        return LoopConfig(
            hz=own.hz,
            strategy=self.strategy,
            execute=own.execute if self.strategy == own.strategy else None,
            watchdog_ms=own.watchdog_ms + 2000 * late_s,
            patience_s=own.patience_s,
            seconds=own.seconds or (longest if self._real is not None else 0.0),
            rest_s=own.rest_s,
        )

    def _episode(self, report: RunReport, robot: Robot, sentence: str) -> Episode:
        family, conditions, succeeded, why = "", dict[str, bool](), self._finished, ""
        if isinstance(robot, SimulatedRobot):
            family, conditions, succeeded = self._room.task.family, robot.conditions, robot.succeeded
            why = robot.why_not()
        outcome = Outcome.SUCCESS if succeeded else Outcome.FAILURE
        if not succeeded and (report.fault or self._orders.stopped):  # not to be tried again
            outcome = Outcome.INVALID
        return Episode(
            world=self._config.world,
            family=family,
            instruction=sentence,
            seed=self._seed,
            horizon=report.ticks,
            outcome=outcome,
            conditions=conditions,
            steps=report.ticks,
            seconds=report.seconds,
            error=report.stopped if report.fault else "",
            notes={WHY: why} if why else {},
        )

    def _seen(self, reading: Mapping[str, Any]) -> None:
        """Show what a robot sees and where it feels its joints."""
        if self._real is None:
            self._stage()
        else:
            felt = np.array([reading[name] for name in self._features.state_names], np.float32)
            self._simulation.pose_arm(from_robot_units(felt)[0])
        images = {name: reading[name] for name in self._features.cameras}
        hz = self._driven.hz if self._driven is not None else 0.0
        self._show(images=images, poses=poses_of(self._simulation), hz=hz)

    def _heard(self, chunk: Chunk, thought_s: float, answer_s: float) -> None:
        """Show where a chunk leads and how long it took; in the policy's thread."""
        mobile = self._simulation.kind.mobile
        pose = self._simulation.base_pose if self._real is None else np.zeros(3)
        path = path_of(chunk.actions, pose, self._arm, mobile=mobile, hz=self.view.wanted_hz)
        self._show(path_m=path, policy_ms=1000 * thought_s, answer_ms=1000 * answer_s)
