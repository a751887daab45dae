"""Camera check before the first motion: whether cameras and the arm's pose look as in training, in one line.

::

    as in training: camera wrist (0.3% of its width off) and the arm's pose; camera front seems to have moved:
    what it shows lies 19 px (15%) further right ... about level 3 of axis camera, where 50% succeed, not 95%

Where a camera seems to be follows from reference pictures that the policy keeps (`sayso.data.views`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sayso.data.resize import seen
from sayso.data.statistics import Stats
from sayso.data.views import Costs, Found, Views
from sayso.runtime.familiar import unfamiliar, unlike
from sayso.runtime.robot import shows_nothing
from sayso.spec import STATE, Features, Observation, Policy, Robot, image_key

NONE_KEPT = "the policy keeps no reference pictures, so nobody tells whether a camera has moved since"
WHY_STRICT = (
    "something is not as in training, or nobody can tell, and --strict is set; nothing has moved. Put the "
    "cameras and the arm where they were, or leave --strict out"
)
HARDLY = {"right": 0.005, "turned": 0.5, "larger": 0.02}
"""Shift (share of the width), turn (degrees) and size below which nothing is said of each."""


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What cameras and the arm look like before the first motion."""

    lines: tuple[str, ...] = ()
    """For a person."""
    familiar: bool = False
    """Whether everything is as in training, and somebody can tell."""


def looks(
    robot: Robot, policy: Policy, features: Features, stats: Mapping[str, Stats], observation: Observation
) -> Looks:
    """Say of each camera, and of the arm, whether it looks as in training.

    Args:
        robot: that is about to move; of one without cameras nothing is said.
        policy: that keeps reference pictures, or does not tell, as one at the other end of a socket.
        features: of the policy, in the robot's names.
        stats: of the demonstrations, in the robot's names and units.
        observation: the first one.
    """
    if shows_nothing(robot):
        return Looks(familiar=True)
    strange = unlike(features, stats, observation)
    stands = not unfamiliar(features, stats, observation[STATE])
    views: Views | None = getattr(policy, "views", None)
    line, familiar = "", stands and STATE in stats
    if features.cameras:
        line, familiar = _line(views, features, observation, stands) if views else (NONE_KEPT, False)
    told = () if views is None or not line else (line,)
    return Looks(lines=(*strange, *told), familiar=familiar and not strange)


def _line(
    views: Views, features: Features, observation: Observation, stands_as_shown: bool
) -> tuple[str, bool]:
    """Return the one line, and whether everything is as in training."""
    found = dict(_found(views, features, observation))
    fine = [f"camera {c} ({f.moved:.1%} of its width off)" for c, f in found.items() if f.familiar]
    fine += ["the arm's pose"] if stands_as_shown else []
    parts = [f"as in training: {_listed(fine)}"] if fine else []
    parts += [_strange(c, f, features.cameras[c][1]) for c, f in found.items() if not f.familiar]
    parts += [] if stands_as_shown else ["the arm stands otherwise than in training"]
    parts += [f"camera {c}: no reference pictures" for c in features.cameras if c not in found]
    if any(not one.familiar for one in found.values()):
        parts.append(_cost(views, found))
    return "; ".join(parts), len(fine) == len(features.cameras) + 1


def _found(views: Views, features: Features, observation: Observation) -> Iterator[tuple[str, Found]]:
    for camera in features.cameras:
        if camera in views.cameras:
            picture = seen(observation[image_key(camera)], camera, features)
            yield camera, views.cameras[camera].compared(picture, observation[STATE])


def _strange(camera: str, found: Found, width: int) -> str:
    if not found.alike:
        return (
            f"camera {camera} shows hardly anything of what it did: it has moved far, or the room is another"
        )
    return f"camera {camera} seems to have moved: what it shows lies {_told(found, width)}"


def _told(found: Found, width: int) -> str:
    """Return a placement in words: pixels of the camera's own picture, per cent of its width, degrees."""
    place = found.placement
    said = [
        f"{abs(share) * width:.0f} px ({abs(share):.0%} of its width) further {way}"
        for share, way in (
            (place.right, "right" if place.right > 0 else "left"),
            (place.down, "down" if place.down > 0 else "up"),
        )
        if abs(share) >= HARDLY["right"]
    ]
    turned = float(np.degrees(place.turned_rad))
    if abs(turned) >= HARDLY["turned"]:
        said.append(f"turned by {abs(turned):.0f} degrees {'' if turned > 0 else 'counter'}clockwise")
    if abs(place.larger - 1) >= HARDLY["larger"]:
        said.append(f"{abs(place.larger - 1):.0%} {'larger' if place.larger > 1 else 'smaller'}")
    return f"{_listed(said)} ({found.moved:.0%} of its width on average)"


def _cost(views: Views, found: Mapping[str, Found]) -> str:
    """Return what it costs that cameras are elsewhere, as far as that was measured."""
    moved = [(c, f.moved) for c, f in found.items() if f.alike and not f.familiar]
    level = max((views.cameras[c].level(far) for c, far in moved), default=0.0)
    if not level:
        return "what that costs was not measured"
    told = f"that is about level {level:.1f} of the axis camera"
    cost = _success(views.costs, level) if views.costs else "and what that costs was not measured"
    return f"{told}, {cost}"


def _success(costs: Costs, level: float) -> str:
    levels, success = zip(*costs.success, strict=True)
    here, most = float(np.interp(level, levels, success)), success[0]
    beyond = " or less" if level > levels[-1] else ""
    shown = f", and training shows up to level {costs.shown}" if costs.shown else ""
    return f"at which {here:.0%} of the episodes succeed{beyond} instead of {most:.0%}{shown} ({costs.of})"


def _listed(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
