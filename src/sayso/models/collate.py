"""Collation: training windows, or one look of a policy, become arrays in model units, and its answer actions.

::

    windows ---.            images: the newest frame, in the size that was learned from
               |--> Collator state, actions: through the chain into model units      --> Batch, or an engine
    one look --'            words: through the frozen encoder

    robot units <-- the chain backwards <-- actions

This half needs no torch, so that exported policies go the same way.

Shapes: B batch, T frames, H x W pixels, L words, C cameras, R referents, K chunk, A action, S state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.data.looks import check_state
from sayso.data.statistics import Stats
from sayso.data.transforms import Chain, Repack
from sayso.models.words import LEARNING, WORD_WIDTH, FrozenTextEncoder, Reading
from sayso.spec import (
    ACTION,
    AS_LEARNED,
    POINTS,
    STATE,
    TASK,
    Array,
    FeatureMismatchError,
    Features,
    Observation,
    image_key,
)

IS_PAD = "action_is_pad"


@dataclass(frozen=True, kw_only=True)
class Collator:
    """What stands between a robot and a model, in both directions."""

    features: Features
    """What the robot shows and accepts."""
    chain: Chain
    """From robot units to the model's and back."""
    inputs: tuple[str, ...]
    """Which of ``observation.images.<camera>`` and ``observation.state`` the model uses; see `all_inputs`."""
    encoder: FrozenTextEncoder | None
    """What reads the instruction; None for a model that reads it by itself."""
    trims_words: bool = False
    """Whether to leave out the padding that no instruction of a batch reaches."""

    @cached_property
    def _repack(self) -> Repack:
        return Repack.known(self.features)

    @cached_property
    def _whole(self) -> Chain:
        """Return the way from what a robot shows: its names and sizes first."""
        return Chain((self._repack, *self.chain.transforms))

    def at(self, observation: Observation) -> Collator:
        """Return what collates for the robot that shows this: itself, unless it is one of several."""
        return self

    def look(self, observation: Observation) -> dict[str, Any]:
        """Return one observation as windows of one frame for a batch of one.

        Raises:
            FeatureMismatchError: if something that the model needs is missing, or of another size.
            NotFiniteError: if a number of the state is beyond what any robot could mean.
        """
        shown = self._repack.named(observation)
        if missing := [key for key in (*self.inputs, TASK) if key not in shown]:
            raise _missing(missing, shown)
        seen = {key: np.asarray(shown[key]) for key in self.inputs}
        if STATE in seen:
            check_state(seen[STATE], self.features)
        told = {TASK: [observation[TASK]], **{key: observation[key] for key in (AS_LEARNED,) if key in shown}}
        return {**{key: value[None, None] for key, value in seen.items()}, **told}

    def __call__(self, windows: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parts of a `sayso.models.contract.Batch` in model units, by their names.

        Args:
            windows: robot units. ``observation.images.<camera>`` uint8 ``[B, T, H, W, 3]`` and
                ``observation.state`` ``[B, T, S]``, of which the newest frame is used, ``task`` a list of B
                instructions. To learn from also ``action`` ``[B, K, A]``, ``action_is_pad`` ``[B, K]`` and,
                if there are any, ``label.points`` ``[B, C * R * 3]``. Pictures and points are whole ones
                unless `sayso.spec.AS_LEARNED` says otherwise.

        Raises:
            FeatureMismatchError: if the windows are not what the model was built for.
        """
        windows = self._repack.named(windows)
        units, sentences = self._whole.forward(self._shown(windows)), look_up(windows, TASK)
        words, mask = self._words(sentences)
        parts: dict[str, Any] = {
            "images": [np.ascontiguousarray(units[key]) for key in self.inputs if key != STATE],
            "state": units.get(STATE, np.zeros((len(sentences), 1, 0), np.float32))[:, -1:],
            "words": words,
            "words_mask": mask,
            "sentences": tuple(sentences),
        }
        if ACTION in windows:
            is_pad = look_up(windows, IS_PAD)
            # What stands beyond the end of an episode may be anything, even NaN.
            actions = np.where(is_pad[..., None], np.float32(0), units[ACTION])
            parts |= {"actions": actions, "is_pad": is_pad}
        if POINTS in windows:
            parts["points"] = units[POINTS].reshape(len(sentences), len(self.features.cameras), -1, 3)
        return parts

    def inverse(self, actions: Array, state: Array) -> Array:
        """Return the first chunk, in robot units and one action a frame, of a model's answer and its state.

        Args:
            actions: ``[B, K, A]`` in model units, n frames apart (`Features.spacing`).
            state: in model units.

        Returns:
            ``[(K - 1) n + 1, A]``.
        """
        told = {STATE: state} if self._tells_state else {}
        chunk: Array = self._whole.inverse({**told, ACTION: actions})[ACTION][0]
        return joined(chunk, self.features.spacing)

    def hear(self, instruction: str) -> Reading | None:
        """Say what is read of an instruction; None for a model that reads it by itself."""
        return self.encoder.hear(instruction) if self.encoder is not None else None

    def make_room(self) -> None:
        """Remember the words of as many instructions as are met in training."""
        if self.encoder:
            self.encoder.make_room(LEARNING)

    @property
    def _tells_state(self) -> bool:
        """Tell whether the chain is given a state; a robot that has none has one without numbers."""
        return STATE in self.inputs or not self.features.state

    def _shown(self, windows: Mapping[str, Any]) -> dict[str, Any]:
        """Return what goes through the chain; of each camera the newest frame, uint8 ``[B, 1, H, W, 3]``."""
        shown = {key: look_up(windows, key) for key in self.inputs}
        shown |= {key: np.asarray(shown[key])[:, -1:] for key in self.inputs if key != STATE}
        if STATE not in self.inputs and self._tells_state:
            shown[STATE] = np.zeros((len(look_up(windows, TASK)), 1, 0), np.float32)
        return shown | {key: windows[key] for key in (ACTION, POINTS, AS_LEARNED) if key in windows}

    def _words(self, sentences: Sequence[str]) -> tuple[Array, NDArray[np.bool_]]:
        """Return the words ``[B, L, 384]`` of instructions, and which are real ``[B, L]``."""
        if self.encoder is None:
            return np.zeros((len(sentences), 0, WORD_WIDTH), np.float32), np.zeros((len(sentences), 0), bool)
        words, mask = self.encoder.encode(sentences)
        longest = int(mask.sum(1).max()) if self.trims_words else mask.shape[1]
        return words[:, :longest], mask[:, :longest]


def put_together(looks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the parts of one batch of what a `Collator` made of several looks of one model."""
    longest = max(look["words"].shape[1] for look in looks)
    rows = [
        {**look, **{key: _padded(look[key], longest) for key in ("words", "words_mask")}} for look in looks
    ]
    parts: dict[str, Any] = {
        key: np.concatenate([row[key] for row in rows]) for key in rows[0].keys() - {"images", "sentences"}
    }
    images = [np.concatenate(views) for views in zip(*(row["images"] for row in rows), strict=True)]
    return parts | {"images": images, "sentences": tuple(s for row in rows for s in row["sentences"])}


def _padded(words: NDArray[Any], longest: int) -> NDArray[Any]:
    """Return ``[B, L, ...]`` with zeros behind, up to the longest L."""
    missing = longest - words.shape[1]
    return np.pad(words, [(0, 0), (0, missing), *[(0, 0)] * (words.ndim - 2)]) if missing else words


def joined(actions: Array, spacing: int) -> Array:
    """Join actions of every n-th frame, ``[K, A]``, by straight lines: ``[(K - 1) n + 1, A]``."""
    if spacing == 1:
        return actions
    ends, part = actions[:-1, None], np.arange(spacing, dtype=np.float32)[:, None] / spacing
    between = ends + (actions[1:, None] - ends) * part
    return np.concatenate([between.reshape(-1, actions.shape[1]), actions[-1:]]).astype(np.float32)


def all_inputs(features: Features) -> tuple[str, ...]:
    """Return what a model may be shown of a robot: each of its cameras, and its state if it tells one."""
    return (*map(image_key, features.cameras), *((STATE,) if features.state else ()))


def check_statistics(features: Features, stats: Mapping[str, Stats]) -> None:
    """Raise `FeatureMismatchError`, unless there are statistics of each number of the features."""
    sizes = {STATE: len(features.state), ACTION: len(features.action)}
    for key in (key for key, size in sizes.items() if size):
        if (found := len(look_up(stats, key).mean)) != sizes[key]:
            raise FeatureMismatchError(
                f"the statistics of {key!r} have {found} dimensions, but the features {sizes[key]}"
            )


def look_up(values: Mapping[str, Any], key: str) -> Any:
    """Return ``values[key]``, or raise `FeatureMismatchError` naming the key and what is there instead."""
    if key not in values:
        raise _missing([key], values)
    return values[key]


def _missing(keys: Sequence[str], values: Mapping[str, Any]) -> FeatureMismatchError:
    return FeatureMismatchError(
        f"the policy needs {', '.join(map(repr, keys))}, but it was given only {', '.join(sorted(values))}"
    )
