"""Robot and camera as the textbook's chapter has them: ``execute`` an action, ``capture`` a picture.

::

    robot_camera.capture() --> Capture [1, 3, 224, 224] --> model --> action --> robot.execute(action)
            ^                                                                        |
            +-------------------------- one Body: a world, or a real arm <-----------+

All that is made without saying where stands in one shared body, by default the robot at home in simulation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from sayso.chapter.hand import HAND_MOVE, action_of, arm_of
from sayso.models.baselines.textbook import prepare_images
from sayso.models.repacked import on_robot
from sayso.runtime.robot import SimulatedRobot, command, look
from sayso.spec import EXECUTE, Array, FeatureMismatchError, Features, Policy, Robot, SaysoError, seeds
from sayso.tasks.worlds import SHOWN, make_world


class Capture(Tensor):
    """Picture ready for the model, ``[1, 3, 224, 224]``, that knows what else was seen and felt.

    A model computes with it as with any tensor; what comes of that is a plain one.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    body: Body
    reading: Mapping[str, Any]
    """All that the robot felt and saw, by LeRobot's names."""
    step: int
    """How many actions its body had executed before, since its episode began."""

    @classmethod
    def of(cls, body: Body, reading: Mapping[str, Any], step: int) -> Capture:
        """Return the picture of the first camera in a reading."""
        camera = next(iter(body.features.cameras))
        made = Tensor._make_subclass(cls, prepare_images(reading[camera][None]))
        made.body, made.reading, made.step = body, reading, step
        return made

    def shown_to(self, policy: Any, instruction: str | Sequence[str]) -> Tensor:
        """Return what a policy of ours would do now, float32 ``[K, A]``."""
        if self.step == 0:
            policy.reset()
        sentence = one_sentence(instruction)
        known = getattr(policy, "features", None) or self.body.features
        there, features = on_robot(cast(Policy, policy), known, dict.fromkeys(self.reading, ""))
        return torch.from_numpy(np.array(there.act(look(self.reading, features, sentence)).actions))


class Body:
    """Robot that is connected at its first use, and what it did, counted."""

    def __init__(self, make: Callable[[], Robot], features: Features | None = None) -> None:
        """Say how the robot is made, and what it is if it does not say so itself."""
        self._make, self._features = make, features
        self._robot: Robot | None = None
        self._newest: Capture | None = None
        self.steps = 0

    @property
    def robot(self) -> Any:
        """Return the robot, connected."""
        if self._robot is None:
            self._robot = self._make()
            self.enter()
        return self._robot

    @property
    def features(self) -> Features:
        """Return names, units and rate of the robot.

        Raises:
            SaysoError: if it does not say, and nobody else did.
        """
        features: Features | None = self._features or getattr(self.robot, "features", None)
        if features is None:
            raise SaysoError("say what the robot shows and takes: RobotInterface(robot, policy.features)")
        return features

    def enter(self) -> None:
        """Connect; a simulated robot begins its episode anew."""
        assert self._robot is not None
        self._robot.connect()
        self.steps, self._newest = 0, None

    def look(self) -> Capture:
        """Return what there is to see now."""
        robot = self.robot
        self._newest = Capture.of(self, robot.get_observation(), self.steps)
        return self._newest

    def back_to(self, seen: Capture) -> None:
        """Be in the scene that a picture shows: the newest one, or the beginning of the episode.

        Raises:
            SaysoError: if it shows another moment, which no simulation can be brought back to.
        """
        if seen is self._newest:
            return
        if seen.step > 0:
            raise SaysoError(
                f"this picture is of step {seen.step}, and the robot is at step {self.steps} of its episode; "
                "execute what was predicted for the newest picture"
            )
        self.robot  # noqa: B018 (connects, if nobody did)
        self.enter()

    def do(self, action: Tensor | Array, each: Callable[[], object] = lambda: None) -> None:
        """Execute an action, or the first few of a chunk, and stop with the episode.

        Args:
            action: ``[A]``, or ``[1, A]`` of a model, or ``[K, A]`` of a policy.
            each: what to do after every step, such as to wait until it is time for the next.
        """
        for row in rows(action)[:EXECUTE]:
            self.robot.send_action(command(self._in_robot_units(row), self.features))
            self.steps, self._newest = self.steps + 1, None
            each()
            if getattr(self.robot, "over", False):
                break

    def close(self) -> None:
        """Let go of the robot; the next use connects again."""
        if self._robot is not None:
            self._robot.disconnect()
        self._robot = self._newest = None

    def move(self, make: Callable[[], Robot], features: Features | None = None) -> None:
        """Let go of the robot and be another one from now on."""
        self.close()
        self._make, self._features = make, features

    def _in_robot_units(self, row: Array) -> Array:
        names, arm = self.features.action_names, arm_of(self.features)
        if len(row) == len(names):
            return row
        if len(row) != len(HAND_MOVE) or not arm:
            raise FeatureMismatchError(
                f"{self.features.robot_type} takes {len(names)} numbers ({', '.join(names)})"
                + (f" or the {len(HAND_MOVE)} of a hand's move ({', '.join(HAND_MOVE)})" if arm else "")
                + f", but the model predicted {len(row)}; build it with action_dim={len(names)}"
            )
        return action_of(row, self.robot.get_observation(), self.features)


