"""Protocols of the two that meet in the loop: who acts, and what is moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from sayso.spec.episodes import Chunk
from sayso.spec.features import Observation


@runtime_checkable
class Policy(Protocol):
    """Policy: what is seen and asked gives the next chunk of actions. Nothing else is required."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units."""
        ...

    def reset(self) -> None:
        """Forget the episode that just ended."""
        ...


class Robot(Protocol):
    """Robot in LeRobot's shape, so that its drivers pass through an adapter of a few lines."""

    @property
    def observation_features(self) -> Mapping[str, Any]:
        """Return name -> type (``float``) or image shape ``(H, W, 3)``."""
        ...

    @property
    def action_features(self) -> Mapping[str, Any]:
        """Return name -> type of everything `send_action` takes."""
        ...

    def connect(self) -> None:
        """Open motors and cameras."""
        ...

    def get_observation(self) -> dict[str, Any]:
        """Return one reading of every observation feature."""
        ...

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Send an action and return what was really sent after clipping."""
        ...

    def disconnect(self) -> None:
        """Release motors and cameras."""
        ...
