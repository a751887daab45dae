"""Scripted expert for LIBERO's tasks, from the predicates of their goals, with privileged sight.

A `plan` says which predicate comes next; a skill of `motions` brings it about. Neither remembers anything, so
the expert can be asked what to do in any state, also where a policy went astray.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from sayso.spec import Chunk, Observation
from sayso.tasks.libero.motions import carrying, doors, drawers, knobs, shelving, withdrawing
from sayso.tasks.libero.motions.motion import Command, Phase, Pose, act, read_pose
from sayso.tasks.libero.motions.things import Things
from sayso.tasks.libero.plan import Goal, Step, door_of, next_step, niche, opening_sign, target

S = TypeVar("S")


class Seen(Protocol):
    """Simulator of the running episode."""

    @property
    def env(self) -> Any:
        """Return LIBERO's problem, which knows things by the names in goals."""
        ...

    @property
    def model(self) -> Any:
        """Return MuJoCo's model, another one after each reset."""
        ...

    @property
    def data(self) -> Any:
        """Return MuJoCo's data."""
        ...

    @property
    def goals(self) -> Sequence[Goal]:
        """Return the predicates of the task's goal."""
        ...

    def holds(self, goal: Goal) -> bool:
        """Tell whether a predicate is true now."""
        ...


class Watched(Protocol):
    """World whose simulator an expert may look into."""

    @property
    def simulator(self) -> Seen:
        """Return the simulator of the running episode."""
        ...


class Expert:
    """Scripted expert: the running task, carried out with privileged sight, one step at a time."""

    sees_pictures = False
    """So that `rollout` has none drawn for it."""

    def __init__(self, world: Watched) -> None:
        """Watch a world; its task and simulator may change between episodes."""
        self._world = world
        self._things: Things | None = None
        self.phase = ""

    def reset(self) -> None:
        """Have nothing to forget."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next action, [1, 7]. The observation is not needed."""
        seen = self._world.simulator
        things = self._look(seen)
        pose = read_pose(things.model, things.data)
        step = next_step(things, seen.goals, seen.holds)
        return Chunk(act(pose, self._command(things, pose, step, seen.goals))[None])

    def _look(self, seen: Seen) -> Things:
        if self._things is None or self._things.model is not seen.model:
            self._things = Things(seen.model, seen.data, seen.env)
        return self._things

    def _command(self, things: Things, pose: Pose, step: Step, goals: Sequence[Goal]) -> Command:
        if step.kind in ("open", "close") and door_of(things, step.name) is None:
            joint = things.joint_of(step.name)
            slide = drawers.observe(things, pose, joint, opening_sign(things, step.name))
            return self._do(step, drawers.OPEN_PHASES if step.kind == "open" else drawers.CLOSE_PHASES, slide)
        if step.kind in ("in", "on") and (hinge := door_of(things, step.place)):
            spot, floor_m, outward = niche(things, step, hinge)
            shelf = shelving.observe(things, pose, step.name, spot, floor_m, outward, step.holds)
            return self._do(step, shelving.PHASES, shelf)
        if withdrawing.engaged(things, pose):
            self.phase = "withdraw"
            return withdrawing.command(pose)
        if step.kind == "close":
            joint = things.joint_of(step.name)
            door = doors.observe(things, pose, joint, opening_sign(things, step.name))
            return self._do(step, doors.PHASES, door)
        if step.kind in ("turnon", "turnoff"):
            turns = 1.0 if step.kind == "turnon" else -1.0
            return self._do(
                step, knobs.PHASES, knobs.observe(things, pose, things.joint_of(step.name), turns)
            )
        where = target(things, step, goals)
        carry = carrying.observe(things, pose, step.name, where, step.holds)
        return self._do(step, carrying.PHASES, carry)

    def _do(self, step: Step, phases: Sequence[Phase[S]], situation: S) -> Command:
        phase = next(phase for phase in phases if phase.enters(situation))
        self.phase = f"{step.kind} {step.name} {phase.name}"
        return phase.do(situation)
