"""Calibration of a person's cameras: the board to print, and where each camera stands by pictures of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from sayso.data.board import COLUMNS, PICTURES, ROWS, Board, calibrate, looks
from sayso.data.cameras import write_cameras
from sayso.data.clips import VIDEOS
from sayso.spec import SaysoError, above
from sayso.work.progress import tracked
from sayso.work.replace import appearing

BOARD = "board.png"
DOTS_PER_INCH = 300


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig:
    """How cameras are calibrated. Begin with a folder that is new: the board to print appears there."""

    out: Path = Path("cameras.json")
    """File of the calibration."""
    square_m: float = 0.035
    """Side of a square of the board in metres, as measured on the print."""
    board_x_m: float = 0.12
    """How far before the arm's base the board's near edge lies; its middle lies straight before the base."""

    def __post_init__(self) -> None:
        """Refuse a board without size."""
        above(self, square_m=0)


def calibrate_cameras(folder: Path, config: CalibrateConfig) -> str:
    """Calibrate the cameras whose pictures are in a folder, and say where they stand; or put the board there.

    Raises:
        SaysoError: if a camera does not show the board as it must.
    """
    board = Board(square_m=config.square_m)
    files = _files(folder)
    if not files:
        folder.mkdir(parents=True, exist_ok=True)
        with appearing(folder / BOARD) as partial:
            picture = Picture.fromarray(board.picture())
            picture.save(partial, format="PNG", dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
        return _what_to_do(folder, config)
    found = []
    for name, path in tracked([*files.items()], "looking at the board"):
        found.append(calibrate(name, looks(path), board, (config.board_x_m, 0.0, 0.0)))
    lines = [f"calibration: {write_cameras(config.out, found)}"]
    for camera in found:
        x, y, z = camera.eye_m
        lines.append(f"  {camera.name}: stands at x {x:.2f} m, y {y:.2f} m, {z:.2f} m above the table")
    if len(found) == 2:
        away = [c.eye_m - np.array([config.board_x_m + 0.1, 0, 0]) for c in found]
        cosine = away[0] @ away[1] / np.linalg.norm(away[0]) / np.linalg.norm(away[1])
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        lines.append(f"  they look at the table {angle:.0f} degrees apart" + _advice(float(angle)))
    return "\n".join(lines)


def _advice(degrees: float) -> str:
    return "; between 60 and 90 is best" if not 50 <= degrees <= 100 else ""


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (*PICTURES, *VIDEOS) or path.name == BOARD:
            continue
        if path.stem in found:
            raise SaysoError(
                f"{folder} holds {found[path.stem].name} and {path.name}: keep one for each camera"
            )
        found[path.stem] = path
    return found


def _what_to_do(folder: Path, config: CalibrateConfig) -> str:
    wide, long = (count * config.square_m * 100 for count in (COLUMNS, ROWS))
    return (
        f"board: {folder / BOARD}\n"
        f"Print it unscaled ({wide:.1f} x {long:.1f} cm), glue it onto something flat, and lay it before the "
        f"arm, its near edge {config.board_x_m * 100:.0f} cm from the base and its long side pointing away. "
        "Film it with each camera, from that place on and then held in the hand, near and far and tilted "
        f"each way, as {folder / 'front.mp4'} and so on; then give the same command again."
    )
