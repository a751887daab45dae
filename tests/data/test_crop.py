"""A policy sees one part of each picture, the same when it learns and when it acts, whoever shows it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from sayso.data.crop import Crop, cropped, part_of, points_in_parts, read_crops
from sayso.data.edit.config import EditConfig
from sayso.data.edit.verb import edit
from sayso.data.fit import as_known, check_fits, renamed
from sayso.data.preview import ShowConfig, show
from sayso.data.reader import Dataset
from sayso.data.resize import ResizeError, as_learned, fitted, scaled
from sayso.data.windows import Windows
from sayso.data.writer import assemble, stage_episode
from sayso.evaluation.action_error import looks
from sayso.learn.beginning import first_policy, reading
from sayso.learn.config import TrainConfig
from sayso.models import checkpoint, table
from sayso.models.policy import ModelPolicy
from sayso.models.repacked import in_world, on_robot
from sayso.runtime.request import read_request
from sayso.runtime.robot import look
from sayso.runtime.wire import WireError, pack
from sayso.spec import (
    AS_LEARNED,
    POINTS,
    STATE,
    TASK,
    ConfigError,
    FeatureMismatchError,
    Features,
    UnknownNameError,
    image_key,
    point_names,
)
from small_datasets import LENGTHS, frames, without_points

SIZE = (48, 64)
PLAIN = dataclasses.replace(without_points(), cameras={"front": SIZE, "wrist": SIZE})
LABELLED = dataclasses.replace(PLAIN, points=point_names(PLAIN.cameras))
FRONT = image_key("front")


def picture(n: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return a picture of which every part can be told from the others."""
    down, right = np.mgrid[: size[0], : size[1]] / np.reshape(size, (2, 1, 1))
    shown = np.stack([200 * down, 200 * right, np.full(size, 3 * n)], -1)
    return shown.astype(np.uint8)


def build(root: Path, features: Features = PLAIN) -> Dataset:
    """Record episodes of such pictures."""
    for family, seed in LENGTHS:
        shown = frames(family, seed, features)
        for n, frame in enumerate(shown):
            frame |= {image_key(camera): picture(n, size) for camera, size in features.cameras.items()}
            if features.points:
                frame[POINTS] = np.tile(frame[POINTS], 4)
        stage_episode(root, features, shown, seed=seed, family=family)
    return Dataset(assemble(root, features))


def windows(dataset: Dataset, words: str = "front=0,8,40,40", resize: str = "", **more) -> Windows:
    cache = dataset.root.parent / "cache"
    return Windows(dataset, chunk=4, crops=read_crops(words.split()), resize=resize, cache=cache, **more)


def tiny(shown: Windows) -> ModelPolicy:
    return table.build("vla", preset="tiny", features=shown.features, stats=shown.stats, chunk=4)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build(tmp_path_factory.mktemp("crop") / "data")


@pytest.mark.parametrize(
    ("word", "size", "box"),
    [
        ("0,80,480,480", (480, 640), (0, 80, 480, 480)),
        ("480x480", (480, 640), (0, 80, 480, 480)),
        ("480", (480, 640), (0, 80, 480, 480)),
        ("75%", (480, 640), (60, 80, 360, 480)),
        ("100%x75%", (480, 640), (0, 80, 480, 480)),
        ("0%, 12.5%, 100%, 75%", (480, 640), (0, 80, 480, 480)),
        ("0,12.5%,100%,480", (480, 640), (0, 80, 480, 480)),
        ("33.3%,0,66.7%,64", (49, 64), (16, 0, 33, 64)),
        ("47x63", (48, 64), (0, 0, 47, 63)),
        ("100%", (480, 640), (0, 0, 480, 640)),
    ],
)
def test_a_part_is_said_in_pixels_or_per_cent_from_its_corner_or_as_the_middle(word, size, box):
    assert Crop.of(word).box(size, "front") == box
    assert Crop.like(box, size).box(size, "front") == box
    double = (2 * size[0], 2 * size[1])
    assert Crop.like(box, size).box(double, "front") == tuple(2 * px for px in box)


@pytest.mark.parametrize("word", ["", "1,2,3", "a,b,c,d", "-1,0,4,4", "0.5,0,4,4", "480x", "4x4x4", "120x%"])
def test_what_is_no_part_is_refused(word):
    with pytest.raises(ConfigError, match="TOP,LEFT,HEIGHT,WIDTH"):
        read_crops([f"desk={word}"])


