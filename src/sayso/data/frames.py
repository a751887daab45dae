"""Cache of decoded frames on disk, so that training need not decode a video for each window.

They lie in a cache of the user's, never in the dataset, which people copy and publish::

    ~/.cache/sayso/frames/<digest of the dataset>/front-all-480x640.npy        uint8 [N, H, W, 3]
                                                  wrist-stride4-history1-96x128.npy
                                                  desk-all-part0_80_480_480-128x128.npy

The digest covers the videos, so that frames of a video which was replaced are never found again.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Protocol, cast
from urllib.parse import quote

import numpy as np
from rich.console import Console
from rich.progress import track

from sayso.data.crop import cut
from sayso.data.resize import fitted
from sayso.data.statistics import Integers
from sayso.spec import Box, Features, Image, SaysoError
from sayso.work.cache import cache_folder
from sayso.work.lock import InUseError, locked

LARGE_PX = 256 * 256
"""Pixels of a picture above which it is said that smaller ones would do."""
WORTH_SAYING = 100e6
"""Bytes of frames above which it is said how much they are and where they go."""
LARGE_CACHE = 5e9
"""Bytes of frames in the cache above which it is said how to be rid of them."""
_PARTIAL, _OLD = ".partial", ".frames"


class Filmed(Protocol):
    """Recording that can be asked for pictures, such as a `Dataset`."""

    @property
    def features(self) -> Features:
        """Cameras, and the size in which each recorded."""
        ...

    @property
    def hash(self) -> str:
        """Digest of all that it holds, its videos too."""
        ...

    def images(self, camera: str, rows: Integers) -> Iterable[Image]:
        """Decode some rows of a camera, uint8 ``[H, W, 3]`` each."""
        ...

    def drift_of(self, camera: str) -> str:
        """Say how far off a camera's times were, as far as it was decoded; nothing if not at all."""
        ...


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Frames of a camera that some windows need, and the size they are needed in."""

    dataset: Filmed
    camera: str
    rows: Integers
    """Which rows of the dataset, ascending."""
    size: tuple[int, int]
    """(height, width) to which pictures are scaled before they are kept."""
    part: Box | None = None
    """What is cut out of a picture before it is scaled; None for all of it."""
    which: str
    """What tells these rows from others of the same camera, such as ``all``."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Return the shape of all frames together."""
        return (len(self.rows), *self.size, 3)

    @property
    def n_bytes(self) -> int:
        """Return how much room they take."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_scaled(self) -> bool:
        """Tell whether they were recorded in another size."""
        whole = self.dataset.features.cameras[self.camera]
        return (self.part[2:] if self.part else whole) != self.size

    def path(self, cache: Path) -> Path:
        """Return the file they are kept in."""
        part = f"-part{'_'.join(map(str, self.part))}" if self.part else ""
        name = f"{quote(self.camera, safe='')}-{self.which}{part}-{self.size[0]}x{self.size[1]}.npy"
        return cache / self.dataset.hash[:16] / name


def frames_folder() -> Path:
    """Return where frames are kept, unless somebody chose another place."""
    return cache_folder() / "frames"


def open_frames(wanted: Sequence[Wanted], cache: Path) -> list[Image]:
    """Return each camera's frames, uint8 ``[N, H, W, 3]``, memory-mapped.

    Those not there yet are decoded first. A file appears by one rename, once it is whole and on the disk.
    What a kill left half written is swept away. Who wants frames that another process decodes waits for it.

    Raises:
        SaysoError: if the disk is too full or cannot be written to.
        VideoError: if a video is damaged.
    """
    missing = [each for each in wanted if _stored(each, cache) is None]
    if missing:
        _sweep(cache)
        _refuse_if_too_large(missing, cache)
        _announce(missing, cache)
    for folder, group in groupby(missing, key=lambda each: each.path(cache).parent):
        with locked(folder, "decoding frames", wait=True):
            for each in group:
                if _stored(each, cache) is None:
                    _decode(each, each.path(cache))
    return [cast(Image, _stored(each, cache)) for each in wanted]


def taken(frames: Image, numbers: Integers) -> Image:
    """Return a copy of some of the frames of `open_frames`, uint8 ``[len(numbers), H, W, 3]``."""
    mapped, size = cast(mmap.mmap, frames.base), frames.nbytes // len(frames)
    for number in numbers if hasattr(mmap, "MADV_WILLNEED") else ():  # Windows takes no advice
        first = len(mapped) - frames.nbytes + int(number) * size
        page = first - first % mmap.PAGESIZE
        # All of them first, so that the disk need not wait for one after the other.
        mapped.madvise(mmap.MADV_WILLNEED, page, first + size - page)
    return frames[numbers]


def taking_room(cache: Path, datasets: Sequence[Path]) -> tuple[str, ...]:
    """Say which frames take room and may be deleted: much in the cache, and what older versions left.

    Args:
        cache: the folder they are kept in.
        datasets: folders of datasets, in which older versions kept them.
    """
    said = [
        f"{old} holds {_size(_bytes_in(old))} of frames that an older version of sayso decoded: delete it"
        for old in dict.fromkeys(root / _OLD for root in datasets)
        if old.is_dir()
    ]
    if (held := _bytes_in(cache)) > LARGE_CACHE:
        said.append(
            f"{cache} holds {_size(held)} of decoded frames: delete that folder when no training runs, and "
            "what is needed again is decoded again"
        )
    return tuple(said)


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _stored(wanted: Wanted, cache: Path) -> Image | None:
    """Map a file whose frames are read in any order; None if it is not there, or not whole.

    Left to itself the kernel reads up to megabytes around each place that is not in memory. Of a dataset
    larger than memory that pushes out what is needed next: eighty times what was asked for was read.
    """
    try:
        frames: Image = np.load(wanted.path(cache), mmap_mode="r")
    except (OSError, ValueError, SyntaxError, EOFError):  # what numpy says of a damaged header
        return None
    if frames.shape != wanted.shape or frames.dtype != np.uint8 or not isinstance(frames.base, mmap.mmap):
        return None
    if hasattr(mmap, "MADV_RANDOM"):
        frames.base.madvise(mmap.MADV_RANDOM)
    return frames


def _decode(wanted: Wanted, path: Path) -> None:
    partial = path.with_name(f".{path.name}{_PARTIAL}")
    console = Console(stderr=True)
    try:
        with partial.open("wb") as file:
            _reserve(file, wanted)
            images = wanted.dataset.images(wanted.camera, wanted.rows)
            for image in track(images, f"decoding {wanted.camera}", total=len(wanted.rows), console=console):
                part = cut(image, wanted.part) if wanted.part else image
                file.write(np.ascontiguousarray(fitted(part, wanted.size)).data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        if remark := wanted.dataset.drift_of(wanted.camera):
            _say(remark)
    except OSError as error:
        raise SaysoError(
            f"the frames of camera {wanted.camera!r} cannot be kept in {path.parent} "
            f"({error.strerror or error}): {_remedy(wanted.n_bytes)}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _reserve(file: IO[bytes], wanted: Wanted) -> None:
    """Write the head of an ``.npy`` file and take the room for the rest: a full disk is told at once."""
    head = {"descr": "|u1", "fortran_order": False, "shape": wanted.shape}
    np.lib.format.write_array_header_1_0(file, head)
    file.flush()
    try:
        os.posix_fallocate(file.fileno(), file.tell(), wanted.n_bytes)
    except AttributeError:  # a system that cannot tells of a full disk later, in the same words
        return
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise


def _refuse_if_too_large(missing: Sequence[Wanted], cache: Path) -> None:
    needed = sum(each.n_bytes for each in missing)
    there = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    if needed > (free := shutil.disk_usage(there).free):
        raise SaysoError(
            f"the frames of {_names(missing)} need {_size(needed)}, but {cache} has only {_size(free)}: "
            + _remedy(needed)
        )


def _remedy(needed: int) -> str:
    return (
        f"make room for {_size(needed)}, choose another place (--cache), smaller pictures (--resize 128) or "
        "fewer of them (--stride 2)"
    )


def _announce(missing: Sequence[Wanted], cache: Path) -> None:
    """Say how much there is to decode, and what would make it less, if it is worth saying."""
    needed = sum(each.n_bytes for each in missing)
    if needed < WORTH_SAYING:
        return
    said = f"{_names(missing)}: {_size(needed)} of decoded frames go to {cache}; delete them when you like"
    large = [each for each in missing if np.prod(each.size) > LARGE_PX and not each.is_scaled]
    if large:
        height, width = large[0].size
        smaller = 128 * 128 * max(height, width) / min(height, width) / (height * width)
        said += (
            f".\nPictures of {height}x{width} also make every step slow, and 128 lines mostly suffice: "
            f"--resize 128 would take {_size(smaller * needed)}; to record at 240x320 is plenty"
        )
    _say(said)


def _say(text: str) -> None:
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def _names(missing: Sequence[Wanted]) -> str:
    return " and ".join(dict.fromkeys(repr(each.camera) for each in missing))


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _sweep(cache: Path) -> None:
    """Delete what killed processes left half written, wherever no living one is decoding."""
    leftovers = sorted(cache.glob(f"*/.*{_PARTIAL}"))
    for folder, partials in groupby(leftovers, key=lambda path: path.parent):
        with contextlib.suppress(InUseError), locked(folder, "sweeping"):
            for partial in partials:
                partial.unlink(missing_ok=True)
