"""Observation in a request: which names it may go by, and what each must be.

::

    ours                       openpi's way                           also
    observation.images.front   observation/images/front               images/front, {"images": {"front": ...}}
    (recorded as image)        observation/image                      image
    observation.state          observation/state                      state
    task                       prompt
    reset                                                             true before the first look of an episode
    as_learned                                                        true if pictures are cropped already

``/`` and ``.`` mean the same everywhere. Whatever else a client sends is left alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from sayso.data.recognition import ROBOT, which
from sayso.data.resize import fitted, seen
from sayso.data.transforms import Repack
from sayso.runtime.robot import LARGEST
from sayso.runtime.wire import WireError, describe, unpack
from sayso.spec import (
    AS_LEARNED,
    IMAGES,
    STATE,
    TASK,
    Array,
    FeatureMismatchError,
    Features,
    Image,
    Observation,
    image_key,
)

RESET = "reset"
MAX_WORDS = "max_words"
"""What a server says of itself: how many word pieces of an instruction its policy reads."""
WARNINGS = "warnings"
"""What an answer has besides, if a part of the instruction is not understood: sentences for people."""
BUSY = "busy"
"""What an answer has besides, if its look waited long for those of others: how many ``clients`` there are,
and ``every_ms``, how long all of them take now. Who asks more often only waits."""
PROMPT = "prompt"
DEEPEST = 4
"""Maps within maps that a request may have."""
LONGEST_TASK = 1000
"""Characters of an instruction."""
LONGEST_NAME = 100
NAMES_SHOWN = 20


def read_request(message: bytes | str, features: Features) -> tuple[Observation, bool]:
    """Return the observation of a request, and whether an episode begins with it.

    Args:
        message: what came over the socket.
        features: what the policy sees. Images are uint8 ``[H, W, 3]`` of its size, or of any where it scales
            them (``scaled_from``); where it crops them (``cropped``), they are whole unless ``as_learned`` is
            true. The state is S finite numbers in its units and order, the task is text.

    Raises:
        WireError: if anything is missing or is not what it must be; the message says what was expected.
    """
    if isinstance(message, str):
        raise WireError("a text message came; an observation is a binary message, a map in msgpack")
    request = unpack(message)
    if not isinstance(request, dict):
        raise WireError(f"a request is a map from names to values, but got {describe(request)}")
    values = Repack(features=features, names=_elsewhere(features)).named(_by_our_names(request))
    told: Observation = {}
    if features.robots:
        features, told = _as_one(features, values)
    missing = [name for name in names(features) if name not in values]
    if missing:
        raise WireError(_missing(missing, values))
    is_cropped = _truth(values, AS_LEARNED)
    observation: Observation = {
        image_key(camera): _image(camera, values[image_key(camera)], features, is_cropped)
        for camera in features.cameras
    }
    observation |= {STATE: _state(values[STATE], features), TASK: _task(values[TASK]), **told}
    return observation | ({AS_LEARNED: True} if features.cropped else {}), _truth(values, RESET)


def _as_one(features: Features, values: Mapping[str, Any]) -> tuple[Features, Observation]:
    """Return which of its robots a policy is asked for, and how it is told so."""
    shown = {key: value for key, value in values.items() if key == ROBOT or key.startswith((IMAGES, STATE))}
    try:
        number = which(features, shown)
    except (FeatureMismatchError, ValueError) as error:
        raise WireError(str(error)) from error
    return features.robots[number], {ROBOT: number}


def names(features: Features) -> list[str]:
    """Return the names that an observation must have; of a policy for several robots those of the first."""
    features = features.robots[0] if features.robots else features
    return [*map(image_key, features.cameras), STATE, TASK]


def our_name(name: str) -> str:
    """Return what we call a thing: ``observation/state`` -> ``observation.state``, ``prompt`` -> ``task``."""
    name = name.replace("/", ".")
    if name == PROMPT:
        return TASK
    if f"observation.{name}" == STATE or f"observation.{name}".startswith(IMAGES):
        return f"observation.{name}"
    return name


def _elsewhere(features: Features) -> dict[str, str]:
    """Return what else a camera may go by, as LeRobot or openpi would write it -> our name."""
    return {
        prefix + there: image_key(here)
        for there, here in features.renamed.items()
        for prefix in (IMAGES, "observation.", "")
        if here in features.cameras
    }


def _by_our_names(request: Mapping[Any, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for given, value in _flat(request, "", DEEPEST):
        name = our_name(given)
        if name in values:
            raise WireError(f"{name!r} is given twice, once under another name")
        values[name] = value
    return values


def _flat(request: Mapping[Any, Any], prefix: str, deeper: int) -> Iterator[tuple[str, Any]]:
    if deeper == 0:
        raise WireError(f"a request has at most {DEEPEST} maps within each other")
    for name, value in request.items():
        # A long name of a map stands before each name inside it: memory would grow with their product.
        if not isinstance(name, str) or len(name) > LONGEST_NAME:
            raise WireError(
                f"a name in a request is text of at most {LONGEST_NAME} characters, got {describe(name)}"
            )
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.", deeper - 1)
        else:
            yield prefix + name, value


def _missing(missing: list[str], values: Iterable[str]) -> str:
    given = sorted(values)
    shown, more = given[:NAMES_SHOWN], len(given[NAMES_SHOWN:])
    near = [match for name in missing for match in difflib.get_close_matches(name, shown, n=1)]
    hint = f" Is {near[0]!r} meant to be one of them?" if near else ""
    rest = f" and {more} more" if more else ""
    return f"the policy needs {', '.join(missing)}; it was given {', '.join(shown) or 'nothing'}{rest}.{hint}"


def _image(camera: str, value: Any, features: Features, is_cropped: bool) -> Image:
    size = features.cameras[camera]
    is_image = isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.shape[2:] == (3,)
    if is_image and camera in features.scaled_from and value.size:
        return fitted(value, size) if is_cropped else seen(value, camera, features)
    if not is_image or value.shape[:2] != size:
        raise WireError(
            f"{image_key(camera)!r} must be uint8 {[*size, 3]} (height, width, red-green-blue), "
            f"but got {describe(value)}; resize or transpose it before"
        )
    image: Image = value
    return image


def _state(value: Any, features: Features) -> Array:
    wanted = ", ".join(f"{d.name} [{d.unit}]" for d in features.state)
    try:
        given = np.asarray(value)
    except ValueError:  # lists of different lengths
        given = np.asarray(None)
    truths = isinstance(value, list) and any(isinstance(number, bool) for number in value)
    if truths or given.dtype.kind not in "iuf" or given.shape != (len(features.state),):
        raise WireError(
            f"{STATE!r} must be {len(features.state)} numbers ({wanted}), but got {describe(value)}"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite, and refused as such
        state: Array = given.astype(np.float32)
    wrong = [name for name, ok in zip(features.state_names, np.isfinite(state), strict=True) if not ok]
    if wrong:
        raise WireError(f"{STATE!r} must be finite numbers, but {', '.join(wrong)} is not")
    named = zip(features.state_names, state, strict=True)
    if huge := [f"{name} is {number:g}" for name, number in named if abs(number) > LARGEST]:
        raise WireError(f"{STATE!r} must be numbers that a robot can have, but {', '.join(huge)}")
    return state


def _task(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TASK:
        raise WireError(f"{TASK!r} must be text of at most {LONGEST_TASK} characters, got {describe(value)}")
    if not value.strip():
        raise WireError(f"{TASK!r} must say what to do, but it is empty")
    return value


def _truth(values: Mapping[str, Any], name: str) -> bool:
    value = values.get(name, False)
    if not isinstance(value, bool | np.bool_):
        raise WireError(f"{name!r} must be true or false, but got {describe(value)}")
    return bool(value)
