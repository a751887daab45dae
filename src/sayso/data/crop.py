"""Image cropping: the part of each camera's picture that a policy sees, when it learns and when it acts.

::

    --crop desk=0,80,480,480     top, left, height and width in pixels of the recording, as LeRobot has them
    --crop 480x480               the middle of every camera's picture, height x width; 480 is a square
    --crop wrist=75%             either in per cent of the picture's sides

    recorded: 480 x 640               shown to the policy that acts: 720 x 1280
    +----+----------------+----+      +------+------+------------------------+------+------+
    |    |                |    |      |      |      |                        |      |      |
    |    |   480 x 480    |    |      |      |      |       720 x 720        |      |      |
    |    |                |    |      |      |      |                        |      |      |
    +----+----------------+----+      +------+------+------------------------+------+------+
                                             the middle of the recording's shape, 720 x 960,
                                             and the same part of that

`sayso.spec.Features.cropped` keeps it with the policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sayso.spec import IMAGES, REFERENTS, Array, Box, ConfigError, Features, Image, known, lies_in

EVERY = ""
"""Camera of a word that names none: it says what all see."""
SAME = 2.0
"""Pixels by which boxes may differ in recordings of unlike sizes, and still be the same part."""
_NUMBER = r"(\d{1,5}(?:\.\d{1,6})?%|\d{1,5})"
_BOX = re.compile(rf"{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}")
_MIDDLE = re.compile(rf"{_NUMBER}(?:x{_NUMBER})?")


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Part of a picture, as it was typed: each number in pixels, or a share of its side such as ``12.5%``."""

    text: str
    height: str
    width: str
    corner: tuple[str, str] | None = None
    """Top and left; None for the middle of the picture."""

    @classmethod
    def of(cls, text: str) -> Crop:
        """Read what stands behind a camera's name.

        Raises:
            ConfigError: if it is no part of a picture.
        """
        if match := _BOX.fullmatch(text):
            top, left, height, width = match.groups()
            return cls(text=text, height=height, width=width, corner=(top, left))
        if match := _MIDDLE.fullmatch(text):
            return cls(text=text, height=match[1], width=match[2] or match[1])
        raise ConfigError(
            f"crop is {text!r}, but is TOP,LEFT,HEIGHT,WIDTH (0,80,480,480) or HEIGHTxWIDTH of the middle "
            "(480x480), each in pixels of the recording or in per cent (75%)"
        )

    @classmethod
    def like(cls, box: Box, size: tuple[int, int]) -> Crop:
        """Return the same part of a picture of any size, in per cent."""
        top, left, height, width = (f"{100 * px / size[k % 2]!r}%" for k, px in enumerate(box))
        return cls(text=",".join(map(str, box)), height=height, width=width, corner=(top, left))

    def box(self, size: tuple[int, int], whose: str) -> Box:
        """Return its pixels in a picture.

        Args:
            size: (height, width) of the picture.
            whose: camera and recording, for the message.

        Raises:
            ConfigError: if it does not lie in the picture.
        """
        sides = _pixels(self.height, size[0]), _pixels(self.width, size[1])
        if self.corner:
            starts = _pixels(self.corner[0], size[0]), _pixels(self.corner[1], size[1])
        else:
            starts = (size[0] - sides[0]) // 2, (size[1] - sides[1]) // 2
        (top, left), (bottom, right) = (map(round, ends) for ends in (starts, np.add(starts, sides).tolist()))
        found = (top, left, bottom - top, right - left)
        if not lies_in(found, size):
            asked = _said(found) if self.corner else f"{found[2]}x{found[3]}"
            raise ConfigError(
                f"crop is {self.text!r}, but {whose} shows {size[0]}x{size[1]} pixels (height x width), of "
                f"which {asked} is no part{self._hint(size)}"
            )
        return found

    def _hint(self, size: tuple[int, int]) -> str:
        """Say how it is typed right, if somebody typed x, y, width, height."""
        if self.corner is None:
            return ""
        numbers = [self.corner[1], self.corner[0], self.width, self.height]
        top, left, height, width = (round(_pixels(n, size[k % 2])) for k, n in enumerate(numbers))
        fits = lies_in((top, left, height, width), size)
        return f": if x, y, width, height was meant, say {','.join(numbers)}" if fits else ""


def read_crops(words: Sequence[str]) -> dict[str, Crop]:
    """Return camera -> part of its picture from words such as ``desk=0,80,480,480``; `EVERY` of a bare one.

    Raises:
        ConfigError: if a word is none, or a camera is named twice.
    """
    crops: dict[str, Crop] = {}
    for word in words:
        camera, _, text = (part.strip() for part in word.rpartition("="))
        camera = camera.removeprefix(IMAGES)
        if camera in crops:
            raise ConfigError(
                f"crop says twice what is seen of {camera or 'every camera'}: {' '.join(words)}"
            )
        crops[camera] = Crop.of(text.lower())
    return crops


