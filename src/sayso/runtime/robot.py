"""Robots with one face: the simulated one, an imagined one, one that only says what it would do.

    a robot speaks    {"shoulder_pan.pos": 12.3, ..., "front": image}        LeRobot's flat names
    a policy hears    {"observation.state": [S], "observation.images.front": image, "task": "..."}

`look` and `command` go from one to the other; `check_robot` says beforehand whether they fit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sayso.data.resize import seen
from sayso.spec import (
    AS_LEARNED,
    STATE,
    TASK,
    Array,
    FeatureMismatchError,
    Features,
    NotFiniteError,
    Observation,
    Robot,
    SaysoError,
    image_key,
)
from sayso.tasks.contract import Told, World

GREY = 128
TOLD_EVERY_S = 0.5
"""Seconds between two lines of a dry run: more, nobody can read."""
LARGEST = 1e6
"""No joint, speed or opening of a robot is so large a number, in whatever unit: it is a mistake."""
DRIVER_ERRORS = (OSError, RuntimeError, ValueError, SaysoError)
"""What drivers raise when a cable is out or a packet is broken; anything else is a bug and goes on up."""


def check_robot(robot: Robot, features: Features) -> None:
    """Check that a robot shows what a policy wants to see and takes what it commands.

    Raises:
        FeatureMismatchError: listing all that is missing, and what there is.
    """
    shown, taken = robot.observation_features, robot.action_features
    missing = [f"state {name}" for name in features.state_names if name not in shown]
    missing += [f"camera {name}" for name in features.cameras if name not in shown]
    missing += [f"action {name}" for name in features.action_names if name not in taken]
    # A number that nobody sets would be whatever the driver makes of it.
    missing += [f"a policy for action {name}" for name in taken if name not in features.action_names]
    if missing:
        raise FeatureMismatchError(
            f"policy and robot do not fit. Missing: {', '.join(missing)}. The robot shows "
            f"{', '.join(shown)} and takes {', '.join(taken)}."
        )


def look(reading: Mapping[str, Any], features: Features, instruction: str) -> Observation:
    """Return one reading of a robot as what a policy sees.

    Args:
        reading: number or uint8 ``[H, W, 3]`` of each name.
        features: of the policy. A camera's image is cut to the shape of the one that the policy learned
            from, about its middle unless another part is seen (`sayso.data.crop`), and scaled to its size.
        instruction: what is asked for.

    Raises:
        FeatureMismatchError: if something is missing, or no image.
        NotFiniteError: if a number is none.
    """
    wanted = (*features.state_names, *features.cameras)
    if missing := [name for name in wanted if reading.get(name) is None]:
        raise FeatureMismatchError(f"the robot did not show {', '.join(missing)}, only {', '.join(reading)}")
    state = _finite("the robot felt", reading, features.state_names)
    observation: Observation = {STATE: state, TASK: instruction}
    for name in features.cameras:
        observation[image_key(name)] = seen(reading[name], name, features)
    return observation | ({AS_LEARNED: True} if features.cropped else {})


def command(action: Array, features: Features) -> dict[str, float]:
    """Return an action, ``[A]``, under the names by which a robot takes it."""
    return {name: float(number) for name, number in zip(features.action_names, action, strict=True)}


def vector(action: Mapping[str, float], features: Features) -> Array:
    """Return named numbers as an action, float32 ``[A]``.

    Raises:
        FeatureMismatchError: if one is missing.
        NotFiniteError: if a number is none.
    """
    if missing := [name for name in features.action_names if name not in action]:
        raise FeatureMismatchError(f"an action without {', '.join(missing)}: only {', '.join(action)}")
    return _finite("an action has", action, features.action_names)


def _finite(what: str, numbers: Mapping[str, Any], names: Sequence[str]) -> Array:
    chosen: Array = np.array([numbers[name] for name in names], dtype=np.float32)
    if bad := [name for name, number in zip(names, chosen, strict=True) if not np.isfinite(number)]:
        raise NotFiniteError(f"{what} {', '.join(bad)} as a number that is not finite")
    if huge := [f"{name} as {n:g}" for name, n in zip(names, chosen, strict=True) if abs(n) > LARGEST]:
        raise NotFiniteError(f"{what} {', '.join(huge)}, which no robot is")
    return chosen


class Described:
    """Robot of the shape that features describe: what every one of ours has in common."""

    def __init__(self, features: Features) -> None:
        """Take on a shape."""
        self.features = features

    @property
    def observation_features(self) -> Mapping[str, Any]:
        """Return name -> ``float`` or image shape ``(H, W, 3)``."""
        images = {name: (*size, 3) for name, size in self.features.cameras.items()}
        return dict.fromkeys(self.features.state_names, float) | images

    @property
    def action_features(self) -> Mapping[str, Any]:
        """Return name -> ``float``."""
        return dict.fromkeys(self.features.action_names, float)


class SimulatedRobot(Described):
    """Robot of a world: what is sent takes one control step of the world's time."""

    def __init__(self, world: World, seed: int, options: Mapping[str, Any] | None = None) -> None:
        """Stand in a world.

        Args:
            world: where it happens; opened and closed by `connect` and `disconnect`.
            seed: which scene.
            options: more of what ``world.reset`` understands, such as ``{"instruction": "..."}``.
        """
        super().__init__(world.features)
        self.world, self.seed, self._options = world, seed, dict(options or {})
        self._seen: Observation = {}
        self.conditions: dict[str, bool] = {}
        """The named conditions of success as they hold now."""
        self.succeeded = self.over = False
        """Whether all of them hold; whether the episode has ended, by success or for want of time."""

    def connect(self) -> None:
        """Enter the scene of the seed."""
        self._seen, info = self.world.reset(seed=self.seed, options=self._options)
        self._note(info)

    @property
    def instruction(self) -> str:
        """Return the sentence that the world understood, which is what a policy is to be told."""
        return self.world.task.instruction

    def get_observation(self) -> dict[str, Any]:
        """Return what is felt and seen after the last step."""
        images = {name: self._seen[image_key(name)] for name in self.features.cameras}
        return dict(zip(self.features.state_names, self._seen[STATE].tolist(), strict=True)) | images

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Advance the world by one step and return what was applied after clipping."""
        space = self.world.action_space
        applied = np.clip(vector(action, self.features), space.low, space.high)
        self._seen, _, terminated, truncated, info = self.world.step(applied)
        self._note(info)
        self.over = terminated or truncated
        return command(applied, self.features)

    def ask(self, sentence: str) -> None:
        """Ask for something else in the scene as it is.

        Raises:
            SaysoError: if the world cannot be told, or does not understand it.
        """
        if not isinstance(self.world, Told):
            raise SaysoError(f"in the world {self.world.name!r} each sentence begins a scene of its own")
        self._seen, self.over = self.world.instruct(sentence), False
        self.conditions = self.world.conditions()
        self.succeeded = all(self.conditions.values())

    def why_not(self) -> str:
        """Return in words what is missing for success, such as ``it fell off the table``; empty if done.

        Nothing is said by a world that cannot tell.
        """
        return "" if self.succeeded else str(getattr(self.world, "why_not", str)())

    def disconnect(self) -> None:
        """Leave the world."""
        self.world.close()

    def _note(self, info: Mapping[str, Any]) -> None:
        self.conditions = {name: bool(held) for name, held in info["conditions"].items()}
        self.succeeded = bool(info["is_success"])


class ImaginedRobot(Described):
    """Robot that is none: it is at once where it is told to be, and sees grey."""

    def __init__(self, features: Features, state: Sequence[float] = ()) -> None:
        """Begin in a state, ``[S]``; by default with every number at zero."""
        super().__init__(features)
        self._state = dict(zip(features.state_names, state or [0.0] * len(features.state), strict=True))

    def connect(self) -> None:
        """Do nothing, for there is nothing."""

    def get_observation(self) -> dict[str, Any]:
        """Return what it was told last, and grey images."""
        grey = {n: np.full((*size, 3), GREY, np.uint8) for n, size in self.features.cameras.items()}
        return {**self._state, **grey}

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Be where the action says."""
        sent = command(vector(action, self.features), self.features)
        self._state |= {name: number for name, number in sent.items() if name in self._state}
        return sent

    def disconnect(self) -> None:
        """Do nothing."""


