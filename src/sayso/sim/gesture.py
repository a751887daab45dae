"""Gesture of a person who takes a thing and puts it somewhere, moment by moment, to be filmed.

reach      over the thing, hand open, drawn in by the eye: noise of 4 mm while the hand is free
close      along a pair of the thing's faces
carry      up, over, and down: minimum jerk (Flash and Hogan 1985)
dwell      before it lets go, as people do
leave      opening, and back to where the person is
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.geometry import wrap_angle

Numbers = NDArray[np.float64]
WIDER_M = 0.040
"""By how much a hand opens wider than the thing."""
LIFT_M, OVER_M = 0.09, 0.07
"""How high a thing is carried, and how far above it the hand begins to go down."""
NOISE_M, FINGERS_NOISE_M, SMOOTH_S = 0.004, 0.003, 0.25
COMFORTABLE_RAD = -0.7
"""Heading from thumb to finger at which a right hand is at ease, from that in which the person looks."""
RATES = (0.8, 1.25)
LEAST_DWELL_S, MOST_DWELL_S = 0.15, 0.45


@dataclass(frozen=True, kw_only=True)
class Gesture:
    """What a hand does, a row for each moment."""

    middle_m: Numbers
    """Between the pads ``[N, 3]``."""
    opening_m: Numbers
    closing_rad: Numbers
    """Heading from the thumb to the finger ``[N]``."""
    tilt_rad: Numbers
    from_rad: float
    """Heading at which the person stands."""
    grasp: int
    """Row at which the hand has closed."""
    release: int
    """Row at which it begins to open."""


def pick_and_place(
    thing_m: Numbers,
    place_m: Numbers,
    *,
    width_m: float,
    yaw_rad: float,
    symmetry: int,
    from_rad: float,
    rng: np.random.Generator,
    fps: float,
) -> Gesture:
    """Return a gesture that takes a thing and puts it down.

    Args:
        thing_m: point at which it is grasped, ``[3]``.
        place_m: where that point shall be in the end, ``[3]``.
        width_m: of the thing, between the pads.
        yaw_rad: of the thing.
        symmetry: how many of its headings look the same; 0 for what is round.
        from_rad: heading at which the person stands.
        rng: for tempo and noise.
        fps: rows a second.
    """
    rate = rng.uniform(*RATES)
    back = 0.16 * np.array([math.cos(from_rad), math.sin(from_rad), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    wide, shut = width_m + WIDER_M, width_m
    dwell_s = rng.uniform(LEAST_DWELL_S, MOST_DWELL_S)
    stations = (  # seconds, where to, how far open in the end
        (0.0, thing_m + back + 0.10 * up, 0.6 * wide),
        (0.7, thing_m + OVER_M * up, wide),
        (0.4, thing_m, wide),
        (0.3, thing_m, shut),
        (0.45, thing_m + LIFT_M * up, shut),
        (0.9, place_m + LIFT_M * up, shut),
        (0.5, place_m, shut),
        (dwell_s, place_m, shut),
        (0.3, place_m, wide),
        (0.7, place_m + back + 0.10 * up, 0.7 * wide),
    )
    counts = [max(1, round(seconds / rate * fps)) for seconds, _, _ in stations[1:]]
    middle, opening = [stations[0][1]], [stations[0][2]]
    for count, (_, before, was), (_, after, becomes) in zip(counts, stations, stations[1:], strict=False):
        share = _minimum_jerk(np.arange(1, count + 1) / count)
        middle += [*(before + share[:, None] * (after - before))]
        opening += [*(was + share * (becomes - was))]
    grasp, release = sum(counts[:3]), sum(counts[:7])
    length = len(middle)
    free = np.ones(length)
    free[grasp - counts[2] : release + counts[7] // 2] = 0
    free = _smooth(free, fps * 0.1)
    path = np.array(middle) + free[:, None] * np.stack([_noise(length, NOISE_M, fps, rng) for _ in "xyz"], 1)
    gap = np.array(opening) + free * _noise(length, FINGERS_NOISE_M, fps, rng)
    closing = _closing(yaw_rad, symmetry, from_rad, rng)
    return Gesture(
        middle_m=path,
        opening_m=gap.clip(0, 0.095),
        closing_rad=closing + free * _noise(length, 0.12, fps, rng),
        tilt_rad=rng.uniform(0.45, 0.85) + _noise(length, 0.05, fps, rng),
        from_rad=from_rad,
        grasp=grasp,
        release=release,
    )


def _closing(yaw_rad: float, symmetry: int, from_rad: float, rng: np.random.Generator) -> float:
    """Return the heading along which the hand closes: along faces, whichever is most at ease."""
    ease = from_rad + math.pi + COMFORTABLE_RAD + rng.uniform(-0.25, 0.25)
    if not symmetry:
        return ease
    faces = [yaw_rad + k * math.pi / max(2, symmetry // 2) for k in range(max(2, symmetry))]
    return ease + min((wrap_angle(face - ease) for face in faces), key=abs)


def _minimum_jerk(t: Numbers) -> Numbers:
    share: Numbers = t**3 * (10 - 15 * t + 6 * t**2)
    return share


def _noise(length: int, size: float, fps: float, rng: np.random.Generator) -> Numbers:
    """Return smooth noise of a size, ``[N]``."""
    raw = _smooth(rng.normal(size=length + 40), SMOOTH_S * fps)[20:-20]
    return raw * size * math.sqrt(2 * math.sqrt(math.pi) * SMOOTH_S * fps)


def _smooth(signal: Numbers, sigma: float) -> Numbers:
    reach = max(1, round(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 0.3)) ** 2)
    return np.convolve(np.pad(signal, reach, mode="edge"), weights / weights.sum(), mode="valid")
