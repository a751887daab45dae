"""Features survive info.json and LeRobot's tools, others' names are understood, nonsense is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sayso.data import format as fmt
from sayso.data.info import inside, read_info
from sayso.spec import ACTION, STATE, image_key
from small_datasets import FEATURES, without_points


def info(features=FEATURES, **changes):
    raw = json.loads(json.dumps(fmt.make_info(features, episodes=3, frames=70, tasks=2)))
    return raw | changes


def written(tmp_path, raw):
    (tmp_path / "meta").mkdir(exist_ok=True)
    (tmp_path / fmt.INFO).write_text(raw if isinstance(raw, str) else json.dumps(raw))
    return tmp_path


def read(tmp_path, raw):
    return read_info(written(tmp_path, raw))


def theirs():
    """What another recorder would have written: no units, no labels, nothing of ours."""
    raw = info(without_points())
    del raw["sayso"], raw["features"][STATE]["info"], raw["features"][ACTION]["info"]
    return raw


@pytest.mark.parametrize("features", [FEATURES, without_points(), replace(FEATURES, fps=29.97)])
def test_features_survive_info_json_with_their_units(features, tmp_path):
    assert read(tmp_path, info(features)).features == features


def test_features_survive_lerobots_tools_which_keep_what_each_feature_says_and_nothing_else(tmp_path):
    raw = info()
    del raw["sayso"]
    assert read(tmp_path, raw).features == FEATURES


def test_units_of_recordings_that_had_them_elsewhere_are_read(tmp_path):
    raw = info(sayso={"features": FEATURES.to_json()})
    del raw["features"][STATE]["info"], raw["features"][ACTION]["info"]
    assert read(tmp_path, raw).features == FEATURES


def test_features_are_understood_without_our_extras(tmp_path):
    features = read(tmp_path, theirs()).features
    assert features.action_names == FEATURES.action_names and features.cameras == FEATURES.cameras
    assert {d.unit for d in features.action} == {""}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b"], ("a", "b")),
        ({"motors": ["a", "b"]}, ("a", "b")),
        ({"a": 0, "b": 1}, ("a", "b")),
        (None, ("0", "1")),
        (["only one"], ("0", "1")),
        (["a", "a"], ("0", "1")),
        (["a", "\ud800"], ("0", "1")),
    ],
)
def test_names_are_read_in_every_form_they_are_given(names, expected, tmp_path):
    raw = theirs()
    raw["features"]["action"]["names"] = names
    assert read(tmp_path, raw).features.action_names == expected


def test_images_with_channels_first_are_read_with_their_size(tmp_path):
    raw = theirs()
    entry = {"dtype": "image", "shape": [3, 10, 20], "names": ["channels", "height", "width"]}
    raw["features"]["observation.image"] = entry
    assert read(tmp_path, raw).features.cameras["image"] == (10, 20)


def test_openpis_own_names_are_understood_and_it_is_said(tmp_path):
    raw = theirs()
    entries = raw["features"]
    picture = {"dtype": "image", "shape": [256, 256, 3], "names": ["height", "width", "channel"]}
    raw["features"] = {
        "image": picture,
        "wrist_image": picture,
        "state": {"dtype": "float32", "shape": [8], "names": ["state"]},
        "actions": {"dtype": "float32", "shape": [7], "names": ["actions"]},
        **{key: entries[key] for key in fmt.COUNTERS},
    }
    found = read(tmp_path, raw)
    assert found.features.cameras == {"image": (256, 256), "wrist_image": (256, 256)}
    assert (len(found.features.state), len(found.features.action)) == (8, 7)
    assert found.columns == {STATE: "state", ACTION: "actions"}
    assert "'actions' is read as 'action'" in found.remarks


def test_columns_that_are_not_read_are_named(tmp_path):
    raw = theirs()
    raw["features"]["next.reward"] = {"dtype": "float32", "shape": [1], "names": None}
    raw["features"]["observation.effort"] = {"dtype": "float32", "shape": [6], "names": None}
    assert read(tmp_path, raw).remarks == ("not read: next.reward, observation.effort",)


@pytest.mark.parametrize(
    "mark", [{"info": {"is_depth_map": True}}, {"video_info": {"video.is_depth_map": True}}]
)
def test_a_depth_camera_is_left_out_and_named(mark, tmp_path):
    raw = theirs()
    raw["features"]["observation.images.depth"] = {
        "dtype": "video",
        "shape": [16, 24, 1],
        "names": None,
    } | mark
    found = read(tmp_path, raw)
    assert set(found.features.cameras) == {"front", "wrist"}
    assert any("'depth' shows depth" in remark for remark in found.remarks)


def test_a_dataset_may_have_no_state_and_no_camera(tmp_path):
    raw = theirs()
    for key in (STATE, image_key("front"), image_key("wrist")):
        del raw["features"][key]
    found = read(tmp_path, raw | {"video_path": None})
    assert found.features.state == () and found.features.cameras == {}
    assert any("no state" in remark for remark in found.remarks)


def test_a_dataset_without_actions_is_refused(tmp_path):
    raw = theirs()
    del raw["features"]["action"]
    with pytest.raises(fmt.FormatError, match="'action', what the robot was told"):
        read(tmp_path, raw)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fps", 0),
        ("fps", "30"),
        ("fps", float("nan")),
        ("fps", True),
        ("fps", 1e9),
        ("features", []),
        ("features", {"action": 3}),
        ("features", {"action": {"dtype": "float32", "shape": "2"}}),
        ("features", {"action": {"dtype": "float32", "shape": [10**9]}}),
        ("features", {"action": {"dtype": "float32", "shape": [2, 3]}}),
        ("features", {"action": {"dtype": "string", "shape": [1]}}),
        ("features", {"action": {"dtype": "float32", "shape": [2], "names": "ab"}}),
        ("features", {"action": {"dtype": "float32", "shape": [2], "info": 3}}),
        ("features", {"action": {"dtype": "float32", "shape": [2], "info": {"units": ["deg"]}}}),
        ("robot_type", ["so101"]),
        ("total_episodes", "three"),
        ("video_path", None),
        ("video_path", 7),
        ("video_path", "videos/{nobody}.mp4"),
        ("video_path", "videos/{chunk_index:999999999d}.mp4"),
        ("video_path", "videos/{video_key.__class__}.mp4"),
        ("video_path", "videos/{video_key!r}.mp4"),
        ("video_path", "videos/{video_key"),
    ],
)
def test_a_field_of_another_kind_is_refused_by_its_name_and_file(field, value, tmp_path):
    with pytest.raises(fmt.FormatError, match=rf"info\.json: .*({field}|'action')"):
        read(tmp_path, info() | {field: value})


@pytest.mark.parametrize("odd", [None, True, {}, [], 3])
def test_a_name_of_another_kind_than_the_others_is_damage(odd, tmp_path):
    raw = theirs()
    raw["features"]["action"]["names"][1] = odd
    with pytest.raises(fmt.FormatError, match=r"info\.json: a name of 'action' is .* a text like the others"):
        read(tmp_path, raw)


@pytest.mark.parametrize(
    "pattern", ["../{video_key}.mp4", "/etc/{video_key}.mp4", "videos/../../{video_key}.mp4"]
)
def test_a_path_that_leads_out_of_the_dataset_is_refused(pattern, tmp_path):
    with pytest.raises(fmt.FormatError, match="leads out of the dataset"):
        read(tmp_path, info(video_path=pattern))
    with pytest.raises(fmt.FormatError, match="leads out of the dataset"):
        inside(tmp_path, pattern)


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", "", "a/b", "a\\b", "x" * 200, "a\nb", "\ud800"])
def test_a_camera_has_a_plain_name(name, tmp_path):
    raw = theirs()
    raw["features"][image_key(name)] = raw["features"][image_key("front")]
    with pytest.raises(fmt.FormatError, match=r"the name of a camera is .* but must be plain"):
        read(tmp_path, raw)


def test_two_cameras_of_one_name_are_refused(tmp_path):
    raw = theirs()
    raw["features"]["observation.front"] = raw["features"][image_key("front")]
    with pytest.raises(fmt.FormatError, match=r"the name of a camera is 'observation\.front'"):
        read(tmp_path, raw)


@pytest.mark.parametrize(
    "text", ["", "{", '{"codebase_version": "v3.0", "feat', "[1, 2]", "null", "[" * 100_000, "\0"]
)
def test_what_is_no_json_is_refused_with_its_path(text, tmp_path):
    with pytest.raises(fmt.FormatError, match=r"meta/info\.json"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v2.1", "sayso edit"),
        ("v1.6", "older LeRobot.*sayso edit"),
        ("v4.0", "newer"),
        (None, "newer"),
    ],
)
def test_another_version_is_refused_by_name_and_with_a_way_on(version, said, tmp_path):
    with pytest.raises(fmt.FormatError, match=rf"{version}.*'v3\.0'.*{said}"):
        read(tmp_path, {"codebase_version": version})


def test_a_folder_without_a_dataset_is_refused_with_the_nearest_one(tmp_path):
    with pytest.raises(fmt.FormatError, match="holds no finished dataset"):
        read_info(tmp_path)
    with pytest.raises(fmt.FormatError, match="there is no folder"):
        read_info(tmp_path / "nowhere")
    root = tmp_path / "mine"
    root.mkdir()
    written(root, info())
    with pytest.raises(fmt.FormatError, match=r"Did you mean .*mine"):
        read_info(tmp_path)
    with pytest.raises(fmt.FormatError, match=r"Did you mean .*mine"):
        read_info(root / "meta")
    with pytest.raises(fmt.FormatError, match="is a file"):
        read_info(root / "meta" / "info.json")