def test_a_camera_is_named_once_in_short_or_in_full():
    assert read_crops(["observation.images.desk=480", "75%"]).keys() == {"desk", ""}
    with pytest.raises(ConfigError, match="twice what is seen of desk"):
        read_crops(["desk=480", "observation.images.desk=75%"])
    with pytest.raises(ConfigError, match="twice what is seen of every camera"):
        read_crops(["480", "75%"])


@pytest.mark.parametrize(
    "word", ["80,0,480,480", "0,200,480,480", "481", "120%", "0,0,0,10", "10,10,480,640"]
)
def test_a_part_outside_the_picture_is_refused_with_the_pictures_size(word):
    features = dataclasses.replace(PLAIN, cameras={"desk": (480, 640)})
    with pytest.raises(ConfigError, match=r"'desk' of pens shows 480x640 pixels \(height x width\)"):
        cropped(features, read_crops([f"desk={word}"]), "pens")


def test_who_typed_x_y_width_height_is_told_what_to_type():
    features = dataclasses.replace(PLAIN, cameras={"desk": (480, 640)})
    with pytest.raises(ConfigError, match="if x, y, width, height was meant, say 0,80,480,500"):
        cropped(features, read_crops(["desk=80,0,500,480"]))


def test_features_keep_the_part_and_a_file_that_contradicts_itself_is_refused():
    features = scaled(cropped(PLAIN, read_crops(["front=0,8,40,40"])), "20x20")
    assert features.cameras == {"front": (20, 20), "wrist": (20, 20)}
    assert features.cropped == {"front": (0, 8, 40, 40)}
    assert features.scaled_from == {"front": SIZE, "wrist": SIZE}
    raw = features.to_json()
    assert Features.from_json(raw) == features
    for wrong in (
        {"front": [0, 8, 49, 40]},
        {"front": [0, 8, 0, 40]},
        {"side": [0, 0, 4, 4]},
        {"front": [1]},
    ):
        with pytest.raises(ConfigError, match="features"):
            Features.from_json({**raw, "cropped": wrong})
    assert "cropped" not in PLAIN.to_json() and Features.from_json(PLAIN.to_json()).cropped == {}


def test_renamed_cameras_keep_their_parts_and_a_recording_fits_the_policy_that_crops_it():
    policy = cropped(PLAIN, read_crops(["front=0,8,40,40"]))
    assert renamed(policy, {"front": "desk"}).cropped == {"desk": (0, 8, 40, 40)}
    check_fits(policy, PLAIN)
    assert as_known(PLAIN, policy) == policy
    with pytest.raises(FeatureMismatchError, match="front is 48 x 64"):
        check_fits(PLAIN, policy)


def test_the_same_pixels_are_learned_from_and_acted_on(dataset, tmp_path):
    shown = windows(dataset, resize="20x20")
    policy = tiny(shown)
    checkpoint.save(policy, tmp_path / "policy")
    policy = checkpoint.load(tmp_path / "policy")
    row = dataset.episodes[2].start + 5
    (number,) = np.flatnonzero(shown._rows == row)
    (frame,) = dataset.frames(dataset.episodes[2], [5])
    learned = shown.batch([number])
    expected = fitted(frame[FRONT][0:40, 8:48], (20, 20))
    np.testing.assert_array_equal(learned[FRONT][0, 0], expected)

    seen = [policy.collator(policy.collator.look(frame)), policy.collator(learned)]
    reading = {"front": frame[FRONT], "wrist": frame[image_key("wrist")]}
    reading |= dict(zip(PLAIN.state_names, frame[STATE].tolist(), strict=True))
    robot = look(reading, policy.features, frame[TASK])
    seen.append(policy.collator(policy.collator.look(robot)))
    asked, _ = read_request(pack({k: v for k, v in frame.items() if k in robot}), policy.features)
    seen.append(policy.collator(policy.collator.look(asked)))
    again, _ = read_request(pack(robot), policy.features)
    seen.append(policy.collator(policy.collator.look(again)))
    (measured,) = looks(learned, shown.features)
    seen.append(policy.collator(policy.collator.look(measured)))
    for parts in seen:
        np.testing.assert_array_equal(parts["images"][0][0, 0], expected)

    one = policy.act(frame).actions
    knows = dataclasses.replace(policy.features, renamed={"desk": "front"})
    shown_there = dict.fromkeys(("desk", "wrist"), "") | {d.name: d.unit for d in PLAIN.state}
    other_robot, features = on_robot(policy, knows, shown_there)
    assert features.cropped == {"desk": (0, 8, 40, 40)}
    called = {image_key("desk"): frame[FRONT], **{k: v for k, v in frame.items() if k != FRONT}}
    for acts, given in ((policy, robot), (policy, measured), (other_robot, called)):
        np.testing.assert_array_equal(acts.act(given).actions, one)
    np.testing.assert_array_equal(in_world(policy, policy.features, PLAIN).act(frame).actions, one)


