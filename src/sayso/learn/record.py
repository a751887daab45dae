"""Recording of demonstrations: a world's expert shows every family of tasks, and what succeeded is kept.

Seeds are dealt to the families in turn, and each family keeps the first ones that succeed::

    seeds   0 1 2 3 4 5 6 7 ...
    put     0   2   4   6          2 fails: put keeps 0, 4, 6
    fetch     1   3   5            fetch keeps 1, 3, 5

Which episodes a dataset holds therefore depends on its configuration alone, not on the number of workers
nor on how often recording was killed and begun again.

A trained policy can act instead. Then either the expert says at every step what it would have done, or the
policy's own successes are kept. In the latter the action kept is the one that was executed, noise and all.
An expert's clean action is right wherever noise has led. Of a policy it is only known that what it really did
led to success, and only where that differs from what it meant to do is there anything to learn.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from sayso.data.format import Ending
from sayso.data.staging import EpisodeKey, stage_episode, sweep
from sayso.data.writer import assemble, recorded
from sayso.evaluation.handover import HandedOver
from sayso.evaluation.noise import ActionNoise
from sayso.evaluation.rollout import rollout
from sayso.learn.recording import claimed
from sayso.learn.recording import recording_seconds as recording_seconds
from sayso.spec import EXECUTE, SPLITS, ConfigError, Episode, Outcome, Policy, SaysoError, at_least
from sayso.tasks.axes import Departure, departures, drawn
from sayso.tasks.contract import World, expert_of
from sayso.tasks.worlds import WORLDS, Worlds, chosen_families, in_domain
from sayso.work import pool
from sayso.work.ledger import Ledger, Row
from sayso.work.lock import locked
from sayso.work.progress import counting

FAILED = "failed.jsonl"
_HOPELESS_FAILURES = 20
_HOPELESS_RATIO = 4


class NoSuccessError(SaysoError):
    """Recording of a policy's own successes in which there was none."""


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """Which demonstrations to record, and where to."""

    by: Literal["expert", "person"] = "expert"
    """Who demonstrates. expert: the world's own. person: you do, on a page or with a leader arm; it has flags
    of its own, which sayso record --by person --help shows."""
    world: str
    """Where it happens: the name of a world."""
    out: Path
    """Folder of the dataset. Recording that was interrupted there is continued."""
    families: tuple[str, ...] = ()
    """Families of tasks, in equal numbers; none named means all of the world's."""
    episodes: int = 100
    """How many successful episodes to keep, over all families; with --keep successes, how many to try.
    Rounded up to as many for each family."""
    split: Literal["train", "validation", "test"] = "train"
    """Block of seeds to draw from."""
    start: int = 0
    """Number of seeds of the split to skip, for instance those another dataset has used."""
    workers: int = 0
    """Processes that record side by side; 0 is one per core."""
    axis: tuple[str, ...] = ()
    """Along which axes demonstrations vary, such as camera=3: of each a different amount is drawn for every
    demonstration, evenly up to that level. A policy trained on them says so, and its reports do."""
    domain: str = ""
    """Name of a domain in which they are shown, such as workshop; what is learned from it is seen."""
    noise: ActionNoise = field(default_factory=ActionNoise)
    """What disturbs the actions, so that the expert must show how to recover."""
    policy: str | None = None
    """Folder or address of a policy that acts instead of the expert."""
    keep: Literal["corrections", "successes"] = "corrections"
    """What to keep of a policy that acts: corrections, what the expert would do instead at every step, its
    failures included, to show the way out of its own mistakes (DAgger); or successes, what it did itself in
    the episodes that succeeded, without any expert."""
    execute: int = EXECUTE
    """How many actions of that policy's chunk to apply before it looks again."""
    handover: float = 0.0
    """With --keep corrections, share of an episode's time after which at the latest the expert itself acts,
    and finishes; when is drawn for each. 0: the policy acts to the end."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        at_least(self, episodes=1, start=0, workers=0, execute=1)
        if self.by != "expert":
            raise ConfigError("an expert records here: a person does by sayso record --by person")
        if self.episodes > (there := max(len(SPLITS[self.split]) - self.start, 0)):
            raise ConfigError(
                f"episodes is {self.episodes}, but the split {self.split!r} has only {there} seeds from "
                f"--start {self.start} on"
            )
        if self.keep == "successes" and self.policy is None:
            raise ValueError("own successes need a policy that acts; an expert's are kept anyway")
        if not 0 <= self.handover <= 1:
            raise ConfigError(f"handover must be a share from 0 to 1, but is {self.handover:g}")
        if self.handover and (self.policy is None or self.own):
            raise ConfigError("handover is from a --policy to the expert, with --keep corrections")

    @property
    def own(self) -> bool:
        """Tell whether a policy's own actions are kept, so that episodes are attempts."""
        return self.policy is not None and self.keep == "successes"

    @property
    def decides(self) -> dict[str, Any]:
        """Return, as JSON, the fields that decide which episodes there are."""
        raw = dataclasses.asdict(self)
        del raw["out"], raw["workers"], raw["by"]
        plain: dict[str, Any] = json.loads(json.dumps(raw, default=str))
        return plain


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a recording came to."""

    out: Path
    episodes: int
    failed: int
    invalid: int
    next_start: int
    """Number of seeds of the split that are used up: the `start` of a dataset that shall share none."""
    seconds: float = field(compare=False)
    """Wall-clock time it took, with that of earlier calls for the same dataset, unless they were killed."""

    def __str__(self) -> str:
        """Return one line for a person."""
        return (
            f"{self.out}: {self.episodes} demonstrations; {self.failed} failed and {self.invalid} invalid "
            f"attempts were not kept; --start {self.next_start} would continue with fresh seeds; "
            f"{self.seconds / 60:.1f} minutes"
        )


def record(
    config: RecordConfig,
    worlds: Worlds = WORLDS,
    make_policy: Callable[[World], Policy] | None = None,
    scenes: Mapping[str, Sequence[int]] | None = None,
) -> Recorded:
    """Record what `config` asks for into a LeRobotDataset v3.0.

    Args:
        config: which demonstrations.
        worlds: the table that has the world.
        make_policy: loads ``config.policy`` in each process (picklable); None where the expert acts.
        scenes: seeds to try of each family, instead of the first of the split from ``config.start`` on;
            for a policy's own successes alone.

    Raises:
        UnknownNameError: if the world does not offer one of the families.
        InUseError: if another process is recording there.
        NoSuccessError: if a policy's own successes are wanted, and there is none.
        SaysoError: if the folder holds a recording with another configuration, or an expert hardly ever
            succeeds, or a process died. What was recorded until then is kept and need
            not be done again.
    """
    world = worlds.ready(config.world)
    families = chosen_families(world.families, config.families)
    departs = departures(world.axes, config.axis)
    making = in_domain(config.world, config.domain, world)
    drawn(departs, 0)  # refuses an axis that is kept for measuring
    if (config.policy is None) != (make_policy is None):
        raise ValueError("a policy that acts needs a folder in the config and a function that loads it")
    config = dataclasses.replace(config, families=families)
    if scenes is None:
        config = _shared_equally(config)
    elif not config.own or set(scenes) != set(families):
        raise ValueError("scenes are for a policy's own successes, of each of the families that are named")
    with locked(config.out, "recording"), claimed(config.out, config.decides):
        for damage in sweep(config.out):
            _say(f"{damage}. It is recorded anew")
        ledger = _Ledger(config, scenes)
        if ledger.missing:
            wordless = tuple(departure.wordless for departure in departs)
            build = partial(world.make, **making) if making else world.make
            _fill(ledger, _Demonstrate(build, make_policy, config, wordless))
        if not any(ledger.kept.values()):
            raise NoSuccessError(
                f"the policy succeeded in none of {len(ledger.missed)} attempts: nothing to learn from"
            )
        assemble(config.out, world.features)
    return ledger.recorded(recording_seconds(config.out))


def _shared_equally(config: RecordConfig) -> RecordConfig:
    """Return the config with as many episodes as all families can have equally, and say if those are more."""
    n = len(config.families)
    episodes = -(-config.episodes // n) * n
    if episodes > config.episodes:
        _say(
            f"{config.episodes} episodes cannot be shared equally by {n} families "
            f"({', '.join(config.families)}): {episodes} are recorded"
        )
    return dataclasses.replace(config, episodes=episodes)


def _say(text: str) -> None:
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)


class _Ledger:
    """Ledger of the seeds that were tried and how that went, which deals the next ones."""

    def __init__(self, config: RecordConfig, scenes: Mapping[str, Sequence[int]] | None = None) -> None:
        self.config, self._scenes = config, scenes
        share = config.episodes // len(config.families)
        self.wanted = {family: share if scenes is None else len(scenes[family]) for family in config.families}
        self.kept: dict[str, set[int]] = {family: set() for family in config.families}
        self.missed: dict[EpisodeKey, Outcome] = {}
        self._failed = Ledger(config.out / FAILED, self._read)
        if self._failed.damage:
            _say(f"{self._failed.damage}. What stood there is tried again")
        self.running: set[EpisodeKey] = set()
        for key in recorded(config.out):
            self.kept[key.family].add(key.seed)
        self._deals = {family: self._deal(family) for family in config.families}

    @property
    def missing(self) -> int:
        return self.total - sum(map(self._done, self.config.families))

    @property
    def total(self) -> int:
        return sum(self.wanted.values())

    @property
    def slowest(self) -> str:
        """Return which family has most before it, and how far it is."""
        family = max(self.config.families, key=lambda each: self.wanted[each] - self._done(each))
        return f"{family} {self._done(family)}/{self.wanted[family]}"

    def next(self) -> EpisodeKey | None:
        """Return an episode to try.

        A seed is dealt only while what is kept and what is running could still fall short, so the seeds kept
        are always the first that succeed.
        """
        short = {family: self._short_by(family) for family in self.config.families}
        family = max(short, key=short.__getitem__)
        if short[family] <= 0:
            return None
        key = next(self._deals[family], None)
        if key is None:
            raise SaysoError(f"the split {self.config.split!r} has no seeds left for {family!r}")
        self.running.add(key)
        return key

    def enter(self, key: EpisodeKey, episode: Episode) -> None:
        """Take note of how an episode ended."""
        self.running.discard(key)
        if _is_kept(episode, self.config):
            self.kept[key.family].add(key.seed)
            return
        self.missed[key] = episode.outcome
        line = {
            "family": key.family,
            "seed": key.seed,
            "outcome": episode.outcome,
            "failed_conditions": episode.failed_conditions,
            "error": episode.error,
        }
        self._failed.append(line)
        self._give_up_if_hopeless(key.family, line)

    def _read(self, row: Row) -> bool:
        """Take note of an attempt of an earlier recording."""
        key = EpisodeKey(family=str(row["family"]), seed=int(row["seed"]))
        self.missed[key] = Outcome(row["outcome"])
        return True

    def recorded(self, seconds: float) -> Recorded:
        outcomes = list(self.missed.values())
        tried = [key.seed for key in self.missed] + [seed for kept in self.kept.values() for seed in kept]
        return Recorded(
            out=self.config.out,
            episodes=sum(len(kept) for kept in self.kept.values()),
            failed=outcomes.count(Outcome.FAILURE),
            invalid=outcomes.count(Outcome.INVALID),
            next_start=max(tried) + 1 - SPLITS[self.config.split].start,
            seconds=seconds,
        )

    def _short_by(self, family: str) -> int:
        running = sum(key.family == family for key in self.running)
        return self.wanted[family] - self._done(family) - running

    def _done(self, family: str) -> int:
        tried = sum(key.family == family for key in self.missed) if self.config.own else 0
        return len(self.kept[family]) + tried

    def _deal(self, family: str) -> Iterator[EpisodeKey]:
        first = self.config.start + self.config.families.index(family)
        block = SPLITS[self.config.split][first :: len(self.config.families)]
        for seed in block if self._scenes is None else self._scenes[family]:
            key = EpisodeKey(family=family, seed=seed)
            if seed not in self.kept[family] and key not in self.missed:
                yield key

    def _give_up_if_hopeless(self, family: str, last: dict[str, Any]) -> None:
        missed = 0 if self.config.own else sum(key.family == family for key in self.missed)
        if missed > _HOPELESS_FAILURES and missed > _HOPELESS_RATIO * len(self.kept[family]):
            raise SaysoError(
                f"the expert of {family!r} succeeded {len(self.kept[family])} times and missed {missed} "
                f"times, the last time so: {last}. See {self.config.out / FAILED}"
            )


@dataclass(frozen=True)
class _Demonstrate:
    """Maker, in each process, of what stages the demonstration of one seed."""

    build_world: Callable[[], World]
    make_policy: Callable[[World], Policy] | None
    config: RecordConfig
    departs: tuple[Departure, ...]

    def __call__(self) -> Callable[[EpisodeKey], Episode]:
        world, config = self.build_world(), self.config
        expert = None if config.own else expert_of(world)
        policy = self.make_policy(world) if self.make_policy else expert or expert_of(world)
        execute = config.execute if self.make_policy else 1
        if config.handover and expert is not None:
            policy = HandedOver(world, policy, expert, config.handover, execute)

        def demonstrate(key: EpisodeKey) -> Episode:
            episode = rollout(
                world,
                policy,
                key.seed,
                family=key.family,
                options=drawn(self.departs, key.seed),
                execute=execute,
                keep_frames=True,
                noise=config.noise,
                teacher=expert,
                keep_executed=config.own,
            )
            if _is_kept(episode, config):
                stage_episode(
                    config.out,
                    world.features,
                    episode.frames,
                    seed=key.seed,
                    family=key.family,
                    ending=Ending(
                        outcome=episode.outcome,
                        reward=episode.reward,
                        actor="policy" if config.policy else "expert",
                    ),
                )
            return dataclasses.replace(episode, frames=[])

        return demonstrate


def _is_kept(episode: Episode, config: RecordConfig) -> bool:
    """Tell whether an episode is worth learning from: where labels are the expert's, whoever failed."""
    corrected = config.policy is not None and not config.own
    return episode.success or (corrected and episode.outcome is Outcome.FAILURE)


def _fill(ledger: _Ledger, demonstrate: _Demonstrate) -> None:
    """Run demonstrations until none is missing."""
    config = ledger.config
    ended = pool.run(demonstrate, ledger.next, workers=config.workers, writes=config.out)
    total = ledger.total
    with counting("{task.fields[steps]}") as bar, contextlib.closing(ended):
        steps = 0
        task = bar.add_task("recording", total=total, completed=total - ledger.missing, steps="")
        for key, episode in ended:
            if isinstance(episode, pool.Lost):
                raise SaysoError(f"{episode.reason} at {key}. Give the same command again to continue")
            ledger.enter(key, episode)
            steps += episode.steps
            elapsed = bar.tasks[task].elapsed or 0.0
            rate = f"{steps / max(elapsed, 1e-6):.0f} steps/s, slowest {ledger.slowest},"
            bar.update(task, completed=total - ledger.missing, steps=rate)
