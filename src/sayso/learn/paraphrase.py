"""Paraphrase training: teach a policy other ways to say what it can do already, from sentences alone.

::

    "Press a button"           ---> reader as it was, frozen ---> slots
                                                                    ^  made equal
    "Give the button a push"   ---> reader, trained ------------> slots

Of an instruction a policy knows only the slots that its reader condenses it into
(`sayso.models.vla.language`). A sentence that gives the slots of another one therefore makes it do the same,
in every scene, and that can be taught without a picture or a robot. It is distillation (Hinton et al. 2015,
arXiv:1503.02531) of a reader into itself.

Shapes: B sentences, L words, N slots, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sayso.data.windows import RawBatch
from sayso.learn.beginning import refuse_device
from sayso.learn.config import SHARE, FitConfig, Range, decides, plain, refuse_outside
from sayso.learn.loop import fit
from sayso.learn.run import Run, kept
from sayso.learn.source import MEANING, WORDS, WORDS_MASK, Meant, Sentences
from sayso.learn.wordings import named_wordings, parted, read_wordings
from sayso.models import checkpoint as policies
from sayso.models.vla.model import VisionLanguageAction
from sayso.models.words import LEARNING, FrozenTextEncoder
from sayso.spec import SaysoError
from sayso.work.provenance import digest_of, provenance, training_facts


@dataclass(frozen=True, kw_only=True)
class WordingsConfig:
    """Sentences that mean the same."""

    wordings: Path
    """JSON file: an object from each sentence the policy knows to a list of other ways to say it. Name all
    that it is to remember; one with an empty list is only kept. `metaworld` is the file for Meta-World's
    fifty tasks."""
    drop: float = 0.1
    """Share of a sentence's words that are left out at random, so that no word decides alone."""
    noise: float = 0.3
    """Standard deviation of the noise added to the embeddings of words, as a share of their own."""
    probe_share: float = 0.0
    """Share of each sentence's wordings, the last ones, that are not taught but asked for at the end."""


@dataclass(frozen=True, kw_only=True)
class ParaphraseConfig(FitConfig, WordingsConfig):
    """Sentences that mean the same, and where the policy that knows it goes."""

    steps: int = 2000
    """Optimiser steps; a run can be lengthened by more than it was begun with."""
    batch_size: int = 64
    """Sentences per step."""
    optimizer: Literal["muon", "adamw"] = "adamw"
    """What moves the weights of the reader."""
    lr: float = 1e-3
    """Peak of the learning rate; a cosine takes it down to 1 % of this."""
    warmup: int = 100
    """Steps over which the learning rate rises from zero; a tenth of all steps if that is less."""
    weight_decay: float = 0.05
    """Decoupled weight decay of matrices."""
    clip: float = 1e6
    """Longest gradient; by default none is shortened."""
    ema: float = 0.0
    """Decay per step of the moving average of the weights; 0 keeps the last ones."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        refuse_outside(self, ALLOWED)

    def begin_with(self, policy: Path) -> str:
        """Return the words that begin another run with the weights of a policy."""
        return f"`sayso paraphrase {policy}`"


ALLOWED: Mapping[str, Range] = {"drop": SHARE, "noise": Range(0, 100), "probe_share": SHARE}
"""What each further number of `ParaphraseConfig` may be."""


class Paraphrase:
    """Objective of paraphrase training: a sentence's slots are those of the one it means."""

    def __init__(self, reader: nn.Module, known: RawBatch, config: ParaphraseConfig, scale: Tensor) -> None:
        """Remember which slots a reader gives now.

        Args:
            reader: of the policy as it is.
            known: the sentences it knows, meaning 0 first.
            config: how sentences are varied.
            scale: standard deviation of the numbers of words.
        """
        self.drop, self.noise = config.drop, config.noise * scale
        with torch.no_grad():
            self.targets = slots_of(reader, known)
        among = torch.pdist(self.targets.flatten(1)).square()
        self.spread = among.mean() / self.targets[0].numel()
        """Mean squared difference of a number in the slots of two known sentences."""

    def loss(self, model: nn.Module, batch: RawBatch) -> Mapping[str, Tensor]:
        """Return as ``total`` how far the slots of sentences that are varied are from what they mean."""
        words, mask, meaning = self._tensors(batch)
        lost = torch.rand(mask.shape) < self.drop
        lost[:, 0] = False  # [CLS] stays, so that something is always left
        noise = self.noise * torch.randn(words.shape).to(words.device)
        slots = model(words + noise, mask & ~lost.to(mask.device))
        return {"total": self._off(slots, meaning).mean()}

    @torch.no_grad()
    def understood(self, reader: nn.Module, batch: RawBatch) -> Understood:
        """Measure how well a reader understands sentences."""
        slots, (_, _, meaning) = slots_of(reader, batch), self._tensors(batch)
        nearest = torch.cdist(slots.flatten(1), self.targets.flatten(1)).argmin(1)
        off = self._off(slots, meaning)
        return Understood(len(meaning), int((nearest == meaning).sum()), float(off.mean()))

    def _off(self, slots: Tensor, meaning: Tensor) -> Tensor:
        """Return how far slots ``[B, N, D]`` are from those they should be, ``[B]``."""
        return (slots - self.targets[meaning]).square().mean((1, 2)) / self.spread

    def _tensors(self, batch: RawBatch) -> list[Tensor]:
        """Return words ``[B, L, 384]``, which are real ``[B, L]``, and meanings ``[B]``."""
        where = self.targets.device
        return [torch.from_numpy(batch[name]).to(where) for name in (WORDS, WORDS_MASK, MEANING)]


