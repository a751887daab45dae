"""Improvement from experience: rounds of acting, learning and comparing, and never a worse policy at the end.

::

    round 1   gather --> learn --> compare: better? -- no: the policy stays ---.
                                       '------------ yes: it takes its place --+--> round 2, if there is time

    OUT/policy/       the best so far, whole at any moment: at first a copy of what it began with
    OUT/improve.json  what was asked for
    OUT/rounds.jsonl  which stage is done, what came of it, and how long it took
    OUT/round_1/      recordings, training and comparison of a round, each of which resumes by itself

The guard is an exact paired test on validation seeds that no comparison before has used. However many rounds
there are, a policy that is not better takes the other's place with a probability of at most `alpha`: round k
spends alpha / (k (k + 1)) of it, which is alpha for all rounds together.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sayso.evaluation.compare import CompareConfig, compare_policies
from sayso.evaluation.kept import read_result
from sayso.evaluation.measure import INTERRUPTED, Subject
from sayso.evaluation.report import training_of
from sayso.learn.earlier import IMPROVED, demonstrations_of
from sayso.learn.experience.contract import Round, Shown, Source
from sayso.learn.experience.table import SOURCES
from sayso.learn.improving import ImproveConfig as ImproveConfig
from sayso.learn.improving import Improved
from sayso.learn.planning import LEAST_STEPS, Pace, Plan, planned
from sayso.learn.progress import say
from sayso.models import checkpoint as policies
from sayso.spec import SPLITS, SaysoError
from sayso.spec.files import CONFIG, parsed
from sayso.tasks.worlds import WORLDS, Worlds, chosen_families
from sayso.work import pool
from sayso.work.ledger import Ledger, Row
from sayso.work.lock import locked
from sayso.work.provenance import digest_of, provenance, training_facts, write_json
from sayso.work.replace import replace_folder

STAGES = ("planned", "gathered", "learned", "compared")
STOPPED = "stopped"
"""Row of the time that a stage took which somebody stopped."""
ROUNDS = "rounds.jsonl"
SETTINGS: Mapping[str, Any] = {
    "batch_size": 64, "stride": 2, "lr": 7e-4, "optimizer": "muon", "weight_decay": 0.01, "clip": 1.0,
    "ema": 0.998, "grounding_share": 0.25, "wordings": "", "wordings_share": 0.75, "warmup": 300,
}  # fmt: skip
"""Settings of training that are the policy's own, and what they are where it does not say."""
MARGIN = 0.05
"""A comparison also ends when surely no larger difference lies between the two; then the policy stays."""
INSTANT_S = 1e-5
"""Least that anything costs in a plan."""
SEEDS_EACH = 10
"""Seeds of the training split that a round keeps for itself, for each scene: crashed ones take another."""


def improve(
    checkpoint: Path, config: ImproveConfig, subject_of: Callable[[str], Subject], worlds: Worlds = WORLDS
) -> Improved:
    """Improve the policy in a checkpoint folder, or go on, and say after each round what was decided.

    Args:
        checkpoint: what to begin with; it is not changed.
        config: from what, where, for how long.
        subject_of: makes what acts and is measured of a checkpoint folder.
        worlds: the table that has the world.

    Raises:
        SaysoError: if the folder holds another improvement, the demonstrations are not there, or nothing can
            be learned; what is in ``OUT/policy`` stays whole.
        KeyboardInterrupt: at Ctrl-C; the same command goes on from there.
    """
    policies.load(checkpoint)  # whatever is no checkpoint of ours is refused before anything is written
    source, entry = SOURCES[config.source], worlds.ready(config.world)
    families = chosen_families(entry.families, config.families)
    config = dataclasses.replace(config, families=families)
    with locked(config.out, "improving"):
        work = _Improvement(checkpoint, config, source, subject_of, worlds)
        work.settle()
        for _ in work.rounds():
            work.settle()
        return work.improved()


