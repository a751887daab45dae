"""Toy robot: a point that drives over a table and keeps a diary; the toy world's policies fit it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sayso.robots import Connection, RobotEntry
from sayso.spec import Dimension

PERIOD_S = 0.1
SIZE = (32, 32)


class ToyRobot:
    """Driver whose address is the file in which it notes what it was told."""

    observation_features: Mapping[str, Any] = {"x.pos": float, "y.pos": float, "top": (*SIZE, 3)}
    action_features: Mapping[str, Any] = {"x.vel": float, "y.vel": float}

    def __init__(self, connection: Connection) -> None:
        """Stand in the middle."""
        self._diary, self._point, self._looks = Path(connection.where), np.array([0.5, 0.5]), 0

    def connect(self) -> None:
        """Begin the diary."""
        self._diary.write_text("connected\n")

    def get_observation(self) -> dict[str, Any]:
        """Return where it is, and a picture that is never the same twice."""
        self._looks += 1
        x, y = self._point.tolist()
        return {"x.pos": x, "y.pos": y, "top": np.full((*SIZE, 3), self._looks % 256, np.uint8)}

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Drive for a tenth of a second, and note how fast."""
        velocity = np.array([action["x.vel"], action["y.vel"]])
        self._point = np.clip(self._point + PERIOD_S * velocity, 0, 1)
        self._note(f"{velocity[0]:.3f} {velocity[1]:.3f}")
        return dict(action)

    def disconnect(self) -> None:
        """End the diary."""
        self._note("disconnected")

    def _note(self, line: str) -> None:
        with self._diary.open("a") as file:
            file.write(line + "\n")


ROBOT = RobotEntry(
    name="toy",
    title="Toy",
    aliases=("toy_point",),
    dimensions=tuple(
        Dimension(name=f"{axis}.{what}", unit=unit)
        for what, unit in (("pos", "m"), ("vel", "m/s"))
        for axis in ("x", "y")
    ),
    ranges={"x.vel": (-1.0, 1.0), "y.vel": (-1.0, 1.0)},
    driver="sayso_outside.robot:ToyRobot",
    address="diary.txt",
    needs="its diary",
)
