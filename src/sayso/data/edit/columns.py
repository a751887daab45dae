"""Feature plan: each feature of a recording is kept, left out, renamed, cut, scaled or thinned out.

observation.images.image   --rename-cameras image=front   -->   observation.images.front
action [6 numbers]         --drop-dimensions gripper.pos  -->   action [5 numbers]
label.points [front.u ..]  follow their cameras
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sayso.data.crop import EVERY, cropped, part_of, read_crops
from sayso.data.edit.config import EditConfig, read_pairs, renamed
from sayso.data.edit.source import Source
from sayso.data.format import COUNTERS, OTHER_TASK_INDEX
from sayso.data.info import camera_name, is_depth
from sayso.data.resize import ResizeError, scaled, scaled_size
from sayso.spec import (
    ACTION,
    IMAGES,
    OTHER_POINTS,
    POINTS,
    STATE,
    Box,
    ConfigError,
    Dimension,
    Features,
    UnknownNameError,
    image_key,
)

_NEAR = 1e-3
"""How far the ratio of two rates may be from a whole number; 29.97 and 9.99 are meant."""
COUNTED = {*COUNTERS, OTHER_TASK_INDEX}
"""Columns of the new rows that are counted anew."""


@dataclass(frozen=True, kw_only=True)
class Vector:
    """Where the numbers of a vector of the new rows come from."""

    column: str
    places: tuple[int, ...] | None = None
    """Which of its numbers, in their new order; None for all as they are."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Where the pictures of a camera of the new recording come from, and what size they get."""

    key: str
    is_video: bool
    is_depth: bool
    was: tuple[int, int]
    """Height and width as they were recorded."""
    part: Box
    """What is kept of them, before it is scaled."""
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the new recording is made of, feature by feature."""

    fps: float
    every: int
    """One of how many frames is kept."""
    robot: str
    entries: Mapping[str, Mapping[str, Any]]
    """Every feature, as it is to stand in ``info.json``."""
    vectors: Mapping[str, Vector]
    """State, action and labels, by their new names."""
    others: Mapping[str, str]
    """Other columns: new name -> the one that the rows have."""
    pictures: Mapping[str, Picture]
    seen: Features
    """What is kept of the recording's pictures: points that are labelled in them move with it."""
    dimensions: Mapping[str, tuple[Dimension, ...]]
    """Of state and action."""
    remarks: tuple[str, ...]


def check_names(sources: Sequence[Source], config: EditConfig) -> None:
    """Refuse names of cameras and dimensions that no recording has.

    Raises:
        UnknownNameError: naming the nearest that there is.
    """
    keys = {key for source in sources for key in _cameras(source)}
    cameras = {*keys, *map(camera_name, keys)}
    numbers = {d.name for s in sources for d in (*s.info.features.state, *s.info.features.action)}
    for kind, there, flags in (
        ("camera", cameras, (config.cameras, config.drop_cameras, config.rename_cameras)),
        ("dimension", numbers, (config.dimensions, config.drop_dimensions, config.rename_dimensions)),
    ):
        wanted = [*flags[0], *flags[1], *read_pairs(kind, flags[2])]
        wanted += filter(None, read_crops(config.crop)) if kind == "camera" else ()
        for name in wanted:
            if name not in there:
                shown = map(camera_name, keys) if kind == "camera" else there
                raise UnknownNameError(kind, name, shown)


def plan(source: Source, config: EditConfig) -> Columns:
    """Decide what becomes of each feature of a recording.

    Raises:
        SaysoError: if the names, the rate or the size that are asked for cannot be had.
    """
    every = _every(source, config.fps)
    seen = _seen(source, config)
    pictures = _pictures(source, config, every, seen)
    vectors, dimensions, names = _vectors(source, config, {p.key: key for key, p in pictures.items()})
    entries: dict[str, Mapping[str, Any]] = {}
    others: dict[str, str] = {}
    by_column = {vector.column: key for key, vector in vectors.items()}
    by_picture = {picture.key: key for key, picture in pictures.items()}
    left_out = _left_out(source, vectors)
    for key, entry in source.entries.items():
        if key in by_column:
            new = by_column[key]
            entries[new] = _vector_entry(entry, vectors[new], names[new], dimensions.get(new, ()))
        elif key in by_picture:
            new = by_picture[key]
            entries[new] = _picture_entry(entry, pictures[new])
        elif key not in left_out and entry["dtype"] not in ("video", "image"):
            entries[key] = entry
            if key not in COUNTED:
                others[key] = key
    taken = [*vectors, *pictures, *others]
    if twice := [name for name in taken if taken.count(name) > 1]:
        raise ConfigError(f"two features would be called {twice[0]!r}: rename or leave out one of them")
    rate = source.info.features.fps / every
    return Columns(
        fps=int(rate) if rate == int(rate) else rate,
        every=every,
        robot=config.robot or source.info.features.robot_type,
        entries=entries,
        vectors=vectors,
        others=others,
        pictures=pictures,
        seen=seen,
        dimensions=dimensions,
        remarks=_remarks(source, vectors, every),
    )


