"""Session that does what a page is told, in one thread: one room, one policy, and one robot at a time.

    page, any thread ── orders ──> the session's thread: physics, cameras, drivers, the control loop
          ^                                   │
          └───────────── View ────────────────┘

Whoever asks for something stops what was asked for before: the robot comes to rest, then the new order
counts.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from sayso.data.fit import check_fits
from sayso.data.growing import GrowingDataset
from sayso.evaluation.planner import PlanReport, as_it_is, carry_out
from sayso.runtime.chunking import StrategyName
from sayso.runtime.finding import SIMULATION
from sayso.runtime.hearing import knows_words
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.report import RunReport
from sayso.runtime.robot import DRIVER_ERRORS
from sayso.runtime.run import demonstrated
from sayso.runtime.tick import Tick
from sayso.runtime.watched import WatchedRobot
from sayso.sim.disturbance import Disturbance
from sayso.spec import Chunk, Episode, Features, Policy, Robot, SaysoError, UnknownNameError
from sayso.studio.addresses import connected_robot
from sayso.studio.config import SessionConfig
from sayso.studio.correcting import Correcting
from sayso.studio.hands import Hands
from sayso.studio.orders import Order, Orders
from sayso.studio.progress import begun, ended, kept, meant, told, verdict
from sayso.studio.sites import RealSite, SimulatedSite, Site
from sayso.studio.steps import episode_of, loop_for
from sayso.studio.view import Line, Tone, View
from sayso.studio.watching import WatchedPolicy
from sayso.tasks.contract import World
from sayso.tasks.household.words.language import Intent, NotUnderstoodError, Thing
from sayso.tasks.household.words.own import spoken
from sayso.tasks.household.words.plan import decompose
from sayso.tasks.worlds import WORLDS, in_domain, read_elsewhere

LOG = logging.getLogger(__name__)
STILL: Mapping[str, Any] = {"driving": False, "steered": False, "actor": None, "path_m": None}
"""What is shown of a robot that nobody drives."""


class Session:
    """Room, policy and robot together. What may be asked returns at once, and from any thread."""

    _alone = False
    """Whether a person drives alone, without any policy."""
    hands: Hands
    """Hands of whoever looks on, who may take over."""

    def __init__(self, policy: Policy, features: Features, config: SessionConfig) -> None:
        """Enter the room; `close` leaves it.

        Raises:
            SaysoError: if there is no such room, or the policy belongs to another robot.
        """
        self.view = View(wanted_hz=config.hz or float(features.fps), alone=self._alone)
        self.strategy: StrategyName = config.strategy
        self._features, self._config = features, config
        self._policy = WatchedPolicy(policy, self._heard)
        self._limits = limits_of(features, demonstrated(policy), speed_deg_s=config.max_speed_deg_s)
        self._lock, self._orders = threading.Lock(), Orders()
        self.finished = threading.Event()
        self._disturbance = Disturbance()
        self._last: Intent | None = None
        self._driven: WatchedRobot | None = None
        self._held = ExitStack()
        self._dataset: GrowingDataset | None = None
        self._handled: Site | None = None
        opened = Future[None]()
        self._thread = threading.Thread(target=self._work, args=(opened,), name="session", daemon=True)
        self._thread.start()
        opened.result()
        if config.robot != SIMULATION:
            self.switch(config.robot)

    def tell(self, text: str) -> None:
        """Carry out an instruction, or several in one text; while it moves, correct it."""
        if self.view.driving and (reply := self.correcting.heard(text)):
            self._show(detail=reply)
            return
        self._orders.put_motion(lambda: self._carry_out(text))

    def stop(self) -> None:
        """Bring the robot to rest and forget what it was asked for."""
        self._orders.stop("somebody stopped it")

    def finish(self) -> None:
        """Take the present step as done: of a real robot, only a person can say so."""
        self._site.finish()
        self._orders.stop_step("somebody said that it is done")

    def reset(self) -> None:
        """Lay out the same scene again."""
        self._orders.put(lambda: self._enter(0))

    def new_scene(self) -> None:
        """Lay out the next scene."""
        self._orders.put(lambda: self._enter(1))

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
            self._open()
        except BaseException as error:  # the border of a thread: who waits for it has it raised
            self._held.close()
            opened.set_exception(error)
            return
        opened.set_result(None)
        with self._held:
            while (order := self._next()) is not None:
                self._obey(order)

    def _open(self) -> None:
        """Enter the room, and hold what is recorded into."""
        where = self._config.world
        world = WORLDS.ready(where).make(**in_domain(where, self._config.domain))
        self._held.callback(world.close)
        self.simulated = self._site_of(world)
        self._site: Site = self.simulated
        self._held.callback(lambda: self._site.leave())
        self.room_features = world.features
        check_fits(replace(self._features, fps=self.room_features.fps), self.room_features)
        self.simulated.number = self._config.seed
        self._enter(0)

    def _site_of(self, world: World) -> SimulatedSite:
        """Return where the simulated robot stands: what is recorded is never of the seeds that measure."""
        return SimulatedSite(world, "train" if self._config.corrections else "test")

    def _hands_at(self, site: Site) -> Hands:
        """Return the hands of people at a site; what they do is kept if the session began at such a one.

        Raises:
            SaysoError: if the folder for that holds something else.
        """
        config = self._config
        begins_here = site.simulated == (config.robot == SIMULATION)
        if self._dataset is None and config.corrections and begins_here:
            about = {
                "world": config.world if site.simulated else "a real room",
                "robot": site.recorded.robot_type,
                "by": "person",
            }
            self._dataset = self._held.enter_context(
                GrowingDataset(config.corrections, site.recorded, about, LOG.warning)
            )
        hands = Hands(site.recorded, self._dataset if begins_here else None, alone=self._alone)
        self._held.callback(hands.close)
        return hands

    def _next(self) -> Order | None:
        """Return the next order; until there is one, look at what changes by itself."""
        while self._site.observe_s is not None:
            try:
                return self._orders.next(self._site.observe_s)
            except queue.Empty:
                self._observe()
        return self._orders.next()

    def _observe(self) -> None:
        try:
            self._seen(self._site.observe())
        except DRIVER_ERRORS as error:
            self._stand_in(self.simulated)
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
        self._show(headline=headline, tone=tone, detail=detail, **{**STILL, **more})

    def _enter(self, further: int) -> None:
        """Lay out a scene of the simulation: the same, or one further on."""
        self._site.enter(self.simulated.number + further)
        self._stand_in(self.simulated)

    def _stand_in(self, site: Site) -> None:
        """Let go of the robot elsewhere; show the site, where nothing was asked yet."""
        if site is not self._site:
            self._site.leave()
        if site is not self._handled:
            self.hands, self._handled = self._hands_at(site), site
            self.correcting = Correcting(self.hands, site)
        self._site, self._last, self._driven = site, None, None
        site.show(self._disturbance)
        self._say(
            "Ready",
            "idle",
            scene=site.scene,
            poses=site.poses,
            images=site.pictures(),
            examples=site.examples(),
            robot=site.name,
            simulated=site.simulated,
            number=self.simulated.number,
            lines=(),
            conditions={},
            hz=0.0,
            hand_m=None,
            kept=self.hands.told(),
        )

    def _connect(self, address: str) -> None:
        """Let go of the robot and take another; the simulated one if that fails."""
        self._site.leave()
        self._site = self.simulated
        self._say(f"Looking for {address}", "busy", lines=(), conditions={})
        if address == SIMULATION:
            self._stand_in(self.simulated)
            return
        try:
            robot = connected_robot(address, self._features, self._config.id, LOG.debug)
        except SaysoError as error:
            self._stand_in(self.simulated)
            self._say(f"No robot at “{address}”", "bad", f"{told(error)} The simulation goes on.")
            return
        longest_s = WORLDS[self._config.world].horizon / self._features.fps
        self._stand_in(RealSite(address, robot, self._features, self.simulated.world, longest_s))
        self._observe()

    def _show_room(self) -> None:
        self._show(images=self._site.pictures(), poses=self._site.poses)

    def _show_disturbed(self) -> None:
        if self._site.show(self._disturbance):
            self._show_room()

    def _carry_out(self, text: str) -> None:
        self._say("Thinking", "busy", lines=(), conditions={})
        try:
            report = self._planned(text)
        except (NotUnderstoodError, UnknownNameError) as error:
            hint = read_elsewhere(text, self._config.world) or self.correcting.hint(text)
            self._say("I did not understand", "bad", f"{error}{hint}")
            return
        self._last = report.last
        headline, tone, why = verdict(report, self._orders.stopped)
        self._say(headline, tone, f"{why} {self.view.detail}".strip())

    def _planned(self, text: str) -> PlanReport:
        site = self._site
        self.correcting.begin_plan()
        if site.room is None:
            self._show(lines=(Line(sentence=text),))
            return as_it_is(text, self._act)
        return carry_out(
            site.room,
            self._policy,
            text,
            self.simulated.number,
            decomposer=self._divided,
            attempts=site.attempts,
            act=self._act,
            last=self._last,
            own_words=knows_words(self._policy.policy),
        )

    def _divided(
        self, text: str, known: Iterable[Thing] | None = None, families: Collection[str] | None = None
    ) -> tuple[Intent, ...]:
        """Divide a text into steps, and show them; a room without things is one of which nothing is known."""
        intents = decompose(text, list(known or ()) or None, families)
        said = spoken(text, intents, families, own_words=knows_words(self._policy.policy))
        self._show(lines=tuple(Line(sentence=sentence) for sentence in said))
        return intents

    def _act(self, sentence: str) -> Episode:
        """Carry out one step with the control loop."""
        sentence = self.correcting.begin(sentence)
        robot = self._site.begin(sentence)
        lines = begun(self.view.lines, sentence)
        self._show(
            lines=lines, headline="Driving", tone="busy", detail="", driving=True, path_m=None,
            scene=self._site.scene, steered=self.hands.person is not None,
        )  # fmt: skip
        heard: list[str] = []
        stats = demonstrated(self._policy.policy)
        report = self._drive(robot, self._policy, sentence, stats=stats, tell=heard.append)
        episode = self._episode(report, sentence)
        self.hands.finish(episode.family, success=episode.success)
        if (other := self.correcting.instead(sentence)) and not self._orders.stopped:
            self._show(lines=meant(self.view.lines, other))
            return self._act(other)
        lines = ended(self.view.lines, success=episode.success)
        self._show(lines=lines, detail=" ".join([*heard, kept(report)]), **STILL)
        self._show_room()
        return episode

    def _drive(self, robot: Robot, policy: Policy | None, sentence: str, **more: Any) -> RunReport:
        """Run the control loop until the step is over; people may take over, and the page shows it all."""
        self._driven = WatchedRobot(robot, self._seen)
        return drive(
            self._driven,
            policy,
            sentence,
            features=self._features,
            limits=self._limits,
            before=self.hands.operators,
            config=self._loop(),
            stop=self._orders.begin_step(),
            until=self._judged,
            watch=lambda tick: self._passed(tick, sentence),
            pace=self.hands.steering.pace,
            **more,
        )

    def _judged(self) -> str:
        """Show what holds of a step, and return why it is over, or nothing."""
        found = self._site.found()
        self._show(conditions=found.conditions)
        return "" if self.hands.acts and not found.success else found.over

    def _passed(self, tick: Tick, sentence: str) -> None:
        """Show who acted in a step, and keep what a person did."""
        self.hands.watch(tick, sentence, self._site.found().family)
        self._show(actor=tick.actor, kept=self.hands.told())
        if tick.actor == "person":
            self._show(path_m=None)

    def _loop(self) -> LoopConfig:
        """Return how to drive now."""
        return loop_for(self._config, self._site, self.strategy, self._policy.delay_s)

    def _episode(self, report: RunReport, sentence: str) -> Episode:
        found, number = self._site.found(), self.simulated.number
        stopped = bool(self._orders.stopped)
        return episode_of(report, found, self._config.world, sentence, number, stopped=stopped)

    def _seen(self, reading: Mapping[str, Any]) -> None:
        """Show what a robot sees and where it feels its joints."""
        self._site.show(self._disturbance)
        self._site.read(reading)
        images = {name: reading[name] for name in self._features.cameras}
        hz = self._driven.hz if self._driven is not None else 0.0
        hand_m = self.hands.see(self._site, reading)
        self._show(images=images, poses=self._site.poses, hz=hz, hand_m=hand_m)

    def _heard(self, chunk: Chunk, thought_s: float, answer_s: float) -> None:
        """Show where a chunk leads and how long it took; in the policy's thread."""
        path = self._site.path_m(chunk.actions, self.view.wanted_hz)
        self._show(path_m=path, policy_ms=1000 * thought_s, answer_ms=1000 * answer_s)
