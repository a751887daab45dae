"""Parcels: what a worker is built from, sent to a machine that does not have our folders.

::

    here                                        there
    build, with Folder("runs/put") ---------->  the same, with Folder("/tmp/.../folder-0"), a copy of it
           and Path("data/put"), written to ->  and Path("/tmp/.../written"), empty
    data/put/staging/episode-7 <--------------  /tmp/.../written/staging/episode-7, after each job

What comes back is put in place whole or not at all, so that a machine that is lost leaves nothing half done.
"""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

Files = Mapping[str, bytes]
"""Names below a folder, with ``/`` between their parts -> contents."""
ARRIVING = ".arriving"
"""Folder, inside the one that is written to, of what is not in place yet."""
WRITTEN = "written"


class Folder(str):
    """Folder of files that are read by whoever works with it: on another machine, the name of a copy."""

    __slots__ = ()


@dataclass(frozen=True)
class Parcel:
    """What is sent to each worker of another machine."""

    pickled: bytes
    folders: tuple[Files, ...]
    """Contents of each folder in it."""

    @classmethod
    def of(cls, build: Callable[[], Callable[[Any], Any]], writes: Path | None) -> Self:
        """Pack what a worker is built from, and the folders that it reads.

        Args:
            build: as in `sayso.work.pool.run`.
            writes: the folder that it writes to.
        """
        packer = _Packer(writes)
        return cls(packer.packed(build), tuple(read(Path(folder)) for folder in packer.folders))

    def unpacked_in(self, scratch: Path) -> Unpacked:
        """Write the folders into an empty one, and return what is to be built."""
        for number, files in enumerate(self.folders):
            write(files, scratch / f"folder-{number}")
        (scratch / WRITTEN).mkdir(parents=True)
        return Unpacked(self.pickled, scratch)


@dataclass(frozen=True)
class Unpacked:
    """Maker, in a worker process, of what does pickled jobs; whoever passes it on imports nothing of them."""

    pickled: bytes
    scratch: Path

    def __call__(self) -> Callable[[bytes], bytes]:
        """Build, and return what does a job."""
        work = _Unpacker(io.BytesIO(self.pickled), self.scratch).load()()
        return lambda job: pickle.dumps(work(pickle.loads(job)))


class _Packer(pickle.Pickler):
    """Pickler that replaces folders by their numbers, and the one that is written to by a word."""

    def __init__(self, writes: Path | None) -> None:
        self._sink = io.BytesIO()
        super().__init__(self._sink)
        self._writes = writes
        self.folders: list[str] = []

    def packed(self, thing: object) -> bytes:
        self.dump(thing)
        return self._sink.getvalue()

    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, Path) and thing == self._writes:
            return WRITTEN
        if not isinstance(thing, Folder) or not Path(thing).is_dir():
            return None
        if thing not in self.folders:
            self.folders.append(thing)
        return self.folders.index(thing)


class _Unpacker(pickle.Unpickler):
    """Unpickler of what a `_Packer` packed, on a machine with copies of its folders."""

    def __init__(self, source: io.BytesIO, scratch: Path) -> None:
        super().__init__(source)
        self._scratch = scratch

    def persistent_load(self, pid: Any) -> Any:
        return self._scratch / WRITTEN if pid == WRITTEN else Folder(self._scratch / f"folder-{pid}")


def read(folder: Path) -> Files:
    """Return the files in a folder and in those inside it."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def write(files: Files, folder: Path) -> None:
    """Write files into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def put_in_place(files: Files, home: Path) -> None:
    """Write files below a folder: a folder that is new there appears whole, and so does a file."""
    if not files:
        return
    arriving = home / ARRIVING
    shutil.rmtree(arriving, ignore_errors=True)
    write(files, arriving)
    _move(arriving, home)
    shutil.rmtree(arriving)


def _move(arrived: Path, home: Path) -> None:
    for entry in sorted(arrived.iterdir()):
        there = home / entry.name
        if entry.is_dir() and there.is_dir():
            _move(entry, there)
        else:
            entry.replace(there)
