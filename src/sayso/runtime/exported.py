"""Exported policy: a graph that some engine runs, numpy around it, and no torch.

::

    observation --chain--> images, state ---.
                                            |--> engine --> actions --chain backwards--> Chunk
    instruction --FrozenTextEncoder-> words-'
                  once, remembered

    exported/
        config.json         as a checkpoint's, with `engine`: which one, what it takes, and how it was checked
        stats.json          what the chain subtracts and divides by
        model.xml, .bin     the graph for OpenVINO; model.onnx for ONNX Runtime; model.pt for TorchScript
        views.json, .jpg    reference pictures, as a checkpoint's, where there are any
        README.md           what the checks found
        SHA256SUMS          a digest of each of them but the last, so that damage is found

TorchScript is the exception: it is torch.

Shapes: K chunk, A action, S state, H x W pixels, L words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sayso.calling import CalledLikeAModel
from sayso.data.statistics import Stats
from sayso.data.transforms import two_way
from sayso.data.views import NONE_KEPT, Views
from sayso.data.views_files import ViewsError, kept_in, read_views
from sayso.models.collate import Collator
from sayso.models.words import MAX_WORDS, SHORT_WORDS, FrozenTextEncoder, Reading
from sayso.runtime.engines import (
    FILES,
    OPENVINO_PRECISION,
    WORDS,
    WORDS_MASK,
    Engine,
    EngineFacts,
    EngineName,
    ExportError,
    first_line,
    open_engine,
)
from sayso.spec import (
    IMAGES,
    STATE,
    Chunk,
    ConfigError,
    Features,
    Observation,
    SaysoError,
    known,
)
from sayso.spec.files import CONFIG, STATS, VIEWS, parsed
from sayso.work.digests import damaged
from sayso.work.provenance import graph_digest

MOST_WORDS = 512
"""Most pieces of words that a policy reads: what is beyond is damage."""
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, SaysoError)
"""What reading JSON raises that says something else than it should."""


class ExportedPolicy(CalledLikeAModel):
    """Policy that runs a graph. Not for several threads at once: engines have one buffer."""

    def __init__(
        self,
        model: Engine,
        inputs: Sequence[str],
        features: Features,
        stats: Mapping[str, Stats],
        max_words: int = MAX_WORDS,
        sentences: Sequence[str] = (),
        words: str = "",
    ) -> None:
        """Join a graph that takes `inputs`, `max_words` word pieces among them, with the robot it is for.

        `sentences` are those that it learned to follow, where they are few enough to be named, and `words`
        the name of the wide wordings that it learned.
        """
        self.sentences, self.words = tuple(sentences), words
        self.views: Views = NONE_KEPT
        self.model, self.inputs, self.features, self.stats = model, tuple(inputs), features, stats
        self._collator = Collator(
            features=features,
            chain=two_way(stats, features),
            inputs=tuple(key for key in inputs if key.startswith(IMAGES) or key == STATE),
            encoder=FrozenTextEncoder(max_words=max_words, short_words=max_words, on_disk=True),
        )

    def hear(self, instruction: str) -> Reading | None:
        """Say what of an instruction it reads, before it acts on it; None if nobody can tell."""
        return self._collator.hear(instruction)

    def reset(self) -> None:
        """Forget the episode that just ended; there is nothing to forget."""

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units.

        Raises:
            FeatureMismatchError: if the observation is not what the policy was trained on.
            NotFiniteError: if it holds a number that nobody could act on.
        """
        look = self._collator(self._collator.look(observation))
        feeds = {key: look[key] for key in (WORDS, WORDS_MASK)} | {STATE: look["state"]}
        feeds |= zip((key for key in self._collator.inputs if key != STATE), look["images"], strict=True)
        actions = self.model({name: feeds[name] for name in self.inputs})
        return Chunk(self._collator.inverse(actions, look["state"]))


def is_exported(folder: Path | str) -> bool:
    """Tell whether a folder holds an exported policy, whole or not, rather than a checkpoint, or nothing."""
    if any((Path(folder) / graph).exists() for graph in FILES.values()):
        return True
    try:
        config = parsed((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
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
        training = config.get("training", {})
        sentences, words = tuple(map(str, training.get("sentences", ()))), str(training.get("words", ""))
        if not 2 <= max_words <= MOST_WORDS:
            raise ConfigError(f"max_words is {max_words}, but must lie in 2..{MOST_WORDS}")
        path = folder / FILES[known("engine", engine.name, FILES)]
        known("precision", engine.precision, OPENVINO_PRECISION)
    except UNREADABLE as error:
        raise _not_understood(folder, CONFIG, error) from error
    missing = [name for name in files_of(engine.name) if not (folder / name).is_file()]
    if missing:
        raise ExportError(f"{str(folder)!r} is not a whole export: {', '.join(missing)} missing")
    if graph_digest(folder) != engine.digest:
        raise ExportError(f"the graph in {str(folder)!r} is not the one that was checked; export anew")
    if wrong := damaged(folder, (*files_of(engine.name), *kept_in(folder))):
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
        views = read_views(folder)
    except ViewsError as error:
        raise _not_understood(folder, VIEWS, error) from error
    try:
        graph = open_engine(path, engine, threads)
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"{engine.name} cannot open {str(path)!r}: {first_line(error)}") from error
    policy = ExportedPolicy(graph, engine.inputs, features, stats, max_words, sentences, words)
    policy.views = views
    return policy


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        raw = parsed((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ExportError(f"{str(folder)!r} is not a whole export: {name} missing") from error
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{name} in {str(folder)!r} was damaged ({error}); export anew") from error
    if not isinstance(raw, dict):
        raise ExportError(f"{name} in {str(folder)!r} was damaged: it holds no names; export anew")
    return raw


def _not_understood(folder: Path, name: str, error: Exception) -> ExportError:
    why = str(error) if isinstance(error, SaysoError) else repr(error)
    return ExportError(
        f"{name} in {str(folder)!r} is not one this version of sayso understands ({why}); export anew"
    )
