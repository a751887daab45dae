"""Episodes: chunks of actions, how an episode ended and what it was, and which seeds serve which purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, get_args

import numpy as np

from sayso.spec.errors import ConfigError, NotFiniteError, known
from sayso.spec.features import Array, Observation

CHOSEN_OBJECT = "chosen_object"
"""Key of a world's info, only where a thing can be taken: whether that was the named one, the original one or
another; None if none was yet."""
EXECUTE = 4
"""How many actions of a chunk are applied before looking again, unless said otherwise. Looking at every
eighth step only, a policy hovered over its goal: docs/log.md, 2026-11-23."""


@dataclass(frozen=True)
class Chunk:
    """The next K actions, float32 ``[K, A]`` in robot units; row 0 applies now."""

    actions: Array

    def __post_init__(self) -> None:
        """Refuse anything but a finite, non-empty matrix."""
        if self.actions.ndim != 2 or len(self.actions) == 0:
            raise ValueError(f"a chunk is [K, A] with K >= 1, but got shape {self.actions.shape}")
        if not np.isfinite(self.actions).all():
            raise NotFiniteError("a policy returned an action that is not finite")

    def __len__(self) -> int:
        """Return K, the number of steps this chunk covers."""
        return len(self.actions)


ENDED, STILL = "ended", "still"
"""Note of a failed episode that ended standing still (`sayso.data.stillness`)."""
WHY = "why"
"""Note of an episode, and entry of a world's `info`: why a task is not done, in words."""


Actor = Literal["expert", "policy", "person"]
"""Who moved the robot in an episode. Where a policy was corrected, the policy: the actions that are kept are
then what the expert would have done."""
ACTORS: tuple[Actor, ...] = get_args(Actor)


class Outcome(StrEnum):
    """How an episode ended. ``INVALID`` (crash, lost connection, NaN) is never counted as failure."""

    SUCCESS = "success"
    FAILURE = "failure"
    INVALID = "invalid"


@dataclass(kw_only=True)
class Episode:
    """Record of one closed loop of a policy in a world, from reset to the end.

    ``frames`` holds, for each step t, the observation the policy saw, with ``action`` (what was asked for,
    float32 ``[A]``) and any labels beside it; it stays empty unless the rollout was asked to keep them.
    """

    world: str
    family: str
    instruction: str
    seed: int
    horizon: int
    outcome: Outcome = Outcome.INVALID
    conditions: dict[str, bool] = field(default_factory=dict)
    steps: int = 0
    reward: float = 0.0
    """Sum over the steps."""
    seconds: float = 0.0
    policy_seconds: float = 0.0
    policy_calls: int = 0
    error: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    """What the world says beside success and failure, such as the ``chosen_object`` of a policy."""
    frames: list[Observation] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Tell whether every named condition held."""
        return self.outcome is Outcome.SUCCESS

    @property
    def failed_conditions(self) -> tuple[str, ...]:
        """Return the names of the conditions that did not hold at the end."""
        return tuple(name for name, held in self.conditions.items() if not held)

    @property
    def why(self) -> str:
        """Return why it is no success: in the world's words if it has any, else by the conditions' names."""
        names = ", ".join(f"not {name.replace('_', ' ')}" for name in self.failed_conditions)
        return self.notes.get(WHY, names)


SPLITS: Mapping[str, range] = {
    "train": range(0, 1_000_000),
    "validation": range(1_000_000, 2_000_000),
    "test": range(2_000_000, 2**31),
}
"""Which episode seeds serve which purpose. Disjoint by construction: success is counted only on ``test``."""


def seeds(split: str, n: int, start: int = 0) -> list[int]:
    """Return n seeds of a split, from its `start`-th on.

    Raises:
        UnknownNameError: if there is no such split.
        ConfigError: if the split has fewer seeds than asked for.
    """
    block = SPLITS[known("split", split, SPLITS)]
    chosen = block[start : start + n]
    if len(chosen) < n or start < 0:
        raise ConfigError(f"split {split!r} holds {len(block)} seeds; {n} from {start} on do not fit")
    return list(chosen)
