"""Demo of what the robot can do: three instructions in one room, then whatever a person types.

Everything goes the same way: the planner divides what was said into steps or refuses it, `rollout` runs the
policy from where the robot stands, and an onlooker in between shows progress and keeps the film.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from sayso.data.film import write_film
from sayso.evaluation.planner import BROKEN_OFF, PlanReport, as_it_is, carry_out
from sayso.onlooker import FILM_EVERY, FilmedRoom, Onlooker, corrected
from sayso.refusals import elsewhere
from sayso.runtime.hearing import knows_words
from sayso.runtime.steered import rollout_steered
from sayso.shipped import shipped
from sayso.spec import (
    WHY,
    Episode,
    Observation,
    Outcome,
    Policy,
    SaysoError,
    at_least,
    seeds,
)
from sayso.spec.files import CONFIG
from sayso.tasks.contract import Told, asking
from sayso.tasks.household.draw import say
from sayso.tasks.household.errands import errands
from sayso.tasks.household.words.endpoint import LanguageModelDecomposer
from sayso.tasks.household.words.language import Intent, abilities, things
from sayso.tasks.household.words.plan import Decomposer, decompose
from sayso.tasks.worlds import SHOWN, WORLDS, in_domain, read_elsewhere, shipped_for

if TYPE_CHECKING:
    from sayso.models.policy import ModelPolicy


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Which policy to show in which room, and where the films go."""

    checkpoint: Path | None = None
    """Folder of the policy; by default the shipped one of the world."""
    world: str = SHOWN
    """Name of the world."""
    domain: str = ""
    """Name of a domain, in which everything is otherwise: workshop."""
    seed: int | None = None
    """Which room: the seed-th of the test split, which no demonstration was recorded in. By default one in
    which the shipped policy is known to do what it is asked."""
    instructions: int = 3
    """How many instructions to run before it is your turn."""
    films: Path = Path("demo")
    """Folder for the films."""
    interactive: bool = field(default_factory=lambda: at_terminal())
    """Offer the prompt; by default if somebody sits at the terminal."""
    threads: int | None = None
    """Torch threads; by default as many as torch likes."""
    llm_url: str = ""
    """Endpoint of a language model, OpenAI-compatible, such as http://localhost:8000/v1, that divides
    free-form text into steps. Its key is read from OPENAI_API_KEY. Without one the grammar does it."""
    llm_model: str = ""
    """Name of the model there."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        at_least(self, seed=0, instructions=0, threads=1)

    @property
    def subject(self) -> Path:
        """Return the folder of the policy to load."""
        return shipped(self.checkpoint or shipped_for(self.world, "--checkpoint"))

    @property
    def scene(self) -> int:
        """Return which room to enter."""
        return WORLDS[self.world].shown_seed if self.seed is None else self.seed

    def decomposer(self) -> Decomposer:
        """Return what divides a text into steps.

        Raises:
            EndpointError: if the address is not one of the web, or the key would be sent for all to read.
        """
        if not self.llm_url:
            return decompose
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        return LanguageModelDecomposer(base_url=self.llm_url, model=self.llm_model, api_key=key)


def demo(config: DemoConfig) -> int:
    """Run the demonstration and return the exit code: 1 if something crashed, whatever the robot achieved.

    Raises:
        CheckpointError: if the checkpoint is not there, or not whole.
        FeatureMismatchError: if its policy belongs to another robot.
    """
    started = time.perf_counter()
    # As late as this, because the command line reads this file at every start.
    from sayso.models.repacked import in_world

    console, decomposer = Console(highlight=False), config.decomposer()
    entry = WORLDS.ready(config.world)
    with console.status(f"waking the robot of {config.subject} ..."):
        loaded, world = load_policy(config), entry.make(**in_domain(config.world, config.domain))
    try:
        policy = in_world(loaded, loaded.features, world.features)
        if config.seed is None and config.checkpoint is None and entry.shown_seed:
            console.print(
                f"Scene {config.scene} was chosen because the shipped policy does what it is asked there; "
                "in others it can fail. --seed 0 shows the first."
            )
        kind = Demonstration if isinstance(world, Told) else SceneBySceneDemonstration
        show = kind(
            cast(FilmedRoom, world),
            policy,
            console,
            config.films,
            config.scene,
            started,
            decomposer=decomposer,
        )
        show.run(config.instructions)
        if config.interactive:
            show.prompt()
        else:
            console.print("\nRun `sayso demo` in a terminal to type instructions of your own.")
        console.print("`make studio` opens a live page: walk around the robot, type to it, make it harder.")
    finally:
        world.close()
    return 1 if show.crashed else 0


def at_terminal() -> bool:
    """Tell whether somebody can type: programs may run with their input closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def load_policy(config: DemoConfig) -> ModelPolicy:
    """Load the checkpoint, or say how to make one.

    Raises:
        CheckpointError: if it is not there, or not whole.
    """
    import torch

    from sayso.models.checkpoint import CheckpointError, load

    if not config.subject.is_dir():
        remedy = elsewhere(config.subject, CONFIG) or (
            " Name another one with --checkpoint, or train one with `sayso record` and `sayso train`, as the "
            "README shows."
        )
        raise CheckpointError(f"there is no checkpoint in {str(config.subject)!r}.{remedy}")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    return load(config.subject)


