"""Part of a dataset is read like a whole one, and episodes that are held out decide nothing."""

from __future__ import annotations

import numpy as np
import pytest

from sayso.data.excerpt import Excerpt
from sayso.data.reader import Dataset
from sayso.data.windows import ACTION_IS_PAD, Windows
from sayso.spec import ACTION, STATE, TASK, SaysoError, UnknownNameError, image_key
from small_datasets import build, grey

FRONT = image_key("front")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(build(tmp_path_factory.mktemp("data") / "d"))


def test_a_part_is_read_as_if_nothing_else_had_been_recorded(dataset):
    part = Excerpt(dataset, episodes={0, 3})
    assert [(e.index, e.start, e.stop) for e in part.episodes] == [(0, 0, 9), (3, 9, 13)]
    assert part.state[:, 0].tolist() == [*range(9), *range(22, 26)] and len(part) == 13
    assert part.tasks == ("fetch the block number 1", "put the block number 1")
    assert [part.tasks[k] for k in part.task_index] == [part.tasks[0]] * 9 + [part.tasks[1]] * 4
    assert part.stats[STATE].max == (25.0, 100.0) and dataset.stats[STATE].max == part.stats[STATE].max
    shown = [round(float(image.mean())) for image in part.images("front", [8, 9])]
    assert np.allclose(shown, [grey("front", 8), grey("front", 22)], atol=2)


def test_windows_of_a_part_show_what_its_rows_show(dataset, tmp_path):
    windows = Windows(Excerpt(dataset, episodes={1, 3}), chunk=4, cache=tmp_path)
    batch = windows.batch(range(len(windows)))
    assert batch[STATE][:, 0, 0].tolist() == [9, 22, 23, 24, 25]
    assert np.allclose(
        batch[FRONT].mean((1, 2, 3, 4)), [grey("front", n) for n in (9, 22, 23, 24, 25)], atol=2
    )
    assert batch[ACTION_IS_PAD][0].tolist() == [False, True, True, True]


def test_of_a_camera_that_is_left_out_neither_pictures_nor_points_are_there(dataset, tmp_path):
    windows = Windows(Excerpt(dataset, episodes=range(4), cameras=["wrist"]), cache=tmp_path)
    assert windows.features.cameras == {"wrist": (16, 24)} and windows.features.points == ()
    assert FRONT not in windows.batch([0])
    with pytest.raises(UnknownNameError, match="Did you mean 'wrist'"):
        Excerpt(dataset, episodes=range(4), cameras=["wrst"])


def test_frames_of_a_part_are_not_taken_for_those_of_another(dataset, tmp_path):
    for episodes in ({0}, {2}, {1, 3}):
        windows = Windows(Excerpt(dataset, episodes=episodes), cache=tmp_path)
        batch = windows.batch([0])
        assert abs(batch[FRONT].mean() - grey("front", int(batch[STATE][0, 0, 0]))) <= 2
    assert Excerpt(dataset, episodes=range(4), cameras=["front"]).hash == dataset.hash


def test_a_part_without_episodes_is_refused(dataset):
    with pytest.raises(SaysoError, match=r"no episode of .* is left"):
        Excerpt(dataset, episodes={7})


def test_held_out_windows_are_never_drawn_and_stand_behind_the_others(dataset, tmp_path):
    windows = Windows(dataset, chunk=4, cache=tmp_path, heldout=[{0, 3}])
    assert len(windows) == 13 and windows.measured.tolist() == [*range(13, 26)]
    drawn = np.concatenate([windows.draw(0, step, 8) for step in range(20)])
    assert set(drawn.tolist()) == {*range(13)}
    assert windows.batch(range(13))[STATE][:, 0, 0].tolist() == [*range(9, 22)]
    held = windows.batch(windows.measured)
    numbers = [*range(9), *range(22, 26)]
    assert held[STATE][:, 0, 0].tolist() == numbers and held[TASK][0] == "fetch the block number 1"
    assert np.allclose(held[FRONT].mean((1, 2, 3, 4)), [grey("front", n) for n in numbers], atol=2)


def test_statistics_know_nothing_of_what_is_held_out(dataset):
    windows = Windows(dataset, chunk=4, heldout=[{0, 3}])
    alone = Windows(Excerpt(dataset, episodes={1, 2}), chunk=4)
    assert windows.stats == alone.stats and windows.stats[ACTION].max != dataset.stats[ACTION].max


def test_the_same_frames_are_kept_whatever_is_held_out(dataset, tmp_path):
    Windows(dataset, cache=tmp_path).decode()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    Windows(dataset, cache=tmp_path, heldout=[{2}]).decode()
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
