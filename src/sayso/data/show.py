"""Tell a person what is in a dataset: numbers as text, a contact sheet and a film to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from sayso.data.film import contact_sheet, write_film
from sayso.data.reader import Dataset, RecordedEpisode
from sayso.spec import TASK, Observation, image_key

MOMENTS = (0.0, 1 / 3, 2 / 3, 1.0)
"""At which shares of an episode the contact sheet looks at it; one row holds one episode."""


@dataclass(frozen=True, kw_only=True)
class ShowConfig:
    """Say which dataset to look at, and how closely."""

    out: Path | None = None
    """Folder for contact_sheet.png and film.mp4; the dataset's name with -shown behind it if left out."""
    episodes: int = 4
    """How many episodes to show, spread evenly over the dataset."""

    def __post_init__(self) -> None:
        """Refuse to show nothing."""
        if self.episodes < 1:
            raise ValueError(f"episodes is {self.episodes}, but must be at least 1")


def show(root: Path, config: ShowConfig) -> str:
    """Write the contact sheet and the film, and return what to print.

    Raises:
        FormatError: if `root` is not a LeRobotDataset v3.0.
    """
    dataset = Dataset(root)
    out = config.out or root.resolve().with_name(f"{root.resolve().name}-shown")
    out.mkdir(parents=True, exist_ok=True)
    chosen = _spread(dataset.episodes, config.episodes)
    sheet, film = out / "contact_sheet.png", out / "film.mp4"
    Picture.fromarray(contact_sheet(_at_moments(dataset, chosen), len(MOMENTS))).save(sheet)
    rows = np.concatenate([np.arange(episode.start, episode.stop) for episode in chosen])
    write_film(film, _frames(dataset, rows), dataset.fps)
    return "\n".join([*describe(dataset), f"contact sheet  {sheet}", f"film           {film}"])


def describe(dataset: Dataset) -> list[str]:
    """Return lines that say what a dataset holds."""
    features, lengths = dataset.features, [len(episode) for episode in dataset.episodes]
    families = Counter(episode.family or "unnamed" for episode in dataset.episodes)
    seeds = [episode.seed for episode in dataset.episodes if episode.seed is not None]
    cameras = ", ".join(f"{name} {h} x {w}" for name, (h, w) in features.cameras.items())
    return [
        f"dataset        {dataset.root}, LeRobotDataset {dataset.info['codebase_version']}",
        f"hash           {dataset.hash}",
        f"robot          {features.robot_type} at {features.fps} Hz; cameras {cameras}",
        "action         " + ", ".join(f"{d.name} [{d.unit or '?'}]" for d in features.action),
        f"episodes       {len(lengths)}: "
        + ", ".join(f"{n} {family}" for family, n in sorted(families.items())),
        f"frames         {len(dataset)}, {len(dataset) / features.fps / 60:.1f} minutes; "
        f"{min(lengths)} to {max(lengths)} per episode, median {np.median(lengths):.0f}",
        f"seeds          {f'{min(seeds)} to {max(seeds)}' if seeds else 'none'}",
        f"instructions   {len(dataset.tasks)} different, such as: " + "; ".join(list(dataset.tasks)[:3]),
    ]


def _spread(episodes: Sequence[RecordedEpisode], n: int) -> list[RecordedEpisode]:
    places = np.linspace(0, len(episodes) - 1, min(n, len(episodes)))
    return [episodes[round(place)] for place in places]


def _at_moments(dataset: Dataset, episodes: Sequence[RecordedEpisode]) -> list[Observation]:
    rows = [e.start + round(moment * (len(e) - 1)) for e in episodes for moment in MOMENTS]
    return _frames(dataset, np.unique(rows))


def _frames(dataset: Dataset, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[Observation]:
    tasks = list(dataset.tasks)
    frames: list[Observation] = [{TASK: tasks[dataset.task_index[row]]} for row in rows]
    for camera in dataset.features.cameras:
        for frame, image in zip(frames, dataset.images(camera, rows), strict=True):
            frame[image_key(camera)] = image
    return frames
