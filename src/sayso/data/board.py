"""Calibration from a printed board (ChArUco, by OpenCV): camera matrices, lenses, poses in the arm's frame.

    the sheet, seen from above          the arm's base is here, x forward, y left
                                            ^ x
      +--------------------+                |
      |  # # #  far edge   |           y <--o
      |  # # #             |
      |  # # #             |     the board's near edge is `--board-x-m` before the base,
      +---------X----------+     its middle X straight before it

The first picture of each camera must show the board lying there; in the others of a video it is held in the
hand, near and far, tilted each way. From one picture alone the focal length is estimated, and no lens.

Source: Garrido-Jurado et al. 2014 (ArUco), Zhang 2000 (planes), as OpenCV has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from sayso.data.cameras import CalibratedCamera, Numbers
from sayso.data.video import frames_at, opened
from sayso.spec import Image, SaysoError

INSTALL = "calibrating needs OpenCV: pip install 'sayso[watch]'"
COLUMNS, ROWS = 5, 7
"""Squares of the board: five across the sheet, seven away from the arm. It fits A4 upright at 35 mm."""
MARKER_SHARE = 0.75
"""Side of a marker, as a share of its square's."""
DOTS_PER_M = 300 / 0.0254
FEWEST_CORNERS, FEWEST_LOOKS = 8, 6
"""Corners that a picture must show to count; pictures from which on a lens is estimated, too."""
MOST_LOOKS = 40
SHARP_PX = 1.5
"""Mean distance of corners from where the calibration draws them, beyond which it is refused."""
PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, kw_only=True)
class Board:
    """Printed chessboard with markers."""

    square_m: float = 0.035
    """Side of a square, as measured on the print."""

    def picture(self) -> Image:
        """Return it for a printer of 300 dots an inch, uint8 ``[H, W, 3]``."""
        side = round(self.square_m * DOTS_PER_M)
        margin = side // 8
        size = (COLUMNS * side + 2 * margin, ROWS * side + 2 * margin)
        grey = self._made().generateImage(size, marginSize=margin)
        return np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2)

    def corners(self, image: Image) -> tuple[Numbers, Numbers]:
        """Find the inner corners in a picture: pixels ``[N, 2]``, and where they are on the board ``[N, 3]``.

        On the board, x goes from its near edge to the far one and y from its middle to the left.
        """
        import cv2

        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        pixels, which, _, _ = cv2.aruco.CharucoDetector(self._made()).detectBoard(grey)
        if which is None or len(which) == 0:
            return np.zeros((0, 2)), np.zeros((0, 3))
        flat = self._made().getChessboardCorners()[which.ravel()].astype(np.float64)
        across, down = flat[:, 0], flat[:, 1]  # from the upper left corner of the sheet
        placed = [ROWS * self.square_m - down, COLUMNS * self.square_m / 2 - across, np.zeros(len(flat))]
        return pixels.reshape(-1, 2).astype(np.float64), np.stack(placed, axis=1)

    def _made(self) -> Any:
        try:
            import cv2
        except ModuleNotFoundError as error:
            raise SaysoError(INSTALL) from error
        markers = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        return cv2.aruco.CharucoBoard((COLUMNS, ROWS), self.square_m, self.square_m * MARKER_SHARE, markers)


def calibrate(name: str, images: Iterable[Image], board: Board, place_m: Sequence[float]) -> CalibratedCamera:
    """Return a camera that shows the board, lying at its place in the first picture.

    Args:
        name: of the camera.
        images: uint8 ``[H, W, 3]``, all of one size.
        board: what was printed.
        place_m: where the middle of its near edge lies in the arm's frame, ``[3]``.

    Raises:
        SaysoError: if the board is not found, or what is found does not agree.
    """
    size, looks = (0, 0), []
    for k, image in enumerate(images):
        pixels, placed = board.corners(image)
        if k == 0 and len(pixels) < FEWEST_CORNERS:
            raise SaysoError(
                f"the first picture of camera {name!r} shows {len(pixels)} corners of the board, and "
                f"{FEWEST_CORNERS} are needed: lay it flat at its place, wholly in view, in even light"
            )
        size = image.shape[:2]
        if len(pixels) >= FEWEST_CORNERS:
            looks.append((pixels.astype(np.float32), placed.astype(np.float32)))
    if not looks:
        raise SaysoError(f"there is no picture of camera {name!r}")
    kept = [looks[k] for k in np.unique(np.linspace(0, len(looks) - 1, MOST_LOOKS).round().astype(int))]
    off_px, matrix, lens, turn, shift = _solved(kept, size)
    if off_px > SHARP_PX:
        raise SaysoError(
            f"the board's corners are {off_px:.1f} pixels from where camera {name!r} would draw them, and "
            f"{SHARP_PX:g} may be: print it flat and unscaled, say its measured --square-m, move it slowly"
        )
    return CalibratedCamera(
        name=name,
        size=(int(size[0]), int(size[1])),
        matrix=matrix,
        rotation=turn,
        translation_m=shift - turn @ np.asarray(place_m, np.float64),
        distortion=lens,
    )


def looks(path: Path, every_s: float = 0.25) -> Iterator[Image]:
    """Yield a picture, or those of a video a quarter of a second apart, uint8 ``[H, W, 3]``."""
    if path.suffix.lower() in PICTURES:
        yield np.asarray(Picture.open(path).convert("RGB"))
        return
    with opened(path) as container:
        stream = container.streams.video[0]
        long_s = float((stream.duration or 0) * (stream.time_base or 0))
        first_s = float((stream.start_time or 0) * (stream.time_base or 0))
    times = first_s + np.arange(0, max(long_s - every_s, every_s), every_s)
    yield from (shown.image for shown in frames_at(path, times.tolist(), within_s=every_s))


def _solved(
    looks: Sequence[tuple[Any, Any]], size: tuple[int, int]
) -> tuple[float, Numbers, Numbers, Numbers, Numbers]:
    """Return the error in pixels, the matrix, the lens, and the pose of the first look."""
    import cv2

    height, width = size
    few = len(looks) < FEWEST_LOOKS
    guess = np.array([[width, 0, (width - 1) / 2], [0, width, (height - 1) / 2], [0, 0, 1.0]])
    flags = cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_ASPECT_RATIO | cv2.CALIB_FIX_K3
    if few:  # a plane seen once tells one focal length, and nothing of the lens
        flags |= cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_ZERO_TANGENT_DIST
        flags |= cv2.CALIB_FIX_K1 | cv2.CALIB_FIX_K2
    off, matrix, lens, turns, shifts = cv2.calibrateCamera(
        [placed for _, placed in looks],
        [pixels for pixels, _ in looks],
        (width, height),
        guess,
        np.zeros(5),
        flags=flags,
    )
    turn, _ = cv2.Rodrigues(turns[0])
    found = [np.asarray(one, np.float64) for one in (matrix, lens, turn, shifts[0])]
    return float(off), found[0], found[1].ravel()[:5], found[2], found[3].ravel()
