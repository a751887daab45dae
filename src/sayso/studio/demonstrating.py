"""Demonstrations on the page: scene after scene, a person does what is asked for, and keeps it or not.

a scene is laid out ──> the person acts ──> done, or Enter ──> kept ──────┐
      ^                                 └─> Backspace ──> discarded ──────┤
      └───────────────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sayso.runtime.by_person import PersonConfig
from sayso.runtime.operators.person import can_steer
from sayso.spec import Chunk, ConfigError, Observation, Outcome
from sayso.studio.config import SessionConfig
from sayso.studio.session import STILL, Session
from sayso.studio.sites import SimulatedSite
from sayso.studio.view import Line
from sayso.tasks.contract import World
from sayso.tasks.worlds import WORLDS, chosen_families

HOW = "Move the hand until it is done. Enter keeps what you did, Backspace throws it away."


class _Nobody:
    """Policy that is never asked: a person acts alone."""

    def act(self, observation: Observation) -> Chunk:
        """Refuse."""
        raise NotImplementedError

    def reset(self) -> None:
        """Remember nothing."""


@dataclass
class _Shown:
    """What was done in the present scene, and is not judged yet."""

    frames: list[Observation] = field(default_factory=list)
    outcome: Outcome = Outcome.FAILURE


class Demonstration(Session):
    """Session in which a person acts alone, in one scene after the other."""

    _alone = True

    def __init__(self, config: PersonConfig) -> None:
        """Enter the first scene; `close` leaves it.

        Raises:
            SaysoError: if there is no such world, its robot cannot be moved by hand, or the folder holds
                something else.
        """
        features = WORLDS.ready(config.world).features
        if not can_steer(features):
            raise ConfigError(
                f"the robot of {config.world} cannot be moved by hand here: that is for arms whose "
                "kinematics are known, as in tabletop and home"
            )
        self.wanted = config.episodes
        self._person_config = config
        self._judgement, self._shown = "", _Shown()
        self._kept_before: int | None = None
        super().__init__(
            _Nobody(),
            features,
            SessionConfig(
                world=config.world,
                seed=config.seed or 0,
                hz=config.hz,
                max_speed_deg_s=config.max_speed_deg_s,
                corrections=config.out,
                rest_s=0.1,
            ),
        )

    def tell(self, text: str) -> None:
        """Refuse: the scene says what is asked for."""
        raise NotImplementedError

    def judge(self, what: str) -> None:
        """Keep or discard what was done in the present scene, and go on with the next one."""
        if self.view.driving:
            self._judgement = what
            self._orders.stop_step("somebody judged it")
        elif self.view.judged:
            self._orders.put(lambda: self._decide(what))

    @property
    def kept(self) -> int:
        """Return how many episodes were kept in this sitting."""
        return self.hands.kept - (self._kept_before or 0)

    def _site_of(self, world: World) -> SimulatedSite:
        return SimulatedSite(world, "train", chosen_families(world.families, self._person_config.families))

    def _enter(self, further: int) -> None:
        """Lay out a scene, and let the person act in it."""
        if self._kept_before is None:  # go on behind the scenes of earlier sittings
            self.hands, self._handled = self._hands_at(self._site), self._site
            self._kept_before = self.hands.kept
            self.simulated.number += self._kept_before
        self._shown = _Shown()
        super()._enter(further)
        if self.kept < self.wanted:
            self._orders.put_motion(self._demonstrate)
            return
        self._say("All are recorded", "good", f"{self.hands.told()}. You may close this page.")
        self.finished.set()

    def _demonstrate(self) -> None:
        """Let the person act until it is done or judged."""
        robot, sentence = self.simulated.begin_as_laid_out(), self.simulated.world.task.instruction
        self._judgement = ""
        self._show(
            lines=(Line(sentence=sentence, mark="running"),), headline="Your turn", tone="busy", detail=HOW,
            driving=True, steered=True, judged=True, conditions={},
        )  # fmt: skip
        report = self._drive(robot, None, sentence)
        done = self._site.found().success
        self._shown = _Shown(self.hands.frames(), Outcome.SUCCESS if done else Outcome.FAILURE)
        self._show(**STILL)
        self._show_room()
        if self._judgement:
            self._decide(self._judgement)
        elif report.fault:
            self._say("The robot stopped", "bad", report.stopped)
        elif done:
            line = Line(sentence=sentence, mark="done")
            self._say("Done. Keep it?", "good", "Enter keeps it, Backspace throws it away.", lines=(line,))

    def _judged(self) -> str:
        found = self._site.found()
        self._show(conditions=found.conditions)
        return "success" if found.success else ""

    def _decide(self, what: str) -> None:
        """Keep what was done or discard it, and lay out the next scene."""
        shown, self._shown = self._shown, _Shown()
        self._show(judged=False)
        if what == "keep" and not shown.frames:
            self._enter(0)
            return
        if what == "keep":
            self.hands.keep(shown.frames, self.simulated.world.task.family, shown.outcome)
            self.hands.written()
        self._enter(1)
