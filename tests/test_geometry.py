import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.geometry import limit_norm, look_at, project, quat_about_z, rotate_z, wrap_angle, yaw_of

angles = st.floats(-20, 20)


@given(angles)
def test_wrapping_keeps_the_direction_and_lands_in_the_half_open_interval(angle):
    wrapped = wrap_angle(angle)
    assert -math.pi < wrapped <= math.pi
    assert math.cos(wrapped) == pytest.approx(math.cos(angle), abs=1e-9)
    assert math.sin(wrapped) == pytest.approx(math.sin(angle), abs=1e-9)


@given(angles, angles)
def test_turning_twice_is_turning_by_the_sum(first, second):
    v = [1.0, 2.0, 3.0]
    assert rotate_z(rotate_z(v, first), second) == pytest.approx(rotate_z(v, first + second), abs=1e-9)


@given(st.floats(-3, 3))
def test_heading_of_a_turn_about_z_is_its_angle(angle):
    w, _, _, z = quat_about_z(angle)
    rotation = np.array([[1 - 2 * z * z, -2 * w * z, 0], [2 * w * z, 1 - 2 * z * z, 0], [0, 0, 1]])
    assert yaw_of(rotation) == pytest.approx(angle)


def test_limiting_shortens_long_vectors_and_leaves_short_ones():
    assert np.linalg.norm(limit_norm(np.array([3.0, 4.0]), 1.0)) == pytest.approx(1.0)
    assert limit_norm(np.array([0.3, 0.4]), 1.0) == pytest.approx([0.3, 0.4])


def camera_rotation(eye, target):
    x, y = np.split(look_at(eye, target), 2)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def test_the_point_a_camera_looks_at_is_the_middle_of_its_picture():
    eye, target = np.array([1.0, 0.2, 0.7]), np.array([0.1, 0.0, 0.0])
    u, v, visible = project(target, eye, camera_rotation(eye, target), math.radians(50))
    assert (u, v, visible) == (pytest.approx(0.5), pytest.approx(0.5), True)


def test_left_is_left_and_up_is_up_in_a_picture():
    eye, target = np.array([0.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0])  # looks along x, so y is left
    rotation = camera_rotation(eye, target)
    assert project([1.0, 0.1, 0.0], eye, rotation, 1.0)[0] < 0.5
    assert project([1.0, 0.0, 0.1], eye, rotation, 1.0)[1] < 0.5


def test_what_is_behind_a_camera_is_not_visible():
    eye = np.zeros(3)
    assert project([-1.0, 0.0, 0.0], eye, camera_rotation(eye, np.array([1.0, 0, 0])), 1.0)[2] is False
