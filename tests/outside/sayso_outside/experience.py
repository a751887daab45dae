"""Toy source of experience: the policy acts, and what it did is forgotten; its weights are halved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from sayso.learn.experience.contract import Round, Shown, Source
from sayso.models import checkpoint
from sayso.work.provenance import training_facts


def gather(round: Round) -> Sequence[Shown]:
    """Keep nothing."""
    return ()


@torch.no_grad()
def learn(round: Round, shown: Sequence[Shown]) -> Path:
    """Return a policy that is sure to be no better."""
    policy, out = checkpoint.load(round.policy), round.folder / "halved"
    for weight in policy.model.parameters():
        weight /= 2
    checkpoint.save(policy, out, training=training_facts(round.policy))
    return out


SOURCE = Source(gather=gather, learn=learn, needs_demonstrations=False)
