"""What a robot or a recording shows is brought to what a policy knows, and its actions back."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.data.fit import as_known, as_shown, check_fits, names_of, read_names, refuse_unused, renamed
from sayso.data.resize import fitted, scaled
from sayso.data.statistics import Stats
from sayso.data.transforms import Repack
from sayso.spec import (
    ACTION,
    STATE,
    ConfigError,
    Dimension,
    FeatureMismatchError,
    Features,
    UnknownNameError,
    image_key,
)


def robot(unit: str, *cameras: str, joint: str = "pan.pos", size: tuple[int, int] = (8, 12)) -> Features:
    numbers = (Dimension(name=joint, unit=unit), Dimension(name="gripper.pos", unit="%"))
    return Features(
        robot_type="so101", fps=20, state=numbers, action=numbers, cameras=dict.fromkeys(cameras, size)
    )


POLICY = renamed(robot("deg", "front", "wrist"), read_names(["image=front", "shoulder=pan.pos"]))
THERE = robot("rad", "image", "wrist", joint="shoulder")


def test_names_are_read_as_they_are_here_and_there_with_or_without_lerobots_prefix():
    words = ["observation.images.image=front", "cam_high=front", "shoulder=pan.pos"]
    assert read_names(words) == {"image": "front", "cam_high": "front", "shoulder": "pan.pos"}
    assert read_names([]) == {}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["front"], "is THEIRS=NAME"),
        (["=image"], "is THEIRS=NAME"),
        (["front=front"], "is THEIRS=NAME"),
        (["image=front", "image=wrist"], "image two names, front and wrist"),
        (["wrist=front", "front=wrist"], "front, wrist as an old name and as a new one"),
    ],
)
def test_what_names_nothing_or_two_things_is_refused(words, complaint):
    with pytest.raises(ConfigError, match=complaint):
        read_names(words)


def test_a_policy_remembers_names_and_knows_a_robot_by_them_and_by_its_own():
    assert Features.from_json(POLICY.to_json()) == POLICY
    assert "renamed" not in robot("deg", "front").to_json()
    check_fits(POLICY, robot("deg", "front", "wrist"))
    check_fits(POLICY, THERE)
    known = as_known(THERE, POLICY)
    assert (known.cameras, known.state, known.action) == (POLICY.cameras, POLICY.state, POLICY.action)


def test_what_is_called_otherwise_and_not_remembered_does_not_fit():
    with pytest.raises(FeatureMismatchError, match="camera only in the policy: front"):
        check_fits(robot("deg", "front", "wrist"), robot("deg", "image", "wrist"))


def test_units_that_cannot_be_converted_do_not_fit():
    with pytest.raises(FeatureMismatchError, match="is deg in the policy and normalized in the world"):
        check_fits(robot("deg", "front"), robot("normalized", "front"))


def test_a_name_that_nothing_has_is_refused_with_the_nearest_or_the_other_way_round():
    shown = names_of(robot("deg", "image", "wrist"))
    refuse_unused({"image": "front", "pan.pos": "joint"}, shown)
    with pytest.raises(UnknownNameError, match=r"to rename 'imgae'\. Did you mean 'image'"):
        refuse_unused({"imgae": "wrist"}, shown)
    with pytest.raises(ConfigError, match="if image is to be called top, say image=top"):
        refuse_unused(read_names(["top=image"]), shown)


def test_two_cameras_never_get_one_name():
    with pytest.raises(FeatureMismatchError, match="has front, image, of which two would get one name"):
        renamed(robot("deg", "front", "image"), {"image": "front"})


def test_labelled_points_go_with_their_camera():
    labelled = dataclasses.replace(robot("deg", "image"), points=("image.object.u", "wrist.object.u"))
    assert renamed(labelled, {"image": "front"}).points == ("front.object.u", "wrist.object.u")


def test_a_robot_s_view_of_a_policy_has_its_names_and_units():
    there = as_shown(POLICY, names_of(THERE))
    assert (there.cameras, there.state, there.action) == (THERE.cameras, THERE.state, THERE.action)
    same = as_shown(POLICY, names_of(robot("deg", "front", "wrist")))
    assert same == dataclasses.replace(POLICY, renamed={})


def test_repacking_gives_names_units_and_sizes_that_the_policy_knows():
    policy = scaled(dataclasses.replace(POLICY, cameras={"front": (16, 24), "wrist": (8, 12)}), "8x12")
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8)
    shown = {image_key("image"): image, STATE: np.array([math.pi, 50], np.float32), "task": "go"}
    seen = Repack.between(THERE, policy).forward(shown)
    np.testing.assert_array_equal(seen[image_key("front")], fitted(image, (8, 12)))
    assert seen[STATE] == pytest.approx([180, 50]) and seen["task"] == "go"
    assert seen.keys() == {image_key("front"), STATE, "task"}
    np.testing.assert_array_equal(shown[image_key("image")], image)


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(-1000, 1000, width=32)] * 2), min_size=1, max_size=8))
def test_repacking_undoes_itself_but_for_the_size_of_pictures(chunk):
    way = Repack.between(THERE, POLICY)
    picture = np.zeros((8, 12, 3), np.uint8)
    shown = {image_key("image"): picture, STATE: np.array(chunk[0]), ACTION: np.array(chunk)}
    back = way.inverse(way.forward(shown))
    assert back.keys() == shown.keys()
    for key in (STATE, ACTION):
        np.testing.assert_allclose(back[key], shown[key], rtol=1e-5, atol=1e-6)


def test_what_needs_no_change_passes_untouched():
    way = Repack.between(robot("deg", "front", "wrist"), POLICY)
    shown = {image_key("front"): np.zeros((8, 12, 3), np.uint8), STATE: np.zeros(2, np.float32)}
    assert all(value is shown[key] for key, value in way.forward(shown).items())


def test_statistics_are_told_in_the_robot_s_units():
    rows = np.array([[-180.0, 0.0], [90.0, 100.0]])
    told = Repack.between(THERE, POLICY).stats({STATE: Stats.of(rows)})[STATE]
    assert told.min == pytest.approx((-math.pi, 0)) and told.max == pytest.approx((math.pi / 2, 100))
    assert told.std == pytest.approx(Stats.of(rows * [math.pi / 180, 1]).std)
