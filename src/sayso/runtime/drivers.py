"""Drivers of LeRobot's robots and teleoperators, plugins' too: a type by name, and the config that it wants.

    --robot "so101 /dev/ttyACM0 front=0"                a row of our table: which field the address is
    --robot "lerobot:my_arm port=/dev/ttyACM0"          any type that LeRobot registers: fields by their names
    --robot-config max_relative_target=5                any field of either, as LeRobot's own flags have it

It needs the extra ``lerobot``, whose classes are named where they are used: importing them brings torch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from sayso.robots import DEGREES, NORMALIZED, Connection
from sayso.runtime.lerobot import LeRobotRobot, never_made_up
from sayso.spec import SaysoError, known

INSTALL = (
    "LeRobot's drivers are not installed ({error}). Into an environment of its own, at the top of the "
    "repository: pip install --constraint constraints-lerobot.txt --editable '.[lerobot]'"
)
CAMERA_FPS, CAMERA_SIZE = 30, (480, 640)
SMALLEST_CAMERA = 240
"""Pixels of height below which a size is that of scaled pictures, which no camera has."""
CAMERAS, UNIT, LIMP = "cameras", "use_degrees", "disable_torque_on_disconnect"
"""Fields of a config that say the same of every robot that has them."""
Config = Mapping[str, Any]


def lerobot_at(connection: Connection) -> LeRobotRobot:
    """Return the robot of LeRobot's that a connection names, not connected yet.

    Raises:
        SaysoError: if LeRobot is not installed, knows no such robot, or its config is not as it must be.
    """
    try:
        from lerobot.robots.utils import make_robot_from_config

        kind = registered(connection.lerobot)
        config = configured(kind, connection)
        return LeRobotRobot(never_made_up(make_robot_from_config(config)))
    except ImportError as error:
        raise SaysoError(INSTALL.format(error=error)) from error
    except (TypeError, ValueError) as error:
        raise SaysoError(f"LeRobot's {connection.lerobot} cannot be made: {error}") from error


def registered(name: str, what: str = "robot") -> type[Any]:
    """Return the class of the config of a robot that LeRobot knows, or an installed plugin of it.

    Args:
        name: what LeRobot calls it.
        what: ``robot``, or ``teleoperator``: what a person moves a robot with.

    Raises:
        ImportError: if LeRobot is not installed.
        UnknownNameError: if there is none of that name.
    """
    from lerobot.utils import import_utils

    theirs = importlib.import_module(f"lerobot.{what}s")
    for module in pkgutil.iter_modules(theirs.__path__):
        with contextlib.suppress(ImportError, OSError):  # what it needs is not installed, so it is not meant
            importlib.import_module(f"{theirs.__name__}.{module.name}")
    import_utils.register_third_party_plugins()
    config = getattr(theirs, f"{what.capitalize()}Config")
    choices: Mapping[str, type[Any]] = config.get_known_choices()
    return choices[known(f"{what} of LeRobot", name, choices)]


def teleoperator_at(connection: Connection) -> Any:
    """Return the teleoperator of LeRobot's that a connection names, not connected yet.

    Raises:
        SaysoError: if LeRobot is not installed, knows no such one, or its config is not as it must be.
    """
    try:
        from lerobot.teleoperators.utils import make_teleoperator_from_config

        kind = registered(connection.lerobot, "teleoperator")
        config = configured(kind, connection, f"--teleop lerobot:{connection.lerobot}")
        return make_teleoperator_from_config(config)
    except ImportError as error:
        raise SaysoError(INSTALL.format(error=error)) from error
    except (TypeError, ValueError) as error:
        raise SaysoError(f"LeRobot's {connection.lerobot} cannot be made: {error}") from error


def configured(kind: type[Any], connection: Connection, said_by: str = "--robot-config") -> Any:
    """Return the config of a robot, made of what is known of it and of what was said by a flag.

    Raises:
        SaysoError: if something is said that it has not, or not said that it needs.
    """
    import draccus

    paths = dict(_fields(kind))
    said = {known(f"field of {connection.lerobot}", key, paths): value for key, value in _read(connection)}
    config = _nested(_known_of(paths, connection) | said)
    if missing := [path for path in _required(kind) if not _has(config, path)]:
        example = " ".join(f"{path}=..." for path in missing)
        raise SaysoError(
            f"a {connection.lerobot} needs {', '.join(missing)}; say {said_by} {example}. "
            f"What it can be told: {', '.join(paths)}"
        )
    try:
        return draccus.decode(kind, config)
    except draccus.utils.DecodingError as error:
        raise SaysoError(f"LeRobot's {connection.lerobot} cannot be configured so: {error}") from error


def _read(connection: Connection) -> Iterator[tuple[str, Any]]:
    """Yield each field that was said and its value, read as LeRobot reads its flags."""
    import yaml

    for key, text in connection.settings.items():
        try:
            yield key, yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SaysoError(f"{key} is {text!r}, which cannot be read: {error}") from error


def _known_of(paths: Mapping[str, Any], connection: Connection) -> dict[str, Any]:
    """Return what a connection says of fields that are called alike in many configs."""
    found: dict[str, Any] = {"id": connection.id} if connection.id else {}
    for path in paths:
        field = path.rpartition(".")[2]
        if field == LIMP:
            found[path] = connection.limp
        elif field == UNIT and connection.unit:
            found[path] = connection.unit == DEGREES
    if connection.unit not in ("", DEGREES, NORMALIZED) and any(p.endswith(UNIT) for p in paths):
        raise SaysoError(
            f"a {connection.lerobot} speaks of its joints in deg or normalized, the policy in "
            f"{connection.unit}"
        )
    return found | _cameras(paths, connection)


def _cameras(paths: Mapping[str, Any], connection: Connection) -> dict[str, Any]:
    """Return the cameras of a robot: its own, or each that of the arm which its name begins with."""
    if not connection.cameras:
        return {}
    looks = {name: _camera(name, connection) for name in connection.cameras}
    if CAMERAS in paths:
        return {CAMERAS: looks}
    found: dict[str, Any] = {}
    for name, look in looks.items():
        arm, _, short = name.partition("_")
        path = f"{arm}_arm_config.{CAMERAS}"
        if path not in paths or not short:
            raise SaysoError(
                f"a {connection.lerobot} has no place for a camera {name!r}; it may have "
                f"{', '.join(f'--robot-config {p}=...' for p in paths if p.endswith(CAMERAS)) or 'none'}"
            )
        found.setdefault(path, {})[short] = look
    return found


def _camera(name: str, connection: Connection) -> dict[str, Any]:
    """Return the config of a camera that OpenCV opens, in the size in which it was recorded."""
    height, width = connection.sizes.get(name, CAMERA_SIZE)
    if not SMALLEST_CAMERA <= height <= width:
        height, width = CAMERA_SIZE
    where = connection.cameras[name]
    return {"type": "opencv", "index_or_path": where, "fps": CAMERA_FPS, "width": width, "height": height}


def _fields(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each field of a config, those of configs within it behind a dot, and its type."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint, path = hints.get(field.name), prefix + field.name
        if (
            isinstance(hint, type)
            and not isinstance(hint, types.GenericAlias)
            and dataclasses.is_dataclass(hint)
        ):
            yield from _fields(hint, path + ".")
        else:
            yield path, hint


def _required(kind: type[Any], prefix: str = "") -> Iterator[str]:
    """Yield each field without which there is no config."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING:
            continue
        hint, path = hints.get(field.name), prefix + field.name
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from _required(hint, path + ".")
        elif field.init:
            yield path


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in flat.items():
        *outer, last = path.split(".")
        inside = found
        for name in outer:
            inside = inside.setdefault(name, {})
        inside[last] = value
    return found


def _has(config: Mapping[str, Any], path: str) -> bool:
    inside: Any = config
    for name in path.split("."):
        if not isinstance(inside, Mapping) or name not in inside:
            return False
        inside = inside[name]
    return True
