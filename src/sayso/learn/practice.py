"""Practice: a task that nobody showed, from its description to a policy.

::

    words --understood--> goal --practised--> recipe --recorded--> demonstrations --trained--> policy
             2 pictures          physics only        expert by the recipe      beside what it knows

Each step is kept in the folder and not done again: the same command goes on where it was stopped.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image as Picture

from sayso.evaluation.noise import ActionNoise
from sayso.evaluation.statistics import wilson
from sayso.learn.record import RecordConfig, record
from sayso.shipped import shipped
from sayso.sim.scene import SPECS
from sayso.spec import SPLITS, ConfigError, SaysoError, at_least
from sayso.spec.files import parsed
from sayso.tasks.household.goals.endpoint import by_model
from sayso.tasks.household.goals.goal import Goal
from sayso.tasks.household.goals.grammar import read_goal
from sayso.tasks.household.goals.pictures import pictures
from sayso.tasks.household.goals.recipe import Recipe, routines_text
from sayso.tasks.household.goals.search import Search
from sayso.tasks.household.goals.trial import Trial, scene_of
from sayso.tasks.household.goals.world import FAMILY, described, only
from sayso.tasks.household.words.endpoint import LanguageModelDecomposer
from sayso.tasks.worlds import WORLDS
from sayso.work.lock import locked
from sayso.work.progress import tracked
from sayso.work.provenance import provenance, write_json

STEPS = ("understood", "practised", "recorded", "trained")
UNDERSTOOD, RECIPE = "understood.json", "recipe.json"
HOLDS, HOLDS_NOT = "holds.png", "holds_not.png"
AS_SEEN = {
    False: "left, right, in front and behind are as the front camera sees them: as a person does who sits at "
    "the table across from the arm",
    True: "left, right, in front and behind are as the robot sees them from before the table",
}
"""From where left and right are told, of an arm that stands fast and of one that drives."""


@dataclass(frozen=True, kw_only=True)
class PracticeConfig:
    """What to practise where, and how far to go."""

    world: str
    """Where it happens: the name of a world."""
    out: Path
    """Folder for pictures, recipe, demonstrations and training. What was begun there is continued."""
    until: Literal["understood", "practised", "recorded", "trained"] = "trained"
    """Where to stop: when two pictures show what was understood; when a recipe works in physics; when it was
    recorded; or when a policy was trained."""
    trials: int = 100
    """On how many fresh seeds the recipe is measured, in physics alone."""
    least: float = 0.8
    """Share of these that must succeed for it to be recorded."""
    episodes: int = 150
    """How many demonstrations to record."""
    noise: ActionNoise = field(default_factory=ActionNoise)
    """What disturbs the recorded actions, so that the recipe shows how to recover."""
    workers: int = 0
    """Processes that record side by side; 0 is one per core."""
    init: Path | None = None
    """Folder of the policy that learns it; the one that is shipped for the world if none is named."""
    known: tuple[Path, ...] = ()
    """Recordings of what that policy knows, to be learned beside it so that it is not forgotten."""
    known_weight: float = 0.5
    """How often a window of those is drawn, of one of the new."""
    steps: int = 1500
    """Steps of training."""
    lr: float = 3e-4
    """Peak of its learning rate."""
    threads: int = 2
    """Threads torch uses."""
    llm_url: str = ""
    """Endpoint of a language model, OpenAI-compatible, such as http://localhost:8000/v1, that says the
    description in the grammar's words; its key is read from OPENAI_API_KEY. Without, the grammar reads it."""
    llm_model: str = ""
    """Name of the model there."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        at_least(self, trials=1, least=0.0, episodes=1, workers=0, known_weight=0.0, steps=1, threads=1)
        if self.least > 1:
            raise ConfigError(f"least is {self.least:g}, but is a share of 0 to 1")


def practice(description: str, config: PracticeConfig) -> int:
    """Practise what is described, and return the exit code.

    Raises:
        NotUnderstoodError: if the description is not understood.
        ImpossibleError: if it cannot come true, with why.
        NotLearnedError: if practice came to nothing, with why.
        SaysoError: if the folder holds the practice of something else.
    """
    with locked(config.out, "practising"):
        goal, canonical = _understood(description, config)
        if config.until == "understood":
            return 0
        recipe = _practised(goal, canonical, config)
        if config.until == "practised":
            return 0
        entry = described(config.world, description, canonical=canonical, recipe=recipe.to_json())
        demonstrations = config.out / "demonstrations"
        recording = RecordConfig(
            world=config.world,
            out=demonstrations,
            families=(FAMILY,),
            episodes=config.episodes,
            workers=config.workers,
            noise=config.noise,
        )
        print(record(recording, worlds=only(config.world, entry)))
        if config.until == "recorded":
            return 0
        print(f"policy: {_trained(demonstrations, config)}")
    goal_flag = f'--goal "{description}"'
    print(f"sayso eval {config.out / 'training' / 'policy'} --world {config.world} {goal_flag} measures it")
    return 0


def _understood(description: str, config: PracticeConfig) -> tuple[Goal, str]:
    """Say what was understood, with two pictures, and keep it."""
    path = config.out / UNDERSTOOD
    kept = _kept(path, description, config)
    canonical = str(kept.get("canonical", ""))
    if not kept and config.llm_url:
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        model = LanguageModelDecomposer(base_url=config.llm_url, model=config.llm_model, api_key=key)
        _, canonical = by_model(description, model)
    described(config.world, description, canonical=canonical)  # refuses what is senseless there
    goal = read_goal(canonical or description)
    print(f"understood: {goal.plain()}")
    print(f"({AS_SEEN[SPECS[config.world][0].mobile]})")
    if kept:
        return goal, canonical
    scene = scene_of(config.world, goal, SPLITS["train"].start)
    for image, name in zip(pictures(config.world, scene), (HOLDS, HOLDS_NOT), strict=True):
        Picture.fromarray(image).save(config.out / name)
    print(f"it is so in {config.out / HOLDS}, and not in {config.out / HOLDS_NOT}")
    words = {"description": description, "world": config.world, "canonical": canonical, "plain": goal.plain()}
    write_json(path, words | provenance())
    return goal, canonical


def _kept(path: Path, description: str, config: PracticeConfig) -> dict[str, Any]:
    """Return what was understood before.

    Raises:
        SaysoError: if that was something else.
    """
    if not path.exists():
        return {}
    kept: dict[str, Any] = parsed(path.read_text(encoding="utf-8"))
    was, asked = (kept["description"], kept["world"]), (description, config.world)
    if was != asked:
        raise SaysoError(
            f"{path.parent} holds the practice of {was[0]!r} in {was[1]}; give another --out for "
            f"{description!r}"
        )
    return kept


def _practised(goal: Goal, canonical: str, config: PracticeConfig) -> Recipe:
    """Find a recipe and measure it on fresh seeds, or take the one that is kept."""
    path = config.out / RECIPE
    plain = [[atom.plain() for atom in stage] for stage in goal.stages]
    if path.exists():
        kept = parsed(path.read_text(encoding="utf-8"))
        recipe = Recipe.from_json(kept["recipe"])
    else:
        began = time.monotonic()
        search = Search(config.world, goal, SPLITS["train"][-1000:], say=lambda text: print(text, flush=True))
        recipe = search.run()
        kept = {"recipe": recipe.to_json(), "trials": search.trials, "seconds": time.monotonic() - began}
        write_json(path, kept | provenance())
    measured: list[bool] = kept.setdefault("measured", [])
    fresh = SPLITS["validation"][len(measured) : config.trials]
    for seed in tracked(fresh, "trying on fresh seeds"):
        measured.append(Trial(config.world, scene_of(config.world, goal, seed)).run(recipe).success)
        write_json(path, kept)
    wins, n = sum(measured[: config.trials]), min(len(measured), config.trials)
    share = wilson(wins, n)
    print(f"the recipe, found in {kept['trials']} trials and {kept['seconds'] / 60:.1f} minutes:")
    print(routines_text(recipe, plain))
    print(f"works on {wins} of {n} fresh seeds: {share}")
    if wins < config.least * n:
        raise SaysoError(
            f"the recipe works on {wins} of {n} fresh seeds only, and --least {config.least:g} is asked for: "
            "describe it more loosely, or accept less"
        )
    return recipe


def _trained(demonstrations: Path, config: PracticeConfig) -> Path:
    """Train a policy on the demonstrations, beside what it knows."""
    from sayso.learn.imitate import TrainConfig, train  # brings torch, which nothing before needs

    init = config.init or shipped(WORLDS[config.world].checkpoint)
    return train(
        TrainConfig(
            datasets=(demonstrations, *config.known),
            weights=(1.0, *(config.known_weight for _ in config.known)) if config.known else (),
            init=init,
            out=config.out / "training",
            steps=config.steps,
            lr=config.lr,
            threads=config.threads,
        )
    )
