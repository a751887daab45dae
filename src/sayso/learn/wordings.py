"""Teach a policy other ways to say what it can do already, from sentences alone: no picture and no robot.

::

    "Press a button"           ---> reader as it was, frozen ---> slots
                                                                    ^  made equal
    "Give the button a push"   ---> reader, trained ------------> slots

Of an instruction a policy knows only the slots that its reader condenses it into (`sayso.models.language`).
A sentence that gives the slots of another one therefore makes it do the same, in every scene, and that can be
taught without acting. It is distillation (Hinton et al. 2015, arXiv:1503.02531) of a reader into itself.

Shapes: B sentences, L words, N slots, D width.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sayso.learn import checkpoint
from sayso.learn.claim import RUN
from sayso.learn.config import DECAY, POSITIVE, RATE, SEED, SHARE, STEPS, THREADS, Range, refuse_outside
from sayso.learn.optimise import adamw, learning_rate
from sayso.learn.progress import TrainingProgress
from sayso.lock import locked
from sayso.models import checkpoint as policies
from sayso.models.language import WordReader
from sayso.models.policy import VLAPolicy
from sayso.models.words import LEARNING, FrozenTextEncoder
from sayso.provenance import provenance, training_facts
from sayso.spec import SaysoError
from sayso.tasks.mt50 import WORDINGS as MT50_WORDINGS

Wordings = Mapping[str, Sequence[str]]
"""A sentence the policy knows, to other ways to say it; with none it is only kept from being forgotten."""
Meant = Sequence[tuple[int, str]]
"""Sentences, each with the number of the one that the policy knows it as."""
WARMUP = 100


@dataclass(frozen=True, kw_only=True)
class TeachConfig:
    """Say which sentences mean the same, and where the policy that knows it goes."""

    wordings: Path
    """JSON file: an object from each sentence the policy knows to a list of other ways to say it. Name all
    that it is to remember; one with an empty list is only kept. `metaworld` is the file for Meta-World's
    fifty tasks."""
    out: Path
    """Folder for what comes out: policy/, as a training leaves it."""
    steps: int = 2000
    """Optimiser steps."""
    batch_size: int = 64
    """Sentences per step."""
    lr: float = 1e-3
    """Peak of the learning rate; a cosine takes it down to 1 % of this."""
    weight_decay: float = 0.05
    """Decoupled weight decay of matrices."""
    drop: float = 0.1
    """Share of a sentence's words that are left out at random, so that no word decides alone."""
    noise: float = 0.3
    """Standard deviation added to the numbers of words, in units of their own."""
    probe_share: float = 0.0
    """Share of each sentence's wordings, the last ones, that are not taught but asked for at the end."""
    seed: int = 0
    """Seed of the order of sentences and of what is left out."""
    threads: int = 2
    """Threads torch uses."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        refuse_outside(self, ALLOWED)


ALLOWED: Mapping[str, Range] = {
    "steps": STEPS, "batch_size": POSITIVE, "lr": RATE, "weight_decay": DECAY, "drop": SHARE,
    "noise": Range(0, 100), "probe_share": SHARE, "seed": SEED, "threads": THREADS,
}  # fmt: skip
"""What each number of `TeachConfig` may be."""


def teach(folder: Path, config: TeachConfig) -> Path:
    """Teach the policy in a folder and return the folder of the one that understands more.

    Only the weights of its reader change. How far what it knew moved is measured and printed.

    Raises:
        SaysoError: if the file of wordings is not one, the policy is of another type than ``vla``, or the
            folder for what comes out is a training's or in use.
    """
    torch.set_num_threads(config.threads)
    policy = policies.load(folder)
    if not isinstance(policy, VLAPolicy):
        raise SaysoError(f"{folder} has no reader of words to teach: it is not of the type vla")
    path = MT50_WORDINGS if config.wordings == Path("metaworld") else config.wordings
    wordings = read_wordings(path)
    if (config.out / RUN).exists():
        raise SaysoError(f"{config.out} is a training's folder, whose policy stays: choose another --out")
    facts = training_facts(folder)
    with locked(config.out, "teaching"):
        facts["wordings"] = _taught(policy, wordings, config, facts.get("wordings", {})) | {
            "file": path.name,
            "sha256": sha256(path.read_bytes()).hexdigest(),
            **provenance(),
        }
        out = config.out / "policy"
        with checkpoint.written(config.out):
            policies.save(policy, out, training=facts)
    return out


def _taught(
    policy: VLAPolicy, wordings: Wordings, config: TeachConfig, earlier: Mapping[str, Any]
) -> dict[str, Any]:
    """Teach a policy, which changes in place, and return the facts of it."""
    known = list(enumerate(wordings))
    taught, probe = parted(wordings, config.probe_share)
    lesson, began = Lesson(policy.model.reader, known), time.monotonic()
    before = lesson.understood(probe or taught)
    lesson.learn([*known, *taught], config)
    print(f"sentences it knew: {lesson.understood(known)}")
    print(f"{'not taught' if probe else 'taught'}: {before} before, {lesson.understood(probe or taught)} now")
    return {
        "sentences": len(taught),
        "seconds": round(earlier.get("seconds", 0.0) + time.monotonic() - began, 1),
        "config": {name: v for name, v in asdict(config).items() if name not in ("wordings", "out")},
    }


def read_wordings(path: Path) -> Wordings:
    """Return the wordings in a JSON file.

    Raises:
        SaysoError: if it is not an object of lists of sentences, or one sentence stands for two.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SaysoError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or len(found) < 2:
        raise SaysoError(f"{path} holds no object from two sentences or more to lists of other wordings")
    meant_by: dict[str, str] = {}
    for known, others in found.items():
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            raise SaysoError(f"{path}: what stands for {known!r} is not a list of sentences")
        for sentence in (known, *others):
            other = meant_by.setdefault(sentence.lower(), known)
            if other != known:
                raise SaysoError(f"{path}: {sentence!r} stands for {other!r} and for {known!r}")
    if not any(found.values()):
        raise SaysoError(f"{path} has no other wording of any sentence")
    return found