def test_a_camera_that_shows_just_the_policys_size_is_cropped_nonetheless(dataset):
    policy = windows(dataset, "front=0,8,40,40").features
    assert policy.cameras["front"] == (40, 40)
    whole = picture(3, (40, 40))
    seen = as_learned(whole, "front", policy)
    np.testing.assert_array_equal(seen, fitted(whole[5:30, 5:30], (40, 40)))
    np.testing.assert_array_equal(as_learned(whole, "front", policy, is_cropped=True), whole)


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (SIZE, (0, 8, 40, 40)),
        ((96, 128), (0, 16, 80, 80)),
        ((72, 128), (0, 28, 60, 60)),  # the middle 72 x 96 of it has the recording's shape
        ((64, 64), (8, 8, 40, 40)),
        ((1, 1), (0, 0, 1, 1)),
        ((3, 500), (0, 248, 2, 3)),
    ],
)
def test_of_another_size_the_same_part_of_the_recordings_shape_is_seen(size, part):
    policy = cropped(PLAIN, read_crops(["front=0,8,40,40"]))
    assert part_of(policy, "front", size) == part
    assert as_learned(picture(1, size)[None, None], "front", policy).shape == (1, 1, 40, 40, 3)


def test_cropped_frames_are_kept_apart_from_whole_ones(tmp_path):
    dataset = build(tmp_path / "data")
    key = image_key("front")
    for words in ("", "front=0,8,40,40", "front=8,8,40,40"):
        shown = windows(dataset, words, "20x20")
        part = part_of(shown.features, "front", SIZE)
        (image,) = dataset.images("front", [3])
        want = fitted(image[part[0] : part[0] + part[2], part[1] : part[1] + part[3]], (20, 20))
        np.testing.assert_array_equal(shown.batch([3])[key][0, 0], want)
    assert len(list((tmp_path / "cache").rglob("front*.npy"))) == 3
    assert len(list((tmp_path / "cache").rglob("wrist*.npy"))) == 1
    remarks = " ".join(windows(dataset).remarks)
    assert "the policy remembers: front 40x40 from row 0, column 8 of 48x64" in remarks


def test_labelled_points_move_with_their_picture_and_are_hidden_outside(tmp_path):
    features = cropped(LABELLED, read_crops(["front=0,8,40,40"]))
    points = np.array(
        [[0.5, 0.5, 1], [0.05, 0.5, 1], [0.5, 0.9, 1], [0.5, 0.5, 0], [0.5, 0.5, -1]], np.float32
    )
    of_one = dataclasses.replace(features, points=features.points[:3])
    moved = points_in_parts(points, of_one, LABELLED.cameras)
    np.testing.assert_allclose(moved[0], [(32 - 8) / 40, 24 / 40, 1], atol=1e-6)
    np.testing.assert_array_equal(moved[1:], [[0.5, 0.5, 0]] * 3 + [[0.5, 0.5, -1]])

    dataset = build(tmp_path / "data", LABELLED)
    shown, whole = windows(dataset), windows(dataset, "")
    numbers = list(range(len(whole)))
    given = whole.batch(numbers)[POINTS]
    assert (given[:, 2] > 0).any()
    expected = points_in_parts(given, shown.features, LABELLED.cameras)
    batch = shown.batch(numbers)
    np.testing.assert_array_equal(batch[POINTS], expected)
    parts = tiny(shown).collator(
        {**whole.batch(numbers)}
    )  # as a loader that knows nothing of cropping gives it
    np.testing.assert_array_equal(parts["points"].reshape(len(numbers), -1), expected)
    np.testing.assert_array_equal(parts["images"][0], batch[FRONT])
    with pytest.raises(ResizeError, match=r"'front' of .*data shows 48x64, of which 20x20 loses a part"):
        windows(dataset, "", "20x20")


