"""Build a tiny arm before two cameras, and a policy for it that reads pictures, state and words.

::

    front   the table from above: x is pan, y is lift; a red and a blue spot, a green bar at the top
    wrist   the same around where the hand is, so that it moves with it; its background is darker
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from sayso.data.statistics import RELATIVE, Stats
from sayso.spec import ACTION, STATE, TASK, Array, Chunk, Dimension, Features, Image, Observation, image_key
from sayso.tasks.worlds import WorldEntry

SIZE, FPS, CHUNK = 40, 10, 16
NAMES = (("pan.pos", "deg"), ("lift.pos", "deg"), ("roll.pos", "deg"), ("gripper.pos", "%"))
JOINTS = tuple(Dimension(name=name, unit=unit) for name, unit in NAMES)
FEATURES = Features(
    robot_type="tiny_arm",
    fps=FPS,
    state=JOINTS,
    action=JOINTS,
    cameras={"front": (SIZE, SIZE), "wrist": (SIZE, SIZE)},
)
LOW, HIGH = np.array([-50, 0, 60, 0], np.float32), np.array([50, 100, 90, 100], np.float32)
FASTEST = np.array([6, 6, 3, 25], np.float32)
RED, BLUE, BAR = (230, 30, 30), (30, 30, 230), (40, 200, 60)
NEAR_DEG = 3.0


def next_target(state: Array, goal: Array) -> Array:
    """Return the action of one who knows the goal, pan and lift: go there, turn, and close the gripper."""
    there = np.abs(state[:2] - goal).max() < NEAR_DEG
    wanted = np.array([*goal, 60 + (goal[0] + 50) * 0.3, 10 if there else 90], np.float32)
    return (state + np.clip(wanted - state, -FASTEST, FASTEST)).astype(np.float32)


def chunk_to(state: Array, goal: Array, rows: int = CHUNK) -> Array:
    """Return the actions of so many steps, as if each was reached."""
    found = []
    for _ in range(rows):
        state = next_target(state, goal)
        found.append(state)
    return np.stack(found)


@dataclass(frozen=True)
class Fault:
    """What is wrong between the world and whoever acts in it."""

    see: Callable[[Observation, Observation], Observation] = lambda now, before: now
    give: Callable[[Array], Array] = lambda action: action
    """An action of whoever acts -> one of the world."""
    take: Callable[[Array], Array] = lambda action: action
    """The same backwards, for the expert."""
    steps: int = 1
    """Steps of the world in each one outside."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Ask for one of the spots."""

    family: str
    instruction: str
    horizon: int


class ArmWorld(gym.Env[Observation, Array]):
    """Bring the hand over the spot that is named, and close the gripper there."""

    name, features, families = "arm", FEATURES, ("reach",)

    def __init__(self, fault: Fault | None = None) -> None:
        """Describe the spaces."""
        self.fault = fault or Fault()
        self.action_space = gym.spaces.Box(-1e4, 1e4, (4,), np.float32)
        self.observation_space = gym.spaces.Dict({STATE: gym.spaces.Box(-1e4, 1e4, (4,), np.float32)})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw the spots and the pose."""
        super().reset(seed=seed)
        self.spots = {
            c: self.np_random.uniform((-40, 10), (40, 80)).astype(np.float32) for c in ("red", "blue")
        }
        self.state = self.np_random.uniform(LOW + 5, HIGH - 5).astype(np.float32)
        self.colour = ("red", "blue")[self.np_random.integers(2)]
        self.task = Reach(family="reach", instruction=f"go to the {self.colour} spot", horizon=40)
        self.before = self._observe()
        return self._seen(), self._info()

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move towards the action, no faster than the arm can."""
        wanted = self.fault.give(np.asarray(action, np.float32))
        for _ in range(self.fault.steps):
            self.before = self._observe()
            moved = self.state + np.clip(wanted - self.state, -FASTEST, FASTEST)
            self.state = np.clip(moved, LOW, HIGH).astype(np.float32)
        info = self._info()
        return self._seen(), 0.0, info["is_success"], False, info

    def expert(self) -> ArmExpert:
        """Return who knows where the spots are."""
        return ArmExpert(self)

    def _info(self) -> dict[str, Any]:
        near = bool(np.abs(self.state[:2] - self.spots[self.colour]).max() < NEAR_DEG)
        conditions = {"over_spot": near, "closed": bool(self.state[3] < 20)}
        return {"family": "reach", "conditions": conditions, "is_success": all(conditions.values())}

    def _seen(self) -> Observation:
        return self.fault.see(self._observe(), self.before)

    def _observe(self) -> Observation:
        return {
            image_key("front"): draw(self.spots, (-50, 0), (100, 100), 120),
            image_key("wrist"): draw(self.spots, tuple(self.state[:2] - 50), (100, 100), 60),
            STATE: self.state.copy(),
            TASK: self.task.instruction,
        }


