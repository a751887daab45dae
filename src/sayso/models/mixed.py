"""Collation for a mixture of unlike robots: each robot's part by a collator of its own, laid out as a union.

::

    windows of robots 0, 1, 0 --> collator of robot 0 --.--> union in model units, and masks of what each has
                              '-> collator of robot 1 --'
    look of robot 1 ------------> collator of robot 1 --> union --> model --> its own numbers of the answer

What is learned of a robot is computed as if it were the only one. What it has not is zero once the rest is
standardised: in a state that is the mean, and adds nothing to what the state is read as.

Shapes: B batch, T frames, H x W pixels, K chunk, A action, S state, C cameras, R referents, of the union.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sayso.data.mixture import Places, laid, places
from sayso.data.recognition import ROBOT, which
from sayso.data.statistics import Stats
from sayso.data.transforms import Chain
from sayso.models.collate import Collator, all_inputs, look_up
from sayso.models.words import FrozenTextEncoder
from sayso.spec import AS_LEARNED, POINTS, TASK, Array, Features, Observation, image_key

CAMERA_MASK, ACTION_MASK = "camera_mask", "action_mask"


@dataclass(frozen=True, kw_only=True)
class RobotCollator(Collator):
    """Collator of one robot of a mixture, to and from the union's layout."""

    places: Places
    union: Features

    def __call__(self, windows: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parts of a batch in the union's layout, with masks; see `Collator`."""
        parts = super().__call__(windows)
        n = len(parts["sentences"])
        own = dict(zip(self.features.cameras, parts["images"], strict=True))
        parts["images"] = [
            own[self.places.cameras[camera]]
            if camera in self.places.cameras
            else np.zeros((n, 1, *size, 3), np.uint8)
            for camera, size in self.union.cameras.items()
        ]
        parts["state"] = laid(parts["state"], self.places.state, len(self.union.state))
        if "actions" in parts:
            parts["actions"] = laid(parts["actions"], self.places.action, len(self.union.action))
        has = np.isin(np.arange(len(self.union.action)), self.places.action)
        shows = np.isin(list(self.union.cameras), list(self.places.cameras))
        return parts | {ACTION_MASK: np.tile(has, (n, 1)), CAMERA_MASK: np.tile(shows, (n, 1))}

    def inverse(self, actions: Array, state: Array) -> Array:
        """Return the first chunk, ``[K, A]`` of the robot's own numbers, of a union's; see `Collator`."""
        return super().inverse(actions[..., self.places.action], state[..., self.places.state])


@dataclass(frozen=True, kw_only=True)
class MixtureCollator(Collator):
    """Collator of all robots of a mixture: of windows to learn from, whose robots are told under `ROBOT`."""

    robots: tuple[RobotCollator, ...]
    """One each, in the order of ``features.robots``, without an encoder."""

    def at(self, observation: Observation) -> Collator:
        """Return the collator of the robot that shows this; see `sayso.data.mixture.which`."""
        return dataclasses.replace(self.robots[which(self.features, observation)], encoder=self.encoder)

    def look(self, observation: Observation) -> dict[str, Any]:
        """Return one observation as windows of one frame for a batch of one; see `Collator`."""
        return self.at(observation).look(observation)

    def __call__(self, windows: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parts of a batch in model units, with masks; see `Collator`."""
        robots = np.asarray(look_up(windows, ROBOT))
        sentences = look_up(windows, TASK)
        words, mask = self._words(sentences)
        told = {key: windows[key] for key in (AS_LEARNED,) if key in windows}
        given = {key: of for key, of in windows.items() if key not in (POINTS, TASK, AS_LEARNED)}
        found: dict[str, Any] = {}
        for k in np.unique(robots).tolist():
            rows = np.flatnonzero(robots == k)
            robot = self.robots[k]
            some = {key: of[rows] for key, of in given.items()}
            some |= {TASK: [sentences[n] for n in rows.tolist()]} | told
            parts = robot(robot.places.own(some))
            parts |= zip(map(image_key, self.features.cameras), parts.pop("images"), strict=True)
            for name in parts.keys() - {"sentences", "words", "words_mask"}:
                part = parts[name]
                found.setdefault(name, np.zeros((len(robots), *part.shape[1:]), part.dtype))[rows] = part
        found["images"] = [found.pop(image_key(camera)) for camera in self.features.cameras]
        if POINTS in windows:
            cameras = len(self.features.cameras)
            found["points"] = windows[POINTS].reshape(len(robots), cameras, -1, 3)
        return found | {"words": words, "words_mask": mask, "sentences": tuple(sentences)}


def mixture(
    features: Features,
    stats: Mapping[str, Stats],
    chain: Callable[[Mapping[str, Stats], Features], Chain],
    encoder: FrozenTextEncoder | None,
) -> MixtureCollator:
    """Return the collator of a mixture.

    Args:
        features: of the mixture.
        stats: of the union.
        chain: makes that of a robot of its part of the statistics and its features.
        encoder: what reads instructions.

    Raises:
        FeatureMismatchError: if these are not the features of a mixture.
    """
    robots = tuple(
        RobotCollator(
            features=place.robot,
            chain=chain(place.stats(stats), place.robot),
            inputs=all_inputs(place.robot),
            encoder=None,
            places=place,
            union=features,
        )
        for place in places(features)
    )
    return MixtureCollator(
        features=features, chain=Chain(()), inputs=all_inputs(features), encoder=encoder, robots=robots
    )
