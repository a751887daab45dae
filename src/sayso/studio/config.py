"""Flags of a session on the page: which room to enter, and which robot to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sayso.runtime.finding import SIMULATION
from sayso.runtime.limits import SERVO_DEG_S
from sayso.runtime.loop import LoopConfig
from sayso.tasks.worlds import STUDIED


@dataclass(frozen=True, kw_only=True)
class SessionConfig(LoopConfig):
    """Which room to enter, and which robot to begin with."""

    world: str = STUDIED
    """Name of the world."""
    domain: str = ""
    """Name of a domain, in which everything is otherwise: workshop."""
    seed: int = 0
    """Which scene: the seed-th of the test split, which no demonstration was recorded in."""
    robot: str = SIMULATION
    """The robot to begin with: sim, dry, "lekiwi 192.168.1.20", "so101 /dev/ttyACM0 front=0 wrist=2", or any
    other of LeRobot's: "lerobot:my_arm port=/dev/ttyACM0 front=0". The page can switch."""
    id: str = "sayso"
    """Name under which LeRobot keeps a robot's calibration."""
    max_speed_deg_s: float = SERVO_DEG_S
    """Fastest change of a joint's target. Begin with 60 on a robot you do not know."""
    corrections: Path | None = None
    """Folder of a dataset to which everything is added that a person does who takes over from the policy.
    Scenes are then those of the training split, since the test split is for measuring."""
