"""Validation: success in closed loop, on seeds of its own, while a policy trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sayso.evaluation.report import Training
from sayso.evaluation.rollout import rollout
from sayso.evaluation.statistics import tally
from sayso.evaluation.trials import refuse_seen_seeds
from sayso.learn.config import TrainConfig
from sayso.learn.dealing import seeded
from sayso.learn.run import Run
from sayso.models.repacked import in_world
from sayso.spec import EXECUTE, SaysoError, seeds
from sayso.tasks.contract import World
from sayso.tasks.worlds import WORLDS, make_world


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Closed-loop evaluation of the averaged weights, every so many steps."""

    world: World
    every: int
    episodes: int

    def is_due(self, step: int) -> bool:
        """Tell whether to measure after a step."""
        return step % self.every == 0

    def measure(self, run: Run) -> dict[str, float]:
        """Let the averaged weights act on validation seeds, and return what that wrote into the log."""
        families, chosen = self.world.families, seeds("validation", self.episodes)
        with run.deployed(), seeded(run.config.seed, run.step):
            policy = in_world(run.policy, run.policy.features, self.world.features)
            done = [
                rollout(self.world, policy, seed, family=families[k % len(families)], execute=EXECUTE)
                for k, seed in enumerate(chosen)
            ]
        line: dict[str, float] = {"step": run.step}
        for family in families:
            counted = tally([e for e in done if e.family == family])
            line |= {} if counted.void else {f"eval/{family}": counted.success.share}
            line |= {f"eval/{family}/n": counted.n, f"eval/{family}/invalid": counted.invalid}
        run.write(line)
        return line

    def in_words(self, line: Mapping[str, float]) -> str:
        """Say how often each family was carried out."""
        return ", ".join(f"{name} {share:.0%}" for name, share in line.items() if name.count("/") == 1)


def validation_of(config: TrainConfig, training: Training, world: World | None = None) -> Validation | None:
    """Return the validation that a config asks for, if it does, in `world` or the one that it names.

    Raises:
        SaysoError: if it names none.
        SeenSeedsError: if the demonstrations come from the seeds that are kept for evaluation.
    """
    if not config.eval_every:
        return None
    refuse_seen_seeds(seeds("validation", config.eval_episodes), training)
    return Validation(
        world=world or _world(config.world), every=config.eval_every, episodes=config.eval_episodes
    )


def _world(name: str) -> World:
    if not name:
        raise SaysoError(f"--eval-every needs a world to evaluate in: add --world with {', '.join(WORLDS)}")
    return make_world(name)
