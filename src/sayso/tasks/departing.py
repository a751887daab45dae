"""Departures of an episode from training, as options of a world's `reset` say them.

What a seed decides beside the scene has streams of its own here and never touches the scene: directions,
colours and signs follow family and seed alone, and are the same whatever else differs and however much of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sayso.sim.disturbance import Disturbance, Triple
from sayso.sim.dynamics import Dynamics
from sayso.sim.optics import Optics

CAMERAS = ("camera_shift_m", "camera_turn_deg", "camera_tumble_deg", "wrist_shift_m", "wrist_tumble_deg")
LAMPS = ("light", "light_tint", "light_aside_m")
DISTURBANCES = (*CAMERAS, *LAMPS)
"""Options that move cameras and lamps."""
PICTURES = ("image_noise", "image_blur_px", "image_exposure", "image_white", "image_jpeg")
"""Options that spoil pictures."""
DYNAMICS = ("friction", "mass", "lag_s", "delay_s")
"""Options that change matter and motors."""
NOISE_STREAM, _CAMERA_STREAM = 0x0480, 0x0481
_TUMBLE_STREAM, _WRIST_STREAM, _WRIST_TUMBLE_STREAM = 0x0483, 0x0484, 0x0485
_TINT_STREAM, _LAMP_STREAM, _OPTICS_STREAM, _DYNAMICS_STREAM = 0x0486, 0x0487, 0x0488, 0x0489
"""Keep these independent of all else that a seed decides."""

Options = Mapping[str, Any]


def disturbance_of(options: Options, *stream: int) -> Disturbance:
    """Return how the options of a reset move its cameras and lamps.

    Args:
        options: as `EpisodicWorld` understands them.
        stream: numbers of family and seed, which directions follow.

    Raises:
        ValueError: if a camera cannot be moved so.
    """
    turned = np.array([0.0, 0.0, float(options.get("camera_turn_deg", 0.0))])
    turned += _moved("camera_tumble_deg", options, _TUMBLE_STREAM, *stream)
    angle = np.random.default_rng([_LAMP_STREAM, *stream]).uniform(-np.pi, np.pi)
    aside = float(options.get("light_aside_m", 0.0))
    return Disturbance(
        shift_m=_moved("camera_shift_m", options, _CAMERA_STREAM, *stream),
        turn_deg=_triple(turned),
        wrist_shift_m=_moved("wrist_shift_m", options, _WRIST_STREAM, *stream),
        wrist_turn_deg=_moved("wrist_tumble_deg", options, _WRIST_TUMBLE_STREAM, *stream),
        light=float(options.get("light", 1.0)),
        tint=_cast(float(options.get("light_tint", 0.0)), np.random.default_rng([_TINT_STREAM, *stream])),
        lamp_aside_m=(aside * float(np.cos(angle)), aside * float(np.sin(angle))),
    )


def optics_of(options: Options, *stream: int) -> Optics:
    """Return how the options of a reset spoil its pictures; arguments as in `disturbance_of`."""
    rng = np.random.default_rng([_OPTICS_STREAM, *stream])
    over_or_under = float(rng.choice((-1.0, 1.0)))
    return Optics(
        blur_px=float(options.get("image_blur_px", 0.0)),
        exposure=over_or_under * float(options.get("image_exposure", 0.0)),
        white=_cast(float(options.get("image_white", 0.0)), rng),
        noise=float(options.get("image_noise", 0.0)),
        jpeg=int(options.get("image_jpeg", 0)),
    )


def dynamics_of(options: Options, *stream: int) -> Dynamics | None:
    """Return how the options of a reset change matter and motors; None if not at all."""
    if options.keys().isdisjoint(DYNAMICS):
        return None
    more_or_less = np.random.default_rng([_DYNAMICS_STREAM, *stream]).choice((-1.0, 1.0), 2)
    return Dynamics(
        friction=float(float(options.get("friction", 1.0)) ** more_or_less[0]),
        mass=float(float(options.get("mass", 1.0)) ** more_or_less[1]),
        lag_s=float(options.get("lag_s", 0.0)),
        delay_s=float(options.get("delay_s", 0.0)),
    )


def towards(*stream: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a direction in space, [3], all equally likely."""
    direction = np.random.default_rng([*stream]).standard_normal(3)
    return np.asarray(direction / float(np.linalg.norm(direction)))


def upwards(*stream: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a direction in space, [3], that does not point down."""
    x, y, z = towards(*stream)
    return np.array([x, y, abs(z)])


def _moved(name: str, options: Options, *stream: int) -> Triple:
    """Return three numbers that an option gives, or one as a length in a direction of the stream."""
    given = options.get(name, 0.0)
    found = np.asarray(given, dtype=float)
    if found.shape not in ((), (3,)) or not np.isfinite(found).all():
        unit = "metres" if name.endswith("_m") else "degrees"
        raise ValueError(f"{name} is one number of {unit} or three, but got {given!r}")
    return _triple(found if found.shape else found * towards(*stream))


def _cast(amount: float, rng: np.random.Generator) -> Triple:
    """Return factors on red, green and blue with a mean of 1, one off by an amount, the others less."""
    found = rng.standard_normal(3)
    found -= found.mean()
    return _triple(1.0 + amount * found / np.abs(found).max())


def _triple(numbers: np.ndarray[Any, np.dtype[np.float64]]) -> Triple:
    x, y, z = (float(number) for number in numbers)
    return x, y, z