def slots_of(reader: nn.Module, batch: RawBatch) -> Tensor:
    """Return the slots ``[B, N, D]`` that a reader gives for a batch of sentences."""
    where = next(reader.parameters()).device
    slots: Tensor = reader(*(torch.from_numpy(batch[name]).to(where) for name in (WORDS, WORDS_MASK)))
    return slots


@dataclass(frozen=True)
class Understood:
    """How well paraphrases are understood."""

    n: int
    right: int
    """How many come nearest to the sentence they mean."""
    distance: float
    """Mean squared distance from its slots, where that of two sentences it knew is 1."""

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.right} of {self.n} understood, {self.distance:.3f} off"


def paraphrase(folder: Path, config: ParaphraseConfig) -> Path:
    """Teach the policy in a folder, or go on, and return the folder of the one that understands more.

    Only the weights of its reader change. How far what it knew moved is measured and printed.

    Raises:
        SaysoError: if the file of wordings is not one, the policy is of another type than ``vla``, or
            ``config.out`` holds another run; as `sayso.learn.imitate.train` otherwise.
        KeyboardInterrupt: at Ctrl-C or SIGTERM, after the step that was being done is done and kept.
    """
    refuse_device(config.device)
    torch.set_num_threads(config.threads)
    policy = policies.load(folder, config.device)
    if not isinstance(policy.model, VisionLanguageAction):
        raise SaysoError(f"{folder} has no reader of words to teach: it is not of the type vla")
    path = _file_of(config.wordings)
    wordings, digest = read_wordings(path), sha256(path.read_bytes()).hexdigest()
    taught, probe = parted(wordings, config.probe_share)
    encoder = FrozenTextEncoder(max_words=len(policy.model.reader.positions), remember=LEARNING)

    def read(sentences: Meant) -> Sentences:
        return Sentences(sentences, encoder, batch_size=config.batch_size, seed=config.seed)

    known, asked = read(list(enumerate(wordings))), read(probe or taught)
    source = read([*enumerate(wordings), *taught])
    reader = policy.model.reader
    objective = Paraphrase(reader, known.chosen(), config, source.spread)
    before = objective.understood(reader, asked.chosen())
    with kept(config.out, "teaching"):
        run = Run(
            config,
            policy,
            decided={"objective": "paraphrase"}
            | decides(config, policy_digest=digest_of(folder), wordings_digest=digest),
            facts=_facts(folder, config, {"sentences": len(taught), "file": path.name, "sha256": digest}),
            part=reader,
        )
        fit(run, source, objective)
        with run.deployed():
            print(f"sentences it knew: {objective.understood(reader, known.chosen())}")
            now = objective.understood(reader, asked.chosen())
            print(f"{'not taught' if probe else 'taught'}: {before} before, {now} now")
    return run.policy_folder


def _facts(
    folder: Path, config: ParaphraseConfig, lesson: Mapping[str, Any]
) -> Callable[[Run], Mapping[str, Any]]:
    """Return a function that says how the policy of a run was trained and taught."""
    facts = training_facts(folder)
    earlier = facts.get("wordings", {}).get("seconds", 0.0)
    asked = {name: value for name, value in plain(config).items() if name not in ("wordings", "out")}

    def taught(run: Run) -> Mapping[str, Any]:
        spent = {"seconds": round(earlier + run.seconds, 1)}
        return facts | {"sentences": [], "wordings": {**lesson, **spent, "config": asked, **provenance()}}

    return taught


def _file_of(named: Path) -> Path:
    """Return the file that comes with a world of that name, or else what was named."""
    known = named_wordings().get(str(named), named)
    if isinstance(known, Path):
        return known
    raise SaysoError(
        f"--wordings {named} are words to learn from the first step on, drawn anew for each window: "
        f"`sayso train --wordings {named}`. `sayso paraphrase` wants a JSON file of sentences"
    )