class ForwardingRobot:
    """Robot that stands before another one and hands everything on; a subclass says what it does besides."""

    def __init__(self, robot: Robot) -> None:
        """Stand before a robot."""
        self._robot = robot

    @property
    def observation_features(self) -> Mapping[str, Any]:
        """Return what the robot shows."""
        return self._robot.observation_features

    @property
    def action_features(self) -> Mapping[str, Any]:
        """Return what the robot takes."""
        return self._robot.action_features

    def connect(self) -> None:
        """Open the robot."""
        self._robot.connect()

    def get_observation(self) -> dict[str, Any]:
        """Return one reading."""
        return self._robot.get_observation()

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Send an action and return what was really sent."""
        return self._robot.send_action(action)

    def disconnect(self) -> None:
        """Close the robot."""
        self._robot.disconnect()


class DryRun(ForwardingRobot):
    """Dry run of a robot: its eyes are seen through; what would be sent is told now and then, not sent."""

    def __init__(self, robot: Robot, tell: Callable[[str], None], *, imagined: bool = False) -> None:
        """Stand before a robot.

        Args:
            robot: whose cameras and joints to read.
            tell: what to do with each line, such as ``print``.
            imagined: whether it may be moved all the same, since there is none.
        """
        super().__init__(robot)
        self._tell, self._imagined = tell, imagined
        self.least: dict[str, float] = {}
        """The smallest number of each name that would have been sent; `most` is the largest."""
        self.most: dict[str, float] = {}
        self._told = -TOLD_EVERY_S

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Tell what would be sent, unless the last was told just now, and return it."""
        if (now := time.monotonic()) - self._told >= TOLD_EVERY_S:
            self._tell("would send " + "  ".join(f"{name} {number:.2f}" for name, number in action.items()))
            self._told = now
        self.least = {name: min(number, self.least.get(name, number)) for name, number in action.items()}
        self.most = {name: max(number, self.most.get(name, number)) for name, number in action.items()}
        return super().send_action(action) if self._imagined else dict(action)


def behind(robot: Robot) -> Robot:
    """Return the robot that an onlooker stands before; any other robot itself."""
    found: Robot = getattr(robot, "behind", robot)
    return found


def is_imagined(robot: Robot) -> bool:
    """Tell whether a robot has no cameras and motors of this world, which alone can break."""
    if isinstance(robot, DryRun):
        return is_imagined(robot._robot)
    return isinstance(robot, SimulatedRobot | ImaginedRobot)


def shows_nothing(robot: Robot) -> bool:
    """Tell whether a robot has no cameras at all, not even simulated ones."""
    return shows_nothing(robot._robot) if isinstance(robot, DryRun) else isinstance(robot, ImaginedRobot)


def moves(robot: Robot) -> bool:
    """Tell whether a robot does what it is sent, and is one that can break."""
    return not isinstance(robot, DryRun) and not is_imagined(robot)