@dataclass
class _Improvement:
    """Improvement that is going on: its ledger, its policy, and the stage that comes next."""

    checkpoint: Path
    config: ImproveConfig
    source: Source
    subject_of: Callable[[str], Subject]
    worlds: Worlds
    demonstrations: tuple[Path, ...] = ()
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take up what the folder holds, or begin there."""
        out, self.begun_with = self.config.out, str(self.checkpoint)
        self.workers = self.config.workers or pool.cores()
        self.facts = training_facts(self.checkpoint)
        own = dict(self.facts.get("config") or {})
        self.settings = {**SETTINGS, **{name: own[name] for name in SETTINGS if name in own}}
        if self.config.batch_size:
            self.settings["batch_size"] = self.config.batch_size
        self._claim(out / IMPROVED)
        self._ledger = Ledger(out / ROUNDS, lambda row: row["stage"] in (*STAGES, STOPPED))
        if self.facts.get("wordings"):
            say(
                f"{self.checkpoint} was taught other wordings after its training, and may forget some of "
                "them; `sayso paraphrase` teaches them again"
            )
        if self._ledger.damage:
            say(f"{self._ledger.damage}. What stood there is done again")
        self.rows = list(self._ledger.rows)

    def rounds(self) -> Iterator[None]:
        """Carry out round after round, while there is time, and yield after each."""
        for number in range(1, self.config.rounds + 1):
            if self._done(number, "compared"):
                continue
            plan = self._stage(number, "planned", partial(self._plan, number))
            if not plan["steps"]:
                say(f"round {number} is not begun: {plan['why']}; more --hours would let it go on")
                self.rows.remove(plan)
                return
            told = self._compared(number, self._learned(number))
            decided = "takes the place of the one before" if told["verdict"] == "second" else "is not taken"
            print(f"round {number}: the new policy {decided}: {told['sentence']}")
            yield

    def settle(self) -> None:
        """Let ``OUT/policy`` be the policy that was decided for, whatever a kill left there."""
        best = self.config.out / "policy"
        wanted = self._folder(self.improved().replaced) or self.checkpoint
        try:
            policies.load(best)
            there = digest_of(best)
        except SaysoError:
            there = ""
        if there != digest_of(wanted):
            replace_folder(best, lambda new: shutil.copytree(wanted, new, dirs_exist_ok=True))

    def improved(self) -> Improved:
        """Return what has come of it so far."""
        told = [row for row in self.rows if row["stage"] == "compared"]
        return Improved(policy=self.config.out / "policy", begun_with=self.begun_with, rounds=told)

    def _claim(self, path: Path) -> None:
        """Write down what is asked for, or check that it is the same as before."""
        c = self.config
        asked = {"world": c.world, "from": c.source, "families": list(c.families), "execute": c.execute,
                 "start": c.start, "alpha": c.alpha, "policy": digest_of(self.checkpoint)}  # fmt: skip
        if path.exists():
            there = _read(path)
            if differing := [n for n in asked if there["asked"].get(n) != asked[n]]:
                words = "; ".join(f"{n}: {there['asked'].get(n)} there, {asked[n]} now" for n in differing)
                raise SaysoError(
                    f"{c.out} holds another improvement ({words}). Give what it was begun with to go on, or "
                    "another --out"
                )
            self.demonstrations, self.begun_with = tuple(map(Path, there["datasets"])), there["begun_with"]
            return
        if (c.out / "policy").exists() or (c.out / CONFIG).exists():
            raise SaysoError(f"{c.out} holds a policy, but no {IMPROVED}: choose another --out")
        if self.source.needs_demonstrations:
            self.demonstrations = tuple(p.resolve() for p in c.datasets or demonstrations_of(self.checkpoint))
        names = {"begun_with": self.begun_with, "datasets": list(map(str, self.demonstrations))}
        write_json(path, {"asked": asked, **names, **provenance()})

    def _plan(self, number: int) -> Row:
        """Return the amounts of a round; no steps, and why, if there is no time for it."""
        c = self.config
        left = 3600 * c.hours - sum(row["seconds"] for row in self.rows)
        pace = self._pace(number)
        plan = planned(
            left / (c.rounds - number + 1),
            pace,
            gathering=self.source.gathering,
            batch_size=self.settings["batch_size"],
            families=len(c.families),
            asked=Plan(episodes=c.episodes, steps=c.steps or self._untrained, pairs=c.pairs),
        )
        if plan is None:
            why = f"{max(0.0, left) / 60:.1f} minutes are left of --hours {c.hours:g}, too few for a round"
            return {"episodes": 0, "steps": 0, "pairs": 0, "why": why}
        say(
            f"round {number}: {plan.episodes} scenes, {plan.steps} steps and at most {plan.pairs} pairs fit "
            f"into the {left / 60:.0f} minutes that are left for {c.rounds - number + 1} of {c.rounds} rounds"
        )
        return plan.to_json()

    @property
    def _untrained(self) -> int:
        """Return how many steps stand in the plan of a source that does not train by steps; else 0."""
        return 0 if self.source.needs_demonstrations else LEAST_STEPS

    def _pace(self, number: int) -> Pace:
        """Return what things cost: measured in the round before, else as the policy's folder says."""
        found = Pace.of(self.facts, self.workers, self.source.tries)
        if number == 1:
            return found
        plan, gathered, learned, compared = (self._done(number - 1, stage) or {} for stage in STAGES)
        samples = plan["steps"] * self.settings["batch_size"]
        return Pace(
            scene_s=max(INSTANT_S, gathered["seconds"] / plan["episodes"]),
            sample_s=found.sample_s if self._untrained else max(INSTANT_S, learned["seconds"] / samples),
            episode_s=max(INSTANT_S, compared["seconds"] / max(1, 2 * compared["pairs"])),
        )

    def _learned(self, number: int) -> Path:
        """Let the policy act and learn from that; return the candidate."""
        round = self._round(number)

        def gather() -> Row:
            shown = self.source.gather(round)
            return {
                "shown": [[each.dataset.relative_to(round.folder).as_posix(), each.weight] for each in shown]
            }

        def learn() -> Row:
            candidate = self.source.learn(round, _shown(round.folder, gathered))
            return {"policy": candidate.relative_to(round.folder).as_posix()}

        gathered = self._stage(number, "gathered", gather)
        return round.folder / str(self._stage(number, "learned", learn)["policy"])

    def _compared(self, number: int, candidate: Path) -> Row:
        """Compare the candidate with the policy as it is, on validation seeds of this round alone."""
        c, best, plan = self.config, self.config.out / "policy", self._done(number, "planned") or {}
        replaced = self.improved().replaced
        names = (f"round {replaced}" if replaced else self.begun_with, f"round {number}")
        before = [self._done(n, "planned") or {} for n in range(1, number)]
        config = CompareConfig(
            world=c.world,
            families=c.families,
            pairs=plan["pairs"],
            alpha=c.alpha / (number * (number + 1)),
            margin=MARGIN,
            split="validation",
            start=c.start + sum(row["pairs"] for row in before),
            execute=c.execute,
            workers=c.workers,
            out=c.out / f"round_{number}" / "compared.json",
        )

        def compare() -> Row:
            one, other = (
                dataclasses.replace(self.subject_of(str(folder)), name=name)
                for folder, name in zip((best, candidate), names, strict=True)
            )
            assert config.out
            is_there = config.out.exists() and not read_result(config.out)["partial"]
            place = self.worlds.ready(c.world)
            if not is_there and compare_policies(one, other, config, place=place) == INTERRUPTED:
                raise KeyboardInterrupt
            found = read_result(config.out)
            told = {name: found[name] for name in ("verdict", "sentence", "success")}
            return {**told, "pairs": found["pairs"]["n"]}

        return self._stage(number, "compared", compare)

    def _round(self, number: int) -> Round:
        c, plan = self.config, self._done(number, "planned") or {}
        before = [self._done(n, "planned") or {} for n in range(1, number)]
        earlier = tuple(s for n in range(1, number)
                        for s in _shown(c.out / f"round_{n}", self._done(n, "gathered") or {}))  # fmt: skip
        best = (c.out / "policy").resolve()  # a recording is refused that asks for another name of it
        return Round(
            folder=c.out.resolve() / f"round_{number}",
            policy=best,
            make_policy=self.subject_of(str(best)).make,
            world=c.world,
            families=c.families,
            worlds=self.worlds,
            start=_fresh(self.checkpoint) + sum(SEEDS_EACH * row["episodes"] + 1000 for row in before),
            episodes=plan["episodes"],
            steps=plan["steps"],
            workers=c.workers,
            threads=self.workers,
            execute=c.execute,
            demonstrations=self.demonstrations,
            earlier=earlier,
            settings=self.settings,
        )

    def _folder(self, number: int) -> Path | None:
        """Return the policy that a round made; None of round 0."""
        learned = self._done(number, "learned") if number else None
        return self.config.out / f"round_{number}" / str(learned["policy"]) if learned else None

    def _done(self, number: int, stage: str) -> Row | None:
        return next((row for row in self.rows if (row.get("round"), row["stage"]) == (number, stage)), None)

    def _stage(self, number: int, stage: str, do: Callable[[], Mapping[str, Any]]) -> Row:
        """Return what came of a stage, which is carried out unless the ledger says that it is done."""
        if found := self._done(number, stage):
            return found
        began, row = time.monotonic(), {"round": number, "stage": STOPPED}
        try:
            row = {"round": number, "stage": stage, **do()}
        finally:
            row["seconds"] = round(time.monotonic() - began, 3)
            self.rows.append(row)
            if stage != "planned" or row.get("steps"):
                self._ledger.append(row)
        return row


def _shown(folder: Path, gathered: Mapping[str, Any]) -> tuple[Shown, ...]:
    return tuple(Shown(dataset=folder / name, weight=weight) for name, weight in gathered.get("shown", ()))


def _fresh(checkpoint: Path) -> int:
    """Return the number of seeds of the training split that a policy may have seen."""
    return max((last + 1 for _, last in training_of(checkpoint).seeds if last in SPLITS["train"]), default=0)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = parsed(path.read_bytes())
        return {
            "asked": dict(found["asked"]),
            "datasets": list(found["datasets"]),
            "begun_with": str(found["begun_with"]),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise SaysoError(
            f"{path} is damaged ({error}), and it says what this improvement was begun with: take it from a "
            "copy, or choose another --out"
        ) from error
