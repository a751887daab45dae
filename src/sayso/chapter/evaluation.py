"""Closed-loop evaluation as in the textbook's chapter: what a model predicts is carried out.

The chapter's loop asks a model once per demonstration. Nobody can tell from one action whether a cup will
end up on a shelf. So a demonstration here is an episode, and going through one goes through its steps::

    for demo in test_demonstrations:                    the newest picture of an episode
        action = model(demo["image"], demo["instruction"])
        success = execute_and_evaluate(demo["image"], action)
                                                        moves the robot; True where that does what was asked
                                                        next turn: the same episode, one action later, until
                                                        it is over; then the next episode
    success_rate = success_count / len(test_demonstrations)
                                                        episodes, not steps

An episode succeeds once at most, so this is the share of episodes that succeed: closed loop, word for word.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from sayso.chapter.body import Body, Capture, RobotInterface, rows
from sayso.chapter.hand import arm_of, move_of
from sayso.models.baselines.textbook import prepare_images
from sayso.runtime.robot import SimulatedRobot, look
from sayso.spec import Array, ConfigError, Image, SaysoError, seeds
from sayso.tasks.contract import World, expert_of
from sayso.tasks.worlds import SHOWN, make_world

Model = Callable[[Any, Any], Any]
Demonstration = Mapping[str, Any]
"""``image`` (a `Capture`), ``instruction`` (a list of one sentence), the expert's ``action`` (``[A]`` in
robot units), the same as a move of the hand, ``hand_move`` ([7]), and ``world``, ``seed``, ``family``."""


class MobileManipulator:
    """Robot that carries out instructions: a model is asked, and it does what that says."""

    def __init__(self, vla_model: Model, robot: RobotInterface | None = None) -> None:
        """Take a model or one of our policies, and a robot; None is the shared one."""
        self.model = vla_model
        self.robot = robot or RobotInterface()

    @torch.no_grad()
    def execute_instruction(self, image: Image | Tensor, instruction: str | Sequence[str]) -> Tensor:
        """Execute the action for one look and one instruction, and return it.

        Args:
            image: what ``robot_camera.capture()`` returns. A model, though not a policy, also takes a tensor
                ``[1, 3, 224, 224]``, or a camera's picture, uint8 ``[H, W, 3]`` of any size.
            instruction: what to do, in plain words; a list of one sentence, if the model was scripted.
        """
        given = image if isinstance(image, Tensor) else prepare_images(image[None])
        action = cast(Tensor, self.model(given if given.ndim == 4 else given[None], instruction))
        self.robot.execute(action)
        return action


class Trial(Body):
    """One episode of a demonstration's scene; all of a set share one world."""

    def __init__(self, among: Demonstrations, seed: int) -> None:
        """Say of which set, and which scene."""
        options = {"family": among.family} if among.family else {}
        super().__init__(lambda: SimulatedRobot(among.world, seed, options))
        self._among, self.seed = among, seed
        self._task: object = None

    @property
    def here(self) -> bool:
        """Tell whether the world is in this episode; it may have gone on to another."""
        return self.robot.world.task is self._task

    def enter(self) -> None:
        """Begin the episode anew."""
        super().enter()
        self._task = self.robot.world.task

    def back_to(self, seen: Capture) -> None:
        """Be in the scene that a picture shows, though the world went on to another."""
        if not self.here:
            self._newest = None
        super().back_to(seen)

    @property
    def over(self) -> bool:
        """Tell whether the episode has ended."""
        return bool(self.robot.over) or self.steps >= self._among.longest

    def shown(self) -> Demonstration:
        """Return what there is to see and do now."""
        image, world = self.look(), self.robot.world
        expert = expert_of(world).act(look(image.reading, self.features, world.task.instruction)).actions[0]
        move = move_of(expert, image.reading, self.features) if arm_of(self.features) else None
        return {
            "image": image,
            "instruction": [world.task.instruction],
            "action": torch.from_numpy(expert),
            **({"hand_move": torch.from_numpy(move)} if move is not None else {}),
            **{"world": world.name, "seed": self.seed, "family": world.task.family},
        }


