"""Search for a recipe: skills are tried with offsets, in imagination first and then in physics.

For each relation of a goal, in turn::

    every skill x offsets --imagine--> those that could work --physics--> successes and near misses
                              ^                                                      |
                              +------ offsets drawn anew around what worked <--------+

Offsets are drawn by the cross-entropy method: from a Gaussian that is fitted again and again to the best of
its draws. In imagination a thing simply stands where it was to be brought, a little off; how many metres are
then missing is the loss. In physics a call that fails teaches where its offsets are bad. If nothing works
alone, other calls are put before it, and the relation is tried before those that were found already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sayso.sim.scene import SPECS
from sayso.spec import SaysoError
from sayso.tasks.household.goals.goal import Atom, Goal
from sayso.tasks.household.goals.grounding import Asked
from sayso.tasks.household.goals.imagination import (
    Level,
    Offset,
    beyond_reach_m,
    crowded_m,
    imagined,
    missing_at,
    movers,
    spot,
    way_m,
)
from sayso.tasks.household.goals.recipe import Call, Recipe, Routine
from sayso.tasks.household.goals.relations import RELATIONS, foot
from sayso.tasks.household.goals.scenes import NoSceneError, Scene
from sayso.tasks.household.goals.trial import Trial, Tried, scene_of
from sayso.tasks.household.success import DRAWER_OPEN_M, DRAWER_SHUT_M

SCENES = 8
"""In how many scenes is imagined and tried."""
ROUNDS, DRAWS, ELITE = 6, 48, 12
"""Of the cross-entropy method: how often it is fitted, of how many draws, to how many of them."""
SPREAD_M, LEAST_SPREAD_M = 0.12, 0.004
"""Standard deviation at first, and at least."""
ASTRAY_M = 0.008
"""Standard deviation of how far from its spot a thing is imagined to end up."""
KEPT, APART_M = 24, 0.010
"""How many offsets a call keeps, and how far they are apart, at least."""
HOPELESS_M = 0.06
"""Imagined to miss more than this, a call is not tried."""
WORSE_M = 0.015
"""Imagined to miss so much more than the best, it is not tried either."""
GOOD = 0.9
"""Share of successes that ends the search for a relation."""
ENOUGH = 0.5
"""Share without which nothing was learned."""
REFINED = 2
"""How often offsets are drawn anew after trials in physics."""

Say = Callable[[str], None]


class NotLearnedError(SaysoError):
    """Goal that practice did not reach, and how near it came."""


@dataclass(frozen=True)
class Candidate:
    """Routine that might work, with what was imagined and what was tried."""

    routine: Routine
    imagined_m: float
    tried: tuple[Tried, ...] = ()

    @property
    def success(self) -> float:
        """Return the share of trials that succeeded."""
        return sum(one.success for one in self.tried) / max(1, len(self.tried))

    @property
    def missed_m(self) -> float:
        """Return how much was missing on average, or was imagined to."""
        return float(np.mean([one.distance_m for one in self.tried])) if self.tried else self.imagined_m

    @property
    def worth(self) -> tuple[float, float, float]:
        """Return what to sort by: successes, then near misses, then haste."""
        steps = float(np.mean([one.steps for one in self.tried])) if self.tried else 0.0
        return (-self.success, round(self.missed_m, 3), steps)


@dataclass
class Search:
    """Search for a recipe for one goal in one world."""

    world: str
    goal: Goal
    seeds: Sequence[int]
    """Of the scenes to practise in."""
    say: Say = lambda text: None
    trials: int = 0
    """How many were made in physics."""
    scenes: list[Scene] = field(default_factory=list)

    def run(self) -> Recipe:
        """Return what was found.

        Raises:
            NoSceneError: if there is no scene in which the goal could come true.
            NotLearnedError: if nothing worked, with how near it came.
        """
        self._find_scenes()
        found: list[list[Routine]] = []
        for stage in self.goal.stages:
            found.append([])
            for atom in range(len(stage)):
                found[-1] = self._with(found, atom)
        return Recipe(tuple(map(tuple, found)))

    def _find_scenes(self) -> None:
        for seed in self.seeds:
            try:
                self.scenes.append(scene_of(self.world, self.goal, seed))
            except NoSceneError:
                if not self.scenes:
                    raise
            if len(self.scenes) == SCENES:
                return

    def _with(self, found: Sequence[Sequence[Routine]], atom: int) -> list[Routine]:
        """Return the routines of the last stage, with one more for another of its relations."""
        routines, stage = list(found[-1]), self.goal.stages[len(found) - 1]
        said = stage[atom].plain()
        usable = self._imagined(stage, atom, len(found) - 1)
        calls = [replace(one, routine=Routine(atom, one.routine.calls)) for one in usable]
        best: tuple[Candidate, list[Routine]] | None = None
        for at in range(len(routines), -1, -1):
            for before in ((), *((call,) for call in _enabling(self.world))):
                tries = [_after(one, before) for one in calls if _differs(one, before)]
                tried = self._raced(tries, found, at, said)
                if tried is None:
                    continue
                if best is None or tried.worth < best[0].worth:
                    best = tried, [*routines[:at], tried.routine, *routines[at:]]
                if best[0].success >= GOOD:
                    return best[1]
                if best[0].success >= ENOUGH and not before:
                    refined = self._refined(best[0], found, at, said)
                    if refined.worth < best[0].worth:
                        best = refined, [*routines[:at], refined.routine, *routines[at:]]
                    if best[0].success >= GOOD:
                        return best[1]
        if best is None or best[0].success < ENOUGH:
            raise NotLearnedError(_why(self.goal, said, best[0] if best else None, usable))
        return best[1]

    def _raced(
        self, tries: Sequence[Candidate], found: Sequence[Sequence[Routine]], at: int, said: str
    ) -> Candidate | None:
        """Try candidates in physics, the better half of them again, until one is left."""
        left, first = sorted(tries, key=lambda one: one.imagined_m), 0
        while left and first < len(self.scenes):
            count = 2 if first == 0 else min(4, len(self.scenes) - first)
            left = [self._tried(one, found, at, range(first, first + count)) for one in left]
            left.sort(key=lambda one: one.worth)
            for one in left[:1]:
                self.say(f"{said}: {one.routine.plain()}: {one.success:.0%} of {len(one.tried)}")
            if left[0].success == 0.0 and first > 0:
                break
            left, first = left[: max(1, len(left) // 3)], first + count
        return left[0] if left else None

    def _tried(
        self, one: Candidate, found: Sequence[Sequence[Routine]], at: int, scenes: Sequence[int]
    ) -> Candidate:
        routines = [*found[-1][:at], one.routine, *found[-1][at:]]
        recipe = Recipe((*map(tuple, found[:-1]), tuple(routines)))
        tried = list(one.tried)
        for number in (n for n in scenes if n < len(self.scenes)):
            tried.append(self._trial(recipe, self.scenes[number]))
        return replace(one, tried=tuple(tried))

    def _trial(self, recipe: Recipe, scene: Scene) -> Tried:
        """Try a recipe in one scene, where only what it has routines for is asked."""
        self.trials += 1
        stages = []
        for asked, stage, routines in zip(scene.asked, self.goal.stages, recipe.stages, strict=False):
            known = [stage[routine.atom] for routine in routines]
            stages.append([one for one in asked if one.atom in known])
        # A recipe counts the relations of its whole stage, a trial those that it asks.
        counted = []
        for stage, routines in zip(self.goal.stages, recipe.stages, strict=False):
            order = [i for i, _ in enumerate(stage) if i in [routine.atom for routine in routines]]
            counted.append(tuple(replace(one, atom=order.index(one.atom)) for one in routines))
        return Trial(self.world, scene, stages).run(Recipe(tuple(counted)))

    def _refined(self, one: Candidate, found: Sequence[Sequence[Routine]], at: int, said: str) -> Candidate:
        """Draw offsets anew around those that worked in physics, away from those that missed."""
        for _ in range(REFINED):
            call = one.routine.calls[-1]
            if call.skill not in ("carry", "push") or one.success >= GOOD:
                return one
            good = [t.offset for t in one.tried if t.success]
            bad = [t.offset for t in one.tried if not t.success]
            order = sorted(call.offsets, key=lambda at: _near(at, good) - _near(at, bad))
            calls = (*one.routine.calls[:-1], replace(call, offsets=tuple(order)))
            again = Candidate(replace(one.routine, calls=calls), one.imagined_m)
            again = self._tried(again, found, at, range(len(self.scenes)))
            self.say(f"{said}: other offsets first: {again.success:.0%} of {len(again.tried)}")
            if again.worth < one.worth:
                one = again
        return one

    def _imagined(self, stage: Sequence[Atom], atom: int, number: int) -> list[Candidate]:
        """Return every call that could bring a relation about, as far as can be imagined, the best first."""
        asked = [
            (scene, one) for scene in self.scenes for one in scene.asked[number] if one.atom == stage[atom]
        ]
        dreams = [(Trial(self.world, scene), one) for scene, one in asked]
        dreams = [(trial, one) for trial, one in dreams if not one.holds(trial.simulation)] or dreams
        rng = np.random.default_rng(len(self.scenes))
        found = [
            call
            for call in (
                *(_dreamt(dreams, "carry", level, rng) for level in ("table", "on")),
                *(_dreamt(dreams, "push", level, rng) for level in ("table",)),
                *_simple(dreams),
            )
            if call
        ]
        found.sort(key=lambda one: one.imagined_m)
        usable = [one for one in found if one.imagined_m <= HOPELESS_M]
        usable = [one for one in usable if one.imagined_m <= usable[0].imagined_m + WORSE_M]
        for one in usable:
            missed = f"imagined to miss {100 * one.imagined_m:.1f} cm"
            self.say(f"{stage[atom].plain()}: {missed}: {one.routine.plain()}")
        if not usable:
            raise NotLearnedError(_why(self.goal, stage[atom].plain(), None, found))
        return usable


Dreams = Sequence[tuple[Trial, Asked]]


def _dreamt(dreams: Dreams, skill: str, level: Level, rng: np.random.Generator) -> Candidate | None:
    """Return a call with the offsets that the cross-entropy method finds in imagination."""
    relation = RELATIONS[dreams[0][1].atom.relation]
    pushed = skill == "push"
    if not relation.moves or (dreams[0][1].atom.pushed and not pushed):
        return None
    mean, spread = np.zeros(2), np.eye(2) * SPREAD_M**2
    seen: list[tuple[float, float, Offset]] = []
    for _ in range(ROUNDS):
        draws = [(float(x), float(y)) for x, y in rng.multivariate_normal(mean, spread, DRAWS)]
        losses = [_losses(dreams, at, level, rng, pushed=pushed) for at in draws]
        if not losses[0]:
            return None
        ranked = sorted(
            (-float(np.mean(np.array(each) <= 0.0)), float(np.mean(each)), at)
            for each, at in zip(losses, draws, strict=True)
        )
        seen += ranked
        best = np.array([at for _, _, at in ranked[:ELITE]])
        mean = 0.3 * mean + 0.7 * best.mean(axis=0)
        spread = 0.3 * spread + 0.7 * np.cov(best.T) + np.eye(2) * LEAST_SPREAD_M**2
    seen.sort()
    kept: list[Offset] = []
    apart = max(APART_M, 0.25 * float(np.sqrt(np.trace(spread) / 2)))
    for _, _, at in seen:
        if len(kept) < KEPT and all(np.hypot(at[0] - x, at[1] - y) >= apart for x, y in kept):
            kept.append(at)
    return Candidate(
        Routine(0, (Call(skill, level, tuple(kept)),)), _least(dreams, kept, level, pushed=pushed)
    )


def _least(dreams: Dreams, offsets: Sequence[Offset], level: Level, *, pushed: bool) -> float:
    """Return what is missing, on average over scenes, with the best offset in each."""
    still = np.random.default_rng(0)
    losses = [_losses(dreams, at, level, still, pushed=pushed, astray_m=0.0) for at in offsets]
    return float(np.mean(np.min(np.array(losses), axis=0)))


def _losses(
    dreams: Dreams,
    offset: Offset,
    level: Level,
    rng: np.random.Generator,
    *,
    pushed: bool,
    astray_m: float = ASTRAY_M,
) -> list[float]:
    """Return how many metres would be missing in each scene, with what is beyond reach or not free."""
    found = []
    for trial, asked in dreams:
        simulation, losses = trial.simulation, []
        for way in asked.ways:
            for moved in movers(asked, way):
                if moved == "robot" or not simulation.shape(moved).movable:
                    continue
                at = spot(simulation, asked, way, moved, offset, level)
                if at is None:
                    continue
                astray = np.array([*rng.normal(0.0, astray_m, 2), 0.0]) if astray_m else np.zeros(3)
                off = replace(at, foot=at.foot + astray)
                loss = (
                    missing_at(simulation, off) + beyond_reach_m(simulation, at) + crowded_m(simulation, at)
                )
                losses.append(loss + (way_m(simulation, at) if pushed else 0.0))
        if losses:
            found.append(min(losses))
    return found


def _simple(dreams: Dreams) -> list[Candidate]:
    """Return the calls that have no offsets, with what would be missing once they are done."""
    found = []
    mobile = dreams[0][0].simulation.kind.mobile
    for skill in ("lift", *(("open", "shut", "drive") if mobile else ())):
        losses = [_once_done(trial, asked, skill) for trial, asked in dreams]
        if all(loss is not None for loss in losses):
            mean = float(np.mean([loss for loss in losses if loss is not None]))
            found.append(Candidate(Routine(0, (Call(skill),)), mean))
    return found


def _once_done(trial: Trial, asked: Asked, skill: str) -> float | None:
    """Return what is missing if a skill has done what it does; None if it has nothing to do here."""
    simulation, way = trial.simulation, asked.ways[0]
    relation = RELATIONS[asked.atom.relation]
    data = simulation.data
    if skill == "lift":
        if not relation.moves or not simulation.shape(way[0]).movable:
            return None
        with imagined(simulation, way[0], foot(simulation, way[0]) + [0.0, 0.0, 0.10]):
            return relation.missing(simulation, way)
    if skill == "drive":
        return 0.0 if asked.atom.relation == "at" else None
    kept = data.qpos.copy()
    data.joint("drawer").qpos[0] = DRAWER_OPEN_M + 0.05 if skill == "open" else DRAWER_SHUT_M / 2
    loss = relation.missing(simulation, way)
    data.qpos[:] = kept
    return loss


def _enabling(world: str) -> list[Call]:
    return [Call("open"), Call("shut")] if SPECS[world][0].mobile else []


def _after(one: Candidate, before: tuple[Call, ...]) -> Candidate:
    return replace(one, routine=replace(one.routine, calls=(*before, *one.routine.calls)), tried=())


def _differs(one: Candidate, before: tuple[Call, ...]) -> bool:
    """Tell whether a call could make another possible: nothing is opened to be opened or shut."""
    return not before or one.routine.calls[-1].skill in ("carry", "push", "lift")


def _near(at: Offset, others: Sequence[Offset]) -> float:
    return min((float(np.hypot(at[0] - x, at[1] - y)) for x, y in others), default=0.1)


def _why(goal: Goal, said: str, best: Candidate | None, imagined_calls: Sequence[Candidate]) -> str:
    """Return why practice came to nothing, as far as it can be seen."""
    begin = f"I could not learn that {goal.plain()}: "
    if best is not None:
        whys = [one.why for one in best.tried if one.why]
        most = max(whys, key=whys.count) if whys else "it did not end"
        return (
            f"{begin}the best for {said!r} was to {best.routine.plain()}, which succeeded in "
            f"{sum(one.success for one in best.tried)} of {len(best.tried)} trials and missed "
            f"{100 * best.missed_m:.1f} cm on average; mostly, {most}"
        )
    if not imagined_calls:
        return f"{begin}none of what I can do (carry, push, lift, open, shut, drive) has to do with {said!r}"
    nearest = min(imagined_calls, key=lambda one: one.imagined_m)
    return (
        f"{begin}whatever I do, {said!r} does not come true; nearest is to {nearest.routine.plain()}, which "
        f"misses {100 * nearest.imagined_m:.0f} cm"
    )
