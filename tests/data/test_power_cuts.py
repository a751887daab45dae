"""A power cut at any moment of a recording loses no episode that was said to be kept.

Every fsync, rename and removal of a recording is traced. For each moment the disk is made again as a power
cut may leave it: names as they were, for journals keep order, but of each file only what had been pushed.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from sayso.data import staging
from sayso.data.reader import Dataset
from sayso.data.staging import EpisodeKey, sweep
from sayso.data.writer import assemble, recorded
from sayso.work.provenance import write_json
from sayso.work.replace import appearing, replace_folder
from small_datasets import FEATURES, LENGTHS, fingerprint, stage

State = dict[str, bytes]
"""Path below the root -> what the disk holds of it."""


EVERY = 11
"""Of how many moments one is recorded on from, to the end."""
SHOWN = tuple(LENGTHS)[:3]


class Disk:
    """Disk that remembers of each file what was pushed to it, and what it held after each event."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.states: list[State] = []
        self._pushed: dict[int, bytes] = {}

    @contextmanager
    def watched(self, monkeypatch):
        """Trace what happens inside a `with`."""
        true = {name: getattr(os, name) for name in ("fsync", "rename", "replace", "unlink", "rmdir")}

        def fsync(descriptor):
            true["fsync"](descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").resolve()
            if path.is_file():
                self._pushed[os.fstat(descriptor).st_ino] = path.read_bytes()
            self._note()

        def forgotten(name):
            def change(path, *more, **kw):
                there = kw.get("dst_dir_fd") is None and more and Path(more[0])
                if name == "unlink":
                    gone = os.stat(path, follow_symlinks=False, **kw)  # noqa: PTH116 - by a folder's number
                    self._pushed.pop(gone.st_ino, None)
                elif there and there.is_file():
                    self._pushed.pop(there.stat().st_ino, None)
                true[name](path, *more, **kw)
                self._note()

            return change

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            for name in ("rename", "replace", "unlink", "rmdir"):
                patched.setattr(os, name, forgotten(name))
            yield self
            self._note()

    def _note(self) -> None:
        files = [path for path in self.root.rglob("*") if path.is_file()]
        state = {str(p.relative_to(self.root)): self._pushed.get(p.stat().st_ino, b"") for p in files}
        if not self.states or state != self.states[-1]:
            self.states.append(state)


def after_the_cut(state: State, folder: Path) -> Path:
    """Make a disk again."""
    for name, content in state.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def trace(tmp_path, monkeypatch, keep_staging):
    """Record all episodes and assemble them; return the states, and after which of them which are kept."""
    disk, kept = Disk(tmp_path / "disk"), []
    disk.root.mkdir()
    with disk.watched(monkeypatch):
        for family, seed in SHOWN:
            stage(disk.root, family, seed)
            kept.append((len(disk.states), EpisodeKey(family=family, seed=seed)))
            if keep_staging:  # as a dataset that grows does
                assemble(disk.root, FEATURES, keep_staging=True)
        assemble(disk.root, FEATURES)
    return disk, kept


@pytest.mark.parametrize("keep_staging", [False, True], ids=["at the end", "after each episode"])
def test_a_power_cut_loses_no_episode_that_was_kept(tmp_path, monkeypatch, keep_staging):
    disk, kept = trace(tmp_path, monkeypatch, keep_staging)
    whole = {p.relative_to(disk.root): p.read_bytes() for p in disk.root.rglob("*") if p.is_file()}
    assert len(disk.states) > 20 and Dataset(disk.root).episodes
    for number, state in enumerate(disk.states):
        root = after_the_cut(state, tmp_path / f"cut-{number}")
        root.mkdir(exist_ok=True)
        damage = list(sweep(root)) if (root / staging.STAGING).is_dir() else []
        committed = {key for after, key in kept if after <= number}
        assert committed <= set(recorded(root)), f"after event {number}: {damage}"
        if number % EVERY:
            continue
        for family, seed in SHOWN:
            if EpisodeKey(family=family, seed=seed) not in recorded(root):
                stage(root, family, seed)
        assemble(root, FEATURES)
        again = {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        assert again == whole, f"after event {number}"


def test_a_power_cut_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()

    def appear(text):
        with appearing(disk.root / "clicks") as partial:
            partial.write_text(text)

    for write in (lambda text: write_json(disk.root / "report.json", {"it": text}), appear):
        write("old")
        old = {p.name: p.read_bytes() for p in disk.root.iterdir()}
        with disk.watched(monkeypatch):
            for path in disk.root.iterdir():  # what was there has long been on the disk
                with path.open() as file:
                    os.fsync(file.fileno())
            disk.states.clear()
            write("new")
        new = {p.name: p.read_bytes() for p in disk.root.iterdir()}
        for state in disk.states:
            held = {name: content for name, content in state.items() if not name.startswith(".")}
            assert held in (old, new)


def test_a_power_cut_leaves_a_whole_folder(tmp_path, monkeypatch):
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()
    with disk.watched(monkeypatch):
        for text in ("old", "new"):
            replace_folder(disk.root / "policy", lambda new, text=text: (new / "file").write_text(text))
    seen = [state.get("policy/file", state.get(".policy.old/file")) for state in disk.states]
    assert seen[-1] == b"new" and set(seen) == {None, b"old", b"new"}


def test_the_trace_notices_what_is_not_pushed(tmp_path, monkeypatch):
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()
    with disk.watched(monkeypatch):
        (disk.root / "partial").write_text("content")
        (disk.root / "partial").rename(disk.root / "final")
    assert disk.states[-1] == {"final": b""}
    assert len(fingerprint(disk.root)) == 64
