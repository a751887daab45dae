"""Recipe: what was learned by practice, a sequence of calls of skills with offsets, and who acts by it.

A recipe answers in any state, as experts do, so that it can show how to recover: nothing is remembered
but which stage has been reached. For each relation that does not hold it calls a skill; where an earlier call
only makes the last one possible (the drawer is opened before something is put into it), it is called while
that has not been done. Of the offsets of a call, those that practice preferred come first, and the first one
that suits the present scene is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from sayso.sim.simulation import IN_THE_ROOM, Simulation
from sayso.spec import Chunk, Observation
from sayso.tasks.household.goals.grounding import Asked
from sayso.tasks.household.goals.imagination import (
    Level,
    Offset,
    Spot,
    crowded_m,
    missing_at,
    movers,
    spot,
    suits,
    sure,
)
from sayso.tasks.household.goals.relations import foot, table_m
from sayso.tasks.household.motions import drawers, driving, motion, pushing, transfer
from sayso.tasks.household.success import DRAWER_OPEN_M, DRAWER_SHUT_M

SKILLS = ("carry", "push", "lift", "open", "shut", "drive")
"""What can be called."""
CLEAR_M = 0.05
"""How far the hand is from what it has just done, at least, before it turns to something else."""
LIFT_M = 0.10
PASS_M = 0.03
"""How far above what stands in the way a thing is carried, and how far aside from it that matters."""
FURTHER_M = 0.02
"""How far a push goes on, at least, while what is asked does not hold."""
TURN_M, AT_WORK_M = 0.06, 0.07
"""What it counts to turn a push around, and how near to the thing the hand is while it is at that."""


@dataclass(frozen=True)
class Call:
    """Skill that is called for a relation between things of a scene."""

    skill: str
    level: Level = "table"
    """Where what is carried is put down."""
    offsets: tuple[Offset, ...] = ((0.0, 0.0),)
    """Where to, relative to what is named; the best first."""

    def plain(self) -> str:
        """Return it for a person to read."""
        if self.skill not in ("carry", "push"):
            return self.skill
        x, y = self.offsets[0]
        where = "onto it" if self.level == "on" else "beside it"
        return f"{self.skill} {where}, first choice {100 * x:+.0f} cm right and {100 * y:+.0f} cm nearer"


@dataclass(frozen=True)
class Routine:
    """Calls that bring about one relation of a stage; those before the last only make that possible."""

    atom: int
    """Which relation of its stage."""
    calls: tuple[Call, ...]

    def plain(self) -> str:
        """Return it for a person to read."""
        return ", then ".join(call.plain() for call in self.calls)


@dataclass(frozen=True)
class Recipe:
    """Routines of each stage, in the order in which they are carried out."""

    stages: tuple[tuple[Routine, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Recipe:
        """Return the recipe of `to_json`."""
        return cls(
            tuple(
                tuple(
                    Routine(
                        routine["atom"],
                        tuple(
                            Call(c["skill"], c["level"], tuple((float(x), float(y)) for x, y in c["offsets"]))
                            for c in routine["calls"]
                        ),
                    )
                    for routine in stage
                )
                for stage in raw["stages"]
            )
        )


class Practising(Protocol):
    """World in which a recipe acts."""

    @property
    def simulation(self) -> Simulation:
        """Return the physics of the running episode."""
        ...

    @property
    def asked(self) -> Sequence[Asked]:
        """Return what is asked in the present stage."""
        ...

    @property
    def stage(self) -> int:
        """Return which stage that is."""
        ...


@dataclass(frozen=True)
class Doing:
    """What is done at a moment: a call for a relation, with the spot that was chosen for it."""

    call: Call
    asked: Asked
    spot: Spot | None


class Practised:
    """Expert that acts by a recipe, one step at a time."""

    sees_pictures = False
    """So that `rollout` has none drawn for it."""

    def __init__(self, world: Practising, recipe: Recipe) -> None:
        """Watch a world."""
        self._world, self._recipe = world, recipe
        self.last: Doing | None = None

    def reset(self) -> None:
        """Have nothing to forget."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next action, [1, A] in robot units. The observation is not needed."""
        simulation = self._world.simulation
        doing = self.last = self.doing()
        if doing is None:
            pose = motion.read_pose(simulation)
            still = motion.Command(pose.hand, pose.gripper, base=np.zeros(3))
            return Chunk(motion.act(pose, still)[None])
        return Chunk(_step(simulation, doing)[None])

    def doing(self) -> Doing | None:
        """Return what is to be done now; None if a recipe has nothing for it."""
        simulation, asked = self._world.simulation, self._world.asked
        atoms = list(dict.fromkeys(one.atom for one in asked))
        last = None
        for routine in self._recipe.stages[self._world.stage]:
            for one in (one for one in asked if one.atom in atoms[routine.atom : routine.atom + 1]):
                if not _settled(simulation, one, routine.calls[-1]):
                    return _enabled(simulation, routine, one, asked)
                last = routine.calls[-1], one
        return last and Doing(*last, _chosen(simulation, *last, asked))