class Demonstrations(Sequence[Demonstration]):
    """Scenes of n demonstrations; see `demonstrations`."""

    def __init__(self, world: World, chosen: Sequence[int], family: str | None, longest: int) -> None:
        """Take a world, seeds, a family of tasks, and the most steps of an episode."""
        self.world, self.seeds, self.family, self.longest = world, tuple(chosen), family, longest

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.seeds)

    def __getitem__(self, index: Any) -> Any:
        """Return how an episode begins, or several of them."""
        if isinstance(index, slice):
            return Demonstrations(self.world, self.seeds[index], self.family, self.longest)
        return Trial(self, self.seeds[index]).shown()

    def __iter__(self) -> Iterator[Demonstration]:
        """Go through the episodes; stay in one as long as what it shows is executed and it is not over."""
        for seed in self.seeds:
            trial = Trial(self, seed)
            executed = True
            while executed:
                shown = trial.shown()
                yield shown
                executed = trial.steps > shown["image"].step and trial.here and not trial.over


def demonstrations(
    world: World | str = SHOWN, n: int = 10, *, split: str = "test", start: int = 0,
    family: str | None = None, longest_s: float = 60.0,
) -> Demonstrations:  # fmt: skip
    """Return n episodes to train on or to be tested on, with picture, sentence and the expert's action.

    Args:
        world: a world, or its short name.
        n: how many.
        split: which seeds; nothing of ``test`` was ever in a training set of ours.
        start: the first of them, counted in the split.
        family: which kind of task; None draws one from each seed.
        longest_s: how long an episode may take, in the robot's time; its own limit counts too.
    """
    place = make_world(world) if isinstance(world, str) else world
    return Demonstrations(
        place, seeds(split, n, start), family, max(1, round(longest_s * place.features.fps))
    )


def execute_and_evaluate(image: Tensor, predicted_action: Tensor | Array) -> bool:
    """Execute an action in the very scene that a picture shows, and tell whether that does what was asked.

    Args:
        image: of a demonstration, or of a simulated robot's camera: the newest, or the first of an episode,
            to which the simulation then returns.
        predicted_action: ``[A]``, ``[1, A]`` or a chunk ``[K, A]``, of which the first few are executed; see
            `sayso.chapter.body.RobotInterface.execute`.

    Raises:
        SaysoError: if the picture knows no scene, the robot is real, or the scene has gone on.
    """
    if not isinstance(image, Capture):
        raise SaysoError(
            f"this {type(image).__name__} does not know which scene it shows; take the picture as "
            "demonstrations(...) or robot_camera.capture() give it"
        )
    image.body.back_to(image)
    if not isinstance(image.body.robot, SimulatedRobot):
        raise SaysoError(
            "a real robot cannot tell whether it succeeded; count by eye, or evaluate in simulation"
        )
    image.body.do(predicted_action)
    return image.body.robot.succeeded


def evaluate_model(model: Model, test_demonstrations: Sequence[Demonstration]) -> float:
    """Return the share of demonstrations that a model carries out, 0..1, in closed loop and in simulation.

    Raises:
        ConfigError: if there are no demonstrations.
    """
    _refuse_none(test_demonstrations)
    success_count = 0
    with _acting(model):
        for demo in test_demonstrations:
            predicted_action = model(demo["image"], demo["instruction"])
            success_count += execute_and_evaluate(demo["image"], predicted_action)
    return success_count / len(test_demonstrations)


def action_accuracy(
    model: Model, test_demonstrations: Sequence[Demonstration], *, tolerance: float = 0.1
) -> float:
    """Return the share of demonstrations whose first action a model predicts, 0..1: open loop.

    Each picture is judged alone, nothing moves, and errors cannot add up. A model that does well here may
    never finish a task; `evaluate_model` counts tasks.

    Args:
        model: the model, or a policy of ours.
        test_demonstrations: mappings with ``image``, ``instruction`` and ``action``.
        tolerance: how far any number of the action may be off, in its own unit.

    Raises:
        ConfigError: if there are no demonstrations.
    """
    _refuse_none(test_demonstrations)
    hits = 0
    with _acting(model):
        for demo in test_demonstrations:
            predicted = rows(model(demo["image"], demo["instruction"]))[0]
            hits += bool(np.abs(predicted - rows(demo["action"])[0]).max() <= tolerance)
    return hits / len(test_demonstrations)


@contextlib.contextmanager
def _acting(model: Model) -> Iterator[None]:
    """Let a module act, not learn, and be as before afterwards."""
    trained = isinstance(model, nn.Module) and model.training
    with torch.no_grad():
        if isinstance(model, nn.Module):
            model.eval()
        yield
        if isinstance(model, nn.Module):
            model.train(trained)


def _refuse_none(given: Sequence[Demonstration]) -> None:
    if not given:
        raise ConfigError("there are no demonstrations to evaluate on; give at least one")
