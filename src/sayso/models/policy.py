"""Policy that acts with a model: what a robot shows becomes a batch, what the model answers a chunk.

::

    windows ---.                      .--> forward: losses     (training)
               |--> Collator, Batch --|
    one look --'                      '--> sample: actions --> the chain backwards --> robot units

One class for every model of `sayso.models.table`. The number of torch's threads is the caller's business.

Shapes: K chunk, A action.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from sayso.calling import CalledLikeAModel
from sayso.data.statistics import Stats
from sayso.data.views import NONE_KEPT, Views
from sayso.models.collate import Collator, put_together
from sayso.models.contract import Batch, Model
from sayso.models.words import Reading
from sayso.spec import Chunk, Features, Observation


class ModelPolicy(CalledLikeAModel):
    """A policy that acts with a network: the newest images, the state and the instruction give a chunk."""

    def __init__(
        self, type: str, model: Model, features: Features, stats: Mapping[str, Stats], collator: Collator
    ) -> None:
        """Join a model with the robot that it moves.

        Args:
            type: the model's name in the table.
            model: what sees, decides and is trained.
            features: what the robot shows and accepts.
            stats: of the demonstrations, kept with the policy.
            collator: what stands between the two.
        """
        # Convolutions are two to three times as fast on CPUs when channels lie together.
        self.model: Model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.type, self.features, self.stats, self.collator = type, features, stats, collator
        self.sentences: tuple[str, ...] = ()
        """Instructions that it learned to follow, where they are few enough to be named; else none."""
        self.words = ""
        """Name of the wide wordings that it learned; none where it heard what was recorded alone."""
        self.views: Views = NONE_KEPT
        """What its cameras showed where demonstrations began, for those of a robot to be compared with."""
        self._noise = EpisodeNoise()

    def config(self) -> dict[str, Any]:
        """Return ``type`` and the model's sizes as plain JSON, enough for `sayso.models.table.rebuild`."""
        return {"type": self.type, **dataclasses.asdict(self.model.config)}

    def hear(self, instruction: str) -> Reading | None:
        """Say what of an instruction it reads, before it acts on it; None if nobody can tell."""
        return self.collator.hear(instruction)

    def reset(self) -> None:
        """Forget the episode that just ended: noise begins anew, if the model draws any."""
        self._noise.begin()

    def seed(self, seed: int) -> None:
        """Let the noise of the episode that begins depend on `seed` alone."""
        self._noise.begin(seed)

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units.

        Raises:
            FeatureMismatchError: if the observation is not what the policy was trained on.
            NotFiniteError: if it holds a number that nobody could act on.
        """
        self.model.eval()
        collator = self.collator.at(observation)
        batch = self._on_device(collator(collator.look(observation)))
        with torch.no_grad():
            actions = self.model.sample(batch, self._noise.generator)
        return Chunk(collator.inverse(actions.cpu().numpy(), batch.state.cpu().numpy()))

    @property
    def company(self) -> int | None:
        """Return the same for policies of one model, whose looks can be computed at once; None if none can.

        Noise of an episode comes from a generator of its own, which a batch has no place for.
        """
        return None if self.model.draws_noise else id(self.model)

    @staticmethod
    def act_together(policies: Sequence[ModelPolicy], observations: Sequence[Observation]) -> list[Chunk]:
        """Return what each policy answers to its observation, of policies in one `company`, computed at once.

        In float32 that is what `act` returns to 1e-4 of what a number of the demonstrations varies by: sums
        are the same, in another order.

        Raises:
            FeatureMismatchError: if an observation is not what the policies were trained on.
            NotFiniteError: if one holds a number that nobody could act on.
        """
        first = policies[0]
        first.model.eval()
        collators = [p.collator.at(seen) for p, seen in zip(policies, observations, strict=True)]
        looks = [c(c.look(seen)) for c, seen in zip(collators, observations, strict=True)]
        with torch.no_grad():
            actions = first.model.sample(first._on_device(put_together(looks)), first._noise.generator)
        answers = actions.cpu().numpy()[:, None]
        return [
            Chunk(c.inverse(answer, look["state"]))
            for c, answer, look in zip(collators, answers, looks, strict=True)
        ]

    def collate(self, windows: Mapping[str, Any]) -> Batch:
        """Return the batch, on the model's device, to learn from windows with; see `Collator`.

        Raises:
            FeatureMismatchError: if the windows are not what the policy was built for.
        """
        self.collator.make_room()
        return self._on_device(self.collator(windows))

    def _on_device(self, parts: Mapping[str, Any]) -> Batch:
        return Batch.of(parts).to(next(self.model.parameters()).device)


class EpisodeNoise:
    """Noise for acting that depends on the episode alone, not on those before it nor on who ran them."""

    def __init__(self) -> None:
        """Begin with an episode whose seed nobody told."""
        self.generator = torch.Generator()
        self.begin()

    def begin(self, seed: int = 0) -> None:
        """Draw the same noise as ever for an episode of this seed."""
        self.generator.manual_seed(seed)