def _every(source: Source, fps: float | None) -> int:
    """Return one of how many frames is kept for a rate.

    Raises:
        ConfigError: if frames would have to be made up.
    """
    given = source.info.features.fps
    if fps is None:
        return 1
    every = max(1, round(given / fps))
    if abs(given / fps - every) > _NEAR * every:
        rates = ", ".join(f"{given / k:g}" for k in range(1, 7))
        raise ConfigError(
            f"fps is {fps:g}, but {source.root} has {given:g} frames per second, of which every second or "
            f"third, say, can be kept, and none made up: {rates}, ..."
        )
    return every


def _cameras(source: Source) -> dict[str, Mapping[str, Any]]:
    return {key: entry for key, entry in source.entries.items() if entry["dtype"] in ("video", "image")}


def _named(key: str, names: Iterable[str]) -> bool:
    """Tell whether a camera is among names, each said in full or in short."""
    return bool({key, camera_name(key)} & {*names})


def _kept(source: Source, config: EditConfig) -> list[str]:
    return [
        key
        for key in _cameras(source)
        if not (config.cameras and not _named(key, config.cameras)) and not _named(key, config.drop_cameras)
    ]


def _seen(source: Source, config: EditConfig) -> Features:
    """Return the features of a recording with what is kept of its pictures.

    Raises:
        ResizeError: if a size cuts off a part in which points are labelled.
    """
    kept = {
        name: camera for name, camera in source.info.cameras.items() if camera.key in _kept(source, config)
    }
    typed = read_crops(config.crop)
    crops = {
        name: crop
        for name, camera in kept.items()
        if (crop := next((typed[c] for c in typed if _named(camera.key, [c])), typed.get(EVERY)))
    }
    seen = cropped(source.info.features, crops, str(source.root))
    if config.resize:
        sizes = {name: size for name, size in seen.cameras.items() if name in kept}
        scaled(dataclasses.replace(seen, cameras=sizes), config.resize, str(source.root))
    return seen


def _pictures(source: Source, config: EditConfig, every: int, seen: Features) -> dict[str, Picture]:
    pairs = read_pairs("rename_cameras", config.rename_cameras)
    names = {camera.key: name for name, camera in source.info.cameras.items()}
    pictures: dict[str, Picture] = {}
    for key in _kept(source, config):
        entry = source.entries[key]
        depth = is_depth(entry)
        if depth and (config.resize or config.crop or every > 1):
            raise ConfigError(
                f"{camera_name(key)!r} in {source.root} shows depth, which can be copied but not cropped, "
                f"scaled or thinned out; leave it out: --drop-cameras {camera_name(key)}"
            )
        was = source.info.cameras[names[key]].size if key in names else tuple(entry["shape"][:2])
        new = pairs.get(key, pairs.get(camera_name(key), key))
        new = new if new == key or new.startswith("observation.") else image_key(new)
        if new in pictures:
            raise ConfigError(f"two cameras of {source.root} would be called {new.removeprefix(IMAGES)!r}")
        pictures[new] = Picture(
            key=key,
            is_video=entry["dtype"] == "video",
            is_depth=depth,
            was=was,
            part=(part := part_of(seen, names.get(key, ""), was)),
            size=scaled_size(config.resize, part[2:], f"{camera_name(key)!r} of {source.root}"),
        )
        odd = any(side % 2 for side in pictures[new].size)
        if odd and entry["dtype"] == "video" and (pictures[new].size != was or every > 1):
            height, width = pictures[new].size
            remedy = "say --resize" if part[2:] == was else "say another --crop, or --resize"
            raise ResizeError(
                f"pictures of {camera_name(key)!r} of {source.root} would be {height}x{width}, but video "
                f"needs even sides: {remedy}"
            )
    return pictures


