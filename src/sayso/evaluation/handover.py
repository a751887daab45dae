"""Handover: after a while another policy goes on with what the first has begun.

::

    policy acts     o----o----o
    expert acts                 o----o----o----o  done
                    ^    ^    ^ ^    ^    ^    ^  what the expert would do, or does

A policy that fails would otherwise be followed to the end of its failure, through states that a better one
never sees; so the way out is shown as well. Source: the mixture of expert and policy in Ross, Gordon and
Bagnell 2011, "A reduction of imitation learning and structured prediction to no-regret online learning".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sayso.spec import Chunk, Observation, Policy
from sayso.tasks.contract import World


@dataclass
class HandedOver:
    """Policy that acts until a moment that each episode's seed draws; then another does."""

    world: World
    first: Policy
    second: Policy
    share: float
    """Part of the time that an episode has, until which at most the first one acts."""
    execute: int
    """How many actions of the first one's chunk are applied before it is asked again."""
    _steps: int = field(default=0, init=False)
    _until: float = field(default=0.0, init=False)

    def reset(self) -> None:
        """Begin an episode."""
        self.first.reset()
        self.second.reset()
        self._steps = 0

    def seed(self, seed: int) -> None:
        """Draw the moment, evenly; for a world that has been reset."""
        for policy in (self.first, self.second):
            if its_own := getattr(policy, "seed", None):
                its_own(seed)
        self._until = np.random.default_rng(seed).uniform(0, self.share) * self.world.task.horizon

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions of whoever's turn it is."""
        if self._steps >= self._until:
            return self.second.act(observation)
        self._steps += self.execute
        return self.first.act(observation)
