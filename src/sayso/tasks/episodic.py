"""Gymnasium half of our worlds: names, spaces, and the checks of what a reset and a step are given.

What may differ from training is said in options of `reset`, which `departing` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces

from sayso.sim.optics import Optics
from sayso.spec import STATE, TASK, Array, Features, Image, Observation, SaysoError, image_key, known
from sayso.tasks.contract import Task
from sayso.tasks.departing import DISTURBANCES, DYNAMICS, NOISE_STREAM, PICTURES

T = TypeVar("T", bound=Task)
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!?'\"-_()")
MAX_INSTRUCTION = 300
S = TypeVar("S")


def begun(found: S | None) -> S:
    """Return what there is of the running episode.

    Raises:
        SaysoError: before the first reset.
    """
    if found is None:
        raise SaysoError("this world has no episode yet: call reset(seed=...) first")
    return found


class EpisodicWorld(gymnasium.Env[Observation, Array], Generic[T]):
    """Environment in which every episode asks for one task.

    ``reset`` of every such world takes in ``options``:

    - ``family``: which family of tasks; drawn from the seed when absent;
    - ``instruction``: a sentence of one's own instead of the drawn one;
    - ``wording``: how the drawn one is said (`sayso.tasks.wordings`);
    - ``camera_shift_m``: three numbers to add to the first camera's position, or how far it is moved in a
      direction that follows family and seed; ``wrist_shift_m`` is the same of the camera at the wrist;
    - ``camera_turn_deg``: by how much the first camera is turned about the vertical; ``camera_tumble_deg``:
      by how much about an axis that follows family and seed, or a rotation vector, as ``wrist_tumble_deg``;
    - ``light``: a factor on all lamps; ``light_tint``: by what share the strongest of their colours is off;
      ``light_aside_m``: how far they are moved aside;
    - ``image_noise``: standard deviation of Gaussian noise on every picture, in grey levels of 255;
      ``image_blur_px``: that of a blur; ``image_exposure``: stops too bright or too dark; ``image_white``: by
      what share the strongest colour is off; ``image_jpeg``: quality to which pictures are compressed;
    - ``friction`` and ``mass``: factors on those, or their inverses; ``lag_s`` and ``delay_s``: time constant
      of the motors, and the time until they hear of a command;
    - ``start_beyond_m``: how far the robot starts from anywhere that training lets it start.
    """

    options: tuple[str, ...] = (
        *("family", "instruction", "wording", "start_beyond_m"),
        *DISTURBANCES,
        *PICTURES,
        *DYNAMICS,
    )
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
        self._optics = Optics()

    @property
    def task(self) -> T:
        """Return what is asked in the running episode.

        Raises:
            SaysoError: before the first reset.
        """
        return begun(self._task)

    def begin(self, seed: int | None, options: dict[str, Any] | None) -> tuple[dict[str, Any], str]:
        """Seed everything that is drawn, and return the options of a reset and the family of its episode.

        Raises:
            UnknownNameError: if there is no such option.
        """
        super().reset(seed=seed)
        options = options or {}
        for name in options:
            known("reset option", name, self.options)
        return options, options.get("family") or self._family or str(self.np_random.choice(self.families))

    def checked(self, action: Array) -> Array:
        """Return an action as float32, or raise ValueError if it has not as many numbers as the robot."""
        action = np.asarray(action, dtype=np.float32)
        if action.shape != self.action_space.shape:
            names = ", ".join(self.features.action_names)
            raise ValueError(f"an action here is [{names}], but got shape {action.shape}")
        return action

    def photographed(self, pictures: dict[str, Image], *stream: int) -> dict[str, Image]:
        """Return pictures as this episode's cameras have them; what `stream` names has the same each time."""
        if self._optics == Optics():
            return pictures
        # One stream per step, so that looking less often shows the same.
        return self._optics.spoil(pictures, np.random.default_rng([NOISE_STREAM, *stream]))


def observation_space(features: Features) -> spaces.Dict:
    """Return Gymnasium's space of what a policy is given."""
    entries: dict[str, spaces.Space[Any]] = {
        image_key(name): spaces.Box(0, 255, (*size, 3), np.uint8) for name, size in features.cameras.items()
    }
    entries[STATE] = spaces.Box(-np.inf, np.inf, (len(features.state),), np.float32)
    entries[TASK] = spaces.Text(MAX_INSTRUCTION, min_length=0, charset=LETTERS)
    return spaces.Dict(entries)


class OneTaskScenes:
    """Scenes of which each is laid out for its one task: whatever may be asked for there can be done."""

    def scenes(self, sentence: str, seeds: Iterable[int]) -> Iterator[int]:
        """Yield all seeds: what a task needs stands in each of its scenes."""
        return iter(seeds)

    def feasible(self) -> bool:
        """Tell that it can be done."""
        return True
