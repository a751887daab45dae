"""Check of observations before a policy acts on them: what no sensor can mean must not move a robot.

What a camera shows is checked where it is brought to the size that was learned from (`resize`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.spec import STATE, FeatureMismatchError, Features, NotFiniteError

WILD = 1e9
"""Size from which a number of a state is a fault of its sensor, whatever its unit."""


def check_state(state: NDArray[Any], features: Features) -> None:
    """Refuse a state that no policy could act on, naming the number.

    Raises:
        FeatureMismatchError: if it has not as many numbers as the features say.
        NotFiniteError: if one of them is not finite, or as large as no sensor can mean it.
    """
    if state.shape != (len(features.state),):
        raise FeatureMismatchError(
            f"{STATE!r} is {list(state.shape)}, but the policy was trained on {len(features.state)} numbers: "
            f"{', '.join(features.state_names)}"
        )
    wild = np.flatnonzero(~(np.abs(state.astype(float)) < WILD))
    if len(wild):
        told = ", ".join(f"{features.state_names[n]} is {state[n]:g}" for n in wild)
        raise NotFiniteError(f"{STATE!r} cannot be acted on: {told}; look at what measures it")
