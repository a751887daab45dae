"""Action noise: what an expert does is disturbed in bursts, so that demonstrations show how to recover."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from sayso.spec import Array, ConfigError, Features, above, at_least, known

SIZES = ("deg", "percent", "m_per_s", "deg_per_s", "share")
"""Fields of `ActionNoise` that say how strong it is."""
_NOISE_STREAM = 0x0157  # keeps the noise of a seed independent of the scene drawn from the same seed


@dataclass(frozen=True, kw_only=True)
class ActionNoise:
    r"""Noise in what is executed, not in what is recorded, so that demonstrations show how to recover.

    The label stays the expert's clean action, which answers the state the noise led to (DART, Laskey et al.
    2017). The noise is an Ornstein-Uhlenbeck process that runs in bursts with quiet spells between them,
    so that most of an episode, and its end, still looks like the expert's own::

        noise   ____/\_/\____________/\/\/\_______
                    burst    pause   burst
    """

    deg: float = 2.5
    """Standard deviation on joints, degrees."""
    percent: float = 0.0
    """Standard deviation on the gripper, per cent of its opening."""
    m_per_s: float = 0.1
    """Standard deviation on the speed of the base, m/s."""
    deg_per_s: float = 30.0
    """Standard deviation on the turning rate of the base, deg/s."""
    share: float = 0.3
    """Standard deviation on speeds that are given as shares of the fastest, as Meta-World's are."""
    correlation_steps: float = 6.0
    """Steps after which the noise has forgotten all but 1/e of itself."""
    burst_s: tuple[float, float] = (0.3, 1.0)
    """Shortest and longest burst, seconds."""
    pause_s: tuple[float, float] = (0.5, 2.0)
    """Shortest and longest quiet spell between bursts, seconds."""
    stream: int = 0
    """Which of the many noises of a seed: another number disturbs the same scene in another way."""

    def __post_init__(self) -> None:
        """Refuse scales below zero and spans that are empty or run backwards."""
        at_least(self, deg=0, percent=0, m_per_s=0, deg_per_s=0, share=0, stream=0)
        above(self, correlation_steps=0)
        for name in ("burst_s", "pause_s"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise ConfigError(f"{name} is ({low}, {high}), but a span is 0 < shortest <= longest")

    def times(self, factor: float, stream: int = 0) -> Self:
        """Return the same noise, so many times as strong, out of another stream."""
        sizes = {name: factor * getattr(self, name) for name in SIZES}
        return dataclasses.replace(self, **sizes, stream=stream)

    def begin(self, features: Features, seed: int) -> Perturbation:
        """Return the noise of one episode; the same seed gives the same noise."""
        by_unit = {"deg": self.deg, "%": self.percent, "m/s": self.m_per_s, "deg/s": self.deg_per_s}
        by_unit |= {"share": self.share, "effort": 0.0}
        scale = [by_unit[known("unit of an action", d.unit, by_unit)] for d in features.action]
        rng = np.random.default_rng([_NOISE_STREAM, seed, *([self.stream] if self.stream else [])])
        return Perturbation(self, np.array(scale), features.fps, rng)


class Perturbation:
    """Perturbation of the actions of one episode, one after the other."""

    def __init__(self, noise: ActionNoise, scale: np.ndarray, fps: float, rng: np.random.Generator) -> None:
        """Start with a quiet spell."""
        self._noise = noise
        self._scale = scale
        self._fps = fps
        self._rng = rng
        self._keep = float(np.exp(-1.0 / noise.correlation_steps))
        self._offset = np.zeros_like(scale)
        self._in_burst = False
        self._steps_left = self._draw_steps(noise.pause_s)

    def __call__(self, action: Array) -> Array:
        """Return the action to execute instead, float32 ``[A]``."""
        if self._steps_left == 0:
            self._in_burst = not self._in_burst
            span_s = self._noise.burst_s if self._in_burst else self._noise.pause_s
            self._steps_left = self._draw_steps(span_s)
            self._offset = np.zeros_like(self._scale)
        self._steps_left -= 1
        if not self._in_burst:
            return action
        # Uhlenbeck & Ornstein 1930, sampled exactly: the stationary deviation is `scale` at any correlation.
        kick = np.sqrt(1.0 - self._keep**2) * self._rng.standard_normal(len(self._scale))
        self._offset = self._keep * self._offset + kick * self._scale
        disturbed: Array = (action + self._offset).astype(np.float32)
        return disturbed

    def _draw_steps(self, span_s: tuple[float, float]) -> int:
        return max(1, round(self._rng.uniform(*span_s) * self._fps))