def _vectors(
    source: Source, config: EditConfig, new_keys: Mapping[str, str]
) -> tuple[dict[str, Vector], dict[str, tuple[Dimension, ...]], dict[str, list[str]]]:
    """Return where the vectors come from, the dimensions of state and action, and the names of all."""
    pairs = read_pairs("rename_dimensions", config.rename_dimensions)
    columns, features = source.info.columns, source.info.features
    vectors: dict[str, Vector] = {}
    dimensions: dict[str, tuple[Dimension, ...]] = {}
    names: dict[str, list[str]] = {}
    for key, given in ((STATE, features.state), (ACTION, features.action)):
        if key not in columns:
            continue
        kept = _places([d.name for d in given], config)
        if not kept and key == ACTION:
            raise ConfigError(
                f"no dimension of the action of {source.root} would be left; it has "
                f"{', '.join(features.action_names)}"
            )
        new = renamed([given[k].name for k in kept], pairs)
        if len(set(new)) != len(new):
            raise ConfigError(f"two dimensions of {key!r} would have one name: {', '.join(new)}")
        if kept:
            vectors[key] = Vector(column=columns[key], places=None if kept == (*range(len(given)),) else kept)
            dimensions[key] = tuple(
                Dimension(name=name, unit=given[k].unit) for name, k in zip(new, kept, strict=True)
            )
            names[key] = new
    points = _points(source, new_keys)
    for key in (POINTS, OTHER_POINTS) if points else ():
        if key in columns:
            all_of = (*points,) == (*range(len(features.points)),)
            vectors[key] = Vector(column=columns[key], places=None if all_of else tuple(points))
            names[key] = list(points.values())
    return vectors, dimensions, names


def _places(names: Sequence[str], config: EditConfig) -> tuple[int, ...]:
    wanted = config.dimensions or names
    kept = [name for name in wanted if name in names and name not in config.drop_dimensions]
    return tuple(names.index(name) for name in dict.fromkeys(kept))


def _points(source: Source, new_keys: Mapping[str, str]) -> dict[int, str]:
    """Return which labels of points stay, and their new names: they follow the camera they begin with."""
    found: dict[int, str] = {}
    cameras = source.info.cameras
    for place, name in enumerate(source.info.features.points):
        mine = max((c for c in cameras if name.startswith(f"{c}.")), key=len, default="")
        if not mine:
            found[place] = name
        elif cameras[mine].key in new_keys:
            found[place] = camera_name(new_keys[cameras[mine].key]) + name.removeprefix(mine)
    return found


def _left_out(source: Source, vectors: Mapping[str, Vector]) -> set[str]:
    """Return columns that go with what is left out."""
    gone = {source.info.columns[key] for key in source.info.columns if key not in vectors}
    return gone | ({OTHER_TASK_INDEX} if OTHER_POINTS not in vectors else set())


def _vector_entry(
    entry: Mapping[str, Any], vector: Vector, names: Sequence[str], dimensions: Sequence[Dimension]
) -> dict[str, Any]:
    units = [d.unit for d in dimensions]
    about = {key: value for key, value in (entry.get("info") or {}).items() if key != "units"}
    about |= {"units": units} if any(units) else {}
    told = {**entry, "shape": [len(names)]}
    if vector.places is not None or entry.get("names") is not None or list(names) != _numbered(names):
        told["names"] = list(names)
    told.pop("info", None)
    return told | ({"info": about} if about else {})


def _numbered(names: Sequence[str]) -> list[str]:
    return [str(k) for k in range(len(names))]


def _picture_entry(entry: Mapping[str, Any], picture: Picture) -> dict[str, Any]:
    if picture.size == picture.was:
        return dict(entry)
    return {**entry, "shape": [*picture.size, 3], "names": ["height", "width", "channels"]}


def _remarks(source: Source, vectors: Mapping[str, Vector], every: int) -> tuple[str, ...]:
    said = [
        f"{vector.column!r} is written as {key!r}" for key, vector in vectors.items() if vector.column != key
    ]
    if POINTS in source.info.columns and POINTS not in vectors:
        said.append("the labels of points are left out with their cameras")
    if every > 1:
        said.append(
            f"one of {every} frames is kept with the action it was shown with: right for targets and speeds; "
            "for actions that are steps from one frame to the next, it is not"
        )
    return tuple(said)
