"""LeRobot's side of a checkpoint: what its commands look for in a policy's folder beside our own files.

::

    checkpoint/
        config.json                  "type": "sayso" finds the package that knows such policies
        policy_preprocessor.json     LeRobot's steps before the policy,
        policy_postprocessor.json    and behind it

So ``lerobot-rollout --policy.path=CHECKPOINT`` opens it, once `lerobot_policy_sayso` (``plugins/``) is
installed. The steps only carry: a policy of ours normalises by itself. Those of no use have to be there
nonetheless, for LeRobot's commands set the device, the names and the statistics of each by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TYPE = "type"
SAYSO = "sayso"
"""What ``--policy.type`` and ``config.json`` call our policies, whatever the model in them."""


def _step(name: str, **config: Any) -> dict[str, Any]:
    return {"registry_name": name, "config": config}


def _device() -> dict[str, Any]:
    return _step("device_processor", device="cpu", float_dtype=None)


def _identity(name: str) -> dict[str, Any]:
    return _step(name, eps=1e-8, features={}, norm_map={})


PROCESSORS: Mapping[str, Mapping[str, Any]] = {
    "policy_preprocessor.json": {
        "name": "policy_preprocessor",
        "steps": [
            _step("rename_observations_processor", rename_map={}),
            _step("to_batch_processor"),
            _device(),
            _identity("normalizer_processor"),
        ],
    },
    "policy_postprocessor.json": {
        "name": "policy_postprocessor",
        "steps": [_identity("unnormalizer_processor"), _device()],
    },
}
"""File -> LeRobot's steps, the same for every policy."""


def write_processors(folder: Path) -> tuple[str, ...]:
    """Write LeRobot's steps into a checkpoint's folder, and return the files' names."""
    for name, steps in PROCESSORS.items():
        (folder / name).write_text(json.dumps(steps, indent=2) + "\n", encoding="utf-8")
    return tuple(PROCESSORS)
