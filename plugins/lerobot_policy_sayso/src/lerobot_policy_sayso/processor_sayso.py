"""Processors of a sayso policy in LeRobot: names, a batch of one and the device; nothing is normalised."""

from __future__ import annotations

from typing import Any

from lerobot.processor import PolicyAction, PolicyProcessorPipeline, make_default_pre_post_processors

from lerobot_policy_sayso.configuration_sayso import SaysoConfig


def make_sayso_pre_post_processors(
    config: SaysoConfig, dataset_stats: dict[str, dict[str, Any]] | None = None
) -> tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]],
    PolicyProcessorPipeline[PolicyAction, PolicyAction],
]:
    """Return what stands before a policy and behind it.

    Args:
        config: of the policy.
        dataset_stats: not used: a policy keeps the statistics that it needs.
    """
    return make_default_pre_post_processors(config)
