"""Preview of a dataset: in words and numbers, on one sheet of pictures, and as a film."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from rich import box
from rich import print as rich_print
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sayso.data import film as pictures
from sayso.data.crop import cropped, cut, read_crops, refuse_unknown
from sayso.data.reader import Dataset, RecordedEpisode
from sayso.data.statistics import hardly_moves
from sayso.data.units import with_units
from sayso.spec import ACTION, ConfigError, Features, Observation, at_least, image_key
from sayso.work.progress import tracked
from sayso.work.replace import appearing

DARKER = 4
"""By what the brightness is divided of what is cropped away."""


@dataclass(frozen=True, kw_only=True)
class ShowConfig:
    """How closely to look at a dataset."""

    out: Path | None = None
    """Folder for contact_sheet.png and film.mp4; the dataset's name with -shown behind it if left out."""
    episodes: int = 4
    """How many episodes to show, spread evenly over the dataset."""
    crop: tuple[str, ...] = ()
    """Part of each camera's picture to learn from, in the words of sayso train --crop: all else is dark."""
    rerun: str = ""
    """Show them in Rerun (extra `rerun`) instead: --rerun alone opens the viewer; FILE.rrd is written; an
    address, such as rerun+http://127.0.0.1:9876/proxy, is that of a viewer which is open."""

    def __post_init__(self) -> None:
        """Refuse to show nothing."""
        at_least(self, episodes=1)
        read_crops(self.crop)
        if self.crop and self.rerun:
            raise ConfigError(
                "crop is drawn on the contact sheet and in the film, not in Rerun: leave one out"
            )


def show(root: Path, config: ShowConfig) -> tuple[Path, ...]:
    """Print what is in a dataset, write a contact sheet and a film, and return where they are.

    Of a dataset without cameras there are none.

    Raises:
        FormatError: if `root` is not a LeRobotDataset v3.0.
        ConfigError: if a part does not lie in the pictures.
    """
    dataset = Dataset(root)
    crops = read_crops(config.crop)
    refuse_unknown(crops, [dataset.features])
    seen = cropped(dataset.features, crops, str(root))
    rich_print(summary(dataset))
    if not dataset.features.cameras:
        return ()
    out = config.out or root.resolve().with_name(f"{root.resolve().name}-shown")
    return (
        contact_sheet(dataset, out / "contact_sheet.png", episodes=config.episodes, seen=seen),
        film(dataset, out / "film.mp4", config.episodes, seen),
    )


def summary(dataset: Dataset, instructions: int = 8) -> Group:
    """Return tables for `rich.print`: families, sampled instructions, and the range of every action.

    They fit into the 80 columns of a narrow terminal, names of joints whole.
    """
    cameras = ", ".join(f"{name} {h}x{w}" for name, (h, w) in dataset.features.cameras.items())
    title = Text(dataset.root.resolve().name, "bold")
    title.append(
        f"  robot {dataset.features.robot_type or 'unknown'}, {dataset.fps:g} frames/s, "
        f"cameras {cameras or 'none'}",
        "not bold",
    )
    title.append(f"\n  {_counts(dataset)}, hash {dataset.hash[:12]}", "not bold")
    features, assumed = with_units(dataset.features, dataset.stats)
    remarks = [Text(f"  {remark}") for remark in (*assumed, *dataset.remarks)]
    families = [_families(dataset)] if any(episode.family for episode in dataset.episodes) else []
    return Group(
        title, *remarks, *families, _instructions(dataset, instructions), *_actions(dataset, features)
    )


def contact_sheet(
    dataset: Dataset, path: Path, *, episodes: int = 8, moments: int = 5, seen: Features | None = None
) -> Path:
    """Write a PNG with an episode per row, from its first frame to its last, and return `path`.

    What the features `seen` crop away is darkened.
    """
    chosen = spread(dataset, episodes)
    looked_at = tracked(chosen, "drawing the contact sheet")
    frames = [frame for episode in looked_at for frame in _moments(dataset, episode, moments)]
    frames = [_darkened(frame, seen or dataset.features) for frame in frames]
    path.parent.mkdir(parents=True, exist_ok=True)
    with appearing(path) as partial:
        Picture.fromarray(pictures.contact_sheet(frames, columns=moments)).save(partial, format="PNG")
    return path


