"""Toy world: a point is to be moved onto one of two coloured spots. It has an expert and labels nothing."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Text

from sayso.spec import IMAGES, STATE, TASK, Chunk, Dimension, Features, Observation, image_key, known
from sayso.tasks.axes import Axis
from sayso.tasks.worlds import WorldEntry

SIZE, FPS, NEAR = 32, 10, 0.08
COLOURS = {"red": (220, 40, 40), "blue": (50, 80, 230)}
FEATURES = Features(
    robot_type="toy_point",
    fps=FPS,
    state=(Dimension(name="x.pos", unit="m"), Dimension(name="y.pos", unit="m")),
    action=(Dimension(name="x.vel", unit="m/s"), Dimension(name="y.vel", unit="m/s")),
    cameras={"top": (SIZE, SIZE)},
)


@dataclass(frozen=True)
class ToyTask:
    """Go to a spot."""

    family: str
    instruction: str
    colour: str
    horizon: int = 40


class ToyWorld(gymnasium.Env):
    """A unit square with a red and a blue spot."""

    name, features, families = "toy", FEATURES, ("go",)

    def __init__(self, family: str = "go") -> None:
        """Describe the spaces."""
        known("family", family, self.families)
        self.observation_space = Dict(
            {
                image_key("top"): Box(0, 255, (SIZE, SIZE, 3), np.uint8),
                STATE: Box(0, 1, (2,), np.float32),
                TASK: Text(100, min_length=0, charset=ascii_lowercase + " "),
            }
        )
        self.action_space = Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Draw spots and point from the seed."""
        super().reset(seed=seed)
        options = options or {}
        self.wind = float(options.get("wind", 0.0))
        known("family", options.get("family", "go"), self.families)
        self.spots = {colour: self.np_random.uniform(0.1, 0.9, 2) for colour in COLOURS}
        colour = str(self.np_random.choice(list(COLOURS)))
        sentence = options.get("instruction", f"go to the {colour} spot")
        colour = next((c for c in COLOURS if c in sentence), colour)
        self.task = ToyTask("go", sentence, colour)
        self.point = self.spots[colour]
        while np.linalg.norm(self.point - self.spots[colour]) < 2 * NEAR:
            self.point = self.np_random.uniform(0.1, 0.9, 2)
        self.steps = 0
        return self._observe(), self._info()

    def step(self, action, *, render: bool = True):
        """Move for a tenth of a second."""
        velocity = np.asarray(action, np.float32)
        if velocity.shape != (2,):
            raise ValueError(f"an action here is [x.vel, y.vel], but got shape {velocity.shape}")
        self.point = np.clip(self.point + (np.clip(velocity, -1, 1) + [self.wind, 0]) / FPS, 0, 1)
        self.steps += 1
        info, late = self._info(), self.steps >= self.task.horizon
        seen = self._observe()
        if not (render or info["is_success"] or late):
            seen = {key: value for key, value in seen.items() if not key.startswith(IMAGES)}
        return seen, float(info["is_success"]), info["is_success"], late, info

    def expert(self) -> ToyExpert:
        """Return who knows where the spots are."""
        return ToyExpert(self)

    def _info(self) -> dict[str, Any]:
        near = bool(np.linalg.norm(self.point - self.spots[self.task.colour]) < NEAR)
        return {"family": "go", "conditions": {"at_spot": near}, "is_success": near}

    def _observe(self) -> Observation:
        image = np.full((SIZE, SIZE, 3), 90, np.uint8)
        for place, colour in [*((self.spots[c], COLOURS[c]) for c in COLOURS), (self.point, (255, 255, 255))]:
            x, y = (place * (SIZE - 3)).astype(int)
            image[y : y + 3, x : x + 3] = colour
        return {image_key("top"): image, STATE: self.point.astype(np.float32), TASK: self.task.instruction}


class ToyExpert:
    """Go straight to the spot that was named."""

    def __init__(self, world: ToyWorld) -> None:
        """Look into the world."""
        self._world = world

    def reset(self) -> None:
        """Forget nothing, for nothing is remembered."""

    def act(self, observation: Observation) -> Chunk:
        """Return one velocity, [1, 2]."""
        gap = self._world.spots[self._world.task.colour] - self._world.point
        return Chunk(np.clip(4 * gap, -1, 1)[None].astype(np.float32))


WIND = Axis(
    name="wind",
    levels=(0.0, 0.1, 0.2, 0.3, 0.4),
    trained=(0.0, 0.0),
    change=lambda amount: {"wind": amount},
    says="everything is blown along x at {:g} m/s",
)
ENTRY = WorldEntry(make=ToyWorld, families=ToyWorld.families, features=FEATURES, axes=(WIND,))
