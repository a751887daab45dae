"""Computation graph of a policy: its model as tensors in and out, written for an engine in a precision.

::

    PolicyGraph(images uint8, state, words, mask) --trace--> TorchScript --> OpenVINO --> int8 (NNCF)
                                              '----trace--> ONNX

What a camera gives goes in as it is: turning pixels into numbers is part of the graph.

Shapes: T frames (always one), H x W pixels, L words, K chunk, A action.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sayso.models.contract import Batch, computes_in_bf16
from sayso.models.policy import ModelPolicy
from sayso.models.table import MODELS
from sayso.models.words import MAX_WORDS, WORD_WIDTH
from sayso.runtime.engines import (
    WORDS,
    WORDS_MASK,
    EngineName,
    ExportError,
    Precision,
    openvino_core,
    package,
)
from sayso.runtime.stopping import later
from sayso.runtime.torchscript import traceable
from sayso.spec import STATE, image_key

PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "openvino": ("fp32", "bf16", "int8"),
    "onnx": ("fp32",),
    "torchscript": ("fp32", "bf16"),
}
"""Engine -> what it can compute in."""
OPSET = 18
"""Version of ONNX's operators, layer normalisation among them; ONNX Runtime has known it since 2023."""

Feeds = dict[str, NDArray[Any]]
"""What a graph is given for one look, by the names of its inputs."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Module whose inputs are tensors and whose output is actions, float32 ``[1, K, A]``."""

    module: nn.Module
    inputs: Mapping[str, Tensor]
    """Name -> an example."""
    exact: tuple[str, ...] = ()
    """Parts of the model that int8 leaves as they are."""


class PolicyGraph(nn.Module):
    """Model that sees a `Batch`, as a function of images, state, words and mask."""

    def __init__(self, model: Any) -> None:
        """Take a model of ours whose `sample` draws no random numbers."""
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return actions ``[1, K, A]`` for uint8 images ``[1, T, H, W, 3]`` of each camera and the rest."""
        *seen, words, mask = inputs
        images = [given for given in seen if given.dtype == torch.uint8]
        state = seen[-1] if len(images) < len(seen) else words.new_zeros(1, 1, 0)  # it may be told no state
        batch = Batch(images=tuple(images), state=state, words=words, words_mask=mask)
        actions: Tensor = self.model.sample(batch, torch.Generator())
        return actions


def graph_of(policy: ModelPolicy, *, bf16: bool = False) -> Graph:
    """Return a policy's model as a graph, its precision fixed: float32, or bfloat16 where that is safe.

    Raises:
        ExportError: if its decoder draws random numbers, or its sentences need torch.
    """
    model, collator = policy.model, policy.collator
    if model.draws_noise:
        raise ExportError(
            "this policy draws noise at every look, so that no export can be held against it; "
            "export one that draws none, such as a vla with the regression decoder"
        )
    if not model.acts_on_words:
        raise ExportError(
            f"this {policy.type} reads sentences by itself, which needs torch; only one that can act on the "
            "words of the shipped encoder (minilm) can be exported"
        )
    shown = {
        image_key(name): torch.zeros(1, 1, *size, 3, dtype=torch.uint8)
        for name, size in policy.features.cameras.items()
    } | {STATE: torch.zeros(1, 1, len(policy.features.state))}
    longest = collator.encoder.max_words if collator.encoder else MAX_WORDS
    words = {
        WORDS: torch.zeros(1, longest, WORD_WIDTH),
        WORDS_MASK: torch.arange(longest)[None] < longest // 2,
    }
    return Graph(
        module=PolicyGraph(model.in_precision(bf16=bf16)),
        inputs={**{key: shown[key] for key in collator.inputs}, **words},
        exact=MODELS[policy.type].exact,
    )


def write_graph(
    graph: Graph, path: Path, engine: EngineName, precision: Precision, feeds: Sequence[Feeds]
) -> None:
    """Write a graph for an engine; int8 is calibrated on `feeds`, what the graph is fed on real frames.

    Raises:
        ExportError: if this CPU does not compute in that precision, or a package is missing.
    """
    _refuse_missing_bf16(engine, precision)
    examples = tuple(graph.inputs.values())
    with traceable():
        if engine == "onnx":
            _write_onnx(graph, path)
        else:
            traced = torch.jit.freeze(torch.jit.trace(graph.module, examples, check_trace=False).eval())
            if engine == "torchscript":
                whole = io.BytesIO()  # on a full disk torch would end the process
                torch.jit.save(traced, whole)
                path.write_bytes(whole.getvalue())
            else:
                _write_openvino(traced, graph.inputs, path)
    if precision == "int8":
        _quantise(path, feeds, graph.exact)


def _write_onnx(graph: Graph, path: Path) -> None:
    package("onnx")  # torch asks for it as well, with a message that says less
    try:
        # The exporter that traces: the newer one takes ten times as long, and more packages, to the same end.
        torch.onnx.export(
            graph.module, tuple(graph.inputs.values()), str(path), dynamo=False, opset_version=OPSET,
            input_names=list(graph.inputs), output_names=["action"],
        )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"this policy has no form in ONNX ({error}); OpenVINO may have one") from error


def _write_openvino(traced: Any, inputs: Mapping[str, Tensor], path: Path) -> None:
    openvino = package("openvino")
    shapes = [list(example.shape) for example in inputs.values()]
    with later():  # it calls its own Python in between
        model = openvino.convert_model(traced, example_input=tuple(inputs.values()), input=shapes)
    for port, name in zip(model.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    openvino.save_model(model, str(path), compress_to_fp16=False)


def _quantise(path: Path, feeds: Sequence[Feeds], exact: Sequence[str]) -> None:
    """Replace a graph of OpenVINO by one in int8; what it is fed on real frames decides the ranges (NNCF)."""
    nncf, openvino = package("nncf"), package("openvino")
    nncf.set_log_level("ERROR")
    quantised = nncf.quantize(
        openvino_core().read_model(str(path)),
        nncf.Dataset(feeds),
        subset_size=len(feeds),
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(patterns=[rf"__module\.model\.{part}[./].*" for part in exact]),
    )
    # The weights of the graph that was read are mapped from the file that is to be written.
    openvino.save_model(quantised, str(path.with_stem("int8")), compress_to_fp16=False)
    for suffix in (".xml", ".bin"):
        path.with_stem("int8").with_suffix(suffix).replace(path.with_suffix(suffix))


def _refuse_missing_bf16(engine: EngineName, precision: Precision) -> None:
    """Refuse to export to bfloat16 where the CPU would only pretend, so that nothing could be checked."""
    if precision != "bf16":
        return
    if engine == "openvino":
        able = "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    else:
        able = computes_in_bf16("cpu")
    if not able:
        raise ExportError("this CPU cannot compute in bfloat16; export to fp32, or where it runs")
