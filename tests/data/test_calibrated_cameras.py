"""Calibrated cameras: pixels and rays, the file, and the board that makes it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sayso.data.board import Board, calibrate
from sayso.data.cameras import CalibratedCamera, read_cameras, write_cameras
from sayso.spec import SaysoError

LENS = np.array([-0.12, 0.03, 0.001, -0.002, 0.0])


def camera(name="left", lens=LENS, eye=(0.45, 0.55, 0.45), target=(0.2, 0.0, 0.04)):
    ahead = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(ahead, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return CalibratedCamera(
        name=name,
        size=(480, 640),
        matrix=np.array([[620.0, 0, 322.0], [0, 620.0, 236.0], [0, 0, 1]]),
        rotation=rotation,
        translation_m=-rotation @ np.array(eye),
        distortion=lens,
    )


def pictured(seen: CalibratedCamera, board: Board, place_m, turn=None):
    """Draw the board as a camera sees it, lying flat at a place or turned about its middle."""
    cv2 = pytest.importorskip("cv2")
    print_ = board.picture()
    high, wide = print_.shape[:2]
    side = round(board.square_m * 300 / 0.0254)
    ys, xs = np.mgrid[0:480, 0:640].astype(np.float64)
    rays = seen.rays(np.stack([xs, ys], -1))
    middle = np.asarray(place_m) + [3.5 * board.square_m, 0, 0]
    turn = np.eye(3) if turn is None else turn
    normal = turn[:, 2]
    depth = ((middle - seen.eye_m) @ normal) / (rays @ normal)
    flat = (seen.eye_m + rays * depth[..., None] - middle) @ turn  # x away, y left
    column = (wide - 1) / 2 - flat[..., 1] / board.square_m * side
    row = (high - 1) / 2 - flat[..., 0] / board.square_m * side
    grey = (200, 200, 200)
    maps = column.astype(np.float32), row.astype(np.float32)
    small = cv2.GaussianBlur(print_, (0, 0), 3.0)
    return cv2.remap(small, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=grey)


def test_a_ray_passes_through_the_point_whose_pixel_it_is_lens_and_all():
    seen, point = camera(), np.array([0.25, -0.1, 0.03])
    pixel = seen.project(point)
    ray = seen.rays(pixel)
    depth = (seen.rotation @ point + seen.translation_m)[2]
    np.testing.assert_allclose(seen.eye_m + depth * ray, point, atol=1e-6)


def test_a_smaller_picture_of_the_same_camera_shows_the_same_and_one_of_another_shape_is_refused():
    seen, point = camera(), np.array([0.2, 0.1, 0.0])
    np.testing.assert_allclose(seen.scaled_to(240, 320).project(point), seen.project(point) / 2)
    with pytest.raises(SaysoError, match="another shape"):
        seen.scaled_to(480, 480)


def test_cameras_come_back_from_their_file_and_damage_is_refused_by_the_name_of_the_camera(tmp_path):
    path = write_cameras(tmp_path / "c.json", [camera()])
    (back,) = read_cameras(path).values()
    np.testing.assert_allclose(back.project(np.ones(3) / 5), camera().project(np.ones(3) / 5))
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["cameras"]["left"]["rotation"][0] = [1, 1, 1]
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(SaysoError, match="rotation of camera 'left'"):
        read_cameras(path)
    with pytest.raises(SaysoError, match="sayso calibrate"):
        read_cameras(tmp_path / "none.json")


PLACE = (0.12, 0.0, 0.0)
POINTS = np.array([[0.2, 0.1, 0.0], [0.3, -0.1, 0.05], [0.15, 0.0, 0.12]])


def test_one_picture_of_the_board_tells_where_the_camera_stands():
    seen, board = camera(lens=np.zeros(5)), Board()
    found = calibrate("left", [pictured(seen, board, PLACE)], board, PLACE)
    assert np.linalg.norm(found.eye_m - seen.eye_m) < 0.03
    assert np.abs(found.project(POINTS) - seen.project(POINTS)).max() < 6


def test_more_pictures_of_the_board_tell_the_lens_as_well():
    seen, board, pictures = camera(), Board(), []
    rng = np.random.default_rng(0)
    for k in range(12):
        a, b, c = rng.uniform(-0.5, 0.5, 3) * (k > 0)
        about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
        shift = rng.uniform([-0.05, -0.1, 0], [0.1, 0.1, 0.12]) * (k > 0)
        pictures.append(pictured(seen, board, np.add(PLACE, shift), about_x @ about_y @ about_z))
    found = calibrate("left", pictures, board, PLACE)
    assert np.linalg.norm(found.eye_m - seen.eye_m) < 0.01
    assert np.abs(found.project(POINTS) - seen.project(POINTS)).max() < 1.5


def test_a_first_picture_without_the_board_is_refused_with_what_to_do():
    pytest.importorskip("cv2")
    with pytest.raises(SaysoError, match="lay it flat at its place"):
        calibrate("left", [np.full((480, 640, 3), 128, np.uint8)], Board(), PLACE)