def _enabled(simulation: Simulation, routine: Routine, asked: Asked, others: Sequence[Asked]) -> Doing:
    """Return the first call of a routine that has not been done, of those that make its last one possible."""
    last = routine.calls[-1]
    found = Doing(last, asked, _chosen(simulation, last, asked, others))
    moved = found.spot.moved if found.spot else ""
    for call in routine.calls[:-1]:
        if not (moved and simulation.held(moved)) and not _effect(simulation, call):
            return Doing(call, asked, None)
    return found


def _effect(simulation: Simulation, call: Call) -> bool:
    """Tell whether a call that makes another possible has had its effect, and the hand has left it."""
    if call.skill not in ("open", "shut"):
        return True
    opened = call.skill == "open"
    done = simulation.drawer_m >= DRAWER_OPEN_M if opened else simulation.drawer_m <= DRAWER_SHUT_M
    return (
        done and not simulation.touching("drawer") and _from_hand_m(simulation, simulation.handle()) > CLEAR_M
    )


def _from_hand_m(simulation: Simulation, point: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    return float(np.linalg.norm(simulation.tcp()[0] - point))


def _settled(simulation: Simulation, asked: Asked, call: Call) -> bool:
    """Tell whether a relation holds and the hand has left what it is about."""
    if not asked.holds(simulation):
        return False
    if call.skill in ("lift", "drive"):
        return True
    if call.skill in ("open", "shut"):
        return _effect(simulation, call)
    way = min(asked.ways, key=lambda one: asked.missing(simulation, one))
    return all(
        not simulation.touching(name) and _from_hand_m(simulation, simulation.position(name)) > CLEAR_M
        for name in asked.subjects(way)
    )


def _chosen(simulation: Simulation, call: Call, asked: Asked, others: Sequence[Asked]) -> Spot | None:
    """Return where to bring which thing: the first that is preferred and suits; a push takes the nearest."""
    if call.skill not in ("carry", "push", "lift"):
        return None
    ways = sorted(
        ((way, moved) for way in asked.ways for moved in movers(asked, way) if _can_move(simulation, moved)),
        key=lambda one: (not simulation.held(one[1]), asked.missing(simulation, one[0])),
    )
    if call.skill == "lift":
        way, moved = ways[0]
        return Spot(asked, way, moved, foot(simulation, moved), "table", (0.0, 0.0))
    pushed, second = call.skill == "push", None
    for way, moved in ways:
        spots = [
            at for offset in call.offsets if (at := spot(simulation, asked, way, moved, offset, call.level))
        ]
        if pushed:
            spots.sort(key=lambda at: _length(simulation, at))
        touched, unsure = pushed and simulation.touching(moved), None
        for found in spots:
            # On its way it is not asked again whether the fingers could come down.
            if suits(simulation, found, others, pushed=pushed and not touched):
                if sure(simulation, found):
                    return found
                unsure = unsure or found
        if unsure:
            return unsure
        if spots and second is None:
            second = min(spots, key=lambda at: crowded_m(simulation, at) + missing_at(simulation, at))
    return second


def _length(simulation: Simulation, found: Spot) -> float:
    """Return how far a push would go, with what it costs to go another way than the hand stands for."""
    thing = simulation.position(found.moved)
    way, stands = (found.foot - thing)[:2], (thing - simulation.tcp()[0])[:2]
    length, off = float(np.linalg.norm(way)), float(np.linalg.norm(stands))
    if _from_hand_m(simulation, thing) > AT_WORK_M:
        return length
    return length + TURN_M * (1.0 - float(way @ stands) / max(length * off, 1e-6))


def _can_move(simulation: Simulation, name: str) -> bool:
    return name not in IN_THE_ROOM and name != "robot" and simulation.shape(name).movable


def _step(simulation: Simulation, doing: Doing) -> Any:
    """Return the action of a call in the present state, [A] in robot units."""
    call, found = doing.call, doing.spot
    skill: motion.Skill[Any]
    situation: Any
    if call.skill == "open":
        skill, situation = drawers.OPEN_SKILL, drawers.look(simulation)
    elif call.skill == "shut":
        skill, situation = drawers.CLOSE_SKILL, drawers.look(simulation)
    elif call.skill == "drive":
        skill, situation = driving.SKILL, driving.situation(simulation, doing.asked.ways[0][-1])
    elif found is None:
        pose = motion.read_pose(simulation)
        return motion.act(pose, motion.Command(pose.hand, pose.gripper, base=np.zeros(3)))
    elif call.skill == "push":
        skill, situation = pushing.SKILL, _pushed(simulation, doing, found)
    else:
        skill, situation = transfer.SKILL, transfer.situation(simulation, _carry(simulation, doing, found))
    phase = next(phase for phase in skill.phases if phase.enters(situation))
    return motion.act(situation.pose, phase.do(situation))


def _pushed(simulation: Simulation, doing: Doing, found: Spot) -> pushing.Situation:
    """Return what a push looks at: it has not arrived before the relation holds, and then may stop."""
    situation = pushing.situation(simulation, found.moved, found.foot)
    if not doing.asked.holds(simulation):
        return replace(situation, left_m=max(situation.left_m, FURTHER_M))
    return situation if simulation.touching(found.moved) else replace(situation, left_m=0.0)


def _carry(simulation: Simulation, doing: Doing, found: Spot) -> transfer.Carry:
    lift = doing.call.skill == "lift"
    into = bool(found.carrier) and not simulation.shape(found.carrier).movable
    room = simulation.shape(found.carrier).height_m + transfer.DROP_ROOM_M if into else transfer.STACK_ROOM_M
    return transfer.Carry(
        name=found.moved,
        foot=found.foot,
        room_m=LIFT_M if lift else room,
        place=found.foot,
        placed=not lift and doing.asked.holds(simulation),
        precise=not into,
        keep=lift,
        over_m=max(
            transfer.OVER_M, _tallest_m(simulation, found) + PASS_M - room - _height_m(simulation, found)
        ),
    )


def _height_m(simulation: Simulation, found: Spot) -> float:
    """Return how high above the table a spot is."""
    return float(found.foot[2]) - table_m(simulation)


def _tallest_m(simulation: Simulation, found: Spot) -> float:
    """Return how tall the tallest thing is that stands in the way of what is carried to a spot."""
    start = simulation.position(found.moved)[:2]
    way, width = found.foot[:2] - start, simulation.shape(found.moved).radius_m + PASS_M
    tallest = 0.0
    for item in simulation.layout.items:
        if item.name in (found.moved, found.carrier):
            continue
        there, shape = simulation.position(item.name)[:2], simulation.shape(item.name)
        share = float(np.clip((there - start) @ way / max(float(way @ way), 1e-9), 0.0, 1.0))
        if float(np.linalg.norm(there - start - share * way)) < shape.radius_m + width:
            tallest = max(tallest, shape.height_m)
    return tallest


def routines_text(recipe: Recipe, plain: Sequence[Sequence[str]]) -> str:
    """Return a recipe for a person to read; `plain` has the relations of each stage in words."""
    lines = [
        f"  so that {plain[stage][routine.atom]}: {routine.plain()}"
        for stage, routines in enumerate(recipe.stages)
        for routine in routines
    ]
    return "\n".join(lines)
