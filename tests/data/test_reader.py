"""Windows never leave their episode, batches are what was recorded, and drawing is a pure function."""

from __future__ import annotations

import io
import json
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from rich.console import Console

from sayso.data.format import EXTRAS, Ending
from sayso.data.preview import ShowConfig, contact_sheet, film, show, summary
from sayso.data.reader import Dataset
from sayso.data.sampling import epoch_slots, prefetch
from sayso.data.windows import ACTION_IS_PAD, Windows
from sayso.data.writer import assemble, stage_episode
from sayso.spec import (
    ACTION,
    OTHER_POINTS,
    OTHER_TASK,
    POINTS,
    STATE,
    TASK,
    FeatureMismatchError,
    UnknownNameError,
    image_key,
)
from small_datasets import FEATURES, LENGTHS, build, frames, grey, stage
from small_videos import whole_video

FRONT = image_key("front")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return Dataset(build(tmp_path_factory.mktemp("dataset")))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A second dataset, of one of the episodes alone."""
    root = tmp_path_factory.mktemp("other")
    stage(root, "put", 3)
    return Dataset(assemble(root, FEATURES))


def expected_window(episode, step, history, chunk):
    """What a window must hold, said slowly: frame by frame."""
    shown = frames(episode.family, episode.seed)
    past = [shown[max(0, step - back)] for back in range(history - 1, -1, -1)]
    future = [shown[min(len(shown) - 1, step + ahead)] for ahead in range(chunk)]
    pad = [step + ahead >= len(shown) for ahead in range(chunk)]
    return shown[step], past, future, pad


def test_a_dataset_knows_what_was_recorded(dataset):
    assert dataset.features == FEATURES
    assert len(dataset) == 26
    assert [(e.family, e.seed, len(e)) for e in dataset.episodes] == [(*k, n) for k, n in LENGTHS.items()]
    assert dataset.episodes[2].tasks == ("put the block number 1",)
    assert len(dataset.hash) == 64


def test_frames_are_those_that_were_staged(dataset):
    for episode in dataset.episodes:
        shown = frames(episode.family, episode.seed)
        read = list(dataset.frames(episode))
        assert len(read) == len(shown)
        for mine, theirs in zip(read, shown, strict=True):
            assert set(mine) == set(theirs)
            assert mine[TASK] == theirs[TASK]
            for key in (STATE, ACTION, POINTS):
                np.testing.assert_array_equal(mine[key], theirs[key])
            assert np.abs(mine[FRONT].astype(int) - theirs[FRONT]).max() <= 2


def test_single_frames_of_an_episode_can_be_read(dataset):
    read = list(dataset.frames(dataset.episodes[2], [1, 6, 11]))
    assert [frame[STATE][0] for frame in read] == [11, 16, 21]
    assert [round((frame[FRONT].mean() - 16) / 4) for frame in read] == [11, 16, 21]


@settings(max_examples=40, deadline=None)
@given(history=st.integers(1, 6), chunk=st.integers(1, 20), stride=st.integers(1, 6))
def test_windows_hold_exactly_what_they_should_and_never_leave_their_episode(dataset, history, chunk, stride):
    windows = Windows(dataset, history=history, chunk=chunk, stride=stride)
    batch = windows.batch(range(len(windows)))
    places = [(e, step) for e in dataset.episodes for step in range(0, len(e), stride)]
    assert len(windows) == len(places)
    for n, (episode, step) in enumerate(places):
        present, past, future, pad = expected_window(episode, step, history, chunk)
        np.testing.assert_array_equal(batch[STATE][n], [frame[STATE] for frame in past])
        np.testing.assert_array_equal(batch[ACTION][n], [frame[ACTION] for frame in future])
        np.testing.assert_array_equal(batch[ACTION_IS_PAD][n], pad)
        np.testing.assert_array_equal(batch[POINTS][n], present[POINTS])
        assert batch[TASK][n] == present[TASK]
        for camera in FEATURES.cameras:
            images = batch[image_key(camera)][n].astype(int)
            assert np.abs(images - [frame[image_key(camera)] for frame in past]).max() <= 2


def test_batches_have_the_agreed_shapes_and_types(dataset):
    batch = Windows(dataset, history=3, chunk=5).batch(np.array([25, 0]))
    found = {key: (value.shape, value.dtype.name) for key, value in batch.items() if key != TASK}
    assert found == {
        FRONT: ((2, 3, 16, 24, 3), "uint8"),
        image_key("wrist"): ((2, 3, 16, 24, 3), "uint8"),
        STATE: ((2, 3, 2), "float32"),
        ACTION: ((2, 5, 2), "float32"),
        ACTION_IS_PAD: ((2, 5), "bool"),
        POINTS: ((2, 3), "float32"),
    }
    assert isinstance(batch[TASK], list)


def test_a_window_can_ask_for_something_else_and_then_has_no_actions(dataset, tmp_path):
    labelled = [
        frame | {OTHER_TASK: f"leave it at {k}", OTHER_POINTS: np.full(3, k / 8, np.float32)}
        for k, frame in enumerate(frames("put", 11))
    ]
    stage_episode(tmp_path, FEATURES, labelled, seed=11, family="put")
    windows = Windows([Dataset(assemble(tmp_path, FEATURES)), dataset], chunk=3)
    asked = np.array([True, False, True, True, True])
    plain, batch = windows.batch(range(5)), windows.batch(range(5), asked)
    changed = np.array([True, False, True, True, False])  # the second dataset has nothing else to ask
    assert batch[TASK][:4] == ["leave it at 0", plain[TASK][1], "leave it at 2", "leave it at 3"]
    assert batch[TASK][4] == plain[TASK][4]
    np.testing.assert_array_equal(batch[POINTS][changed], [[0.0] * 3, [0.25] * 3, [0.375] * 3])
    np.testing.assert_array_equal(batch[POINTS][~changed], plain[POINTS][~changed])
    assert batch[ACTION_IS_PAD][changed].all()
    np.testing.assert_array_equal(batch[ACTION_IS_PAD][~changed], plain[ACTION_IS_PAD][~changed])
    for key in plain.keys() - {TASK, POINTS, ACTION_IS_PAD}:
        np.testing.assert_array_equal(batch[key], plain[key])


def test_several_datasets_read_as_one(dataset, other):
    windows = Windows([other, dataset], history=2, chunk=4)
    assert len(windows) == 12 + 26
    batch = windows.batch([0, 12, 37, 11])
    np.testing.assert_array_equal(batch[STATE][:, -1, 0], [10, 0, 25, 21])
    assert [round((image.mean() - 16) / 4) for image in batch[FRONT][:, -1]] == [10, 0, 25, 21]
    np.testing.assert_array_equal(batch[ACTION][3, :, 0], [21.5] * 4)
    assert windows.stats[STATE].mean[0] == pytest.approx((np.arange(26).sum() + np.arange(10, 22).sum()) / 38)


def test_datasets_that_label_other_points_of_one_robot_do_not_mix(dataset, tmp_path):
    points = ("wrist.object.u", "wrist.object.v", "wrist.object.visible")
    other = Dataset(build(tmp_path, replace(FEATURES, points=points)))
    with pytest.raises(FeatureMismatchError, match=r"labels other points than .* of the same robot"):
        Windows([dataset, other])


@pytest.mark.parametrize("wrong", [{"chunk": 0}, {"history": 0}, {"stride": 0}, {"weights": [1, 2]}])
def test_windows_without_extent_are_refused(dataset, wrong):
    with pytest.raises(ValueError, match="must be positive"):
        Windows(dataset, **wrong)


def test_an_unknown_camera_is_named(dataset):
    with pytest.raises(UnknownNameError, match="Did you mean 'wrist'"):
        dataset.images("wirst", [0])


# The cache of decoded frames


def test_frames_no_window_needs_are_not_stored(dataset, tmp_path):
    Windows(dataset, stride=4, cache=tmp_path).decode()
    (stored,) = tmp_path.rglob("front-*.npy")
    assert len(np.load(stored)) == 3 + 1 + 3 + 1


def test_the_cache_is_built_once(dataset, tmp_path):
    Windows(dataset, cache=tmp_path).decode()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    Windows(dataset, chunk=3, history=2, cache=tmp_path).decode()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} == times
    assert len(times) == 2


def test_a_damaged_cache_is_built_again(dataset, tmp_path):
    Windows(dataset, cache=tmp_path).decode()
    (path,) = tmp_path.rglob("front-*.npy")
    np.save(path, np.zeros((3, 16, 24, 3), np.uint8))
    batch = Windows(dataset, cache=tmp_path).batch([20])
    assert abs(batch[FRONT].mean() - grey("front", 20)) <= 2


def test_a_changed_dataset_gets_a_new_cache(tmp_path):
    for seed in (3, 11):
        stage(tmp_path, "put", seed)
        windows = Windows(Dataset(assemble(tmp_path, FEATURES, keep_staging=True)), cache=tmp_path / "cache")
    assert abs(windows.batch([12])[FRONT].mean() - grey("front", 22)) <= 2


# Datasets recorded by other software


def strip_extras(root):
    """Remove everything another recorder would not have written."""
    info = json.loads((root / "meta/info.json").read_text())
    del info["sayso"], info["features"][POINTS]
    (root / "meta/info.json").write_text(json.dumps(info))
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns([name for name in EXTRAS if name in table.column_names]), path)
    return info


def test_datasets_without_our_extras_are_read(tmp_path):
    root = build(tmp_path)
    strip_extras(root)
    dataset = Dataset(root)
    assert {(e.family, e.seed, e.ending) for e in dataset.episodes} == {("", None, Ending())}
    batch = Windows(dataset, chunk=4).batch([15])
    assert batch[STATE][0, 0, 0] == 15
    assert abs(batch[FRONT].mean() - grey("front", 15)) <= 2
    assert POINTS not in batch


def test_images_kept_inside_the_rows_are_read(tmp_path):
    root = build(tmp_path)
    info = strip_extras(root)
    info["features"][FRONT]["dtype"] = "image"
    del info["features"][image_key("wrist")]
    (root / "meta/info.json").write_text(json.dumps(info))
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    stored = [{"bytes": png(grey("front", n)), "path": None} for n in range(len(table))]
    pq.write_table(table.append_column(FRONT, pa.array(stored)), path)
    batch = Windows(Dataset(root), stride=5).batch([1, 4])
    np.testing.assert_array_equal(batch[FRONT][:, 0, 0, 0, 0], [grey("front", 5), grey("front", 15)])


def png(level):
    buffer = io.BytesIO()
    Picture.fromarray(np.full((16, 24, 3), level, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


# Drawing


@given(st.integers(0, 5), st.integers(1, 50), st.integers(1, 20))
def test_every_item_is_drawn_once_per_epoch(seed, n, batch_size):
    steps = -(-3 * n // batch_size)
    drawn = np.concatenate([epoch_slots(seed, step, batch_size, n)[0] for step in range(steps)])
    for epoch in range(3):
        assert sorted(drawn[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_drawing_depends_on_nothing_but_its_arguments():
    forwards = [epoch_slots(7, step, 16, 100)[0].tolist() for step in range(20)]
    backwards = [epoch_slots(7, step, 16, 100)[0].tolist() for step in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert forwards != [epoch_slots(8, step, 16, 100)[0].tolist() for step in range(20)]


def test_epochs_are_shuffled_differently():
    assert epoch_slots(0, 0, 100, 100)[0].tolist() != epoch_slots(0, 1, 100, 100)[0].tolist()


@pytest.mark.parametrize(("weights", "times"), [((1, 1), (1, 1)), ((3, 1), (3, 1)), ((1, 0.5), (2, 1))])
def test_weights_multiply_how_often_windows_are_drawn(dataset, other, weights, times):
    """Over the fewest epochs in which every window's count is whole, each window's count is its weight."""
    windows = Windows([other, dataset], weights=weights)
    epochs = times[0] / weights[0]
    total = int(epochs * (12 * weights[0] + 26 * weights[1]))
    drawn = np.concatenate([windows.draw(3, step, 1) for step in range(total)])
    counts = np.bincount(drawn, minlength=38)
    assert counts[:12].tolist() == [times[0]] * 12
    assert counts[12:].tolist() == [times[1]] * 26


def test_a_draw_can_be_repeated(dataset, other):
    windows = Windows([other, dataset], weights=(1, 0.3))
    assert windows.draw(1, 40, 8).tolist() == windows.draw(1, 40, 8).tolist()


def test_draws_are_those_of_a_shuffle_made_anew_for_every_step(dataset, other):
    windows = Windows([other, dataset])
    for step in range(12):
        places = step * 8 + np.arange(8)
        epochs, within = np.divmod(places, 38)
        slots = [
            np.random.default_rng([5, e]).permutation(38)[w] for e, w in zip(epochs, within, strict=True)
        ]
        first, second = (np.random.default_rng([5, n]).permutation(c) for n, c in enumerate((12, 26)))
        expected = [
            first[(slot + 12 * e) % 12] if slot < 12 else 12 + second[(slot - 12 + 26 * e) % 26]
            for slot, e in zip(slots, epochs, strict=True)
        ]
        assert windows.draw(5, step, 8).tolist() == expected


def test_an_epoch_is_shuffled_once_not_at_every_step(dataset, monkeypatch):
    shuffled = []
    monkeypatch.setattr(
        "sayso.data.windows.shuffle",
        lambda seed, stream, n: shuffled.append((seed, stream)) or np.arange(n),
    )
    windows = Windows(dataset)
    for step in range(20):
        windows.draw(0, step, 4)  # 80 of 26: four epochs are begun
    assert len(shuffled) == len(set(shuffled)) == 4


# Preparing batches ahead


def test_batches_come_in_order():
    assert list(prefetch(lambda step: step * step, range(50))) == [step * step for step in range(50)]


def test_errors_surface_at_their_step():
    def make(step):
        if step == 3:
            raise ValueError("step three is broken")
        return step

    batches = prefetch(make, range(10))
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="step three"):
        next(batches)


@dataclass
class Counter:
    """Count how many batches were begun."""

    begun: int = 0

    def __call__(self, step):
        self.begun += 1
        return step


def test_no_more_than_the_bound_is_prepared_ahead():
    counter = Counter()
    batches = prefetch(counter, iter(int, 1), ahead=3)
    next(batches)
    time.sleep(0.1)
    assert counter.begun <= 1 + 3
    batches.close()


def test_closing_ends_the_thread():
    batches = prefetch(lambda step: step, range(10**9))
    next(batches)
    assert any(thread.name.startswith("loader") for thread in threading.enumerate())
    batches.close()
    assert not any(thread.name.startswith("loader") for thread in threading.enumerate())


# Looking at a dataset


def test_a_summary_names_families_instructions_and_actions(dataset):
    console = Console(file=io.StringIO(), width=200)
    console.print(summary(dataset))
    text = console.file.getvalue()
    for said in ("fetch", "put", "gripper.pos", "put the block number 1", "so101"):
        assert said in text


def test_a_summary_counts_what_episodes_say_and_no_other_sentence(tmp_path):
    labelled = [
        frame | {OTHER_TASK: f"other {k}", OTHER_POINTS: np.zeros(3, np.float32)}
        for k, frame in enumerate(frames("put", 3))
    ]
    stage_episode(tmp_path, FEATURES, labelled, seed=3, family="put")
    console = Console(file=io.StringIO(), width=200)
    console.print(summary(Dataset(assemble(tmp_path, FEATURES))))
    assert "instructions (1 different)" in console.file.getvalue()
    assert "other" not in console.file.getvalue()


def test_a_dataset_without_cameras_and_with_odd_names_can_be_looked_at(tmp_path, capsys):
    """Brackets are no markup, and where there are no pictures none are written."""
    features = replace(FEATURES, robot_type="[/red]", cameras={}, points=())
    plain = [
        {key: frame[key] for key in (STATE, ACTION)} | {TASK: "take [/bold] it"} for frame in frames("put", 3)
    ]
    stage_episode(tmp_path, features, plain, seed=3, family="put")
    assert show(assemble(tmp_path, features), ShowConfig()) == ()
    said = capsys.readouterr().out
    assert "[/red]" in said and "take [/bold] it" in said and "cameras none" in said


def test_what_hardly_moves_is_said_when_looked_at_and_before_training(tmp_path):
    still = [frame | {ACTION: np.array([frame[ACTION][0], 42.0], np.float32)} for frame in frames("put", 3)]
    stage_episode(tmp_path, FEATURES, still, seed=3, family="put")
    dataset = Dataset(assemble(tmp_path, FEATURES))
    assert Windows(dataset).remarks == (
        "action: gripper.pos hardly moves in the data, so it is only centred",
    )
    console = Console(file=io.StringIO(), width=200)
    console.print(summary(dataset))
    assert "hardly moves: gripper.pos" in console.file.getvalue()


def test_a_narrow_terminal_shows_names_of_joints_whole_and_no_table_of_families_that_nobody_recorded():
    console = Console(file=io.StringIO(), width=80)
    dataset = Dataset(Path(__file__).parents[1] / "recordings" / "desk")
    console.print(summary(dataset))
    text = console.file.getvalue()
    assert all(name in text for name in dataset.features.action_names) and "…" not in text
    assert "family" not in text and "6 episodes of 2.0 s on average, 360 frames, 12.0 s in all" in text


def test_a_contact_sheet_has_a_row_per_episode_and_a_column_per_moment(dataset, tmp_path):
    small, large = (
        np.asarray(Picture.open(contact_sheet(dataset, tmp_path / f"{n}.png", episodes=n, moments=n)))
        for n in (2, 4)
    )
    assert large.shape == (2 * small.shape[0], 2 * small.shape[1], 3)


def test_a_film_shows_every_frame_of_the_chosen_episodes(dataset, tmp_path):
    assert len(list(whole_video(film(dataset, tmp_path / "film.mp4", episodes=4)))) == 26
