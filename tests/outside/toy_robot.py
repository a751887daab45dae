"""Toy robot: a turntable with one camera, which is at once where it is told to be and keeps a diary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sayso.robots import Connection, RobotEntry
from sayso.spec import Dimension

TURN = Dimension(name="turn.pos", unit="deg")
SIZE = (32, 32)


class ToyRobot:
    """Turntable whose address is the file in which it notes what it was told."""

    observation_features: Mapping[str, Any] = {TURN.name: float, "front": (*SIZE, 3)}
    action_features: Mapping[str, Any] = {TURN.name: float}

    def __init__(self, connection: Connection) -> None:
        """Stand at zero."""
        self._diary, self._turn, self._looks = Path(connection.where), 0.0, 0

    def connect(self) -> None:
        """Begin the diary."""
        self._diary.write_text("connected\n")

    def get_observation(self) -> dict[str, Any]:
        """Return where it stands, and a picture that is never the same twice."""
        self._looks += 1
        return {TURN.name: self._turn, "front": np.full((*SIZE, 3), self._looks % 256, np.uint8)}

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Turn there, and note it."""
        self._turn = float(action[TURN.name])
        self._note(f"turned to {self._turn:.3f}")
        return dict(action)

    def disconnect(self) -> None:
        """End the diary."""
        self._note("disconnected")

    def _note(self, line: str) -> None:
        with self._diary.open("a") as file:
            file.write(line + "\n")


ROBOT = RobotEntry(
    name="toy",
    title="Turntable",
    aliases=("toy_follower",),
    dimensions=(TURN,),
    ranges={TURN.name: (-90.0, 90.0)},
    driver="toy_robot:ToyRobot",
    address="diary.txt",
    needs="its diary",
)
