"""A few clicks label an episode: they are followed where they can be, and nothing is made up elsewhere."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from sayso.cli import main
from sayso.data.clicks import read_clicks, write_clicks
from sayso.data.reader import Dataset
from sayso.data.tracking import Mark, track
from sayso.spec import SaysoError
from small_datasets import build, without_points

N, SIZE = 40, (240, 320)


def place(frame):
    """Return where the square is, u and v."""
    return 0.2 + 0.6 * frame / (N - 1), 0.5 + 0.25 * np.sin(frame / 9)


def film(gone=()):
    """Return a square with a pattern that moves over a table with another; `gone` are frames without it."""
    rng = np.random.default_rng(0)
    table = np.repeat(np.repeat(rng.integers(60, 120, (30, 40, 3), np.uint8), 8, 0), 8, 1)
    square = np.repeat(np.repeat(rng.integers(120, 255, (6, 6, 3), np.uint8), 5, 0), 5, 1)
    for frame in range(N):
        picture = table.copy()
        if frame not in gone:
            x, y = (round(share * side) - 15 for share, side in zip(place(frame), SIZE[::-1], strict=True))
            picture[y : y + 30, x : x + 30] = square
        yield picture


def seen(frame):
    return Mark(frame=frame, uv=place(frame))


def truth():
    return np.array([place(frame) for frame in range(N)])


@pytest.mark.parametrize("frames", [(0,), (N - 1,), (12, 25), (0, 10, 20, 30, N - 1)])
def test_what_is_clicked_is_followed_to_both_ends(frames):
    points = track(film(), [seen(frame) for frame in frames])
    assert (points[:, 2] == 1).all()
    assert np.abs(points[:, :2] - truth()).max() < 0.02


def test_without_a_click_nobody_knows():
    assert (track(film(), [])[:, 2] == -1).all()


def test_between_two_frames_in_which_it_is_not_to_be_seen_it_is_hidden():
    points = track(
        film(gone=range(20, 31)), [seen(0), Mark(frame=20, uv=None), Mark(frame=30, uv=None), seen(39)]
    )
    assert (points[20:31, 2] == 0).all()
    assert (points[[0, 5, 39], 2] == 1).all()


def test_two_clicks_that_contradict_each_other_leave_it_open_in_between():
    wrong = Mark(frame=N - 1, uv=(0.2, 0.9))
    points = track(film(), [seen(0), wrong])
    assert (points[5:-5, 2] == -1).mean() > 0.9


def test_a_click_beyond_the_episode_is_refused():
    with pytest.raises(SaysoError, match="only 40 frames"):
        track(film(), [Mark(frame=40, uv=(0.5, 0.5))])


def test_clicks_survive_their_file(tmp_path):
    clicks = {3: {"front": {"object": [seen(1), Mark(frame=4, uv=None)]}}}
    write_clicks(tmp_path / "c.json", clicks)
    assert read_clicks(tmp_path / "c.json") == clicks


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"episodes": {"0": {"front": {"thing": []}}}}', '{"episodes": {"x": {}}}',
             '{"episodes": {"0": {"front": {"object": [[0, 2, 0.5]]}}}}']
)  # fmt: skip
def test_what_is_no_file_of_clicks_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(SaysoError):
        read_clicks(tmp_path / "c.json")


@pytest.fixture
def recording(tmp_path):
    return build(tmp_path / "d", without_points())


def test_an_edit_turns_clicks_into_labels_that_training_reads(recording, tmp_path):
    camera = next(iter(Dataset(recording).features.cameras))
    clicks = {"episodes": {"0": {camera: {"object": [[0, 0.25, 0.75], [1, None, None]]}}}}
    (tmp_path / "c.json").write_text(json.dumps(clicks))
    flags = ["--points", str(tmp_path / "c.json"), "--rename-cameras", f"{camera}=top"]
    assert main(["edit", str(recording), *flags, "--out", str(tmp_path / "new")]) == 0
    new = Dataset(tmp_path / "new")
    assert new.features.points[:3] == ("top.object.u", "top.object.v", "top.object.visible")
    first = new.episodes[0]
    assert new.points[first.start, :3].tolist() == [0.25, 0.75, 1.0]
    assert new.points[first.start + 1, 2] == 0.0
    assert (new.points[:, 5::3] == -1).all()
    assert (new.points[first.stop :, 2] == -1).all()


def test_clicks_of_what_is_not_there_are_refused(recording, tmp_path, capsys):
    for clicks, said in (({"99": {}}, "episode 99"), ({"0": {"tpo": {}}}, "tpo")):
        (tmp_path / "c.json").write_text(json.dumps({"episodes": clicks}))
        given = ["edit", str(recording), "--points", str(tmp_path / "c.json"), "--out", str(tmp_path / "new")]
        assert main(given) == 2
        assert said in capsys.readouterr().err
        shutil.rmtree(tmp_path / "new", ignore_errors=True)
