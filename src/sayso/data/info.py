"""Metadata of a dataset (``info.json``), checked in one place before it is believed or a path is opened.

Recorders differ in how they call things. What is read here goes by one set of names:

    theirs                                   here
    observation.state, state                 observation.state (none at all: zero numbers)
    action, actions                          action
    observation.images.front, image, ...     the cameras front, image, ...
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from string import Formatter
from typing import Any

from sayso.data.format import COUNTERS, INFO, OTHER_TASK_INDEX, VERSION, VIDEO, FormatError, info_text
from sayso.refusals import elsewhere, mistaken
from sayso.spec import ACTION, IMAGES, OTHER_POINTS, POINTS, STATE, Dimension, Features
from sayso.spec.files import parsed

OURS = "sayso"
"""Key of ``info.json`` that only sayso writes. LeRobot's newer tools drop it when they write the file."""
_THEIRS: Mapping[str, tuple[str, ...]] = {
    STATE: (STATE, "state"),
    ACTION: (ACTION, "actions"),
    POINTS: (POINTS,),
    OTHER_POINTS: (OTHER_POINTS,),
}
_VECTOR_TYPES = ("float32", "float64")
_PLAIN = re.compile(r"\w[\w .-]{0,99}")
_PATTERN_FIELDS = {"video_key": r"", "chunk_index": r"(0[1-9]d)?", "file_index": r"(0[1-9]d)?"}
"""What a pattern may name, and the forms it may ask for them in: others could be asked for anything."""
_MOST_NUMBERS, _MOST_PIXELS, _HIGHEST_FPS = 4096, 16_384, 1000


@dataclass(frozen=True, kw_only=True)
class Camera:
    """How one camera's pictures are stored."""

    key: str
    """Their name in the dataset: a folder below ``videos``, or a column of the rows."""
    is_video: bool
    """Whether they are in videos, or PNG and JPEG inside the rows."""
    size: tuple[int, int]
    """Height and width in pixels."""


@dataclass(frozen=True, kw_only=True)
class Info:
    """What ``info.json`` says, checked."""

    features: Features
    columns: Mapping[str, str]
    """Our name of each vector there is -> the column of the rows that holds it."""
    cameras: Mapping[str, Camera]
    video_path: str
    """Pattern of a video's path below the root."""
    episodes: int | None
    """How many there should be, if it says so."""
    ours: bool
    """Whether sayso wrote it, and nobody since."""
    remarks: tuple[str, ...]
    """What a person should know: columns that are not read, names that were understood."""


def read_info(root: Path) -> Info:
    """Read ``info.json`` and check that everything in it is of the kind it should be.

    Raises:
        FormatError: if `root` holds no dataset, one of another version, or one that cannot be understood; the
            message names the file, the field and what to do.
    """
    raw = read_raw(root)
    check_version(root, raw.get("codebase_version"))
    return understood(root / INFO, raw)


def read_raw(root: Path) -> dict[str, Any]:
    """Read ``info.json`` of whatever version, and believe nothing of it.

    Raises:
        FormatError: if `root` holds no dataset, or the file is damaged.
    """
    path = root / INFO
    if not path.is_file():
        raise FormatError(nothing_there(root))
    return _read_json(path)


def understood(path: Path, raw: Mapping[str, Any]) -> Info:
    """Check everything that an ``info.json`` of this version says; `path` is where it lies.

    Raises:
        FormatError: as `read_info` does.
    """
    entries = _entries(path, raw.get("features"))
    columns = {ours: name for ours, names in _THEIRS.items() for name in names[::-1] if name in entries}
    cameras, left_out = _cameras(path, entries)
    features = Features(
        robot_type=_robot_type(path, raw.get("robot_type")),
        fps=_fps(path, raw.get("fps")),
        state=_dimensions(path, entries, columns, STATE, _recorded_units(raw, "state")),
        action=_dimensions(path, entries, columns, ACTION, _recorded_units(raw, "action")),
        cameras={name: camera.size for name, camera in cameras.items()},
        points=tuple(d.name for d in _dimensions(path, entries, columns, POINTS, {})),
    )
    if OTHER_TASK_INDEX not in entries or not features.points:
        columns.pop(OTHER_POINTS, None)
    known = {*COUNTERS, OTHER_TASK_INDEX, *columns.values(), *(camera.key for camera in cameras.values())}
    return Info(
        features=features,
        columns=columns,
        cameras=cameras,
        video_path=_pattern(
            path, raw.get("video_path"), needed=any(e["dtype"] == "video" for e in entries.values())
        ),
        episodes=_count(path, raw, "total_episodes"),
        ours=OURS in raw and path.read_bytes() == info_text(raw).encode(),
        remarks=_remarks(
            features, columns, left_out, [key for key in entries if key not in known | left_out.keys()]
        ),
    )


def inside(root: Path, relative: str) -> Path:
    """Return a path below `root`, and refuse one that leads out of it. Links are not followed.

    Raises:
        FormatError: if it leads out.
    """
    path = PurePath(relative)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise FormatError(f"{root / INFO}: the path {relative!r} leads out of the dataset; it is not opened")
    return root / relative