def test_recordings_of_unlike_sizes_are_cropped_alike_or_refused(tmp_path):
    large = dataclasses.replace(PLAIN, cameras={"front": (96, 128), "wrist": (96, 128)})
    both = [build(tmp_path / "a"), build(tmp_path / "b", large)]
    crops = read_crops(["front=75%"])
    shown = Windows(both, crops=crops, resize="24x24", cache=tmp_path / "cache")
    first, second = shown.batch([3, len(shown) // 2 + 3])[FRONT][:, 0].astype(int)
    assert np.abs(first - second).mean() < 3
    with pytest.raises(FeatureMismatchError, match=r"unlike parts of 'front'.*per cent"):
        Windows(both, crops=read_crops(["front=40x40"]), resize="24x24", cache=tmp_path / "cache")


def config(dataset: Dataset, **more) -> TrainConfig:
    settings = {"preset": "tiny", "chunk": 4, "decoder": "regression", "model": "vla", "batch_size": 4}
    return TrainConfig(datasets=(dataset.root,), out=dataset.root.parent / "run", **settings | more)


def begun(dataset: Dataset, **more) -> ModelPolicy:
    """Return the policy with which such a training begins."""
    asked = config(dataset, **more)
    read = reading(asked, [dataset.features])
    return first_policy(asked, Windows(dataset, chunk=4, cache=dataset.root.parent / "cache", **read))


def test_a_policy_that_is_trained_on_keeps_its_part_or_takes_another(dataset, tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    checkpoint.save(begun(dataset, resize="24x24"), whole)
    checkpoint.save(begun(dataset, crop=("front=0,8,40,40",), resize="24x24"), part)
    box = {"front": (0, 8, 40, 40)}
    assert begun(dataset, init=part).features.cropped == box
    assert begun(dataset, init=part, resize="20x20").features.cropped == box
    assert begun(dataset, init=part, crop=("100%",), resize="24x24").features.cropped == {}
    more = begun(dataset, init=part, crop=("wrist=40x40",), resize="24x24").features
    assert more.cropped == {**box, "wrist": (4, 12, 40, 40)}
    taken = begun(dataset, init=whole, crop=("front=0,8,40,40",), resize="24x24")
    assert taken.features.cropped == box == taken.collator.features.cropped
    assert taken.features.scaled_from == {"front": SIZE, "wrist": SIZE}
    weights, before = taken.model.state_dict(), checkpoint.load(whole).model.state_dict()
    assert all(np.array_equal(weights[name], before[name]) for name in before)


def test_a_camera_that_is_not_there_is_refused_with_the_nearest_and_may_be_called_as_recorded(dataset):
    with pytest.raises(UnknownNameError, match=r"camera to crop 'frint'. Did you mean 'front'"):
        windows(dataset, "frint=40x40")
    asked = config(dataset, rename=("front=desk",), crop=("front=40x40",))
    assert reading(asked, [dataset.features])["crops"].keys() == {"desk"}


def test_a_server_refuses_a_picture_that_is_said_to_be_cropped_and_is_none(dataset):
    features = windows(dataset).features
    asked = {"images": {"front": picture(1), "wrist": picture(1)}, "state": np.zeros(2, np.float32)}
    with pytest.raises(WireError, match="'as_learned' must be true or false"):
        read_request(pack({**asked, "prompt": "go", AS_LEARNED: "yes"}), features)


def test_an_edited_recording_holds_the_part_and_its_points(tmp_path):
    dataset = build(tmp_path / "data", LABELLED)
    (root,) = edit([dataset.root], EditConfig(out=tmp_path / "new", crop=("front=0,8,40,40",)))
    new = Dataset(root)
    assert new.features.cameras == {"front": (40, 40), "wrist": SIZE}
    (before,), (after,) = dataset.images("front", [3]), new.images("front", [3])
    assert np.abs(before[0:40, 8:48].astype(int) - after).mean() < 3  # encoded twice
    features = cropped(LABELLED, read_crops(["front=0,8,40,40"]))
    np.testing.assert_array_equal(new.points, points_in_parts(dataset.points, features, LABELLED.cameras))
    with pytest.raises(ResizeError, match=r"'front' of .* would be 41x40.*another --crop"):
        edit([dataset.root], EditConfig(out=tmp_path / "odd", crop=("front=41x40",)))
    with pytest.raises(UnknownNameError, match="frint"):
        edit([dataset.root], EditConfig(out=tmp_path / "odd", crop=("frint=40",)))


def test_a_contact_sheet_darkens_what_is_not_seen(dataset, tmp_path):
    plain = show(dataset.root, ShowConfig(out=tmp_path / "plain"))
    drawn = show(dataset.root, ShowConfig(out=tmp_path / "drawn", crop=("front=0,8,40,40",)))
    before, after = (np.asarray(Picture.open(paths[0])).astype(int) for paths in (plain, drawn))
    inside, outside = (slice(20, 180), slice(60, 230)), (slice(225, 250), slice(100, 330))
    np.testing.assert_array_equal(before[inside], after[inside])
    assert after[outside].mean() < 0.5 * before[outside].mean()
    with pytest.raises(ConfigError, match="Rerun"):
        ShowConfig(crop=("75%",), rerun="x.rrd")