class Demonstration:
    """One room, one policy and the person they work for."""

    def __init__(
        self,
        world: FilmedRoom,
        policy: Policy,
        console: Console,
        films: Path,
        seed: int = 0,
        started: float | None = None,
        *,
        decomposer: Decomposer = decompose,
    ) -> None:
        """Enter the room of a test seed.

        Args:
            world: where it happens.
            policy: who acts.
            console: where to tell about it.
            films: folder for the films; made when there is one.
            seed: which room of the test split.
            started: ``time.perf_counter()`` when the person began to wait; None for now.
            decomposer: what divides a text into steps.
        """
        self._decomposer = decomposer
        self.world, self.policy, self.console, self.films = world, policy, console, films
        self.crashed = False
        self._started = time.perf_counter() if started is None else started
        self._seed, self._told = seed, 0
        self._last: Intent | None = None
        self._meant: dict[str, str] = {}
        self._enter()

    def run(self, count: int) -> list[PlanReport]:
        """Carry out instructions of our own, one after the other in the same room."""
        rng = np.random.default_rng(self._seed)
        return [self.tell(say(intent, rng)) for intent in errands(self.world, count, rng)]

    def prompt(self) -> None:
        """Carry out what a person types, until they leave."""
        self.console.print(
            "\n[bold]Your turn.[/] Type an instruction, or: scene, new (another room), quit. "
            "While it moves, correct it: a bit to the left, slower, stop, the other one."
        )
        with contextlib.suppress(ImportError):  # Windows has none
            import readline  # noqa: F401 - makes input() remember lines and obey the arrow keys
        with contextlib.suppress(AttributeError):  # what is piped in may be in no encoding at all
            cast(TextIOWrapper, sys.stdin).reconfigure(errors="replace")
        while sys.stdin is not None:
            try:
                line = input("> ").strip()
                if line in ("quit", "exit", "q"):
                    return
                self._answer(line)
            except EOFError:
                self.console.print()
                return
            except KeyboardInterrupt:
                self.console.print("\nStopped. `quit` leaves.")

    def _answer(self, line: str) -> None:
        if line == "new":
            self._seed += 1
            self._enter()
        elif line == "scene":
            self._describe()
        elif line:
            try:
                self.tell(line)
            except SaysoError as error:
                hint = read_elsewhere(line, self.world.name)
                self.console.print(f"{escape(str(error))}{hint} The robot stays where it is.")

    def tell(self, text: str) -> PlanReport:
        """Carry out what was said, step by step in the room as it is.

        Raises:
            NotUnderstoodError: if the room cannot make sense of it; nothing has moved then.
            EndpointError: if a language model should divide it and does not answer; nothing has moved either.
        """
        self.console.print(f'\n[bold]"{escape(text)}"[/]')
        self._meant = {}
        report = carry_out(
            self.world,
            self.policy,
            text,
            self._room_seed,
            decomposer=self._decomposer,
            act=self._watch,
            last=self._last,
            own_words=knows_words(self.policy),
        )
        self._last = report.last
        if report.already:
            self.console.print("   it was so already")
        if len(report.asked) > 1:
            self.console.print(f"   {report.done} of {len(report.asked)} steps done")
        return report

    @property
    def _room_seed(self) -> int:
        return seeds("test", 1, self._seed)[0]

    def _watch(self, sentence: str) -> Episode:
        """Carry out one step, show how it goes and film it."""
        said, sentence = sentence, self._meant.get(sentence, sentence)
        observation = self._ask(sentence)
        self._last = BROKEN_OFF  # whoever interrupts leaves the robot somewhere; a report says better
        self._told += 1
        self.console.print(f'{self._told:3}. "{escape(sentence)}"')
        with _progress_bar(self.console, self.world.task.horizon) as progress:
            onlooker = Onlooker(self.world, observation, progress)
            with corrected(self.world, sentence, progress.console.print) as steering:
                episode = rollout_steered(onlooker, observation, self.policy, self._room_seed, steering)
        if other := steering.about:
            self._meant[said] = other  # for further attempts, too
            return self._watch(other)
        self._report(episode)
        self._tell_first_motion(onlooker)
        self._keep_film(onlooker, episode)
        return episode

    def _ask(self, sentence: str) -> Observation:
        return self.world.instruct(sentence)

    def _enter(self) -> None:
        self.world.reset(seed=self._room_seed, options={"family": self.world.families[0]})
        self._last = None
        self._describe()

    def _describe(self) -> None:
        names = self.world.describe()
        self.console.print(f"In this room (test seed {self._seed}): {', '.join(names)}.")
        self.console.print(abilities(things(names), self.world.families))

    def _tell_first_motion(self, onlooker: Onlooker) -> None:
        if self._told == 1 and onlooker.moved_at is not None:
            self.console.print(f"   first motion {onlooker.moved_at - self._started:.1f} s after the start")

    def _report(self, episode: Episode) -> None:
        if episode.outcome is Outcome.INVALID:
            self.crashed = True
            self.console.print(f"   [red]crashed[/] after {episode.steps} steps:\n{escape(episode.error)}")
            return
        colour = "green" if episode.success else "yellow"
        conditions = ", ".join(
            f"{name} {'yes' if held else 'NO'}" for name, held in episode.conditions.items()
        )
        robot_s = episode.steps / self.world.features.fps
        per_call_ms = 1000 * episode.policy_seconds / max(episode.policy_calls, 1)
        why = f": {episode.why}" if episode.notes.get(WHY) else ""
        self.console.print(f"   [{colour}]{episode.outcome}[/]{why} ({conditions})")
        self.console.print(
            f"   {episode.steps} steps = {robot_s:.1f} s of robot time, computed in {episode.seconds:.1f} s; "
            f"{per_call_ms:.0f} ms per policy call, {episode.policy_calls} calls"
        )

    def _keep_film(self, onlooker: Onlooker, episode: Episode) -> None:
        if not onlooker.film:
            return
        slug = re.sub(r"\W+", "-", episode.instruction.lower())[:60].strip("-")
        fps = self.world.features.fps / FILM_EVERY
        path = self.films / f"{self._told}-{slug}.mp4"
        remark = f"{episode.outcome}: {episode.why}".removesuffix(": ")
        try:
            write_film(path, onlooker.film, fps, remark=remark)
        except OSError as error:
            self.console.print(f"   no film: {path} cannot be written: {error.strerror or error}")
        else:
            self.console.print(f"   film: {path}", soft_wrap=True)


