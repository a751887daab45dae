"""One robot's policy, cut out of a mixture's: a policy of its own, as if there had been no other robot.

::

    weights of a mixture          kept for the robot with camera front and joints a, c
    camera  desk  front  top      front
    number  a  b  c               a  c
    all others                    as they are
"""

from __future__ import annotations

import torch
from torch import Tensor

from sayso.data.mixture import places
from sayso.models import table
from sayso.models.policy import ModelPolicy


def alone(policy: ModelPolicy, number: int) -> ModelPolicy:
    """Return the policy of one robot of a mixture; it acts as the mixture does on that robot.

    Args:
        policy: of a mixture.
        number: which of ``policy.features.robots``.
    """
    row, place, had = table.MODELS[policy.type], places(policy.features)[number], policy.config()
    sizes = row.presets["small"](place.robot, had["chunk"])
    decided = {name: sizes[name] for name in row.decided if name in sizes and name != "decoder"}
    new = table.rebuild({**had, **decided}, place.robot, place.stats(policy.stats))
    cameras = list(policy.features.cameras)
    kept = {
        "camera": torch.tensor([cameras.index(camera) for camera in place.cameras]),
        "state": torch.from_numpy(place.state),
        "action": torch.from_numpy(place.action),
    }
    before, weights = policy.model.state_dict(), dict[str, Tensor]()
    for name, fresh in new.model.state_dict().items():
        part, _, last = name.rpartition(".")
        what, axis = row.belonging(name)
        if what == "grid":
            weights[name] = before[f"{part}.{int(kept['camera'][int(last)])}"]
        elif what in kept and not len(kept[what]):
            weights[name] = torch.zeros_like(fresh)  # of a state that is not there a zero is read
        else:
            old = before[name]
            weights[name] = old.index_select(axis, kept[what].to(old.device)) if what in kept else old
    new.model.load_state_dict(weights)
    new.words = policy.words
    new.model.to(next(policy.model.parameters()).device).train(policy.model.training)
    return new
