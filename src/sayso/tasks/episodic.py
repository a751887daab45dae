"""Gymnasium half of our worlds: names, spaces, and the checks of what a reset and a step are given.

Whatever a seed decides beside the scene has a stream of its own here, so that asking for it changes nothing
else: in which direction the camera is moved, and the noise of the pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces

from sayso.sim.disturbance import Disturbance
from sayso.spec import STATE, TASK, Array, Features, Image, Observation, SaysoError, image_key, known
from sayso.tasks.contract import Task

T = TypeVar("T", bound=Task)
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!?'\"-_()")
MAX_INSTRUCTION = 300
NO_EPISODE = "this world has no episode yet: call reset(seed=...) first"
DISTURBANCES = ("camera_shift_m", "camera_turn_deg", "light", "image_noise")
"""Options of `reset` that change what is seen, and nothing else."""
_NOISE_STREAM, _CAMERA_STREAM = 0x0480, 0x0481
"""Keep these independent of all else that a seed decides."""


class EpisodicWorld(gymnasium.Env[Observation, Array], Generic[T]):
    """Environment in which every episode asks for one task.

    ``reset`` of every such world takes in ``options``:

    - ``family``: which family of tasks; drawn from the seed when absent;
    - ``instruction``: a sentence of one's own instead of the drawn one;
    - ``wording``: ``"heldout"`` for words that training never hears;
    - ``camera_shift_m``: three numbers to add to the first camera's position, or how far it is moved in a
      direction that follows family and seed;
    - ``camera_turn_deg``: by how much that camera is turned about the vertical;
    - ``light``: a factor on all lamps;
    - ``image_noise``: standard deviation of Gaussian noise on every picture, in grey levels of 255.
    """

    options: tuple[str, ...] = ("family", "instruction", "wording", *DISTURBANCES)
    """What its `reset` understands."""

    def __init__(
        self,
        name: str,
        families: Iterable[str],
        features: Features,
        limits: tuple[Array, Array],
        *,
        family: str | None,
        render_mode: str | None,
    ) -> None:
        """Describe the spaces. `family` fixes the family of tasks; by default each seed draws one.

        Raises:
            UnknownNameError: if there is no such family.
        """
        self.name, self.families, self.features = name, tuple(families), features
        self.render_mode = render_mode
        self._family = family if family is None else known("family of tasks", family, self.families)
        self.observation_space = observation_space(features)
        self.action_space: spaces.Box = spaces.Box(*limits, dtype=np.float32)  # type: ignore[assignment]
        self._task: T | None = None
        self._noise = 0.0

    @property
    def task(self) -> T:
        """Return what is asked in the running episode.

        Raises:
            SaysoError: before the first reset.
        """
        if self._task is None:
            raise SaysoError(NO_EPISODE)
        return self._task

    def begin(self, seed: int | None, options: dict[str, Any] | None) -> tuple[dict[str, Any], str]:
        """Seed everything that is drawn, and return the options of a reset and the family of its episode.

        Raises:
            UnknownNameError: if there is no such option.
        """
        super().reset(seed=seed)
        options = options or {}
        for name in options:
            known("reset option", name, self.options)
        self._noise = float(options.get("image_noise", 0.0))
        return options, options.get("family") or self._family or str(self.np_random.choice(self.families))

    def checked(self, action: Array) -> Array:
        """Return an action as float32, or raise ValueError if it has not as many numbers as the robot."""
        action = np.asarray(action, dtype=np.float32)
        if action.shape != self.action_space.shape:
            names = ", ".join(self.features.action_names)
            raise ValueError(f"an action here is [{names}], but got shape {action.shape}")
        return action

    def noisy(self, pictures: dict[str, Image], *stream: int) -> dict[str, Image]:
        """Return pictures with the noise of this episode; what `stream` names has the same each time."""
        if not self._noise:
            return pictures
        # One stream per step, so that looking less often shows the same.
        rng = np.random.default_rng([_NOISE_STREAM, *stream])
        drawn = {name: view + rng.normal(0.0, self._noise, view.shape) for name, view in pictures.items()}
        return {name: np.clip(np.rint(view), 0, 255).astype(np.uint8) for name, view in drawn.items()}


def disturbance_of(options: dict[str, Any], *stream: int) -> Disturbance:
    """Return how the options of a reset disturb its scene.

    Args:
        options: as `EpisodicWorld` understands them.
        stream: numbers of family and seed, which a direction follows.

    Raises:
        ValueError: if a camera cannot be moved so.
    """
    given = options.get("camera_shift_m", 0.0)
    shift = np.asarray(given, dtype=float)
    if shift.shape not in ((), (3,)) or not np.isfinite(shift).all():
        raise ValueError(f"camera_shift_m is a length in metres or three numbers, but got {given!r}")
    if shift.shape == ():
        direction = np.random.default_rng([_CAMERA_STREAM, *stream]).standard_normal(3)
        shift = shift * direction / float(np.linalg.norm(direction))
    x, y, z = shift.tolist()
    return Disturbance(
        shift_m=(x, y, z),
        turn_deg=float(options.get("camera_turn_deg", 0.0)),
        light=float(options.get("light", 1.0)),
    )


def observation_space(features: Features) -> spaces.Dict:
    """Return Gymnasium's space of what a policy is given."""
    entries: dict[str, spaces.Space[Any]] = {
        image_key(name): spaces.Box(0, 255, (*size, 3), np.uint8) for name, size in features.cameras.items()
    }
    entries[STATE] = spaces.Box(-np.inf, np.inf, (len(features.state),), np.float32)
    entries[TASK] = spaces.Text(MAX_INSTRUCTION, min_length=0, charset=LETTERS)
    return spaces.Dict(entries)
