"""Policies that can be called as textbooks call their models: ``action = policy(image, instruction)``."""

from __future__ import annotations

from typing import Any

from sayso.spec import FeatureMismatchError


class CalledLikeAModel:
    """Policy that answers a picture that knows what else was seen, and words."""

    def __call__(self, image: Any, instruction: Any) -> Any:
        """Return the next actions, a tensor float32 ``[K, A]`` in robot units.

        Args:
            image: of ``robot_camera.capture()`` or a demonstration, which knows what else was seen and felt.
            instruction: one sentence, or a list of one.

        Raises:
            FeatureMismatchError: if it is a picture that knows nothing else.
        """
        if not hasattr(image, "shown_to"):
            raise FeatureMismatchError(
                f"a policy sees every camera and feels its joints, but got one {type(image).__name__}; give "
                "it what robot_camera.capture() returns, or ask policy.act(observation)"
            )
        return image.shown_to(self, instruction)
