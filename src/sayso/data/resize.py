"""Image resizing, the same when learning and when acting.

A picture is cut about its middle to the shape that is asked for, and every new pixel is the mean of the area
that it covers::

    480 x 640   --- 128 --->     cut to 480 x 630, mean of 3.75 x 3.75 pixels each  --->   128 x 168

Where only a part of the picture is to be seen (`crop`), it is cut out first.

`sayso.spec.Features.scaled_from` names the cameras for which a policy learned from such pictures: whatever
size they show it when it acts, `as_learned` makes the one it knows of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from sayso.data.crop import cut, part_of
from sayso.spec import FeatureMismatchError, Features, Image, SaysoError, image_key

MULTIPLE = 8
"""Both sides of a picture whose size is not said in full become multiples of this, which suits models."""
SLIGHTLY = 0.02
"""Share of a picture that may be cut off though points in it are labelled; our patches are larger."""
_SIZE = re.compile(r"(?:([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?)?")


class ResizeError(SaysoError):
    """Size that pictures cannot be scaled to."""


def read_size(text: str) -> tuple[int, ...]:
    """Return ``96x128`` as (96, 128), ``128`` as (128,) and nothing as ().

    Raises:
        ResizeError: if the text says no size.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    if not match:
        raise ResizeError(f"resize is {text!r}, but is one number (128) or height x width (96x128)")
    return tuple(int(side) for side in match.groups() if side)


def scaled_size(text: str, size: tuple[int, int], whose: str = "") -> tuple[int, int]:
    """Return the (height, width) that pictures of a size are scaled to.

    Args:
        text: ``96x128`` for just that, ``128`` for about that as the shorter side, nothing for the same.
        size: (height, width) as they were recorded, or of the part of them that is seen.
        whose: camera and recording, for the message.

    Raises:
        ResizeError: if the text says no size, or a larger one than the pictures have.
    """
    match read_size(text):
        case ():
            return size
        case (short,):
            largest = [side - side % MULTIPLE or side for side in size]
            about = [_nearest(short / min(size) * side, MULTIPLE) for side in size]
            height, width = map(min, about, largest) if short <= min(size) else about
        case (height, width):
            pass
    if height > size[0] or width > size[1]:
        raise ResizeError(
            f"--resize is {text!r}, but the pictures{f' of {whose}' if whose else ''} are only "
            f"{size[0]}x{size[1]}, and it makes them smaller: give less, or leave it out"
        )
    return height, width


def scaled(features: Features, text: str, recording: str = "") -> Features:
    """Return features whose pictures are scaled to what `scaled_size` makes of a text.

    Args:
        features: of a recording, cropped if it is to be.
        text: as of `scaled_size`.
        recording: what it is called, for messages.

    Raises:
        ResizeError: if the text says no size, or its shape would cut labelled points off.
    """
    of = f" of {recording}" if recording else ""
    sizes = {camera: scaled_size(text, size, f"{camera!r}{of}") for camera, size in features.cameras.items()}
    from_ = {camera: size for camera, size in features.cameras.items() if sizes[camera] != size}
    for camera, (height, width) in from_.items() if features.points else ():
        down, right = sizes[camera]
        if abs(height * right / (width * down) - 1) > SLIGHTLY:
            raise ResizeError(
                f"{camera!r}{of} shows {height}x{width}, of which {down}x{right} loses a part, but its "
                "points are labelled in whole pictures: choose a --resize of the same shape, or say with "
                "--crop which part is seen"
            )
    return replace(features, cameras=sizes, scaled_from={**from_, **features.scaled_from})


def fitted(image: Image, size: tuple[int, int]) -> Image:
    """Return the middle of an image, uint8 ``[H, W, 3]``, in the shape and size (height, width) asked for.

    Raises:
        FeatureMismatchError: if it is not an image.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise FeatureMismatchError(f"an image is uint8 [H, W, 3], not {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    scale = min(height / size[0], width / size[1])
    cut_height, cut_width = max(1, round(scale * size[0])), max(1, round(scale * size[1]))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    middle = Picture.fromarray(np.ascontiguousarray(image[top : top + cut_height, left : left + cut_width]))
    return np.array(middle.resize((size[1], size[0]), Picture.Resampling.BOX))  # a copy that may be written


def seen(image: Image, camera: str, features: Features) -> Image:
    """Return what a policy sees of an image that a camera shows, uint8 ``[H, W, 3]``: its part, scaled.

    Raises:
        FeatureMismatchError: if it is not an image.
    """
    if camera in features.cropped and image.ndim == 3:
        image = cut(image, part_of(features, camera, image.shape[:2]))
    return fitted(image, features.cameras[camera])


def as_learned(
    images: Any, camera: str, features: Features, *, is_cropped: bool = False
) -> NDArray[np.uint8]:
    """Return a camera's images, uint8 ``[..., H, W, 3]``, as a policy learned from them.

    Args:
        images: what the camera shows.
        camera: which of the policy's.
        features: of the policy.
        is_cropped: whether its part was cut out before (`sayso.spec.AS_LEARNED`).

    Raises:
        FeatureMismatchError: if they have another size and the policy did not learn from scaled pictures, or
            they are of another kind.
    """
    given, size = np.asarray(images), features.cameras[camera]
    is_whole = camera in features.cropped and not is_cropped
    if given.shape[-3:] == (*size, 3) and given.dtype == np.uint8 and not is_whole:
        return given
    if camera not in features.scaled_from:
        raise FeatureMismatchError(
            f"{image_key(camera)!r} is {given.dtype} {given.shape[-3:]}, but the policy was trained on uint8 "
            f"{(*size, 3)}; resize it before"
        )
    if given.ndim < 3 or not given.size:
        raise FeatureMismatchError(
            f"{image_key(camera)!r} is uint8 [H, W, 3], not {given.dtype} {given.shape}"
        )
    flat = [
        seen(image, camera, features) if is_whole else fitted(image, size)
        for image in given.reshape(-1, *given.shape[-3:])
    ]
    return np.stack(flat).reshape(*given.shape[:-3], *size, 3)


def scalings(features: Features) -> str:
    """Say which cameras' pictures are scaled, for a person; nothing if none are."""
    parts = {camera: box[2:] for camera, box in features.cropped.items()}
    shown: Mapping[str, tuple[int, int]] = {**features.scaled_from, **parts}
    return ", ".join(
        f"{camera} {height}x{width} -> {'x'.join(map(str, features.cameras[camera]))}"
        for camera, (height, width) in shown.items()
        if (height, width) != features.cameras[camera]
    )


def _nearest(side: float, multiple: int) -> int:
    return max(multiple, round(side / multiple) * multiple)
