"""Simulated clicks for a recording of the mock arm are where a person would click, and nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import mock_arm
import mock_clicks
from sayso import cli
from sayso.data.clicks import read_clicks
from sayso.data.reader import Dataset
from sayso.spec import SaysoError

HERE = Path(__file__).resolve().parents[1] / "recordings" / "desk"


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """Click exactly in three frames of the first two episodes: red block and bowl, green block and tray."""
    out = tmp_path_factory.mktemp("clicks") / "desk.clicks.json"
    mock_clicks.main(mock_clicks.Clicks(recording=HERE, out=out, episodes=2, frames=3, noise=0.0))
    return out


def test_clicks_on_the_block_are_on_its_colour_in_the_recording(clicks):
    dataset, found = Dataset(HERE), read_clicks(clicks)
    assert sorted(found) == [0, 1]
    for episode, colour in ((0, 0), (1, 1)):  # red, green
        for camera in mock_arm.CAMERAS:
            marks = found[episode][camera]["object"]
            assert [mark.frame for mark in marks][::2] == [0, len(dataset.episodes[episode]) - 1]
            for mark in marks:
                (picture,) = dataset.images(camera, [dataset.episodes[episode].start + mark.frame])
                u, v = mark.uv
                pixel = picture[int(v * len(picture)), int(u * len(picture[0]))].astype(int)
                assert pixel[colour] > 1.5 * np.delete(pixel, colour).max(), (episode, camera, mark, pixel)


def test_what_is_outside_a_picture_is_clicked_as_hidden(clicks):
    hand, desk = (read_clicks(clicks)[0][camera]["place"] for camera in ("hand", "desk"))
    assert all(mark.uv is None for mark in hand)  # the bowl is beside what the hand sees
    assert all(mark.uv is not None for mark in desk)


def test_training_finds_the_labels_made_from_clicks(clicks, tmp_path):
    out = tmp_path / "labelled"
    assert cli.main(["edit", str(HERE), "--episodes", "0-1", "--points", str(clicks), "--out", str(out)]) == 0
    labelled = Dataset(out)
    visible = labelled.points[: len(labelled.episodes[0]), 2::3]
    assert visible.shape[1] == 4 and (visible[:, 0] == 1).all()  # the block on the desk
    assert (visible[:, 3] == 0).all()  # the bowl at the hand


def test_another_scene_than_the_recorded_one_is_refused(tmp_path):
    shutil.copytree(HERE, tmp_path / "desk")
    (tmp_path / "desk" / mock_arm.SCENES).write_text('{"arm": 1, "scenes": [600054]}')
    config = mock_clicks.Clicks(recording=tmp_path / "desk", out=tmp_path / "clicks.json", episodes=1)
    with pytest.raises(SaysoError, match="is not scene 600054"):
        mock_clicks.main(config)
    (tmp_path / "desk" / mock_arm.SCENES).unlink()
    with pytest.raises(SaysoError, match="--scenes"):
        mock_clicks.main(config)


def test_a_hand_is_not_quite_steady_but_stays_in_the_picture():
    rng = np.random.default_rng(0)
    marks = [mock_clicks.clicked(3, (0.5, 0.999), 0.006, rng).uv for _ in range(400)]
    assert 0.005 < np.std([u for u, _ in marks]) < 0.007
    assert max(v for _, v in marks) <= 1
    assert mock_clicks.clicked(3, None, 0.006, rng).uv is None