def rows(action: Tensor | Array) -> Array:
    """Return actions float32 ``[K, A]`` for ``[A]``, ``[K, A]`` or ``[1, K, A]``.

    Raises:
        FeatureMismatchError: if it is of another shape.
    """
    given = action.detach().float().cpu().numpy() if isinstance(action, Tensor) else action
    numbers: Array = np.asarray(given, dtype=np.float32)
    shape = numbers.shape
    if numbers.ndim == 3 and len(numbers) == 1:
        numbers = numbers[0]
    if numbers.ndim not in (1, 2) or numbers.size == 0:
        raise FeatureMismatchError(f"an action is [A], [1, A] or a chunk [K, A], but got shape {shape}")
    return np.atleast_2d(numbers)


def one_sentence(instruction: str | Sequence[str]) -> str:
    """Return a sentence, or the only one of a list.

    Raises:
        FeatureMismatchError: if there are more or none.
    """
    sentences = [instruction] if isinstance(instruction, str) else list(instruction)
    if len(sentences) != 1:
        raise FeatureMismatchError(
            f"one robot does one thing at a time, but got {len(sentences)} instructions"
        )
    return sentences[0]


def simulated(world: str, seed: int) -> SimulatedRobot:
    """Return the robot of a world in its seed-th room of the test split."""
    return SimulatedRobot(make_world(world), seeds("test", 1, seed)[0])


SHARED = Body(lambda: simulated(SHOWN, 0))
"""Where everybody is who does not say otherwise."""


def enter_world(world: str = SHOWN, seed: int = 0) -> None:
    """Let `robot`, `robot_camera`, `user_interface` and every ``RobotInterface()`` be in another world.

    Args:
        world: a short name, such as ``tabletop``.
        seed: which of its rooms, counted in the test split.
    """
    SHARED.move(lambda: simulated(world, seed))


class RobotInterface:
    """Robot that executes actions at its own rate."""

    def __init__(
        self, robot: Robot | str | None = None, features: Features | None = None, *, paced: bool = True
    ) -> None:
        """Take a robot; nothing moves or opens before its first action.

        Args:
            robot: one of LeRobot's shape, or the name of a world for a room of its own; None: the shared one.
            features: names, units and rate of a robot that does not say so, as ``policy.features`` has them.
            paced: wait after every step until the next is due. A simulation could be faster.
        """
        if robot is None:
            self.body = SHARED
        else:
            made = robot
            self.body = Body(lambda: simulated(made, 0) if isinstance(made, str) else made, features)
        self._paced, self._due_s = paced, 0.0

    def execute(self, action: Tensor | Array) -> None:
        """Execute an action ``[A]`` or ``[1, A]``, or the first few of a policy's chunk ``[K, A]``.

        Numbers are in robot units, as many as the robot takes. Seven are a move of the hand, `HAND_MOVE`.
        Returns when the time of the last step is over, so that a loop runs at the robot's rate, or as fast as
        its model is, if that is slower.

        Raises:
            FeatureMismatchError: if there are more or fewer numbers.
            NotFiniteError: if one is none.
        """
        self.body.do(action, self._wait if self._paced else lambda: None)

    def _wait(self) -> None:
        period_s, now_s = 1 / self.body.features.fps, time.monotonic()
        due_s = (self._due_s or now_s) + period_s
        if due_s > now_s:
            time.sleep(due_s - now_s)
        self._due_s = max(due_s, now_s)  # what a slow step missed is not caught up with


class RobotCamera:
    """Camera of a robot."""

    def __init__(self, robot: RobotInterface | None = None) -> None:
        """Take a robot's camera; None is that of the shared one."""
        self._body = SHARED if robot is None else robot.body

    def capture(self) -> Capture:
        """Return the picture of now, standardised ``[1, 3, 224, 224]``; a policy of ours sees all of it."""
        return self._body.look()
