"""What a policy sees of Meta-World: two views of one picture, found from the state alone."""

from __future__ import annotations

import numpy as np
import pytest

from sayso.tasks.sawyer import BELOW_M, CAMERA, HAND, HAND_SIDE, SIZES_PX, features, squares, views

START = np.array([0.0, 0.6, 0.2, 1.0], np.float32)


def spotted(u: float, v: float, size: int = 640, radius: int = 6) -> np.ndarray:
    """Draw a white disc on black, u to the right and v down in 0..1."""
    down, across = np.mgrid[:size, :size] + 0.5
    disc = (across - u * size) ** 2 + (down - v * size) ** 2 < radius**2
    return np.repeat(disc[:, :, None] * 255, 3, axis=2).astype(np.uint8)


def centre(view: np.ndarray) -> np.ndarray:
    """Return where the light of a view is, u and v in 0..1."""
    light = view[:, :, 0].astype(float)
    down, across = np.mgrid[: len(view), : len(view)] + 0.5
    return np.array([(across * light).sum(), (down * light).sum()]) / light.sum() / len(view)


@pytest.mark.parametrize("point", [(0.5, 0.5), (0.47, 0.53), (0.58, 0.44)])
def test_a_point_appears_in_each_view_where_its_square_says(point):
    shown = views(spotted(*point), START)
    for name, square in squares(START).items():
        *expected, inside = square.within(*point)
        assert inside
        np.testing.assert_allclose(centre(shown[name]), expected, atol=0.25 / SIZES_PX[name])


def waves(size: int) -> np.ndarray:
    """Draw the same waves at any size."""
    u = (np.arange(size) + 0.5) / size
    grey = 128 + 60 * np.sin(37 * u)[:, None] + 60 * np.cos(29 * u)[None]
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("size", [320, 384, 640])
def test_views_look_the_same_whatever_the_size_of_the_picture(size):
    as_lerobot, this = views(waves(480), START), views(waves(size), START)
    for name in SIZES_PX:
        assert as_lerobot[name].std() > 40
        assert np.abs(as_lerobot[name].astype(int) - this[name]).max() <= 4


def test_the_middle_of_the_hands_view_is_where_its_fingertips_are():
    square = squares(START + np.array([0, 0, BELOW_M, 0], np.float32))[HAND]
    assert square.side == HAND_SIDE
    assert 0.5 < square.left + square.side / 2 < 0.6 and 0.45 < square.top + square.side / 2 < 0.55


def test_the_square_follows_the_hand_and_looks_at_nothing_else_of_the_state():
    raised = squares(START + np.array([0, 0, 0.1, 0], np.float32))
    assert raised[HAND].top < squares(START)[HAND].top
    assert raised[CAMERA] == squares(START)[CAMERA]
    assert squares(np.append(START, [7.0, 8.0])) == squares(START) == squares(START[:3])


def test_what_lies_beyond_the_picture_is_black_and_the_rest_stays_in_its_place():
    white = np.full((320, 320, 3), 255, np.uint8)
    assert all((view == 255).all() for view in views(white, START).values())
    near_the_border = np.array([0.55, 0.3, 0.2])
    square = squares(near_the_border)[HAND]
    assert 0.8 < square.top < 1
    view = views(white, near_the_border)[HAND]
    border = round((1 - square.top) / square.side * SIZES_PX[HAND])
    assert (view[: border - 1] == 255).all() and not view[border + 1 :].any()


def test_views_have_the_sizes_of_the_features():
    sizes = {CAMERA: 64, HAND: 48}
    shown = views(spotted(0.5, 0.5), START, sizes)
    assert {name: view.shape[:2] for name, view in shown.items()} == features(sizes).cameras
    assert all(view.dtype == np.uint8 for view in shown.values())


@pytest.mark.parametrize(
    ("picture", "state", "words"),
    [
        (np.zeros((1, 8, 8, 3), np.uint8), START, "comes without their axis"),
        (np.zeros((8, 9, 3), np.uint8), START, r"uint8 \[8, 9, 3\]"),
        (np.zeros((8, 8, 3), np.float32), START, "float32"),
        (np.zeros((8, 8, 3), np.uint8), START[:2], "x, y and z"),
        (np.zeros((8, 8, 3), np.uint8), START * np.nan, "nan"),
    ],
)
def test_anything_else_is_refused(picture, state, words):
    with pytest.raises(ValueError, match=words):
        views(picture, state)


@pytest.mark.parametrize("sizes", [{CAMERA: 128}, {CAMERA: 128, HAND: 0}, {CAMERA: 1, HAND: 1, "top": 1}])
def test_sizes_of_other_views_are_refused(sizes):
    with pytest.raises(ValueError, match="at least one pixel"):
        features(sizes)
