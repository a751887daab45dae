"""Dataset that grows: episodes are added one at a time, in one sitting or in many, and it is whole each time.

    add ──> staging/episode-3-put/    at once, by one rename: a kill loses nothing that was added
    whole ──> meta/ data/ videos/     a LeRobotDataset v3.0 of all that was ever added

Staging is kept, since a finished dataset is not opened again: it is made anew of all its episodes, which are
joined as they are. Which world and robot a folder belongs to stands in its `recording.json`, and nothing of
another joins it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from sayso.data.format import RECORDING, Ending
from sayso.data.staging import stage_episode, staged, sweep
from sayso.data.writer import assemble, recorded
from sayso.spec import Features, Observation, SaysoError
from sayso.spec.files import parsed
from sayso.work.lock import locked
from sayso.work.provenance import provenance, write_json


class GrowingDataset:
    """LeRobotDataset v3.0 to which episodes are added; to be used in a ``with``, which ends with it whole."""

    def __init__(
        self,
        root: Path,
        features: Features,
        about: Mapping[str, str],
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Name a folder, which is made when it is entered.

        Args:
            root: the folder; episodes that are there stay.
            features: of the frames.
            about: what all its episodes have in common, such as their world; an equal folder may go on.
            tell: what to do with lines about episodes that were damaged.
        """
        self.root, self._features, self._about, self._tell = root, features, dict(about), tell
        self._held, self._began = ExitStack(), 0.0
        self._is_whole = True

    def __enter__(self) -> Self:
        """Hold the folder.

        Raises:
            InUseError: if another process writes there.
            SaysoError: if what is there is of something else, in one sentence.
        """
        with ExitStack() as undo:
            undo.enter_context(locked(self.root, "recording what a person does"))
            self._claim()
            for damage in sweep(self.root):
                self._tell(f"{damage}. It is left out")
            self._is_whole = not staged(self.root)
            self.whole()
            self._held = undo.pop_all()
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it whole, and let go of the folder."""
        with self._held:
            self.whole()
            about = parsed((self.root / RECORDING).read_bytes())
            about["seconds"] = round(about["seconds"] + time.monotonic() - self._began, 1)
            write_json(self.root / RECORDING, about)

    def __len__(self) -> int:
        """Return how many episodes there are."""
        return len(staged(self.root))

    def add(self, frames: Sequence[Observation], *, family: str, ending: Ending) -> Path:
        """Write an episode to the disk, and return its folder; `whole` makes it part of the dataset.

        Episodes are numbered as they come, whatever scene they were in: one scene may be shown twice.
        """
        number = max((key.seed for key in staged(self.root)), default=-1) + 1
        self._is_whole = False
        return stage_episode(self.root, self._features, frames, seed=number, family=family, ending=ending)

    def whole(self) -> None:
        """Make the dataset one of all that was added."""
        if not self._is_whole:
            assemble(self.root, self._features, keep_staging=True)
            self._is_whole = True

    def _claim(self) -> None:
        path = self.root / RECORDING
        if not path.exists():
            if recorded(self.root) or (self.root / "meta").exists():
                raise SaysoError(f"{self.root} holds a recording of something else; name another folder")
            write_json(path, {"config": self._about, "seconds": 0.0, **provenance()})
            return
        there = _config(path)
        if wrong := [
            f"{name} {there.get(name, 'unknown')}"
            for name in self._about
            if there.get(name) != self._about[name]
        ]:
            asked = ", ".join(f"{name} {value}" for name, value in self._about.items())
            raise SaysoError(
                f"{self.root} holds a recording of {', '.join(wrong)}, and this would be one of {asked}: "
                "name another folder"
            )


def _config(path: Path) -> Mapping[str, Any]:
    try:
        about = parsed(path.read_bytes())
        float(about["seconds"])
        return dict(about["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise SaysoError(
            f"{path} is damaged ({error}), and it says what is recorded there: name another folder, or take "
            "it from a copy"
        ) from error