def remembered(features: Features) -> dict[str, Crop]:
    """Return what a policy crops as it would be typed for recordings of any size: in per cent."""
    return {camera: Crop.like(box, features.scaled_from[camera]) for camera, box in features.cropped.items()}


def refuse_unknown(crops: Mapping[str, Crop], given: Iterable[Features]) -> None:
    """Refuse to crop a camera that no recording has.

    Raises:
        UnknownNameError: with the nearest that there is.
    """
    there = {camera for features in given for camera in features.cameras}
    for camera in crops:
        if camera != EVERY:
            known("camera to crop", camera, there)


def cropped(features: Features, crops: Mapping[str, Crop], recording: str = "") -> Features:
    """Return features whose cameras show a part of what they recorded; others than those named stay whole.

    Args:
        features: of a recording.
        crops: camera, or `EVERY` -> part.
        recording: what it is called, for messages.

    Raises:
        ConfigError: if a part does not lie in the picture.
    """
    of = f" of {recording}" if recording else ""
    boxes: dict[str, Box] = {}
    for camera, size in features.cameras.items():
        crop = crops.get(camera, crops.get(EVERY))
        if crop and (box := crop.box(size, f"{camera!r}{of}")) != (0, 0, *size):
            boxes[camera] = box
    return replace(
        features,
        cameras={**features.cameras, **{camera: box[2:] for camera, box in boxes.items()}},
        scaled_from={**features.scaled_from, **{camera: features.cameras[camera] for camera in boxes}},
        cropped=boxes,
    )


def part_of(features: Features, camera: str, size: tuple[int, int]) -> Box:
    """Return which part of a picture of (height, width) a policy with these features sees.

    Of another size than was recorded, the middle counts that has the recording's shape.
    """
    if camera not in features.cropped:
        return (0, 0, *size)
    box, recorded = features.cropped[camera], features.scaled_from[camera]
    if size == recorded:
        return box
    scale = min(size[0] / recorded[0], size[1] / recorded[1])
    found: list[tuple[int, int]] = []
    for side, whole, start, length in zip(size, recorded, box[:2], box[2:], strict=True):
        first = (side - scale * whole) / 2 + scale * start
        begin = min(max(0, round(first)), side - 1)
        found.append((begin, min(max(1, round(first + scale * length) - begin), side - begin)))
    (top, height), (left, width) = found
    return top, left, height, width


def cut(image: Image, box: Box) -> Image:
    """Return a part of an image, uint8 ``[..., H, W, 3]``."""
    top, left, height, width = box
    return image[..., top : top + height, left : left + width, :]


def points_in_parts(points: Array, features: Features, sizes: Mapping[str, tuple[int, int]]) -> Array:
    """Return labels of points, ``[..., P]``, as they lie in the parts that are seen.

    What lies outside is not visible.

    Args:
        points: u and v in whole pictures.
        features: of what is seen, with the names of all `points`.
        sizes: camera -> (height, width) of the whole pictures.
    """
    moved = points.copy()
    for camera, referent in ((c, r) for c in features.cropped for r in REFERENTS):
        names = [f"{camera}.{referent}.{number}" for number in ("u", "v", "visible")]
        if not {*names} <= {*features.points}:
            continue
        at = [features.points.index(name) for name in names]
        (top, left, high, wide), (height, width) = part_of(features, camera, sizes[camera]), sizes[camera]
        u = (points[..., at[0]] * width - left) / wide
        v = (points[..., at[1]] * height - top) / high
        inside = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
        visible = np.where(inside, points[..., at[2]], np.minimum(points[..., at[2]], 0))
        for place, number in zip(at[:2], (u, v), strict=True):
            moved[..., place] = np.where(visible > 0, number, 0.5)
        moved[..., at[2]] = visible
    return moved


def croppings(features: Features) -> str:
    """Say which part of which cameras' pictures is seen, for a person; nothing if all is."""
    return ", ".join(
        f"{camera} {_said(box)} of {'x'.join(map(str, features.scaled_from[camera]))}"
        for camera, box in features.cropped.items()
    )


def unlike_parts(one: Features, other: Features) -> str:
    """Name a camera of which two recordings show unlike parts; nothing if there is none."""
    for camera in one.cameras:
        (part, size), (other_part, other_size) = (_share(features, camera) for features in (one, other))
        if np.abs(part - other_part).max() > SAME / min(*size, *other_size):
            return camera
    return ""


def _share(features: Features, camera: str) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Return which share of a recorded picture is seen, and the picture's size."""
    size = features.scaled_from.get(camera, features.cameras[camera])
    return np.divide(features.cropped.get(camera, (0, 0, *size)), (*size, *size)), size


def _pixels(number: str, side: int) -> float:
    return float(number[:-1]) / 100 * side if number.endswith("%") else float(number)


def _said(box: Box) -> str:
    top, left, height, width = box
    return f"{height}x{width} from row {top}, column {left}"
