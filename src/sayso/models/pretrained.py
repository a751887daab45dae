"""Get published weights from the local cache or the Hugging Face hub, or tell quickly that there are none."""

from __future__ import annotations

import functools
import urllib.request
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sayso.models.language import bert_tokenizer
from sayso.spec import Array


def fetch(kind: Any, name: str) -> Any:
    """Return a transformers model with its published weights, or None if neither cache nor hub gives them.

    Args:
        kind: class of the model, such as ``transformers.ResNetModel``.
        name: its name on the hub, such as ``microsoft/resnet-50``.
    """
    for cached in (True, False):
        if cached or hub_answers(name):
            try:
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


class BertSentences:
    """Turn each instruction into the [CLS] state of a frozen BERT, on the CPU, and remember it."""

    def __init__(self, network: Any, max_words: int = 64) -> None:
        """Take an uncased ``transformers.BertModel``; what is longer than `max_words` pieces is cut."""
        self._network = network.eval().requires_grad_(False)
        self._tokenizer = bert_tokenizer(max_words)
        self._recall = functools.lru_cache(maxsize=4096)(self._read)

    def encode(self, instructions: Sequence[str]) -> Array:
        """Return float32 ``[B, width]`` for B instructions; BERT-base has a width of 768."""
        return np.stack([self._recall(instruction) for instruction in instructions])

    @torch.no_grad()
    def _read(self, instruction: str) -> Array:
        ids = torch.tensor([self._tokenizer.encode(instruction).ids])
        state: Array = self._network(ids).last_hidden_state[0, 0].numpy().copy()  # not the whole sentence
        return state


def fetch_bert(name: str) -> BertSentences | None:
    """Return sentence vectors of a published BERT, or None if neither cache nor hub gives it."""
    from transformers import BertModel

    network = fetch(BertModel, name)
    return None if network is None else BertSentences(network)
