"""Act with an exported policy: a graph that some engine runs, numpy around it, and no torch.

::

    observation --chain--> images, state ---.
                                            |--> engine --> actions --chain backwards--> Chunk
    instruction --FrozenTextEncoder-> words-'
                  once, remembered

    exported/
        config.json         as a checkpoint's, with `engine`: which one, what it takes, and how it was checked
        stats.json          what the chain subtracts and divides by
        model.xml, .bin     the graph for OpenVINO; model.onnx for ONNX Runtime; model.pt for TorchScript
        README.md           what the checks found
        SHA256SUMS          a digest of each of them but the last, so that damage is found

TorchScript is the exception: it is torch.

Shapes: K chunk, A action, S state, H x W pixels, L words.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sayso.calling import CalledLikeAModel
from sayso.data.looks import check_state
from sayso.data.normalize import Stats, two_way
from sayso.data.resize import as_learned
from sayso.digests import damaged
from sayso.models.words import MAX_WORDS, SHORT_WORDS, FrozenTextEncoder
from sayso.provenance import graph_digest
from sayso.spec import (
    ACTION,
    IMAGES,
    STATE,
    TASK,
    Array,
    Chunk,
    FeatureMismatchError,
    Features,
    Observation,
    SaysoError,
    known,
)

CONFIG, STATS, CARD = "config.json", "stats.json", "README.md"
WORDS, WORDS_MASK = "words", "words_mask"

EngineName = Literal["openvino", "onnx", "torchscript"]
Precision = Literal["fp32", "bf16", "int8"]
FILES: Mapping[str, str] = {"openvino": "model.xml", "onnx": "model.onnx", "torchscript": "model.pt"}
"""Engine -> the file it opens."""
OPENVINO_PRECISION: Mapping[str, str] = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
"""What OpenVINO computes in; of an int8 graph, what is not int8. A CPU without bfloat16 takes float32."""
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, SaysoError)
"""What reading JSON raises that says something else than it should."""


class ExportError(SaysoError):
    """Report an export that cannot be made, opened or trusted."""


class Engine(Protocol):
    """Run a graph: named arrays in, actions float32 ``[1, K, A]`` in model units out."""

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Array:
        """Return the answer for one look."""
        ...


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """Say what runs a graph and what the graph takes."""

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


class ExportedPolicy(CalledLikeAModel):
    """Act with a graph. Not for several threads at once: it remembers frames, and engines have one buffer."""

    def __init__(
        self,
        model: Engine,
        inputs: Sequence[str],
        features: Features,
        stats: Mapping[str, Stats],
        max_words: int = MAX_WORDS,
    ) -> None:
        """Join a graph that takes `inputs`, `max_words` word pieces among them, with the robot it is for."""
        self.model, self.inputs, self.features, self.stats = model, tuple(inputs), features, stats
        self._chain = two_way(stats, features)
        self._encoder = FrozenTextEncoder(max_words=max_words, short_words=max_words)
        self._seen = [key for key in inputs if key.startswith(IMAGES) or key == STATE]

    def reset(self) -> None:
        """Forget the episode that just ended; there is nothing to forget."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units.

        Raises:
            FeatureMismatchError: if the observation is not what the policy was trained on.
            NotFiniteError: if it holds a number that nobody could act on.
        """
        look = self._checked(observation)
        if not self.features.state:
            look[STATE] = np.zeros(0, np.float32)
        values = self._chain.forward({key: value[None, None] for key, value in look.items()})
        words, mask = self._encoder.encode([observation[TASK]])
        feeds = {**values, WORDS: words, WORDS_MASK: mask}
        actions = self.model({name: feeds[name] for name in self.inputs})
        return Chunk(self._chain.inverse({**values, ACTION: actions})[ACTION][0])

    def _checked(self, observation: Observation) -> dict[str, NDArray[Any]]:
        """Return what the policy sees and feels of an observation, if each is there and of the right kind."""
        missing = [key for key in (*self._seen, TASK) if key not in observation]
        if missing:
            raise FeatureMismatchError(
                f"the policy needs {', '.join(missing)}, but it was given only "
                f"{', '.join(sorted(observation))}"
            )
        look = {key: np.asarray(observation[key]) for key in self._seen}
        if STATE in look:
            check_state(look[STATE], self.features)
        for key in (key for key in look if key != STATE):
            look[key] = as_learned(look[key], key.removeprefix(IMAGES), self.features)
        return look


def is_exported(folder: Path | str) -> bool:
    """Tell whether a folder holds an exported policy, whole or not, rather than a checkpoint, or nothing."""
    if any((Path(folder) / graph).exists() for graph in FILES.values()):
        return True
    try:
        config = json.loads((Path(folder) / CONFIG).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "engine" in config


def files_of(engine: EngineName) -> tuple[str, ...]:
    """Return the files without which an export for an engine cannot be used."""
    graph = FILES[engine]
    return (graph, *(["model.bin"] if engine == "openvino" else []), STATS, CONFIG)


def load(folder: Path | str, *, threads: int = 1) -> ExportedPolicy:
    """Open an exported policy, ready to act on `threads` CPU threads.

    Raises:
        ExportError: if the folder is not a whole export or a file in it was damaged, or what runs it is not
            installed.
    """
    folder = Path(folder)
    if not is_exported(folder):
        raise ExportError(f"{str(folder)!r} holds no exported policy; make one with `sayso export`")
    config = _json(folder, CONFIG)
    try:
        engine = EngineFacts.from_json(config["engine"])
        features = Features.from_json(config["features"])
        max_words = int(config["model"].get("max_words", SHORT_WORDS))
        path = folder / FILES[known("engine", engine.name, FILES)]
        known("precision", engine.precision, OPENVINO_PRECISION)
    except UNREADABLE as error:
        raise _not_understood(folder, CONFIG, error) from error
    missing = [name for name in files_of(engine.name) if not (folder / name).is_file()]
    if missing:
        raise ExportError(f"{str(folder)!r} is not a whole export: {', '.join(missing)} missing")
    if graph_digest(folder) != engine.digest:
        raise ExportError(f"the graph in {str(folder)!r} is not the one that was checked; export anew")
    if wrong := damaged(folder, files_of(engine.name)):
        raise ExportError(
            f"the export {str(folder)!r} is not as it was written: {'; '.join(wrong)}. Export anew, or take "
            "it from where you have it whole"
        )
    try:
        stats = {key: Stats.from_json(raw) for key, raw in _json(folder, STATS).items()}
        two_way(stats, features)
    except UNREADABLE as error:
        raise _not_understood(folder, STATS, error) from error
    try:
        graph = open_engine(path, engine, threads)
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"{engine.name} cannot open {str(path)!r}: {first_line(error)}") from error
    return ExportedPolicy(graph, engine.inputs, features, stats, max_words)


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        raw = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ExportError(f"{str(folder)!r} is not a whole export: {name} missing") from error
    except ValueError as error:
        raise ExportError(f"{name} in {str(folder)!r} was damaged ({error}); export anew") from error
    if not isinstance(raw, dict):
        raise ExportError(f"{name} in {str(folder)!r} was damaged: it holds no names; export anew")
    return raw


def _not_understood(folder: Path, name: str, error: Exception) -> ExportError:
    return ExportError(
        f"{name} in {str(folder)!r} is not one this version of sayso understands ({error!r}); export anew"
    )


def first_line(error: Exception) -> str:
    """Return the first line of what an engine says; the rest are its own files and lines."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def open_engine(path: Path, facts: EngineFacts, threads: int) -> Engine:
    """Open a graph with the engine it was made for."""
    if facts.name == "openvino":
        return OpenVINOEngine(path, facts.precision, threads)
    if facts.name == "onnx":
        return OnnxEngine(path, threads)
    # Only here: the other two must do without torch.
    from sayso.runtime.graphs import TorchScriptEngine

    return TorchScriptEngine(path, facts.inputs, threads)


class OpenVINOEngine:
    """Run a graph with OpenVINO: the fastest on every CPU we tried, above all on those with bfloat16."""

    def __init__(self, path: Path, precision: Precision, threads: int) -> None:
        """Compile the graph for this CPU.

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
        self._request = openvino_core().compile_model(str(path), "CPU", settings).create_infer_request()

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Array:
        """Return actions float32 ``[1, K, A]``."""
        answer: Array = self._request.infer(dict(feeds))[0]
        return answer


class OnnxEngine:
    """Run a graph with ONNX Runtime."""

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


def package(name: str) -> Any:
    """Import one of the packages of the extra ``export``.

    Raises:
        ExportError: if it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ExportError(
            f"this needs {name}, which is not installed: pip install 'sayso[export]'"
        ) from error