def draw(
    spots: Mapping[str, Array], corner: tuple[float, ...], extent: tuple[float, ...], grey: int
) -> Image:
    """Draw what lies in a part of the table."""
    x, y = (np.arange(SIZE) / (SIZE - 1) * extent[k] + corner[k] for k in (0, 1))
    pattern = 12 * np.sin(x / 7)[None] + 12 * np.cos(y / 5)[:, None]
    image = np.repeat((grey + pattern).astype(np.uint8)[..., None], 3, -1)
    image[:2] = BAR
    for name, spot in spots.items():
        column, row = ((spot - corner) / extent * (SIZE - 1)).round().astype(int)
        if 0 <= column < SIZE and 0 <= row < SIZE:
            image[max(row - 1, 2) : row + 2, max(column - 1, 0) : column + 2] = RED if name == "red" else BLUE
    return image


class ArmExpert:
    """Go to the spot that is named."""

    sees_pictures = False

    def __init__(self, world: ArmWorld) -> None:
        """Look into the world."""
        self.world = world

    def reset(self) -> None:
        """Forget nothing."""

    def act(self, observation: Observation) -> Chunk:
        """Return one action, in the units of whoever acts."""
        fault = self.world.fault
        action = chunk_to(self.world.state, self.world.spots[self.world.colour], fault.steps)[-1]
        return Chunk(fault.take(action)[None].astype(np.float32))


def statistics(seed: int = 0) -> dict[str, Stats]:
    """Return the statistics of what the expert shows."""
    world, states, chunks = ArmWorld(), [], []
    for k in range(60):
        world.reset(seed=seed + k)
        done = False
        while not done:
            states.append(world.state.copy())
            chunks.append(chunk_to(world.state, world.spots[world.colour]))
            *_, done, _, _ = world.step(chunks[-1][0])
    actions, chunk = np.concatenate([c[:1] for c in chunks]), np.stack(chunks)
    chunk[:, :, :3] -= np.stack(states)[:, None, :3]
    relative = Stats.of(chunk.reshape(len(chunk), -1))
    return {STATE: Stats.of(np.stack(states)), ACTION: Stats.of(actions), RELATIVE: relative}


@dataclass
class ArmPolicy:
    """Policy that finds the spot in both pictures and answers through the statistics that it keeps."""

    stats: Mapping[str, Stats]
    trained: Mapping[str, Stats] = field(default_factory=statistics)
    """Statistics that it learned with: the same, unless somebody exchanged those it keeps."""
    rows: Callable[[Array], Array] = lambda chunk: chunk

    def reset(self) -> None:
        """Forget nothing."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions."""
        state = self._units(observation[STATE], STATE, self.stats, self.trained)
        goal = self._goal(observation, state)
        chunk = chunk_to(np.clip(state, LOW, HIGH), goal, CHUNK + 3)
        chunk[:, :3] -= state[:3]
        chunk = self.rows(chunk)[:CHUNK]
        chunk = self._units(chunk.reshape(-1), RELATIVE, self.trained, self.stats).reshape(CHUNK, -1)
        chunk[:, :3] += observation[STATE][:3]
        return Chunk(chunk.astype(np.float32))

    @staticmethod
    def _units(values: Array, key: str, there: Mapping[str, Stats], here: Mapping[str, Stats]) -> Array:
        one, other = there[key], here[key]
        return (values - np.array(one.mean)) / np.array(one.std) * np.array(other.std) + np.array(other.mean)

    @staticmethod
    def _goal(observation: Observation, state: Array) -> Array:
        colour = RED if "red" in observation[TASK] else BLUE
        front = _spot(observation[image_key("front")], colour, 120)
        wrist = _spot(observation[image_key("wrist")], colour, 60)
        found = [place for place in (front + (-50, 0) if front is not None else None,
                                     wrist + state[:2] - 50 if wrist is not None else None)
                 if place is not None]  # fmt: skip
        return np.mean(found, axis=0) if found else np.zeros(2)


def _spot(image: Image, colour: tuple[int, int, int], grey: int) -> Array | None:
    """Return where a spot is seen, in degrees; a picture that is not as bright as ever tells nothing."""
    if abs(float(np.median(image)) - grey) > 20:
        return None
    rows, columns = np.nonzero((np.abs(image.astype(int) - colour) < 40).all(-1))
    return np.array([columns.mean(), rows.mean()]) / (SIZE - 1) * 100 if len(rows) else None


def entry(fault: Fault | None = None) -> WorldEntry:
    """Return the row of the world with a fault planted."""
    return WorldEntry(make=lambda: ArmWorld(fault), families=("reach",), features=FEATURES)