class SceneBySceneDemonstration(Demonstration):
    """Demonstration where a scene knows one task: what is asked for begins in a scene of its own."""

    def run(self, count: int) -> list[PlanReport]:
        """Carry out what the world asks for in one scene after the other."""
        reports = []
        for family in np.random.default_rng(self._seed).permutation(self.world.families)[:count]:
            self.world.reset(seed=self._room_seed, options={"family": str(family)})
            reports.append(self.tell(self.world.task.instruction))
            self._seed += 1
        return reports

    def tell(self, text: str) -> PlanReport:
        """Carry out one instruction.

        Raises:
            SaysoError: if nothing here can be meant by it; nothing has moved then.
        """
        return as_it_is(text, self._watch)

    def _ask(self, sentence: str) -> Observation:
        observation, _ = self.world.reset(seed=self._room_seed, options=dict(asking(self.world, sentence)))
        return observation

    def _describe(self) -> None:
        asked = escape(str(self.world.task.instruction))
        self.console.print(f'In this scene (test seed {self._seed}) one can be asked: "{asked}".')


def _progress_bar(console: Console, horizon: int) -> Progress:
    columns = (
        TextColumn("  "),
        BarColumn(24),
        TextColumn("{task.completed}/{task.total} steps {task.fields[status]}"),
    )
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    progress.add_task("", total=horizon, status="")
    return progress