def film(dataset: Dataset, path: Path, episodes: int = 4, seen: Features | None = None) -> Path:
    """Write whole episodes, spread over the dataset, one after another as a film, and return `path`.

    What the features `seen` crop away is darkened.
    """
    chosen = spread(dataset, episodes)
    frames = (
        _darkened(frame, seen or dataset.features) for episode in chosen for frame in dataset.frames(episode)
    )
    steps = tracked(range(sum(map(len, chosen))), "writing frames of the film")
    return pictures.write_film(path, (frame for _, frame in zip(steps, frames, strict=True)), dataset.fps)


def _counts(dataset: Dataset) -> str:
    seconds = len(dataset) / dataset.fps
    long = f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} s"
    count, mean = len(dataset.episodes), seconds / len(dataset.episodes)
    return f"{count} episodes of {mean:.1f} s on average, {len(dataset)} frames, {long} in all"


def _darkened(frame: Observation, seen: Features) -> Observation:
    """Return a frame in whose pictures only what is seen has its brightness."""
    shown = dict(frame)
    for camera, part in seen.cropped.items():
        image = frame[image_key(camera)]
        shown[image_key(camera)] = image // DARKER
        cut(shown[image_key(camera)], part)[:] = cut(image, part)
    return shown


def _families(dataset: Dataset) -> Table:
    table = Table("family", "episodes", "frames", "hours", "mean length (s)")
    for family in sorted({episode.family for episode in dataset.episodes}):
        members = [episode for episode in dataset.episodes if episode.family == family]
        _add_counts(table, escape(_one_line(family)) or "(not recorded)", members, dataset.fps)
    table.add_section()
    _add_counts(table, "all", dataset.episodes, dataset.fps)
    return table


def _add_counts(table: Table, name: str, episodes: Sequence[RecordedEpisode], fps: float) -> None:
    frames = sum(len(episode) for episode in episodes)
    table.add_row(
        name,
        str(len(episodes)),
        str(frames),
        f"{frames / fps / 3600:.2f}",
        f"{frames / fps / len(episodes):.1f}",
    )


def _instructions(dataset: Dataset, count: int) -> Table:
    """Count what episodes say; a dataset may hold other sentences, of what else could have been asked."""
    uses = Counter(task for episode in dataset.episodes for task in episode.tasks)
    said = [task for task in dataset.tasks if uses[task]]
    table = Table(f"instructions ({len(said)} different)", "episodes")
    for place in np.linspace(0, len(said) - 1, min(count, len(said))).round():
        task = said[int(place)]
        table.add_row(escape(_one_line(task)), str(uses[task]))
    return table


def _one_line(text: str, most: int = 200) -> str:
    """Return a text that no terminal takes for commands, not longer than can be read."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[: most + 1])
    return plain if len(plain) <= most else plain[:most] + " ..."


def _actions(dataset: Dataset, features: Features) -> list[Table | Text]:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("action", overflow="fold", min_width=max(len(d.name) for d in features.action))
    for head in ("unit", "min", "1 %", "mean", "99 %", "max", "spread"):
        table.add_column(head, justify="left" if head == "unit" else "right", no_wrap=True)
    stats = dataset.stats[ACTION]
    columns = (stats.min, stats.q01, stats.mean, stats.q99, stats.max, stats.std)
    for dimension, *values in zip(features.action, *columns, strict=True):
        table.add_row(escape(dimension.name), escape(dimension.unit), *(f"{value:.4g}" for value in values))
    still = hardly_moves(stats.mean, stats.std)
    rests = [d.name for d, stays in zip(features.action, still, strict=True) if stays]
    return [table, *([Text(f"  hardly moves: {', '.join(rests)}")] if rests else [])]


def spread(dataset: Dataset, count: int) -> list[RecordedEpisode]:
    """Return episodes at even distances; they are ordered by family, so every large one is seen."""
    places = np.linspace(0, len(dataset.episodes) - 1, min(count, len(dataset.episodes))).round()
    return [dataset.episodes[int(place)] for place in places]


def _moments(dataset: Dataset, episode: RecordedEpisode, count: int) -> Iterator[Observation]:
    """Yield frames at even distances; a short episode shows some of them twice."""
    steps = np.linspace(0, len(episode) - 1, count).round().astype(int)
    shown = np.unique(steps).tolist()
    frames = dict(zip(shown, dataset.frames(episode, shown), strict=True))
    return (frames[step] for step in steps)
