"""Sites: where the robot of the page is, in a simulated world or in a real room, behind one protocol.

    Session ── what is to be seen, asked, driven ──> Site <── SimulatedSite   a scene, laid out anew at will
                                                          <── RealSite        a room of which nothing is known

What a world can do beyond the contract is asked by protocol (`sayso.tasks.contract`). Somebody else's may
have no lamps to dim and no path to draw, and is shown all the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from sayso.evaluation.planner import Room
from sayso.runtime.robot import DRIVER_ERRORS
from sayso.runtime.run import ending
from sayso.runtime.takes import recorded_features
from sayso.sim.disturbance import Disturbance, Disturber
from sayso.sim.physics import Physics
from sayso.spec import POINTS, Array, Features, Image, Robot, SaysoError, image_key, seeds
from sayso.studio.rooms import general_suggestions, room_of, suggestions, unknown_room
from sayso.studio.view import Poses, Scene, Vectors, poses_of, scene_of
from sayso.studio.watching import RobotInRoom
from sayso.tasks.contract import Drawn, Embodied, Foresighted, Labelled, World, asking

OBSERVE_S = 0.1
"""Seconds between looks through a real robot's cameras while nothing is asked of it."""
MAX_DELAY_S = 0.8
"""Most seconds by which the page can delay an answer: a chunk of the shipped policies lasts as long."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What holds of the present step."""

    success: bool
    family: str = ""
    conditions: Mapping[str, bool] = field(default_factory=dict)
    why: str = ""
    """What is missing, in words."""
    over: str = ""
    """Why the step is over; empty if it is not."""


class Site(Protocol):
    """Where a robot is: what is to be seen there, what may be asked, and what drives it."""

    simulated: bool
    attempts: int
    """How often a step may be tried."""
    observe_s: float | None
    """Seconds between looks while nothing is asked; None where nothing changes by itself."""
    late_s: float
    """Most seconds by which the page can delay answers here, however it is set now."""
    longest_s: float
    """When a step is over at the latest, seconds; 0 where the site itself ends it."""

    @property
    def name(self) -> str:
        """Return what people call it."""
        ...

    @property
    def room(self) -> Room | None:
        """Return what the planner may know of it; None where each sentence is a task of its own."""
        ...

    @property
    def scene(self) -> Scene | None:
        """Return what to draw; another object when it is another scene."""
        ...

    @property
    def poses(self) -> Poses | None:
        """Return where everything is now."""
        ...

    def enter(self, number: int) -> None:
        """Lay out a scene, or raise SaysoError where people must."""
        ...

    def examples(self) -> tuple[str, ...]:
        """Return things to say."""
        ...

    def pictures(self) -> Mapping[str, Image]:
        """Return what the cameras see at rest, by name."""
        ...

    def observe(self) -> Mapping[str, Any]:
        """Return one reading of the robot at rest."""
        ...

    def show(self, disturbance: Disturbance) -> bool:
        """Disturb the site so far, and tell whether that changed anything."""
        ...

    def begin(self, sentence: str) -> Robot:
        """Ask for something, and return the robot that is to do it, connected."""
        ...

    def read(self, reading: Mapping[str, Any]) -> None:
        """Take note of what the robot feels and sees while it moves."""
        ...

    def path_m(self, actions: Array, hz: float) -> Vectors | None:
        """Return where actions, [K, A], would bring the hand, metres [K, 3]; None if nobody knows."""
        ...

    @property
    def recorded(self) -> Features:
        """Return what episodes that are recorded here hold."""
        ...

    def labels(self) -> Mapping[str, Any]:
        """Return what is known of a picture besides, where `recorded` has points."""
        ...

    def found(self) -> Finding:
        """Return what holds of the step that was begun last."""
        ...

    def finish(self) -> None:
        """Take the present step as done, where only a person can say so."""
        ...

    def leave(self) -> None:
        """Let go of the robot."""
        ...


