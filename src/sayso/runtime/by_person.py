"""Flags of a recording by a person: in a simulated world on a page, or on a robot through a teleoperator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sayso.runtime.finding import DRY, SIMULATION, RobotChoice, words_of
from sayso.runtime.limits import SERVO_DEG_S
from sayso.spec import FASTEST_HZ, ConfigError, at_least, known
from sayso.tasks.worlds import WORLDS

TELEOP = "lerobot:"


@dataclass(frozen=True, kw_only=True)
class PersonConfig(RobotChoice):
    """Who is shown what, by whom, and where that is kept."""

    by: Literal["person"] = "person"
    """Who demonstrates: a person; --by expert is the world's own expert."""
    robot: str = SIMULATION
    """A real robot, and where it is: so101, lekiwi, koch, omx, bi_so, openarm, bi_openarm, or lerobot:TYPE,
    any that LeRobot or a plugin of it registers. "so101 /dev/ttyACM0 front=0 wrist=2" says it all at once."""
    seed: int | None = None
    """Which scene of a world to begin with: the seed-th of the training split; by default the first that was
    not kept before."""
    out: Path
    """Folder of the dataset. What a person recorded there before stays, and is added to."""
    world: str = ""
    """Name of a simulated world: a page opens on which the robot is moved by keys, mouse or gamepad."""
    families: tuple[str, ...] = ()
    """Families of tasks that are asked for in turn; none named means all of the world's."""
    episodes: int = 10
    """How many episodes to keep in this sitting."""
    task: str = ""
    """What is done in every episode, on a real robot: its sentence. A world says itself what is asked for."""
    teleop: tuple[str, ...] = ()
    """What moves a real robot: lerobot:TYPE, one of LeRobot's teleoperators, and the fields of its config,
    such as lerobot:so101_leader port=/dev/ttyACM1, or lerobot:keyboard_ee, lerobot:gamepad, lerobot:phone."""
    teleop_id: str = "sayso"
    """Name under which LeRobot keeps the teleoperator's calibration."""
    hz: float = 0.0
    """Frames per second; 0 is the world's own rate, or 30 on a real robot."""
    longest_s: float = 120.0
    """After how long an episode of a real robot ends by itself, seconds."""
    max_speed_deg_s: float = SERVO_DEG_S
    """Fastest change of a joint's target. Begin with 60 on a robot you do not know."""
    page_host: str = "127.0.0.1"
    """Address at which the page listens. Whoever has its printed address can move the robot."""
    page_port: int = 8080
    """Port of the page; the next free one if it is taken, any if 0."""
    browser: bool = False
    """Open the page in a browser."""

    def __post_init__(self) -> None:
        """Refuse what cannot be recorded."""
        super().__post_init__()
        at_least(self, episodes=1, hz=0, longest_s=1, page_port=0)
        if self.world:
            known("world", self.world, WORLDS)
        if self.dry_run or self.rename or self.kind == DRY:
            raise ConfigError(
                "--dry-run, --rename and --robot dry are for policies: what is recorded was done, under the "
                "robot's own names"
            )
        if self.hz > FASTEST_HZ:
            raise ConfigError(f"hz is {self.hz:g}, but must be at most {FASTEST_HZ:g}")
        words_of(self.teleop_fields)
        if bool(self.world) == (self.kind != SIMULATION):
            raise ConfigError(
                "name either a world, such as --world tabletop, or a robot, such as --robot so101 --port "
                "/dev/ttyACM0 --cameras front=0 --teleop lerobot:so101_leader port=/dev/ttyACM1"
            )
        if self.world and (self.teleop or self.task):
            raise ConfigError("--teleop and --task are for real robots; in a world the page is used")
        if not self.world and not self.teleop:
            raise ConfigError(
                "a real robot needs something to move it with: --teleop lerobot:TYPE FIELD=VALUE, such as "
                "--teleop lerobot:so101_leader port=/dev/ttyACM1"
            )
        if not self.world and not self.task.strip():
            raise ConfigError('say what is done in every episode: --task "put the red block in the bowl"')
        if not self.world and not self.teleop_type:
            raise ConfigError(f"--teleop begins with lerobot:TYPE, but got {self.teleop[0]!r}")

    @property
    def _words(self) -> list[str]:
        return [word for part in self.teleop for word in part.split()]

    @property
    def teleop_type(self) -> str:
        """Return what LeRobot calls the teleoperator; empty if none is named."""
        first = (self._words or [""])[0]
        return first.removeprefix(TELEOP) if first.startswith(TELEOP) else ""

    @property
    def teleop_fields(self) -> tuple[str, ...]:
        """Return words such as ``port=/dev/ttyACM1``, for the fields of its config."""
        return tuple(self._words[1:])
