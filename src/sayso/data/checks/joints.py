"""Joints among the numbers: places that move in small steps, and those that state and action share."""

from __future__ import annotations

from collections.abc import Iterator

from sayso.data.checks.evidence import Evidence
from sayso.data.units import joint_of
from sayso.robots import GRIPPER, PERCENT
from sayso.spec import ACTION, STATE

WORD = {STATE: "state", ACTION: "action"}
"""What people call the two vectors."""


def shared(e: Evidence) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each number that both state and action have, and its places in them."""
    if STATE in e.vectors and ACTION in e.vectors and not {"0", "1"} <= set(e.names(STATE)):
        for s, name in enumerate(e.names(STATE)):
            if name in e.names(ACTION):
                yield name, s, e.names(ACTION).index(name)


def is_joint(e: Evidence, name: str) -> bool:
    """Tell whether a number is a place, which moves in small steps; grippers and wheels need not."""
    unit = next((d.unit for d in e.features.action if d.name == name), "")
    return not (
        joint_of(name) == GRIPPER or unit == PERCENT or "/s" in unit or name.endswith((".vel", "gripper"))
    )
