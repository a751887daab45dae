"""Initialisation of a policy for recordings that LeRobot has opened, and what is to be remembered of them."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

from lerobot_policy_sayso.configuration_sayso import SaysoConfig
from sayso.data.crop import cropped, read_crops
from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.learn.beginning import learned_from
from sayso.models import table
from sayso.models.policy import ModelPolicy
from sayso.models.words import MAX_WORDS, refuse_alike
from sayso.spec import FeatureMismatchError, Features, differences
from sayso.work.provenance import provenance, training_facts

USUAL_PX = 128
"""Shorter side of the pictures that a new policy learns from."""


def fresh(config: SaysoConfig, meta: Any) -> tuple[ModelPolicy, dict[str, Any]]:
    """Return a policy with fresh weights for recordings, and what its folder is to say of its training.

    Raises:
        ValueError: if there are no recordings.
    """
    if meta is None:
        raise ValueError(
            "a new policy of sayso needs recordings to know what its robot is: give "
            "--policy.path=CHECKPOINT, or train one with lerobot-train --policy.type=sayso"
        )
    shown = windows_of(meta, config)
    policy = table.build(
        "vla",
        preset=config.preset,
        features=shown.features,
        stats=shown.stats,
        chunk=config.chunk_size,
        decoder=config.decoder,
    )
    _remark(shown, policy)
    return policy, facts_of(shown)


def check_fits_recordings(config: SaysoConfig, policy: ModelPolicy, meta: Any) -> dict[str, Any]:
    """Refuse recordings that a policy cannot learn from, and return what its folder is to say of them.

    Raises:
        FeatureMismatchError: saying what differs.
    """
    shown = windows_of(meta, config, like=policy.features)
    if unlike := differences(policy.features, shown.features, "the policy", "the recordings"):
        raise FeatureMismatchError(
            f"this policy cannot learn from {meta.repo_id}, which comes from another robot or other cameras: "
            f"{'; '.join(unlike)}. Train a new one with --policy.type=sayso"
        )
    _remark(shown, policy)
    return facts_of(shown, Path(config.pretrained_path) if config.pretrained_path else None)


def windows_of(meta: Any, config: SaysoConfig, like: Features | None = None) -> Windows:
    """Return the windows of recordings, for their features and statistics; no picture is decoded.

    Args:
        meta: LeRobot's metadata of the recordings, which says where they lie.
        config: how long a chunk is, and what of pictures is seen and what they are scaled to.
        like: features of a policy whose names and sizes they are to have.
    """
    recordings = Dataset(meta.root)
    crops = read_crops(config.crop.split())
    sides = [min(size) for size in cropped(recordings.features, crops).cameras.values()]
    usual = str(USUAL_PX) if sides and min(sides) > USUAL_PX else ""
    resize = "" if like else usual if config.resize is None else config.resize
    return Windows(
        recordings, chunk=config.chunk_size, resize=resize, crops=crops, units=config.units, like=like
    )


def facts_of(shown: Windows, init: Path | None = None) -> dict[str, Any]:
    """Return what a policy's folder says of its training: of which recordings, and when.

    Args:
        shown: windows of the recordings.
        init: folder of the policy that is trained on; its recordings count as well.
    """
    before = training_facts(init) if init and init.is_dir() else {}
    known = learned_from(shown)
    if set(known.datasets.values()) <= set(before.get("datasets", {}).values()):
        return before  # the same training goes on
    if before:
        known = learned_from(shown, init)
    episodes = sum(len(dataset.episodes) for dataset in shown.datasets)
    return {
        **dataclasses.asdict(known),
        "demonstrations": episodes,
        "trained_by": "lerobot-train",
        **provenance(),
    }


def _remark(shown: Windows, policy: ModelPolicy) -> None:
    """Say what a person should know before training, and refuse instructions that are one to the policy."""
    for remark in shown.remarks:
        logging.info(remark)
    sentences = [sentence for dataset in shown.datasets for sentence in dataset.tasks]
    refuse_alike(sentences, policy.config().get("max_words", MAX_WORDS))
