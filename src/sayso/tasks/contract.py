"""Contract of a task and of a world, and of what only some worlds can do.

A world is a ``gymnasium.Env`` with a name, features and a task. Whoever needs more asks for it by protocol,
``isinstance(world, Taught)``, and does without where a world is somebody else's and has no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sayso.sim.physics import Physics
from sayso.spec import Array, Features, Observation, Policy, SaysoError


class Task(Protocol):
    """What is asked for in one episode."""

    @property
    def family(self) -> str:
        """Return the name of the task's family."""
        ...

    @property
    def instruction(self) -> str:
        """Return the sentence that asks for it."""
        ...

    @property
    def horizon(self) -> int:
        """Return the number of steps after which an episode is over."""
        ...


class World(Protocol):
    """What the closed loop needs: a ``gymnasium.Env`` that knows its name, features and task."""

    @property
    def name(self) -> str:
        """Return the name it is made by."""
        ...

    @property
    def features(self) -> Features:
        """Return what it shows and accepts."""
        ...

    @property
    def families(self) -> tuple[str, ...]:
        """Return the names of the task families it offers."""
        ...

    @property
    def action_space(self) -> Any:
        """Return Gymnasium's box of the actions it takes."""
        ...

    @property
    def task(self) -> Task:
        """Return the task of the present episode."""
        ...

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the episode of a seed. Every world understands the options ``family`` and ``instruction``."""
        ...

    def step(
        self, action: Array, *, render: bool = True
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one action, float32 ``[A]`` in robot units.

        Without `render` the observation need not have pictures, unless the episode ends with it: drawing is
        most of what a step costs, and nobody sees them in the middle of a chunk.
        """
        ...

    def close(self) -> None:
        """Release the renderer."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A world that says where things are in its pictures (privileged keypoints)."""

    def labels(self) -> Array:
        """Return ``label.points``, float32 ``[len(features.points)]``."""
        ...

    def other_labels(self) -> tuple[str, Array] | None:
        """Return something else that could be asked now and its `labels`, or None if there is nothing."""
        ...


@runtime_checkable
class Taught(Protocol):
    """A world with an expert of its own, who can demonstrate."""

    def expert(self) -> Policy:
        """Return a policy with privileged access to this world."""
        ...


@runtime_checkable
class Told(Protocol):
    """A world that can be told what to do next without starting over."""

    def instruct(self, sentence: str) -> Observation:
        """Ask for something in the scene as it is now, or raise `NotUnderstoodError`."""
        ...

    def holds(self, intent: Any) -> bool:
        """Tell whether what an intent asks for is already so."""
        ...

    def conditions(self) -> dict[str, bool]:
        """Return the named conditions of success as they hold now."""
        ...


@runtime_checkable
class Sought(Protocol):
    """A world that knows in which of its scenes a sentence can be carried out."""

    def asking(self, sentence: str) -> Mapping[str, Any]:
        """Return the options of `World.reset` with which a sentence is asked for.

        Raises:
            SaysoError: if nothing here can be meant by it, naming what can.
        """
        ...

    def scenes(self, sentence: str, seeds: Iterable[int]) -> Iterator[int]:
        """Yield the seeds, among some, of scenes that have all that a sentence names."""
        ...

    def feasible(self) -> bool:
        """Tell whether there is room to do what is asked in the scene as it is now."""
        ...


@runtime_checkable
class Listed(Protocol):
    """World that can list the sentences that it understands."""

    def sentences(self) -> tuple[str, ...]:
        """Return what can be asked."""
        ...


@runtime_checkable
class Drawn(Protocol):
    """World that MuJoCo computes, around which people can walk, and in which they can move a camera."""

    def physics(self) -> Physics:
        """Return model and state of the running episode, and the cameras in it."""
        ...

    def observe(self) -> Observation:
        """Return what is seen and felt now."""
        ...


@runtime_checkable
class Foresighted(Protocol):
    """World that knows where actions would bring the hand."""

    def path_m(self, actions: Array, hz: float) -> NDArray[np.float64]:
        """Return that place after each of some actions, [K, A], metres [K, 3]."""
        ...


class Body(Foresighted, Protocol):
    """Robot without a room, drawn where it feels that it is."""

    def physics(self, *, robot_alone: bool = False) -> Physics:
        """Return model and state, of the bodies all or the robot's."""
        ...

    def feel(self, state: Array) -> None:
        """Stand as a state, in robot units, says."""
        ...


@runtime_checkable
class Embodied(Protocol):
    """World that can show its robot alone."""

    def body(self) -> Body:
        """Return the robot in an empty room."""
        ...


@runtime_checkable
class Brief(Protocol):
    """A world that can say in few words what it was asked for in many."""

    def in_short(self) -> str:
        """Return the shortest sentence for the present task."""
        ...


def expert_of(world: World) -> Policy:
    """Return a world's own expert.

    Raises:
        SaysoError: if it has none.
    """
    if isinstance(world, Taught):
        return world.expert()
    raise SaysoError(f"the world {world.name!r} has no expert; name a policy's folder or address instead")


def asking(world: World, sentence: str) -> Mapping[str, Any]:
    """Return the options of `World.reset` with which a sentence is asked for."""
    return world.asking(sentence) if isinstance(world, Sought) else {"instruction": sentence}
