"""Inference engines: what runs an exported graph, OpenVINO, ONNX Runtime or TorchScript."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from numpy.typing import NDArray

from sayso.spec import Array, SaysoError, known
from sayso.work.cache import keep, kept

EngineName = Literal["openvino", "onnx", "torchscript"]
Precision = Literal["fp32", "bf16", "int8"]
FILES: Mapping[str, str] = {"openvino": "model.xml", "onnx": "model.onnx", "torchscript": "model.pt"}
"""Engine -> the file it opens."""
OPENVINO_PRECISION: Mapping[str, str] = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
"""What OpenVINO computes in; of an int8 graph, what is not int8. A CPU without bfloat16 takes float32."""
GRAPHS_ON_DISK = 8
"""Compiled graphs that stay in the cache folder, each about as large as its weights."""
WORDS, WORDS_MASK = "words", "words_mask"


class ExportError(SaysoError):
    """Export that cannot be made, opened or trusted."""


class Engine(Protocol):
    """What runs a graph: named arrays in, actions float32 ``[1, K, A]`` in model units out."""

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Array:
        """Return the answer for one look."""
        ...


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """Facts about a graph: what runs it and what it takes."""

    name: EngineName
    precision: Precision
    inputs: tuple[str, ...]
    """In the order of the graph: ``observation.images.<camera>``, ``observation.state``, ``words``,
    ``words_mask``; those that the policy has no use for are left out."""
    digest: str
    """Of the graph that was checked; see `provenance.graph_digest`."""

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dicts."""
        return {**asdict(self), "inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            name=raw["name"], precision=raw["precision"], inputs=tuple(raw["inputs"]), digest=raw["digest"]
        )


def first_line(error: Exception) -> str:
    """Return the first line of what an engine says; the rest are its own files and lines."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def open_engine(path: Path, facts: EngineFacts, threads: int) -> Engine:
    """Open a graph with the engine it was made for."""
    if facts.name == "openvino":
        return OpenVINOEngine(path, facts.precision, threads, facts.digest)
    if facts.name == "onnx":
        return OnnxEngine(path, threads)
    # Only here: the other two must do without torch.
    from sayso.runtime.torchscript import TorchScriptEngine

    return TorchScriptEngine(path, facts.inputs, threads)


class OpenVINOEngine:
    """OpenVINO engine: the fastest on every CPU we tried, above all on those with bfloat16."""

    def __init__(self, path: Path, precision: Precision, threads: int, digest: str = "") -> None:
        """Compile the graph for this CPU, unless one of this digest was compiled here before.

        Raises:
            ExportError: if OpenVINO is not installed.
        """
        settings = {
            "INFERENCE_PRECISION_HINT": OPENVINO_PRECISION[known("precision", precision, OPENVINO_PRECISION)],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # A pinned thread waits for its own core even when another one is free.
            "ENABLE_CPU_PINNING": False,
            # OpenVINO 2026.4 in bfloat16 answers wrong, without a word, where an attention has as many
            # queries as heads. Without its snippets it does not, at no measurable cost.
            "SNIPPETS_MODE": "DISABLE",
        }
        self._request = _compiled(path, settings, digest).create_infer_request()

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Array:
        """Return actions float32 ``[1, K, A]``."""
        answer: Array = self._request.infer(dict(feeds))[0]
        return answer


class OnnxEngine:
    """ONNX Runtime engine."""

    def __init__(self, path: Path, threads: int) -> None:
        """Open the graph."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Threads that wait for the next look must leave the cores to the rest of the robot.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Array:
        """Return actions float32 ``[1, K, A]``."""
        answer: Array = self._session.run(None, dict(feeds))[0]
        return answer


@functools.cache
def openvino_core() -> Any:
    """Return the one `openvino.Core` of this process, which is never destroyed.

    A core gives its thread a stack of its own for signals and takes that away when it ends, whichever is in
    use then. With two cores that end in the order in which they began, the next Ctrl-C is the end of the
    process, and the robot is not brought to rest (OpenVINO 2026.4).
    """
    return package("openvino").Core()


def _compiled(path: Path, settings: Mapping[str, Any], digest: str) -> Any:
    """Compile a graph with OpenVINO; one with a digest is kept, which saves two thirds of the time."""
    core = openvino_core()
    if not digest:
        return core.compile_model(str(path), "CPU", settings)
    can = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    made_for = repr((digest, package("openvino").__version__, can, sorted(settings.items())))
    name = f"graphs/{hashlib.sha256(made_for.encode()).hexdigest()[:32]}"
    if content := kept(name):
        with contextlib.suppress(RuntimeError):  # it was kept by another build
            return core.import_model(content, "CPU", settings)
    compiled = core.compile_model(str(path), "CPU", settings)
    keep(name, compiled.export_model().getvalue(), GRAPHS_ON_DISK)
    return compiled


def package(name: str) -> Any:
    """Import one of the packages of the extra ``export``, without what reports their use to their maker.

    Raises:
        ExportError: if it is not installed; the message says how to get it.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it does not ask first
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ExportError(
            f"this needs {name}, which is not installed: pip install 'sayso[export]'"
        ) from error