def nothing_there(root: Path) -> str:
    """Return why there is no dataset in a folder, and where there may be one."""
    if not root.exists():
        near = (
            elsewhere(root, INFO)
            or elsewhere(root, "run.json")
            or " Give the folder of a dataset, the one that contains meta/"
        )
        return f"there is no folder {root}.{near}"
    if not root.is_dir():
        return f"{root} is a file; give the folder of a dataset, the one that contains meta/"
    if other := mistaken(root, "dataset"):
        return other
    if (root / "staging").is_dir():
        return f"{root} holds no finished dataset, but a recording; give its sayso record command again"
    if below := elsewhere(root, INFO):
        return f"{root} holds no finished dataset itself.{below}"
    if root.name == "meta" and (root / "info.json").is_file():
        return f"{root} is a part of a dataset. Did you mean {root.parent}?"
    return f"{root} holds no finished dataset: {INFO} is missing. Give the folder that contains meta/"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = parsed(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(
            f"{path} cannot be read, so it is cut or damaged ({type(error).__name__}: {str(error)[:80]}); "
            "take it from a copy of the dataset, or record again"
        ) from error
    if not isinstance(raw, dict):
        raise _wrong(path, "it", raw, "an object of names and values")
    return raw


def _wrong(path: Path, field: str, value: Any, allowed: str) -> FormatError:
    given = repr(value)
    shown = given if len(given) <= 80 else given[:80] + "..."
    return FormatError(f"{path}: {field} is {shown}, but must be {allowed}; mend the file or record again")


def check_version(root: Path, version: Any) -> None:
    """Raise `FormatError` unless a dataset is of the version that is read here."""
    if version == VERSION:
        return
    remedy = "If a newer LeRobot wrote it, write it again with one that writes this version"
    if isinstance(version, str) and re.match(r"v[12]\.", version):
        first = "Convert it to v2.1 with an older LeRobot, then" if version[1] == "1" else "First"
        remedy = f"{first} write it anew in this one: sayso edit {root} --out NEW"
    raise FormatError(
        f"{root} is a dataset of version {str(version)[:40]!r}, but {VERSION!r} is read here. {remedy}"
    )


def _entries(path: Path, raw: Any) -> dict[str, dict[str, Any]]:
    """Return the features' entries, each with a plain name, a dtype and a shape of whole numbers."""
    if not isinstance(raw, dict) or not raw:
        raise _wrong(path, "features", raw, "an object of names and what they are")
    for key, entry in raw.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
            raise _wrong(path, f"feature {key!r}", entry, "an object with a dtype and a shape")
        shape = entry.get("shape")
        if not isinstance(shape, list) or not all(_is_whole(n) and n >= 0 for n in shape):
            raise _wrong(path, f"the shape of {key!r}", shape, "a list of whole numbers")
        names = entry.get("names")
        if not isinstance(names, list | dict | None):
            raise _wrong(path, f"the names of {key!r}", names, "a list of texts, or null")
        odd = [name for name in names or () if not isinstance(name, str)]
        if odd and len(odd) < len(names or ()):  # all of another kind is how some recorders write them
            raise _wrong(path, f"a name of {key!r}", odd[0], "a text like the others")
        if not isinstance(entry.get("info"), dict | None):
            raise _wrong(path, f"the info of {key!r}", entry["info"], "an object, or null")
    return raw


def _cameras(path: Path, entries: Mapping[str, Any]) -> tuple[dict[str, Camera], dict[str, str]]:
    """Return the cameras whose pictures are read, and why some are not."""
    cameras: dict[str, Camera] = {}
    left_out: dict[str, str] = {}
    for key, entry in entries.items():
        if entry["dtype"] not in ("video", "image"):
            continue
        name = camera_name(key)
        if not _PLAIN.fullmatch(key) or not _PLAIN.fullmatch(name):
            raise _wrong(path, "the name of a camera", key, "plain: letters, digits, '_', '-' and '.' only")
        if name in cameras:
            raise _wrong(path, "the name of a camera", key, f"unlike {cameras[name].key!r}")
        if is_depth(entry):
            left_out[key] = f"camera {name!r} shows depth, not colours, and is left out"
            continue
        cameras[name] = Camera(key=key, is_video=entry["dtype"] == "video", size=_size(path, key, entry))
    return cameras, left_out


def camera_name(key: str) -> str:
    """Return a camera's name by that of its pictures: ``observation.images.front`` -> ``front``."""
    return key.removeprefix(IMAGES).removeprefix("observation.")


def is_depth(entry: Mapping[str, Any]) -> bool:
    """Tell whether a camera's pictures are depth maps, in any of the ways LeRobot has said so."""
    about = [entry, entry.get("info"), entry.get("video_info")]
    marks = ("is_depth_map", "video.is_depth_map")
    return any(isinstance(place, dict) and place.get(mark) is True for place in about for mark in marks)


def _size(path: Path, key: str, entry: Mapping[str, Any]) -> tuple[int, int]:
    shape, names = entry["shape"], entry.get("names")
    first = str(names[0]) if isinstance(names, list) and names else ""
    if len(shape) == 3:
        *size, channels = [*shape[1:], shape[0]] if first.startswith("channel") else shape
        if channels == 3 and all(1 <= side <= _MOST_PIXELS for side in size):
            return size[0], size[1]
    raise _wrong(path, f"the shape of camera {key!r}", shape, "height, width and 3 colours")


def _robot_type(path: Path, value: Any) -> str:
    if value is not None and not _is_text(value):
        raise _wrong(path, "robot_type", value, "a printable text")
    return value or ""


def _fps(path: Path, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _HIGHEST_FPS:
        raise _wrong(path, "fps", value, f"a number above 0 and at most {_HIGHEST_FPS}")
    return value


def _count(path: Path, raw: Mapping[str, Any], field: str) -> int | None:
    value = raw.get(field)
    if value is not None and (not _is_whole(value) or value < 0):
        raise _wrong(path, field, value, "a whole number, at least 0")
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(path: Path, value: Any, *, needed: bool) -> str:
    """Check where videos are said to be: a path below the root with three parts to fill in, no more."""
    if not needed:
        return ""
    if not isinstance(value, str):
        raise _wrong(path, "video_path", value, f"a text such as {VIDEO!r}")
    allowed = "a plain path with {video_key}, {chunk_index:03d} and {file_index:03d} only"
    try:
        parts = list(Formatter().parse(value))
    except ValueError as error:
        raise _wrong(path, "video_path", value, allowed) from error
    for _, field, form, conversion in parts:
        if field is None:
            continue
        if conversion or not re.fullmatch(_PATTERN_FIELDS.get(field, r"(?!)"), form or ""):
            raise _wrong(path, "video_path", value, allowed)
    if not value.isprintable():
        raise _wrong(path, "video_path", value, allowed)
    inside(path.parent.parent, value)
    return value


def _dimensions(
    path: Path,
    entries: Mapping[str, Any],
    columns: Mapping[str, str],
    key: str,
    units: Mapping[str, str],
) -> tuple[Dimension, ...]:
    """Return the dimensions of a vector, with units where they are said: beside its names, or in `units`."""
    if key not in columns:
        if key == ACTION:
            raise _wrong(path, "features", sorted(entries), "among others 'action', what the robot was told")
        return ()
    entry = entries[columns[key]]
    if (
        entry["dtype"] not in _VECTOR_TYPES
        or len(entry["shape"]) != 1
        or not 1 <= entry["shape"][0] <= _MOST_NUMBERS
    ):
        allowed = f"a vector of {' or '.join(_VECTOR_TYPES)} with 1 to {_MOST_NUMBERS} numbers"
        raise _wrong(path, f"feature {columns[key]!r}", entry, allowed)
    names = _flat_names(entry.get("names"), entry["shape"][0])
    beside = (entry.get("info") or {}).get("units")
    if beside is not None:
        if not isinstance(beside, list) or len(beside) != len(names) or not all(map(_is_text, beside)):
            raise _wrong(path, f"the units of {columns[key]!r}", beside, f"a list of {len(names)} texts")
        units = dict(zip(names, beside, strict=True))
    return tuple(Dimension(name=name, unit=units.get(name, "")) for name in names)


def _flat_names(names: Any, size: int) -> list[str]:
    """Flatten the ways names are given: a list, a dict holding one (``{"motors": [...]}``), or nothing.

    Names that are not one different text per number are as good as none: numbers are called by their place.
    """
    if isinstance(names, dict):
        inner = list(names.values())
        names = inner[0] if len(inner) == 1 and isinstance(inner[0], list) else list(names)
    texts = isinstance(names, list) and all(map(_is_text, names))
    if texts and len(set(names)) == len(names) == size:
        return list(names)
    return [str(number) for number in range(size)]


def _recorded_units(raw: Mapping[str, Any], vector: str) -> dict[str, str]:
    """Return units from where recordings had them before they stood beside the names."""
    ours = raw.get(OURS)
    features = ours.get("features") if isinstance(ours, dict) else None
    pairs = features.get(vector) if isinstance(features, dict) else None
    if not isinstance(pairs, list):
        return {}
    return {p[0]: p[1] for p in pairs if isinstance(p, list) and [type(x) for x in p] == [str, str]}


def _remarks(
    features: Features, columns: Mapping[str, str], left_out: Mapping[str, str], not_read: Iterable[str]
) -> tuple[str, ...]:
    remarks = [f"{theirs!r} is read as {ours!r}" for ours, theirs in columns.items() if theirs != ours]
    remarks += left_out.values()
    for key, dimensions in ((STATE, features.state_names), (ACTION, features.action_names)):
        if dimensions[:1] == ("0",):
            remarks.append(f"the numbers of {columns[key]!r} have no names of their own: 0, 1, ...")
    if STATE not in columns:
        remarks.append("there is no state: a policy sees the cameras alone")
    if names := ", ".join(sorted(name if name.isprintable() else repr(name) for name in not_read)):
        remarks.append(f"not read: {names}")
    return tuple(remarks)
