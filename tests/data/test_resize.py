"""Pictures are scaled in one way, whether they are learned from or acted on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sayso.data.fit import check_fits
from sayso.data.reader import Dataset
from sayso.data.resize import ResizeError, as_learned, fitted, scaled, scaled_size
from sayso.data.windows import Windows
from sayso.models import checkpoint, table
from sayso.runtime.request import read_request
from sayso.runtime.wire import WireError, pack
from sayso.spec import FeatureMismatchError, Features, image_key
from small_datasets import FEATURES, build, without_points

LARGE = dataclasses.replace(without_points(), cameras={"front": (480, 640), "wrist": (270, 480)})


def noise(*size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("text", "size", "becomes"),
    [
        ("", (270, 480), (270, 480)),
        ("96x128", (480, 640), (96, 128)),
        ("128", (480, 640), (128, 168)),
        ("128", (640, 480), (168, 128)),
        ("100", (270, 480), (96, 176)),
        ("480", (480, 640), (480, 640)),
    ],
)
def test_one_number_is_the_shorter_side_and_the_picture_keeps_its_shape(text, size, becomes):
    assert scaled_size(text, size) == becomes


@pytest.mark.parametrize("text", ["96 x 128", "0", "96x", "-3", "big", "96x128x3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ResizeError, match="is one number"):
        scaled_size(text, (480, 640))


@pytest.mark.parametrize("text", ["512", "480x700", "2000"])
def test_pictures_are_never_made_larger(text):
    with pytest.raises(ResizeError, match="only 480x640"):
        scaled_size(text, (480, 640))


def test_every_new_pixel_is_the_mean_of_the_area_it_covers():
    image = noise(96, 128)
    means = image.reshape(24, 4, 32, 4, 3).mean((1, 3))
    assert np.abs(fitted(image, (24, 32)) - means).max() <= 1  # rounded once each way


def test_features_remember_what_was_scaled_and_from_what():
    features = scaled(LARGE, "264x480")
    assert features.cameras == {"front": (264, 480), "wrist": (264, 480)}
    assert features.scaled_from == {"front": (480, 640), "wrist": (270, 480)}
    assert Features.from_json(features.to_json()) == features
    assert scaled(LARGE, "") == LARGE


def test_a_shape_that_would_cut_off_labelled_points_is_refused():
    labelled = dataclasses.replace(FEATURES, cameras={"front": (480, 640)})
    assert scaled(labelled, "96x128").cameras == {"front": (96, 128)}
    with pytest.raises(ResizeError, match="loses a part"):
        scaled(labelled, "128x128")


def test_a_policy_that_learned_from_scaled_pictures_sees_any_size_in_its_own():
    policy, image = scaled(LARGE, "96x128"), noise(240, 320)
    np.testing.assert_array_equal(as_learned(image, "front", policy), fitted(image, (96, 128)))
    assert as_learned(image[None, None], "front", policy).shape == (1, 1, 96, 128, 3)
    small = noise(96, 128)
    assert as_learned(small, "front", policy) is small
    check_fits(policy, LARGE)
    check_fits(policy, dataclasses.replace(LARGE, cameras={"front": (720, 1280), "wrist": (96, 128)}))


def test_a_policy_that_learned_from_pictures_as_they_are_refuses_others():
    with pytest.raises(FeatureMismatchError, match="resize it before"):
        as_learned(noise(240, 320), "front", LARGE)
    with pytest.raises(FeatureMismatchError, match="camera front is 480 x 640 pixels in the policy"):
        check_fits(LARGE, scaled(LARGE, "96x128"))


def test_what_is_no_picture_is_refused():
    policy = scaled(LARGE, "96x128")
    for wrong in (noise(9, 9)[..., 0], noise(9, 9).astype(np.float32), np.uint8(3), noise(0, 9)):
        with pytest.raises(FeatureMismatchError, match="uint8"):
            as_learned(wrong, "front", policy)


def test_windows_hold_scaled_pictures_and_keep_them_apart_from_others(tmp_path):
    features = dataclasses.replace(without_points(), cameras={"front": (32, 48), "wrist": (32, 48)})
    dataset, key = Dataset(build(tmp_path / "data", features)), image_key("front")
    small = Windows(dataset, resize="16x24", cache=tmp_path / "cache")
    assert small.features.cameras["front"] == (16, 24) and small.features.scaled_from["front"] == (32, 48)
    large = Windows(dataset, cache=tmp_path / "cache")
    one, other = small.batch([3])[key][0, 0], large.batch([3])[key][0, 0]
    np.testing.assert_array_equal(one, fitted(other, (16, 24)))
    again = Windows(dataset, like=small.features, cache=tmp_path / "cache")
    assert again.features == small.features
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 4


def test_a_checkpoint_remembers_and_scales_what_it_is_shown(tmp_path):
    features = dataclasses.replace(without_points(), cameras={"front": (64, 96)})
    dataset = Dataset(build(tmp_path / "data", features))
    windows = Windows(dataset, chunk=4, resize="32", cache=tmp_path / "cache")
    assert windows.features.cameras == {"front": (32, 48)}
    made = table.build("vla", preset="tiny", features=windows.features, stats=windows.stats, chunk=4)
    checkpoint.save(made, tmp_path / "policy")
    policy, (frame,) = checkpoint.load(tmp_path / "policy"), dataset.frames(dataset.episodes[0], [2])
    check_fits(policy.features, dataset.features)
    small = frame | {image_key("front"): fitted(frame[image_key("front")], (32, 48))}
    np.testing.assert_array_equal(policy.act(frame).actions, policy.act(small).actions)
    large = frame | {image_key("front"): frame[image_key("front")].repeat(3, 0).repeat(3, 1)}
    assert np.isfinite(policy.act(large).actions).all()


def test_a_server_takes_any_size_for_a_policy_that_scales_and_only_its_own_for_others():
    image, state = noise(240, 320), np.zeros(2, np.float32)
    asked = pack({"images": {"front": image, "wrist": image}, "state": state, "prompt": "put it away"})
    seen, _ = read_request(asked, scaled(LARGE, "96x128"))
    np.testing.assert_array_equal(seen[image_key("front")], fitted(image, (96, 128)))
    with pytest.raises(WireError, match=r"must be uint8 \[480, 640, 3\]"):
        read_request(asked, LARGE)
