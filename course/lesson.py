"""Lesson's tools: pictures and films in a notebook, and answers that are checked.

A notebook stands in this folder, so ``from lesson import check, film, show`` finds it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from IPython.display import Image as Shown
from IPython.display import display
from PIL import Image as Picture

from answers import ANSWERS
from sayso.data.film import captioned
from sayso.models.contract import Batch
from sayso.models.policy import ModelPolicy
from sayso.models.vla.augmentation import prepare
from sayso.spec import Image, Observation, image_key
from sayso.tasks.axes import departures, options_of
from sayso.tasks.worlds import WORLDS


def show(*pictures: Image, width_px: int = 640) -> None:
    """Show pictures side by side, uint8 ``[H, W, 3]`` of one height, enlarged without smoothing."""
    joined = Picture.fromarray(np.concatenate(pictures, axis=1))
    size = (width_px, round(joined.height * width_px / joined.width))
    data = io.BytesIO()
    joined.resize(size, Picture.Resampling.NEAREST).save(data, "png")
    display(Shown(data=data.getvalue()))


def film(frames: Sequence[Observation], fps: float, remark: str = "", every: int = 2) -> None:
    """Play an episode's frames, each camera beside the other, every second one by default."""
    pictures = [Picture.fromarray(captioned(frame, remark)) for frame in frames[::every]]
    data = io.BytesIO()
    first, *rest = [picture.quantize(128) for picture in pictures]
    first.save(data, "gif", save_all=True, append_images=rest, duration=round(1000 * every / fps), loop=0)
    display(Shown(data=data.getvalue(), format="gif"))


def chart(title: str, lines: Iterable[tuple[str, Sequence[float]]], x: str, y: str) -> None:
    """Draw lines with their names into one chart."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3))
    for name, values in lines:
        axes.plot(values, label=name)
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.legend()
    data = io.BytesIO()
    figure.savefig(data, format="png", bbox_inches="tight")
    plt.close(figure)
    display(Shown(data=data.getvalue()))


def check(exercise: str, answer: Any) -> None:
    """Say whether an answer is right, and what to think of if it is not; ``...`` is none yet.

    Where the notebook's own numbers decide, the answer is the first of several.
    """
    if (answer[0] if isinstance(answer, tuple) else answer) is ...:
        print(f"Exercise {exercise}: put your answer in the place of the three dots, and run the cell again.")
        return
    right, hint = ANSWERS[exercise]
    try:
        good = bool(right(answer))
    except (TypeError, ValueError, AttributeError, KeyError, IndexError):
        good = False
    print(f"Exercise {exercise}: {'right.' if good else f'not yet. {hint}'}")


def at(world: str, *levels: str) -> dict[str, Any]:
    """Return the options of ``reset`` that bring levels of axes about, such as ``camera=3``."""
    return options_of(departures(WORLDS[world].axes, levels))


def pointing(policy: ModelPolicy, observation: Observation) -> tuple[Image, tuple[float, float], float]:
    """Return where a policy sees the named thing in its first camera.

    Returns:
        The picture with the heat-map laid over it in red; the place, u to the right and v down, 0..1; and
        the probability that the thing is in the picture at all.
    """
    collator = policy.collator.at(observation)
    batch = Batch.of(collator(collator.look(observation)))
    views = [prepare(images) for images in batch.images]
    with torch.no_grad():
        _, keypoints = policy.model.perceive(views, batch.state, batch.words, batch.words_mask)
    heat = keypoints.log_heats[0][0, -1, 0, :-1].exp().numpy()
    side = round(len(heat) ** 0.5)
    camera = next(iter(policy.features.cameras))
    picture = Picture.fromarray(observation[image_key(camera)])
    spread = Picture.fromarray(np.uint8(255 * heat.reshape(side, side) / heat.max())).resize(picture.size)
    red = Picture.new("RGB", picture.size, (255, 0, 0))
    u, v = keypoints.where[0, 0, 0].tolist()
    return np.asarray(Picture.composite(red, picture, spread)), (u, v), float(keypoints.presence[0, 0, 0])