class SimulatedSite:
    """Scene of a simulated world: it can be laid out anew and disturbed, and says itself what holds."""

    simulated, attempts = True, 2
    observe_s: float | None = None
    late_s, longest_s = MAX_DELAY_S, 0.0

    def __init__(self, world: World, split: str = "test", families: Sequence[str] = ()) -> None:
        """Stand in a world; `enter` before anything else.

        Args:
            world: which.
            split: block of seeds that scenes are drawn from.
            families: what is asked for in scenes, in turn; by default all that the world offers.
        """
        self.world, self.number, self._split = world, 0, split
        self._families = families or world.families
        self.room = room_of(world)
        self.recorded = recorded_features(world.features, labelled=isinstance(world, Labelled))
        self.scene: Scene | None = None
        self._disturbance = Disturbance()
        self._images: Mapping[str, Image] = {}

    @property
    def name(self) -> str:
        """Return which scene it is."""
        return f"simulated, in scene {self.number}"

    @property
    def poses(self) -> Poses | None:
        """Return where everything is now, in a world that can be drawn."""
        return None if self._physics is None else poses_of(self._physics)

    def enter(self, number: int) -> None:
        """Lay out a scene of the split, of the families in turn."""
        self.number = number
        self._lay_out({"family": self._families[number % len(self._families)]})

    def examples(self) -> tuple[str, ...]:
        """Return what the scene allows as it was laid out."""
        return suggestions(self.world, self.number)

    def pictures(self) -> Mapping[str, Image]:
        """Return what the cameras see now, or saw last in a world that shows it in passing only."""
        if isinstance(self.world, Drawn):
            self._keep(self.world.observe())
        return self._images

    def observe(self) -> Mapping[str, Any]:
        """Return the pictures."""
        return self.pictures()

    def show(self, disturbance: Disturbance) -> bool:
        """Move the first camera and dim the lamps, in a world that can be drawn."""
        if self._disturber is None or disturbance == self._disturbance:
            return False
        self._disturbance = disturbance
        self._disturber.show(disturbance)
        return True

    def begin_as_laid_out(self) -> Robot:
        """Return the robot in the scene that was laid out, to do what is asked for there."""
        self._robot = RobotInRoom(self.world, *self._laid_out)
        return self._robot

    def begin(self, sentence: str) -> Robot:
        """Ask for something in the scene as it is, or else in that of its task."""
        if self.room is not None:
            seen = self.room.instruct(sentence)
            held = self.room.conditions()
            info: Mapping[str, Any] = {"conditions": held, "is_success": all(held.values())}
        else:
            disturbance = self._disturbance
            seen, info = self._lay_out(asking(self.world, sentence))
            if self.show(disturbance) and isinstance(self.world, Drawn):
                seen = self.world.observe()
        self._robot = RobotInRoom(self.world, seen, info)
        return self._robot

    def read(self, reading: Mapping[str, Any]) -> None:
        """Keep the pictures."""
        self._images = {name: reading[name] for name in self._images}

    def path_m(self, actions: Array, hz: float) -> Vectors | None:
        """Return what the world knows."""
        return self.world.path_m(actions, hz) if isinstance(self.world, Foresighted) else None

    def labels(self) -> Mapping[str, Any]:
        """Return where things are in the pictures, as training may know it."""
        return {POINTS: self.world.labels()} if isinstance(self.world, Labelled) else {}

    def found(self) -> Finding:
        """Return what the world says."""
        robot = self._robot
        return Finding(
            success=robot.succeeded,
            family=self.world.task.family,
            conditions=robot.conditions,
            why=robot.why_not(),
            over=ending(robot),
        )

    def finish(self) -> None:
        """Do nothing: the world knows better."""

    def leave(self) -> None:
        """Stay: the scene waits here while another robot is driven."""

    def _lay_out(self, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        seen, info = self.world.reset(seed=seeds(self._split, 1, self.number)[0], options=dict(options))
        self._physics: Physics | None = self.world.physics() if isinstance(self.world, Drawn) else None
        self._disturber = None if self._physics is None else Disturber(self._physics)
        self.scene = None if self._physics is None else scene_of(self._physics)
        self._disturbance = Disturbance()
        self._keep(seen)
        self._laid_out = seen, info
        return seen, info

    def _keep(self, seen: Mapping[str, Any]) -> None:
        self._images = {name: seen[image_key(name)] for name in self.world.features.cameras}


class RealSite:
    """Room of a robot that is not simulated: nothing is known of it, and a person says what is done."""

    simulated, attempts = False, 1
    observe_s: float | None = OBSERVE_S
    late_s = 0.0

    def __init__(
        self, address: str, robot: Robot, features: Features, world: World, longest_s: float
    ) -> None:
        """Stand before a robot that is connected.

        Args:
            address: where it is.
            robot: it.
            features: of the policy that drives it.
            world: one of its like, which may know its body and what it can be asked.
            longest_s: when a step is over at the latest.
        """
        self.name, self.longest_s = address, longest_s
        self._robot, self._features = robot, features
        shown = {name: tuple(robot.observation_features[name][:2]) for name in features.cameras}
        self.recorded = recorded_features(replace(features, cameras=shown), labelled=False)
        self.room, self._examples = unknown_room(world), general_suggestions(world)
        self._body = world.body() if isinstance(world, Embodied) else None
        physics = None if self._body is None else self._body.physics(robot_alone=True)
        self._physics, self.scene = physics, None if physics is None else scene_of(physics)
        self._images: Mapping[str, Image] = {}
        self._finished = False

    @property
    def poses(self) -> Poses | None:
        """Return where its body is."""
        return None if self._physics is None else poses_of(self._physics)

    def enter(self, number: int) -> None:
        """Refuse: nobody can."""
        raise SaysoError("a real room is put in order by hand; only the simulation can be laid out anew")

    def examples(self) -> tuple[str, ...]:
        """Return what may be said in any room."""
        return self._examples

    def pictures(self) -> Mapping[str, Image]:
        """Return nothing: who wants to see must `observe`."""
        return {}

    def observe(self) -> Mapping[str, Any]:
        """Return one reading."""
        return self._robot.get_observation()

    def show(self, disturbance: Disturbance) -> bool:
        """Leave the room as it is."""
        return False

    def begin(self, sentence: str) -> Robot:
        """Begin a step."""
        self._finished = False
        return self._robot

    def read(self, reading: Mapping[str, Any]) -> None:
        """Keep the pictures, and draw the robot where it feels that it is."""
        self._images = {name: reading[name] for name in self._features.cameras}
        if self._body is not None:
            self._body.feel(np.array([reading[name] for name in self._features.state_names], np.float32))

    def path_m(self, actions: Array, hz: float) -> Vectors | None:
        """Return where its body would go, counted from where it stands."""
        return None if self._body is None else self._body.path_m(actions, hz)

    def labels(self) -> Mapping[str, Any]:
        """Return nothing: nobody knows."""
        return {}

    def found(self) -> Finding:
        """Return what a person said."""
        return Finding(success=self._finished)

    def finish(self) -> None:
        """Take the present step as done."""
        self._finished = True

    def leave(self) -> None:
        """Disconnect; it may be gone already."""
        with contextlib.suppress(*DRIVER_ERRORS):
            self._robot.disconnect()
