"""Hands of a person on the page: what they want, turned into the arm's frame, and what they did, kept.

    page ── keys, drags, in the room's frame ──> Hands ──> PersonOperator ──> the loop
                                                   │ reading, tick
                                                   v
                     piece after piece, cut where the policy takes over again ──> GrowingDataset

The piece that a person drove is a correction: what should have been done where the policy was about to do
something else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.data.format import REAL, Ending
from sayso.data.growing import GrowingDataset
from sayso.geometry import rotate_z
from sayso.runtime.inference import Worker
from sayso.runtime.operators.contract import Operator
from sayso.runtime.operators.person import PersonOperator, Wish, can_steer
from sayso.runtime.operators.steering import Steering
from sayso.runtime.takes import Take
from sayso.runtime.tick import Tick
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import REST_RAD, from_robot_units, to_robot_units
from sayso.spec import POINTS, Array, Features, Observation, Outcome
from sayso.studio.sites import Site

Vector = NDArray[np.float64]


class Hands:
    """Hands of whoever looks at the page. What they want may be said from any thread."""

    def __init__(self, features: Features, dataset: GrowingDataset | None, *, alone: bool = False) -> None:
        """Keep them off.

        Args:
            features: of the robot that the page drives.
            dataset: where what they do is kept; None keeps nothing.
            alone: whether nobody else drives.
        """
        self.features, self._dataset, self._alone = features, dataset, alone
        self.person = PersonOperator(alone=alone) if can_steer(features) else None
        self.steering = Steering(features)
        """What they say while it acts."""
        self._arm = ArmKinematics()
        self._two = np.array([[*REST_RAD], [REST_RAD[0] + 0.5, *REST_RAD[1:]]])
        self._two_m = np.array([self._arm.forward(joints)[0] for joints in self._two])
        self._frame: tuple[Vector, float] | None = None
        self._take = Take(features)
        self._said: str | None = None
        self._about = ""
        self._writer, self._written = Worker("corrections"), list[Future[Any]]()
        self.kept = len(dataset) if dataset is not None else 0
        """How many pieces there are by now, with those of earlier sittings."""

    @property
    def acts(self) -> bool:
        """Tell whether the robot is in a person's hands, or held or moved by their words."""
        return self.steering.acts or (self.person is not None and self.person.acts)

    @property
    def operators(self) -> list[Operator]:
        """Return who acts before a policy: hands, then words."""
        return [*([self.person] if self.person is not None else []), self.steering]

    @property
    def folder(self) -> Path | None:
        """Return where what they do is kept; None if nowhere."""
        return None if self._dataset is None else self._dataset.root

    def told(self) -> str:
        """Return what is kept by now, in words; nothing where nothing is."""
        if self._dataset is None:
            return ""
        what = "demonstration" if self._alone else "correction"
        return f"{self.kept} {what}{'' if self.kept == 1 else 's'} kept in {self._dataset.root}"

    def steer(self, wish: Wish) -> None:
        """Want the hand to move: `along` and `across` along the room's x and y."""
        if self.person is not None:
            yaw = self._frame[1] if self._frame else 0.0
            along, across, _ = rotate_z(np.array([wish.along, wish.across, 0.0]), -yaw)
            self.person.steer(replace(wish, along=float(along), across=float(across)))

    def drag(self, point_m: Vector | None) -> None:
        """Want the hand at a point of the room, [3], until None is."""
        if self.person is None or (point_m is not None and self._frame is None):
            return
        if point_m is None or self._frame is None:
            self.person.drag(None)
            return
        origin, yaw = self._frame
        self.person.drag(rotate_z(np.asarray(point_m, float) - origin, -yaw))

    def grip(self) -> None:
        """Want the gripper shut if it is open, and open if it is shut."""
        if self.person is not None:
            self.person.grip()

    def see(self, site: Site, reading: Mapping[str, Any]) -> Vector | None:
        """Take note of a reading, and return where the hand is in the room, [3]; None if nobody knows."""
        if self._dataset is not None:
            self._take.see(reading, site.labels() if self.features.points else None)
        if self.person is None:
            return None
        state = np.array([reading[name] for name in self.features.state_names], np.float32)
        self._frame = self._placed(site)
        if self._frame is None:
            return None
        point, _ = self._arm.forward(from_robot_units(state)[0])
        return np.asarray(rotate_z(point, self._frame[1]) + self._frame[0])

    def watch(self, tick: Tick, sentence: str, family: str) -> None:
        """Take note of a step; where the policy takes over again, what was done before it is one piece."""
        if self._dataset is None:
            return
        steering = self.steering
        if steering.moving:
            self._said = steering.words
        if tick.actor == "person" and not steering.stands:
            moving = steering.moving or (self.person is not None and self.person.moving)
            self._about = steering.about or self._about
            self._take.step(tick, steering.about or sentence, moving=moving)
        elif tick.actor is not None and len(self._take):
            self._keep(family, None)

    def finish(self, family: str, *, success: bool) -> None:
        """Keep what was done last, and wait until all is on the disk and part of the dataset."""
        if self._dataset is None or self._alone:
            return
        self._keep(family, Outcome.SUCCESS if success else None)
        self.written()

    def frames(self) -> list[Observation]:
        """Return what was done since the last time, and keep none of it."""
        return self._take.cut()

    def keep(
        self, frames: list[Observation], family: str, outcome: Outcome | None, said: str | None = None
    ) -> None:
        """Write frames down as an episode, with the words that were obeyed in it, in a thread of its own."""
        if self._dataset is None or not frames:
            return
        reward = None if outcome is None else float(outcome is Outcome.SUCCESS)
        ending = Ending(outcome=outcome, reward=reward, actor="person", said=said)
        add = self._dataset.add
        self._written.append(self._writer.submit(lambda: add(frames, family=family or REAL, ending=ending)))
        self.kept += 1

    def written(self) -> None:
        """Wait until all is on the disk and part of the dataset.

        Raises:
            OSError: if the disk did not take it.
        """
        waiting, self._written = self._written, []
        for one in waiting:
            one.result()
        if waiting and self._dataset is not None:
            self._dataset.whole()

    def close(self) -> None:
        """Wait until all is written."""
        self.written()
        self._writer.close()

    def _keep(self, family: str, outcome: Outcome | None) -> None:
        frames, said, about = self._take.cut(), self._said, self._about
        self._said, self._about = None, ""
        if about:  # nobody pointed at what is meant now
            frames = [{**f, POINTS: unseen(f[POINTS])} if POINTS in f else f for f in frames]
        self.keep(frames, family, outcome, said)

    def _placed(self, site: Site) -> tuple[Vector, float] | None:
        """Return where the arm's base is in the room, [3], and its heading; None if the site cannot tell.

        Two poses of the arm, and where the site says that they bring the hand, leave one place for its base.
        """
        speeds = np.zeros(3) if len(self.features.action) > len(REST_RAD) else None
        actions = np.array([to_robot_units(joints.copy(), speeds) for joints in self._two])
        points = site.path_m(actions, self.features.fps)
        if points is None:
            return None
        there, here = points[1] - points[0], self._two_m[1] - self._two_m[0]
        yaw = math.atan2(there[1], there[0]) - math.atan2(here[1], here[0])
        return np.asarray(points[0] - rotate_z(self._two_m[0], yaw)), yaw


def unseen(points: Array) -> Array:
    """Return labels that point nowhere: u, v and visible of each, float32."""
    return np.tile(np.array([0.5, 0.5, 0.0], np.float32), len(points) // 3)
