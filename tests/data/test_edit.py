"""A recording is changed into a new one that holds what was asked for, and nothing else is touched."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Picture

from sayso.cli import main
from sayso.data import integrity
from sayso.data.edit import verb
from sayso.data.edit.config import EditConfig, read_episodes, spans
from sayso.data.edit.verb import edit
from sayso.data.format import SEED_COLUMN
from sayso.data.reader import Dataset
from sayso.data.tables import parquet_files
from sayso.spec import Dimension, FeatureMismatchError, SaysoError, image_key
from small_datasets import (
    EPISODES,
    FEATURES,
    LENGTHS,
    build,
    change,
    change_info,
    fingerprint,
    grey,
    without_points,
)
from small_old_datasets import as_v21

N = sum(LENGTHS.values())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return build(tmp_path_factory.mktemp("recording") / "d")


def edited(root, out, **changes):
    edit([root] if not isinstance(root, list) else root, EditConfig(out=out, **changes))
    return Dataset(out)


def levels(dataset, camera):
    """Return the grey level of every picture of a camera."""
    return [float(image.mean()) for image in dataset.images(camera, range(len(dataset)))]


def rows_of(root):
    return pa.concat_tables([pq.read_table(path) for path in parquet_files(root / "data")])


def pictures(dataset, camera):
    return np.array(list(dataset.images(camera, range(len(dataset)))))


def with_stored_pictures(root):
    """Build a recording whose front pictures lie in the rows, as PNG."""
    build(root, without_points())
    (root / "meta/sayso.json").unlink()
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][image_key("front")]["dtype"] = "image"
    (root / "meta/info.json").write_text(json.dumps(info))
    path = next(root.glob("data/*/*.parquet"))
    stored = []
    for n in range(N):
        content = io.BytesIO()
        Picture.fromarray(np.full((16, 24, 3), grey("front", n), np.uint8)).save(content, "PNG")
        stored.append({"bytes": content.getvalue(), "path": None})
    pq.write_table(pq.read_table(path).append_column(image_key("front"), pa.array(stored)), path)
    return root


def test_an_edit_without_a_change_gives_equal_rows_and_pictures(root, tmp_path):
    before = fingerprint(root)
    new = edited(root, tmp_path / "new")
    assert fingerprint(root) == before
    assert rows_of(tmp_path / "new").equals(rows_of(root))
    for camera in FEATURES.cameras:
        np.testing.assert_array_equal(pictures(new, camera), pictures(Dataset(root), camera))
    assert new.features == FEATURES
    assert integrity.verify(tmp_path / "new") > 0
    for name in ("tasks.parquet", "episodes/chunk-000/file-000.parquet", "info.json"):
        assert (tmp_path / "new/meta" / name).read_bytes() == (root / "meta" / name).read_bytes(), name


def test_statistics_are_those_of_the_recording_when_nothing_is_changed(root, tmp_path):
    edited(root, tmp_path / "new")
    given, found = (json.loads((r / "meta/stats.json").read_text()) for r in (root, tmp_path / "new"))
    assert given.keys() == found.keys()
    for key in given:
        for name in ("min", "max", "mean", "std", "count"):
            np.testing.assert_allclose(found[key][name], given[key][name], rtol=1e-9, atol=1e-12)


def test_statistics_are_of_the_episodes_that_are_kept(root, tmp_path):
    new = edited(root, tmp_path / "new", episodes="2")
    stats = json.loads((tmp_path / "new/meta/stats.json").read_text())
    np.testing.assert_allclose(stats["action"]["mean"], new.action.mean(0), rtol=1e-6)
    np.testing.assert_allclose(stats["action"]["std"], new.action.std(0), rtol=1e-5)
    assert stats["action"]["count"] == [12]
    front = stats[image_key("front")]
    assert np.shape(front["mean"]) == np.shape(front["q99"]) == (3, 1, 1)
    assert np.ravel(front["mean"])[0] == pytest.approx(np.mean(levels(new, "front")) / 255, abs=2 / 255)


def test_dropped_and_put_together_again_a_recording_is_whole(root, tmp_path):
    edited(root, tmp_path / "a", episodes="0-1")
    edited(root, tmp_path / "b", drop_episodes="0,1")
    both = edited([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    whole = Dataset(root)
    for key in ("state", "action", "points"):
        np.testing.assert_array_equal(getattr(both, key), getattr(whole, key))
    assert [both.tasks[k] for k in both.task_index] == [whole.tasks[k] for k in whole.task_index]
    assert [e.seed for e in both.episodes] == [e.seed for e in whole.episodes]
    assert [e.ending for e in both.episodes] == [e.ending for e in whole.episodes]
    for camera in FEATURES.cameras:
        np.testing.assert_array_equal(pictures(both, camera), pictures(whole, camera))


def test_a_split_is_disjoint_and_complete_and_its_draw_can_be_repeated(root, tmp_path):
    def seeds(out, seed):
        edit([root], EditConfig(out=out, split=("heldout=0.3", "test=1"), seed=seed))
        return {name: {e.seed for e in Dataset(out / name).episodes} for name in ("train", "heldout", "test")}

    drawn = [seeds(tmp_path / str(k), seed) for k, seed in enumerate((0, 0, 1, 2, 3, 4))]
    assert drawn[0] == drawn[1]
    assert len({frozenset(parts["heldout"]) for parts in drawn}) > 1
    for parts in drawn:
        assert parts["test"] == {2}
        assert sum(map(len, parts.values())) == len(LENGTHS)
        assert set().union(*parts.values()) == {seed for _, seed in LENGTHS}


def test_a_rate_that_halves_keeps_every_second_frame(root, tmp_path):
    new = edited(root, tmp_path / "new", fps=10)
    whole = Dataset(root)
    rows = np.concatenate([np.arange(e.start, e.stop, 2) for e in whole.episodes])
    np.testing.assert_array_equal(new.state, whole.state[rows])
    np.testing.assert_array_equal(new.points, whole.points[rows])
    assert new.fps == 10
    np.testing.assert_allclose(levels(new, "front"), [grey("front", n) for n in rows], atol=2)
    times = rows_of(tmp_path / "new")["timestamp"].to_pylist()
    assert times[:5] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("fps", [15, 40, 12.5])
def test_a_rate_for_which_frames_would_be_made_up_is_refused_with_those_there_are(root, tmp_path, fps):
    with pytest.raises(SaysoError, match=r"20, 10, 6\.66667, 5"):
        edited(root, tmp_path / "new", fps=fps)
    assert not (tmp_path / "new").exists()


def test_cameras_renamed_there_and_back_are_as_they_were(root, tmp_path):
    there = edited(root, tmp_path / "there", rename_cameras=("front=top",))
    assert list(there.features.cameras) == ["top", "wrist"]
    assert there.features.points == ("top.object.u", "top.object.v", "top.object.visible")
    back = edited(tmp_path / "there", tmp_path / "back", rename_cameras=("observation.images.top=front",))
    assert back.features == FEATURES
    np.testing.assert_array_equal(pictures(back, "front"), pictures(Dataset(root), "front"))


def test_labels_of_points_go_with_their_camera(root, tmp_path, capsys):
    new = edited(root, tmp_path / "new", drop_cameras=("front",))
    assert (list(new.features.cameras), new.features.points) == (["wrist"], ())
    assert "labels of points are left out" in capsys.readouterr().err
    assert edited(root, tmp_path / "other", cameras=("front",)).features.points == FEATURES.points


def test_dimensions_are_picked_ordered_and_renamed_with_their_units(root, tmp_path):
    new = edited(
        root,
        tmp_path / "new",
        dimensions=("gripper.pos", "pan.pos"),
        rename_dimensions=("pan.pos=shoulder_pan.pos",),
    )
    assert [(d.name, d.unit) for d in new.features.action] == [
        ("gripper.pos", "%"),
        ("shoulder_pan.pos", "deg"),
    ]
    np.testing.assert_array_equal(new.action, Dataset(root).action[:, ::-1])
    one = edited(root, tmp_path / "one", drop_dimensions=("gripper.pos",))
    np.testing.assert_array_equal(one.state, Dataset(root).state[:, :1])


def test_instructions_are_relabelled_by_text_and_by_episode(root, tmp_path, capsys):
    new = edited(
        root, tmp_path / "new", relabel=("put the block number 0=place it", "#0,2=stack them, two = one")
    )
    assert [e.tasks for e in new.episodes] == [
        ("stack them, two = one",),
        ("place it",),
        ("stack them, two = one",),
        ("put the block number 1",),
    ]
    assert "point at what the old instruction named" in capsys.readouterr().err


def test_episodes_are_picked_by_their_instruction(root, tmp_path):
    put = edited(root, tmp_path / "put", tasks=("put the block number 1",))
    assert [e.seed for e in put.episodes] == [3, 11]
    rest = edited(root, tmp_path / "rest", drop_tasks=("put the block number 1",))
    assert [e.seed for e in rest.episodes] == [5, 2]
    with pytest.raises(SaysoError, match="Did you mean 'put the block number 1'"):
        edited(root, tmp_path / "none", tasks=("put the blok number 1",))


def test_pictures_are_scaled_and_labels_stay_where_they_point(root, tmp_path):
    new = edited(root, tmp_path / "new", resize="8x12")
    assert set(new.features.cameras.values()) == {(8, 12)}
    np.testing.assert_allclose(levels(new, "wrist"), levels(Dataset(root), "wrist"), atol=2)
    np.testing.assert_array_equal(new.points, Dataset(root).points)
    info = json.loads((tmp_path / "new/meta/info.json").read_text())["features"][image_key("front")]
    assert (info["shape"], info["info"]["video.height"]) == ([8, 12, 3], 8)


def test_a_recording_of_v21_is_written_anew_with_equal_rows(root, tmp_path, capsys):
    old = as_v21(root, tmp_path / "old")
    before = fingerprint(old)
    new = edited(old, tmp_path / "new")
    assert fingerprint(old) == before
    assert rows_of(tmp_path / "new").equals(rows_of(root))
    for camera in FEATURES.cameras:
        np.testing.assert_allclose(levels(new, camera), levels(Dataset(root), camera), atol=3)
    assert "is of version v2.1" in capsys.readouterr().err
    row = pq.read_table(tmp_path / "new/meta/episodes/chunk-000/file-000.parquet").to_pylist()[1]
    assert np.shape(row[f"stats/{image_key('front')}/q50"]) == (3, 1, 1)


def test_an_episode_with_a_fault_can_be_left_out_and_is_named_if_it_is_not(root, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(root, broken)
    (broken / "meta/sayso.json").unlink()
    path = next(broken.glob("data/*/*.parquet"))
    table = pq.read_table(path)
    action = [row if k != 3 else [float("nan"), 0.0] for k, row in enumerate(table["action"].to_pylist())]
    column = pa.array(action, pa.list_(pa.float32(), 2))
    pq.write_table(table.set_column(table.column_names.index("action"), "action", column), path)
    with pytest.raises(SaysoError, match=r"sayso edit DATASET --out NEW --drop-episodes 0"):
        Dataset(broken)
    with pytest.raises(SaysoError, match=r"episode 0.*nan in frame 3.*--drop-episodes 0"):
        edited(broken, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert len(edited(broken, tmp_path / "new", drop_episodes="0").episodes) == 3


def test_an_episode_whose_times_lead_to_anothers_pictures_is_refused_unless_left_out(root, tmp_path):
    shifted = tmp_path / "shifted"
    shutil.copytree(root, shifted)
    (shifted / "meta/sayso.json").unlink()
    key = f"videos/{image_key('front')}/from_timestamp"
    times = [0.0, 0.45, 0.6, 1.1]  # the third begins at 0.5
    change(shifted, EPISODES, key, times)
    with pytest.raises(SaysoError, match=r"episode 2 begins at 0\.5000 s, but at 0\.6000.*--drop-episodes 2"):
        edited(shifted, tmp_path / "new")
    new = edited(shifted, tmp_path / "new", drop_episodes="2")
    np.testing.assert_allclose(levels(new, "front")[:10], levels(Dataset(root), "front")[:10])
    assert edited(shifted, tmp_path / "other", drop_cameras=("front",)).features.cameras == {
        "wrist": (16, 24)
    }


def test_times_that_drift_are_exact_afterwards(root, tmp_path):
    drifting = tmp_path / "drifting"
    shutil.copytree(root, drifting)
    (drifting / "meta/sayso.json").unlink()
    key = f"videos/{image_key('front')}/from_timestamp"
    change(drifting, EPISODES, key, [0.0, 0.455, 0.51, 1.115])
    new = edited(drifting, tmp_path / "new")
    np.testing.assert_array_equal(pictures(new, "front"), pictures(Dataset(root), "front"))
    assert new.drift_of("front") == ""


def test_pictures_of_another_size_than_said_are_refused(root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(root, other)
    (other / "meta/sayso.json").unlink()
    change_info(other, lambda info: info["features"][image_key("front")].update(shape=[32, 24, 3]))
    with pytest.raises(SaysoError, match=r"16 x 24, but meta/info\.json says 32 x 24"):
        edited(other, tmp_path / "new")


def test_frames_without_an_instruction_can_be_given_one(root, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(root, broken)
    (broken / "meta/sayso.json").unlink()
    tasks = pq.read_table(broken / "meta/tasks.parquet")
    pq.write_table(tasks.slice(1), broken / "meta/tasks.parquet")
    with pytest.raises(SaysoError, match=r"--relabel"):
        edited(broken, tmp_path / "new")
    new = edited(broken, tmp_path / "new", relabel=("=fetch something",))
    assert new.episodes[0].tasks == ("fetch something",)


def test_columns_of_other_recorders_come_along_and_rewards_add_up(root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(root, other)
    info = json.loads((other / "meta/info.json").read_text())
    info["features"] |= {
        "next.reward": {"dtype": "float32", "shape": [1], "names": None},
        "next.done": {"dtype": "bool", "shape": [1], "names": None},
        "note": {"dtype": "string", "shape": [1], "names": None},
    }
    (other / "meta/info.json").write_text(json.dumps(info))
    path = next(other.glob("data/*/*.parquet"))
    table = pq.read_table(path)
    last = np.append(np.diff(table["episode_index"].to_numpy()) > 0, True)
    for name, values in (("next.reward", np.ones(N, np.float32)), ("next.done", last), ("note", ["a"] * N)):
        table = table.append_column(name, pa.array(values))
    pq.write_table(table, path)
    edited(other, tmp_path / "new", fps=10)
    rows = rows_of(tmp_path / "new")
    assert sum(rows["next.reward"].to_pylist()) == N
    assert sum(rows["next.done"].to_pylist()) == len(LENGTHS)
    assert set(rows["note"].to_pylist()) == {"a"}
    edited([other, root], tmp_path / "both")
    assert "note" not in rows_of(tmp_path / "both").column_names


def test_pictures_inside_the_rows_come_along_and_can_be_scaled(tmp_path):
    stored = with_stored_pictures(tmp_path / "d")
    same = edited(stored, tmp_path / "same")
    np.testing.assert_array_equal(pictures(same, "front"), pictures(Dataset(stored), "front"))
    small = edited(stored, tmp_path / "small", resize="8x12", fps=10)
    assert next(small.images("front", [0])).shape == (8, 12, 3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fps": 10}, "10 and 20 frames per second"),
        ({"rename_cameras": ("front=top",)}, "cameras are top 16x24, wrist 16x24 and front 16x24"),
        ({"drop_dimensions": ("pan.pos",)}, "the action is gripper.pos and pan.pos, gripper.pos"),
        ({"robot": "lekiwi"}, "the robot is 'lekiwi' and 'so101'"),
    ],
)
def test_unlike_recordings_are_refused_by_what_differs(root, tmp_path, changes, said):
    edited(root, tmp_path / "unlike", **changes)
    with pytest.raises(FeatureMismatchError, match=said):
        edited([root, tmp_path / "unlike"], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_recordings_without_units_take_those_of_the_others(root, tmp_path):
    plain = tuple(Dimension(name=d.name, unit="") for d in FEATURES.action)
    nameless = build(tmp_path / "nameless", replace(without_points(), state=plain, action=plain))
    assert edited([nameless, root], tmp_path / "new").features.action == FEATURES.action


def test_nothing_is_written_over_and_nothing_into_a_recording(root, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(SaysoError, match="is there already"):
        edited(root, tmp_path / "there")
    with pytest.raises(SaysoError, match="would lie inside of"):
        edited(root, root / "new")


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_edit_that_is_stopped_leaves_nothing(root, tmp_path, monkeypatch, stopped_by):
    def stop(*_, **__):
        raise stopped_by

    monkeypatch.setattr(verb.NewDataset, "finish", stop)
    with pytest.raises(type(stopped_by)):
        edited(root, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_told_before_anything_is_written(root, tmp_path, monkeypatch):
    monkeypatch.setattr(verb.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(SaysoError, match=r"has 0\.00 GB free"):
        edited(root, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--episodes", "7"], "there is none; the dataset has 0-3"),
        (["--episodes", "3-1"], "--episodes is '3-1'"),
        (["--drop-episodes", "0-3"], "no episode would be left"),
        (["--cameras", "frnt"], "Did you mean 'front'"),
        (["--drop-dimensions", "pan.pos", "gripper.pos"], "no dimension of the action"),
        (["--rename-cameras", "front=wrist"], "two cameras"),
        (["--rename-dimensions", "pan.pos=gripper.pos"], "one name"),
        (["--relabel", "nothing"], "must be a pair"),
        (["--resize", "8x8"], "choose a --resize of the same shape"),
        (["--split", "heldout=1.5"], "between 0 and 1"),
        (["--split", "train=0.5"], "other than 'train'"),
        (["--split", "heldout=0-3"], "no episode would be left for 'train'"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_sentence(root, tmp_path, capsys, words, said):
    assert main(["edit", str(root), "--out", str(tmp_path / "new"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_episodes_by_number_are_refused_of_several_recordings(root, tmp_path, capsys):
    assert main(["edit", str(root), str(root), "--out", str(tmp_path / "new"), "--episodes", "1"]) == 2
    assert "each of which has its own" in capsys.readouterr().err


def test_the_command_says_what_it_wrote(root, tmp_path, capsys):
    assert main(["edit", str(root), "--out", str(tmp_path / "new"), "--episodes", "1-2"]) == 0
    assert "2 episodes, 13 frames at 20 a second" in capsys.readouterr().out
    row = pq.read_table(tmp_path / "new/meta/episodes/chunk-000/file-000.parquet").to_pylist()[0]
    assert (row[SEED_COLUMN], row["length"]) == (2, 1)


@pytest.mark.parametrize("text", ["", "3", "0-9,12", "1,3,5-7"])
def test_numbers_of_episodes_are_read_as_they_are_written(text):
    assert spans(read_episodes("episodes", text)) == text


def test_a_camera_whose_video_is_missing_can_be_left_out_and_the_refusal_says_so(root, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(root, broken)
    (broken / "meta/sayso.json").unlink()
    shutil.rmtree(broken / "videos" / image_key("front"))
    with pytest.raises(SaysoError, match=r"--drop-episodes 0 or --drop-cameras front.*is missing"):
        edited(broken, tmp_path / "new")
    assert list(edited(broken, tmp_path / "new", drop_cameras=("front",)).features.cameras) == ["wrist"]
