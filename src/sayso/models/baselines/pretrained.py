"""Pretrained weights from the local cache or the Hugging Face hub, or a quick no."""

from __future__ import annotations

import urllib.request
from typing import Any

import torch


def fetch(kind: Any, name: str) -> Any:
    """Return a transformers model with its published weights, or None if neither cache nor hub gives them.

    Args:
        kind: class of the model, such as ``transformers.ResNetModel``.
        name: its name on the hub, such as ``microsoft/resnet-50``.
    """
    for cached in (True, False):
        if cached or hub_answers(name):
            try:
                # Whoever tries a model without memory (device "meta") gets the weights all the same.
                with torch.device("cpu"):
                    return kind.from_pretrained(name, local_files_only=cached, use_safetensors=True)
            except OSError:
                continue
    return None


def hub_answers(name: str, timeout_s: float = 3.0) -> bool:
    """Tell within seconds whether the hub can be asked for a model; its own client retries for longer."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urllib.request.urlopen(f"{constants.ENDPOINT}/api/models/{name}", timeout=timeout_s):
            return True
    except OSError:
        return False