def parted(wordings: Wordings, probe_share: float) -> tuple[Meant, Meant]:
    """Return the wordings to teach, and the last ones of each sentence, which are asked for at the end."""
    taught: list[tuple[int, str]] = []
    probe: list[tuple[int, str]] = []
    for meaning, others in enumerate(wordings.values()):
        cut = len(others) - round(probe_share * len(others))
        taught += [(meaning, other) for other in others[:cut]]
        probe += [(meaning, other) for other in others[cut:]]
    return taught, probe


@dataclass(frozen=True)
class Understood:
    """Say how well sentences are understood."""

    n: int
    right: int
    """How many come nearest to the sentence they mean."""
    distance: float
    """Mean squared distance from its slots, where that of two sentences it knew is 1."""

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.right} of {self.n} understood, {self.distance:.3f} off"


class Lesson:
    """Teach a reader, which changes in place."""

    def __init__(self, reader: WordReader, known: Meant) -> None:
        """Remember which slots the reader gives for what it knows."""
        self.reader, self._encoder = (
            reader,
            FrozenTextEncoder(max_words=len(reader.positions), remember=LEARNING),
        )
        with torch.no_grad():
            self.targets = self._slots(known)
        among = torch.pdist(self.targets.flatten(1)).square()
        self.spread = among.mean() / self.targets[0].numel()
        """Mean squared difference of a number in the slots of two known sentences."""

    def learn(self, sentences: Meant, config: TeachConfig) -> None:
        """Make each sentence's slots those of the one it means."""
        words, mask, meaning = self._read(sentences)
        scale = words[mask].std()
        optimizer = adamw(dict(self.reader.named_parameters()), weight_decay=config.weight_decay)
        chance = torch.Generator().manual_seed(config.seed)
        self.reader.train()
        with TrainingProgress(steps=config.steps, done=0, batch_size=config.batch_size) as progress:
            for step in range(1, config.steps + 1):
                rows = torch.randint(len(words), (config.batch_size,), generator=chance)
                seen, heard = words[rows], mask[rows]
                lost = torch.rand(heard.shape, generator=chance) < config.drop
                lost[:, 0] = False  # [CLS] stays, so that something is always left
                noise = config.noise * scale * torch.randn(seen.shape, generator=chance)
                slots = self.reader(seen + noise, heard & ~lost)
                loss = self._off(slots, meaning[rows]).mean()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(step, steps=config.steps, warmup=WARMUP, peak=config.lr)
                optimizer.step()
                progress.step({"step": step, "total": float(loss.detach())})
        self.reader.eval()

    @torch.no_grad()
    def understood(self, sentences: Meant) -> Understood:
        """Measure how well sentences are understood."""
        slots, meaning = self._slots(sentences), torch.tensor([number for number, _ in sentences])
        nearest = torch.cdist(slots.flatten(1), self.targets.flatten(1)).argmin(1)
        off = self._off(slots, meaning)
        return Understood(len(sentences), int((nearest == meaning).sum()), float(off.mean()))

    def _off(self, slots: Tensor, meaning: Tensor) -> Tensor:
        """Return how far slots ``[B, N, D]`` are from those they should be, ``[B]``."""
        return (slots - self.targets[meaning]).square().mean((1, 2)) / self.spread

    def _slots(self, sentences: Meant) -> Tensor:
        words, mask, _ = self._read(sentences)
        slots: Tensor = self.reader(words, mask)
        return slots

    def _read(self, sentences: Meant) -> tuple[Tensor, Tensor, Tensor]:
        """Return words ``[B, L, 384]``, which are real ``[B, L]``, and meanings ``[B]``."""
        words, mask = self._encoder.encode([sentence for _, sentence in sentences])
        return torch.from_numpy(words), torch.from_numpy(mask), torch.tensor([n for n, _ in sentences])
