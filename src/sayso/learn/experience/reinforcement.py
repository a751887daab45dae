"""Reinforcement (policy gradient, PPO): success is the reward; the decoder learns, all that sees is frozen.

::

    picture, words --> what is seen, frozen --> context --> decoder --> chunk + sigma * draw --> world
                                                   |           ^                    |
                                                   |           '-- ratio * advantage '
                                                   '--> kept, so that learning needs no picture

At each look one draw moves all actions of the chunk alike, since what is drawn anew at every step averages
out before a joint has moved. As the action of that look counts the mean of the actions that are carried out:
a Gaussian around the decoder's own. An episode's advantage is its success minus the share of successes in its
family, divided by the spread of that; all its looks share it. The objective is clipped (Schulman et al. 2017,
"Proximal policy optimization algorithms", eq. 7), without a critic.

No demonstrations and no expert are needed, and none are kept: what it has learned, it may lose. The guard of
`sayso.learn.improve` is for that.

Shapes: N looks, M context tokens, D width, K chunk, A action.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sayso.calling import CalledLikeAModel
from sayso.evaluation.rollout import rollout
from sayso.learn.dealing import seeded
from sayso.learn.experience.contract import Round, Shown, Source
from sayso.learn.progress import say
from sayso.models import checkpoint as policies
from sayso.models.contract import Batch
from sayso.models.policy import ModelPolicy
from sayso.models.repacked import in_world
from sayso.models.vla.action import RegressionDecoder
from sayso.models.vla.augmentation import prepare
from sayso.models.vla.model import VisionLanguageAction
from sayso.spec import SPLITS, Array, Chunk, Observation, Outcome, SaysoError
from sayso.tasks.contract import World
from sayso.work import pool
from sayso.work.parcel import Folder
from sayso.work.provenance import provenance, training_facts

ITERATIONS = 4
"""How often it acts and learns in a round: what was drawn by an older policy tells little of a newer one."""
SIGMA = 0.15
"""Standard deviation of the draw, in the model's units: spreads of an action in the demonstrations."""
CLIP, EPOCHS, BATCH, RATE = 0.2, 4, 256, 1e-4
Scene = tuple[str, int]
Drawn = Mapping[str, Any]


