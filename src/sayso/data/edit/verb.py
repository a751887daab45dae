"""Editor of datasets: recordings chosen, renamed, relabelled, merged, split and scaled into a new one.

open_source, plan     what is there, and what becomes of each feature         reads no picture
chosen, divided       which episodes, told what, in which part
.NEW.new/...          written beside, read back as training would, and renamed to NEW once it is whole
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sayso.data.edit.columns import Columns, check_names, plan
from sayso.data.edit.config import EditConfig
from sayso.data.edit.episodes import Kept, chosen, divided, numbered, refuse_numbers
from sayso.data.edit.labels import Labels
from sayso.data.edit.merge import together
from sayso.data.edit.pictures import film, is_whole, stats_of
from sayso.data.edit.rows import new_rows, stored_pictures
from sayso.data.edit.source import Episode, Source, open_source
from sayso.data.edit.write import NewDataset
from sayso.data.info import camera_name
from sayso.data.reader import Dataset
from sayso.flags import UsageError
from sayso.spec import POINTS, SaysoError
from sayso.work.lock import locked
from sayso.work.progress import tracked
from sayso.work.replace import replace_folder

WORTH_SAYING = 1e9
"""Bytes of a new dataset from which on it is said beforehand how many there will be."""
SPARE = 1.1
"""How much more room there must be than is thought to be needed."""


def edit(roots: Sequence[Path], config: EditConfig) -> list[Path]:
    """Write what was asked for, say what it holds, and return the folders of the new datasets.

    Raises:
        SaysoError: if a recording cannot be read, what is asked for cannot be had, the new folder is there
            already, or the disk is too full. Nothing is left behind then.
    """
    if not roots:
        raise UsageError(
            "edit needs DATASET: the folder of at least one. `sayso edit --help` explains the flags"
        )
    out = config.out.absolute()
    _check_places(roots, out)
    sources = [open_source(root) for root in roots]
    refuse_numbers(sources, config)
    check_names(sources, config)
    labels = Labels(roots, config.points) if config.points else None
    plans, remarks = together(roots, [plan(source, config) for source in sources])
    plans = [labels.planned(plans[0])] if labels else plans
    parts = divided(chosen(sources, config), config)
    said = Console(stderr=True)
    for remark in _remarks(sources, plans, remarks, config):
        said.print(f"  {remark}", markup=False, highlight=False, soft_wrap=True)
    _check_room(out, sources, plans, [one for part in parts.values() for one in part], said)
    with locked(out.parent, "editing", out.name):
        _check_places(roots, out)
        replace_folder(out, lambda folder: _write(folder, sources, plans, parts, labels))
    folders = [out / name for name in parts]
    for folder in folders:
        _say(folder)
    return folders


def _check_places(roots: Sequence[Path], out: Path) -> None:
    """Refuse to write where something is, or into a recording."""
    if out.exists() or out.is_symlink():
        raise SaysoError(f"{out} is there already, and nothing is changed in place: name a new folder")
    for root in roots:
        if out.resolve().is_relative_to(root.resolve()):
            raise SaysoError(f"{out} would lie inside of {root}: name a folder beside it")


def _remarks(
    sources: Sequence[Source], plans: Sequence[Columns], remarks: Sequence[str], config: EditConfig
) -> list[str]:
    found = [remark for source in sources for remark in source.remarks]
    found += [remark for one in plans for remark in one.remarks]
    found += remarks
    if config.relabel and any(len(source.info.features.points) for source in sources):
        found.append("labels of points are kept: they point at what the old instruction named")
    return list(dict.fromkeys(found))


def _check_room(
    out: Path, sources: Sequence[Source], plans: Sequence[Columns], kept: Sequence[Kept], said: Console
) -> None:
    """Say how much room is needed if that is much, and refuse if there is not so much.

    Raises:
        SaysoError: if the disk has too little room.
    """
    needed = sum(_bytes(sources[one.source], plans[one.source], one.episode) for one in kept)
    folder = next(parent for parent in out.parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if needed > WORTH_SAYING:
        said.print(
            f"  {out} will take about {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free", soft_wrap=True
        )
    if needed * SPARE > free:
        raise SaysoError(
            f"{out} would take about {needed / 1e9:.2f} GB, but {folder} has {free / 1e9:.2f} GB free: make "
            "room, or name a place on another disk"
        )


def _bytes(source: Source, columns: Columns, episode: Episode) -> float:
    """Return about how many bytes an episode takes: its share of its files, and of their pixels."""
    share = episode.length / max(1, sum(one.length for one in source.episodes))
    needed = share * source.n_bytes("")
    for picture in columns.pictures.values():
        if picture.is_video:
            pixels = picture.size[0] * picture.size[1] / max(1, picture.was[0] * picture.was[1])
            needed += share * source.n_bytes(picture.key) * pixels
    return needed


def _write(
    folder: Path,
    sources: Sequence[Source],
    plans: Sequence[Columns],
    parts: Mapping[str, Sequence[Kept]],
    labels: Labels | None,
) -> None:
    for name, kept in parts.items():
        root = folder / name
        tasks = numbered(kept)
        new = NewDataset(root, plans[0].entries, plans[0].fps)
        doing = f"writing {name}".strip()
        for one in tracked(kept, doing):
            _add(new, sources[one.source], plans[one.source], one, tasks, labels)
        new.finish(plans[0].robot, list(tasks))
        try:
            Dataset(root)
        except SaysoError as error:
            raise SaysoError(f"what was written could not be read back, and is gone: {error}") from error


def _add(
    new: NewDataset,
    source: Source,
    plan: Columns,
    kept: Kept,
    tasks: Mapping[str, int],
    labels: Labels | None,
) -> None:
    episode = kept.episode
    columns = new_rows(source, plan, kept, tasks, number=len(new), first_row=new.frames)
    if labels:
        columns[POINTS] = labels.of(episode.index, plan)
    films, stored = {}, {}
    for key, picture in plan.pictures.items():
        recorded = episode.stats.get(picture.key)
        if picture.is_video:
            source.check(episode, picture.key)
            films[key] = film(
                new.part(key),
                picture,
                episode.clips[picture.key],
                entry=source.entries[picture.key],
                recorded=recorded,
                frames=episode.length,
                fps=source.info.features.fps,
                every=plan.every,
                where=f"{source.root}, episode {episode.index}, camera {camera_name(picture.key)!r} "
                f"(left out by --drop-episodes {episode.index} or --drop-cameras {camera_name(picture.key)})",
            )
        elif plan.every == 1 and picture.size == picture.was and recorded and is_whole(recorded):
            stored[key] = recorded
        else:
            stored[key] = stats_of(stored_pictures(kept, columns[key], picture.key))
    told = [kept.told[index] for index in episode.tasks]
    new.add(columns, films, stored, tasks=list(dict.fromkeys(told)), about=episode.about)


def _say(folder: Path) -> None:
    """Say in a line what a new dataset holds."""
    dataset = Dataset(folder)
    features = dataset.features
    cameras: Any = ", ".join(f"{name} {h}x{w}" for name, (h, w) in features.cameras.items()) or "no cameras"
    print(
        f"{folder}: {len(dataset.episodes)} episodes, {len(dataset)} frames at {dataset.fps:g} a second, "
        f"{len(dataset.tasks)} instructions, {len(features.state)} numbers of state, {len(features.action)} "
        f"of action, {cameras}"
    )
    for place, name in enumerate(features.points):
        known = float((dataset.points[:, place] >= 0).mean())
        if name.endswith(".visible") and known < 1:
            print(f"  {name.removesuffix('.visible')}: known in {known:.0%} of the frames")
