"""Introduction of a served policy: what its server tells each client before it is asked anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sayso.data.recognition import ROBOT
from sayso.data.statistics import Stats
from sayso.runtime.batching import Shape
from sayso.runtime.hearing import reading_of
from sayso.runtime.request import MAX_WORDS, RESET, names
from sayso.spec import ACTION, STATE, TASK, Features, Observation, Policy, image_key


def introduced(policy: Policy, features: Features, about: Mapping[str, Any]) -> tuple[dict[str, Any], Shape]:
    """Look at nothing once, which warms the policy up; return what to tell, and the shape of its chunks.

    Args:
        policy: who will be asked.
        features: what it sees and returns.
        about: plain facts to tell besides.

    Raises:
        SaysoError: if it does not fit the features.
    """
    its = features.robots[0] if features.robots else features
    blank: Observation = {
        image_key(camera): np.zeros((*size, 3), np.uint8) for camera, size in its.cameras.items()
    }
    blank |= {STATE: np.zeros(len(its.state), np.float32), TASK: "do nothing"}
    blank |= {ROBOT: 0} if features.robots else {}
    policy.reset()
    chunk = Shape(features=features).check(policy.act(blank), blank)
    spacings = {robot.spacing for robot in features.robots}
    rows = len(chunk) if len(spacings) < 2 else 0  # else each robot has another
    stats: Mapping[str, Stats] = getattr(policy, "stats", {})
    read = reading_of(policy, blank[TASK])
    told = {
        **about,
        "server": "sayso",
        "features": features.to_json(),
        **({"chunk": rows} if rows else {}),
        "stats": {key: stats[key].to_json() for key in (STATE, ACTION) if key in stats},
        "observation": names(features),
        RESET: True,
        **({MAX_WORDS: read.max_words} if read else {}),
    }
    return told, Shape(features=features, rows=rows)