def gather(round: Round) -> Sequence[Shown]:
    """Act and learn in turn; nothing of it is worth keeping for later rounds, since it was another policy.

    Raises:
        SaysoError: if the policy has no decoder whose answer is a mean.
    """
    policy = round.policy
    decoder_of(policies.load(policy), policy)
    share = -(-round.episodes // (ITERATIONS * len(round.families)))
    for number in range(ITERATIONS):
        folder = round.folder / f"iteration_{number + 1}"
        first = round.start + number * share
        scenes = [(f, SPLITS["train"][first + k]) for k in range(share) for f in round.families]
        if not (folder / "policy").exists():
            _act(round, policy, folder / "looks", scenes)
            _learn(round, policy, folder, scenes)
        policy = folder / "policy"
    return ()


def learn(round: Round, shown: Sequence[Shown]) -> Path:
    """Return the policy of the last iteration."""
    return round.folder / f"iteration_{ITERATIONS}" / "policy"


def decoder_of(policy: ModelPolicy, name: Path) -> RegressionDecoder:
    """Return the part of a policy that learns.

    Raises:
        SaysoError: if it has none of that kind.
    """
    decoder = getattr(policy.model, "decoder", None)
    if isinstance(decoder, RegressionDecoder) and not policy.features.robots:
        return decoder
    raise SaysoError(
        f"{name} cannot learn from reinforcement, which needs a policy of the type vla for one robot, with "
        "the decoder regression; --from successes and --from corrections take any"
    )


class Exploring(CalledLikeAModel):
    """Policy that draws around its own chunk, and remembers what it knew and what it drew."""

    def __init__(self, policy: ModelPolicy, execute: int) -> None:
        """Draw around a policy of which so many actions are carried out before it looks again."""
        self.policy, self.execute = policy, execute
        self.contexts: list[Array] = []
        self.actions: list[Array] = []
        self.reset()

    def reset(self) -> None:
        """Forget the episode before."""
        self.policy.reset()
        self.contexts, self.actions = [], []
        self.generator = torch.Generator().manual_seed(0)

    def seed(self, seed: int) -> None:
        """Let the draws of the episode that begins depend on `seed` alone."""
        self.generator.manual_seed(seed)

    @torch.no_grad()
    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units."""
        model, collator = self.policy.model.eval(), self.policy.collator.at(observation)
        assert isinstance(model, VisionLanguageAction)
        batch = Batch.of(collator(collator.look(observation)))
        views = [prepare(images) for images in batch.images]
        with model.autocast(batch):
            context, _ = model.perceive(views, batch.state, batch.words, batch.words_mask)
            chunk = model.decoder.sample(context, None)
        chunk = chunk + SIGMA * torch.randn(chunk.shape[-1], generator=self.generator)
        self.contexts.append(context[0].float().numpy().astype(np.float16))
        self.actions.append(_carried_out(chunk, self.execute)[0].numpy())
        return Chunk(collator.inverse(chunk.numpy(), batch.state.numpy()))


def _carried_out(chunk: Tensor, execute: int) -> Tensor:
    """Return what counts as the action of a look: ``[B, K, A]`` -> ``[B, A]``."""
    return chunk[:, :execute].mean(1)


@dataclass(frozen=True)
class _Try:
    """Maker, in each process, of what runs an episode and keeps its looks in a file."""

    make_world: Callable[[], World]
    policy: Folder
    out: Path
    execute: int

    def __call__(self) -> Callable[[Scene], None]:
        torch.set_num_threads(1)
        world, loaded = self.make_world(), policies.load(self.policy)
        exploring = Exploring(loaded, self.execute)
        acting = in_world(exploring, loaded.features, world.features)

        def attempt(scene: Scene) -> None:
            family, seed = scene
            episode = rollout(world, acting, seed, family=family, execute=self.execute)
            valid = episode.outcome is not Outcome.INVALID
            looks = len(exploring.actions) if valid else 0
            file = self.out / f"{family}-{seed}.npz"
            partial = file.with_suffix(".partial")
            with partial.open("wb") as sink:
                np.savez(
                    sink,
                    contexts=np.array(exploring.contexts[:looks], np.float16),
                    actions=np.array(exploring.actions[:looks], np.float32),
                    success=np.array(episode.success),
                )
            os.replace(partial, file)

        return attempt


def _act(round: Round, policy: Path, out: Path, scenes: Sequence[Scene]) -> None:
    """Let a policy draw in each scene; those that are there are not run again."""
    out.mkdir(parents=True, exist_ok=True)
    waiting = iter([s for s in scenes if not (out / f"{s[0]}-{s[1]}.npz").exists()])
    build = _Try(round.worlds.ready(round.world).make, Folder(policy), out, round.execute)
    ended = pool.run(build, lambda: next(waiting, None), workers=round.workers, writes=out)
    with contextlib.closing(ended):
        for scene, lost in ended:
            if isinstance(lost, pool.Lost):
                raise SaysoError(f"{lost.reason} at {scene}. Give the same command again to continue")


def _learn(round: Round, policy: Path, folder: Path, scenes: Sequence[Scene]) -> None:
    """Take the steps of one iteration, and keep the policy that comes of it."""
    torch.set_num_threads(round.threads)
    loaded = policies.load(policy)
    contexts, actions, advantages, share = _looks(folder / "looks", scenes)
    with seeded(0, len(actions)):
        _climb(decoder_of(loaded, policy), contexts, actions, advantages, round.execute)
    facts = training_facts(policy)
    seeds = [[min(seed for _, seed in scenes), max(seed for _, seed in scenes)]]
    told = {"iterations": 1 + int(facts.get("reinforcement", {}).get("iterations", 0)), "sigma": SIGMA}
    facts |= {"seeds": [*facts.get("seeds", []), *seeds], "reinforcement": {**told, **provenance()}}
    policies.save(loaded, folder / "policy", training=facts)
    say(f"{folder.name}: {len(scenes)} episodes with draws, {100 * share:.0f} % of them successes")


def _looks(folder: Path, scenes: Sequence[Scene]) -> tuple[Tensor, Tensor, Tensor, float]:
    """Return contexts ``[N, M, D]``, actions ``[N, A]``, advantages ``[N]``, and the share that succeeded."""
    drawn: list[tuple[str, Drawn]] = []
    for family, seed in scenes:
        with np.load(folder / f"{family}-{seed}.npz") as file:
            if len(file["actions"]):
                drawn.append((family, dict(file)))
    if not drawn:
        raise SaysoError(f"every episode in {folder} crashed: there is nothing to learn from")
    rewards = {f: [float(d["success"]) for g, d in drawn if g == f] for f, _ in drawn}
    advantages = [
        np.full(len(d["actions"]), (float(d["success"]) - np.mean(rewards[f])) / (np.std(rewards[f]) + 1e-6))
        for f, d in drawn
    ]
    parts = [np.concatenate([d[name] for _, d in drawn]) for name in ("contexts", "actions")]
    contexts, actions, advantage = map(torch.from_numpy, (*parts, np.concatenate(advantages)))
    return contexts, actions, advantage.float(), float(np.mean([d["success"] for _, d in drawn]))


def _climb(
    decoder: RegressionDecoder, contexts: Tensor, actions: Tensor, advantages: Tensor, execute: int
) -> None:
    """Change the decoder so that what went better than expected becomes likelier, and not by much."""

    def likelihood(rows: Tensor) -> Tensor:
        """Return the logarithm of the Gaussian's density at what was drawn, but for a constant."""
        mean = _carried_out(decoder.sample(contexts[rows].float(), None), execute)
        return -(actions[rows] - mean).square().sum(-1) / (2 * SIGMA**2)

    with torch.no_grad():
        before = torch.cat([likelihood(rows) for rows in torch.arange(len(actions)).split(BATCH)])
    optimizer = torch.optim.Adam(decoder.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(actions)).split(BATCH):
            ratio = (likelihood(rows) - before[rows]).exp()
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            loss = -torch.minimum(ratio * advantages[rows], clipped * advantages[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
            optimizer.step()


SOURCE = Source(gather=gather, learn=learn, needs_demonstrations=False, gathering=0.95)
"""Its row in the table of sources."""
