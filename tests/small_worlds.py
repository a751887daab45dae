"""Build tiny real things for tests: a world with everything the big ones have, a thousand times cheaper."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from string import ascii_lowercase
from typing import Any

import gymnasium as gym
import numpy as np

from sayso.spec import (
    IMAGES,
    STATE,
    TASK,
    Array,
    Chunk,
    Dimension,
    Features,
    Image,
    Observation,
    Policy,
    image_key,
    known,
    point_names,
)
from sayso.tasks.contract import World
from sayso.tasks.worlds import WorldEntry, Worlds

SIZE = 32
SPEED = 1.0
FPS = 10
NEAR_M = 0.08
COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 80, 230), "yellow": (230, 210, 50)}
FEATURES = Features(
    robot_type="point",
    fps=FPS,
    state=(Dimension(name="x.pos", unit="m"), Dimension(name="y.pos", unit="m")),
    action=(Dimension(name="x.vel", unit="m/s"), Dimension(name="y.vel", unit="m/s")),
    cameras={"front": (SIZE, SIZE), "wrist": (SIZE, SIZE)},
    points=point_names(("front", "wrist")),
)
SENTENCES = {"go": "go to the {} spot", "visit": "visit the {} spot"}


@dataclass(frozen=True, kw_only=True)
class SpotTask:
    """Ask for one of the spots."""

    family: str
    instruction: str
    horizon: int
    colour: str


class SpotWorld(gym.Env[Observation, Array]):
    """Move a point over a unit square to the spot whose colour is named, and be slow there.

    The expert is honest but not perfect: it gives up where the named spot lies in the corner at the origin.
    """

    name = "spots"
    features = FEATURES
    families = ("go", "visit")

    def __init__(self, horizon: int = 30) -> None:
        """Describe the spaces; `reset` draws the spots."""
        image = gym.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.observation_space = gym.spaces.Dict(
            {
                image_key("front"): image,
                image_key("wrist"): image,
                STATE: gym.spaces.Box(0, 1, (2,), np.float32),
                TASK: gym.spaces.Text(100, charset=ascii_lowercase + " "),
            }
        )
        self.action_space = gym.spaces.Box(-SPEED, SPEED, (2,), np.float32)
        self.horizon = horizon

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw the spots, the point and the task from the seed."""
        super().reset(seed=seed)
        options = options or {}
        drawn = self.families[self.np_random.integers(len(self.families))]
        family = known("family", options.get("family", drawn), self.families)
        names = [str(c) for c in self.np_random.permutation(list(COLOURS))[:3]]
        self.spots = {c: self.np_random.uniform(0.1, 0.9, 2).astype(np.float32) for c in names}
        self.point = self.np_random.uniform(0.1, 0.9, 2).astype(np.float32)
        self.speed = 0.0
        self.steps = 0
        self.original, other = names[0], names[1]
        named = other if options.get("swap") else self.original
        sentence = options.get("instruction", SENTENCES[family].format(named))
        colour = next((c for c in names if c in sentence), named)
        self.task = SpotTask(family=family, instruction=sentence, horizon=self.horizon, colour=colour)
        return self._observe(), self._info()

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move for a tenth of a second."""
        velocity = np.clip(np.asarray(action, np.float32), -SPEED, SPEED)
        self.point = np.clip(self.point + velocity / FPS, 0, 1).astype(np.float32)
        self.speed = float(np.linalg.norm(velocity))
        self.steps += 1
        info = self._info()
        success = info["is_success"]
        late = self.steps >= self.horizon
        observation = self._observe()
        if not (render or success or late):
            observation = {key: seen for key, seen in observation.items() if not key.startswith(IMAGES)}
        return observation, float(success), success, late, info

    def labels(self) -> Array:
        """Return where the named spot is; object and place are the same, and both cameras see it."""
        return self._labels(self.task.colour)

    def other_labels(self) -> tuple[str, Array]:
        """Ask for another spot."""
        other = next(colour for colour in self.spots if colour != self.task.colour)
        return SENTENCES[self.task.family].format(other), self._labels(other)

    def _labels(self, colour: str) -> Array:
        x, y = self.spots[colour]
        return np.array([x, 1 - y, 1.0] * 4, np.float32)

    def expert(self) -> Policy:
        """Return a policy that knows where the spots are."""
        return SpotExpert(self)

    def describe(self) -> list[str]:
        """Name what is there."""
        return [f"{colour} spot" for colour in self.spots]

    def _info(self) -> dict[str, Any]:
        distance = {c: float(np.linalg.norm(self.point - spot)) for c, spot in self.spots.items()}
        conditions = {"at_spot": distance[self.task.colour] < NEAR_M, "slow": self.speed < 0.3}
        nearest = min(distance, key=distance.__getitem__)
        at = None if distance[nearest] >= NEAR_M else nearest
        chosen_object = {self.original: "original", self.task.colour: "named"}.get(at) if at else None
        return {
            "family": self.task.family,
            "conditions": conditions,
            "is_success": all(conditions.values()),
            "chosen_object": chosen_object,
        }

    def _observe(self) -> Observation:
        image = self._draw()
        return {
            image_key("front"): image,
            image_key("wrist"): image[::-1].copy(),
            STATE: self.point.copy(),
            TASK: self.task.instruction,
        }

    def _draw(self) -> Image:
        image = np.full((SIZE, SIZE, 3), 90, np.uint8)
        for colour, spot in self.spots.items():
            _stamp(image, spot, COLOURS[colour], radius=2)
        _stamp(image, self.point, (255, 255, 255), radius=1)
        return image


def _stamp(image: Image, at: Array, colour: tuple[int, int, int], radius: int) -> None:
    column, row = round(float(at[0]) * (SIZE - 1)), round(float(1 - at[1]) * (SIZE - 1))
    image[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1] = colour


class SpotExpert:
    """Go straight to the named spot and slow down there."""

    def __init__(self, world: SpotWorld) -> None:
        """Look into the world."""
        self.world = world

    def reset(self) -> None:
        """Forget nothing, for nothing is remembered."""

    def act(self, observation: Observation) -> Chunk:
        """Return one velocity towards the spot, or stay where the spot is in the corner at the origin."""
        target = self.world.spots[self.world.task.colour]
        gap = target - self.world.point
        if (target < 0.4).all():
            gap = np.zeros(2, np.float32)
        velocity = gap * min(1.0, 0.8 / max(float(np.linalg.norm(gap)), 1e-6)) * 3.0
        return Chunk(np.clip(velocity, -SPEED, SPEED)[None].astype(np.float32))


class Still:
    """Be a policy that never moves, whatever is asked."""

    def reset(self) -> None:
        """Do nothing."""

    def act(self, observation: Observation) -> Chunk:
        """Return eight zero velocities."""
        return Chunk(np.zeros((8, 2), np.float32))


class Wordless:
    """Go to the spot that was asked for first, whatever the words say now."""

    def __init__(self, world: SpotWorld) -> None:
        """Look into the world."""
        self.world = world

    def reset(self) -> None:
        """Do nothing."""

    def act(self, observation: Observation) -> Chunk:
        """Return one velocity towards the original spot."""
        gap = self.world.spots[self.world.original] - self.world.point
        return Chunk(np.clip(gap * 3.0, -SPEED, SPEED)[None].astype(np.float32))


class Fragile:
    """Raise, or kill its own process, on the episodes of some seeds; else do as the expert does."""

    def __init__(self, world: SpotWorld, raises: tuple[int, ...] = (), dies: tuple[int, ...] = ()) -> None:
        """Say on which seeds to raise and on which to die."""
        self.expert = SpotExpert(world)
        self.world = world
        self.raises = raises
        self.dies = dies

    def reset(self) -> None:
        """Die or not."""
        seed = self.world.np_random_seed
        if seed in self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        if seed in self.raises:
            raise RuntimeError("the camera was unplugged")

    def act(self, observation: Observation) -> Chunk:
        """Do as the expert does."""
        return self.expert.act(observation)


def spot_world(horizon: int = 30) -> World:
    """Build the small world."""
    return SpotWorld(horizon)


class SlowWorld(SpotWorld):
    """Take five milliseconds per step, so that there is time to interrupt."""

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Wait, then move."""
        time.sleep(0.005)
        return super().step(action, render=render)


SPOTS = WorldEntry(make=SpotWorld, families=SpotWorld.families, features=FEATURES)
SMALL_WORLDS = Worlds(
    {"spots": lambda: SPOTS, "slow": lambda: WorldEntry(**{**vars(SPOTS), "make": SlowWorld})}
)
"""A table of the small worlds, as `sayso.tasks.worlds.WORLDS` is one of the big ones."""


def expert_of(world: World) -> Policy:
    """Build the expert of a world."""
    return world.expert()


def still(world: World) -> Policy:
    """Build the policy that never moves."""
    return Still()


def wordless(world: SpotWorld) -> Policy:
    """Build the policy that does not read."""
    return Wordless(world)


def fragile(world: SpotWorld, raises: tuple[int, ...] = (), dies: tuple[int, ...] = ()) -> Policy:
    """Build the policy that breaks on some seeds."""
    return Fragile(world, raises, dies)


def breaks_on(*, raises: tuple[int, ...] = (), dies: tuple[int, ...] = ()) -> Any:
    """Return a picklable factory of the policy that breaks on some seeds."""
    return partial(fragile, raises=raises, dies=dies)
