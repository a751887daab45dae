"""Vocabulary that every room shares: features, episodes, outcomes, seeds, protocols and errors.

Conventions, written here once and nowhere contradicted:

- quaternions are ``wxyz``; metres, radians, seconds and hertz inside, with the unit in the name
  (``_m``, ``_rad``, ``_s``, ``_hz``);
- states and actions that cross the border of a world or a robot are in *robot units*, which are
  LeRobot's: degrees for joints, 0 (closed) to 100 (open) for the gripper, m/s and deg/s for the base;
- images are ``uint8`` HWC outside models and ``float`` BCHW inside;
- poses are named ``a_from_b``, so that ``a_from_b @ b_from_c`` reads;
- flow time runs from 0 (noise) to 1 (action).
"""

from __future__ import annotations

from sayso.spec.episodes import (
    ACTORS,
    CHOSEN_OBJECT,
    ENDED,
    EXECUTE,
    SPLITS,
    STILL,
    WHY,
    Actor,
    Chunk,
    Episode,
    Outcome,
    seeds,
)
from sayso.spec.errors import (
    ConfigError,
    FeatureMismatchError,
    NotFiniteError,
    SaysoError,
    UnknownNameError,
    above,
    at_least,
    known,
)
from sayso.spec.features import (
    ACTION,
    AS_LEARNED,
    FASTEST_HZ,
    IMAGES,
    LARGEST_PX,
    OTHER_POINTS,
    OTHER_TASK,
    POINTS,
    REFERENTS,
    STATE,
    TASK,
    Array,
    Box,
    Dimension,
    Features,
    Image,
    Observation,
    differences,
    image_key,
    lies_in,
    point_names,
    square_cameras,
)
from sayso.spec.protocols import Policy, Robot

__all__ = [
    "ACTION",
    "ACTORS",
    "AS_LEARNED",
    "CHOSEN_OBJECT",
    "ENDED",
    "EXECUTE",
    "FASTEST_HZ",
    "IMAGES",
    "LARGEST_PX",
    "OTHER_POINTS",
    "OTHER_TASK",
    "POINTS",
    "REFERENTS",
    "SPLITS",
    "STATE",
    "STILL",
    "TASK",
    "WHY",
    "Actor",
    "Array",
    "Box",
    "Chunk",
    "ConfigError",
    "Dimension",
    "Episode",
    "FeatureMismatchError",
    "Features",
    "Image",
    "NotFiniteError",
    "Observation",
    "Outcome",
    "Policy",
    "Robot",
    "SaysoError",
    "UnknownNameError",
    "above",
    "at_least",
    "differences",
    "image_key",
    "known",
    "lies_in",
    "point_names",
    "seeds",
    "square_cameras",
]
