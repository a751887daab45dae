"""Keep decoded frames on disk, so that training need not decode a video for each window."""

from __future__ import annotations

import mmap
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from rich.console import Console
from rich.progress import track

from sayso.data.normalize import Integers
from sayso.spec import Image, SaysoError

if TYPE_CHECKING:
    from sayso.data.reader import Dataset


def cached_frames(dataset: Dataset, camera: str, rows: Integers, path: Path) -> Image:
    """Return a camera's frames at the given rows, uint8 ``[N, H, W, 3]``, memory-mapped from `path`.

    The file is built first unless it is there in full; it appears by one rename.

    Raises:
        SaysoError: if the disk is too full. (Writing to a memory map on a full disk would kill the process.)
    """
    shape = (len(rows), *dataset.features.cameras[camera], 3)
    if path.is_file():
        stored = _mapped(path)
        if stored.shape == shape and stored.dtype == np.uint8:
            return stored
    path.parent.mkdir(parents=True, exist_ok=True)
    needed, free = int(np.prod(shape)), shutil.disk_usage(path.parent).free
    if needed > free:
        raise SaysoError(
            f"the frames of camera {camera!r} need {needed / 1e9:.1f} GB, but {path.parent} has "
            f"{free / 1e9:.1f} GB free; choose another cache folder or a larger stride"
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    store = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
    frames = track(
        dataset.images(camera, rows), f"decoding {camera}", total=len(rows), console=Console(stderr=True)
    )
    for place, image in enumerate(frames):
        store[place] = image
    store.flush()
    os.replace(partial, path)
    return _mapped(path)


def taken(frames: Image, numbers: Integers) -> Image:
    """Return a copy of some of the frames of `cached_frames`, uint8 ``[len(numbers), H, W, 3]``."""
    mapped, size = cast(mmap.mmap, frames.base), frames.nbytes // len(frames)
    for number in numbers:  # all of them first, so that the disk need not wait for one after the other
        first = len(mapped) - frames.nbytes + int(number) * size
        page = first - first % mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, page, first + size - page)
    return frames[numbers]


def _mapped(path: Path) -> Image:
    """Map a file whose frames are read in any order.

    Left to itself the kernel reads up to megabytes around each place that is not in memory. Of a dataset
    larger than memory that pushes out what is needed next: eighty times what was asked for was read.
    """
    frames: Image = np.load(path, mmap_mode="r")
    cast(mmap.mmap, frames.base).madvise(mmap.MADV_RANDOM)
    return frames
