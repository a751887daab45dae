"""Sayso: robots that do as you say, trained and run on the computer you have.

Gymnasium, whether it is imported before or after, then knows the worlds: ``sayso/Tabletop-v0``,
``sayso/Home-v0``, and ``sayso/MetaWorld-v0`` and ``sayso/Libero-v0``, which need the extras ``metaworld``
and ``libero``. What needs torch is loaded when it is first asked for, so that a robot's computer or a
simulator gets by without.
"""

from __future__ import annotations

import importlib
from typing import Any

from sayso.registration import register_when_imported

__version__ = "0.1.0"

_LATER = {
    "load": "sayso.loading",
    "make_world": "sayso.tasks.worlds",
    "VisionEncoder": "sayso.models.baselines.textbook",
    "LanguageEncoder": "sayso.models.baselines.textbook",
    "ActionDecoder": "sayso.models.baselines.textbook",
    "VisionLanguageActionModel": "sayso.models.baselines.textbook",
    "prepare_images": "sayso.models.baselines.textbook",
    "train_step": "sayso.models.baselines.textbook",
    "stand_in_for_torchvision": "sayso.models.baselines.resnet",
    "RobotInterface": "sayso.chapter.body",
    "RobotCamera": "sayso.chapter.body",
    "enter_world": "sayso.chapter.body",
    "TerminalInterface": "sayso.chapter.terminal",
    "MobileManipulator": "sayso.chapter.evaluation",
    "demonstrations": "sayso.chapter.evaluation",
    "execute_and_evaluate": "sayso.chapter.evaluation",
    "evaluate_model": "sayso.chapter.evaluation",
    "action_accuracy": "sayso.chapter.evaluation",
    "robot": "sayso.chapter.given",
    "robot_camera": "sayso.chapter.given",
    "user_interface": "sayso.chapter.given",
}
"""Public name -> the module it is imported from, when it is first used."""
__all__ = ["__version__", *_LATER]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'sayso' has no attribute {name!r}; it offers {', '.join(_LATER)}")


register_when_imported()
