"""Videos keep colours, number and exact times of their frames, alone and joined."""

from __future__ import annotations

import av
import numpy as np
import pytest

from sayso.data.video import VideoError, concatenate_videos, decode_video, encode_video, frames_at

FPS = 20


def moving(n, start=0, size=(32, 48)):
    """A coloured gradient that moves: n frames, uint8 [N, H, W, 3]."""
    y, x = np.mgrid[: size[0], : size[1]]
    at = [(x * 3 + 5 * k, y * 5, 40 + 2 * (x + k)) for k in range(start, start + n)]
    return np.stack([np.stack(channels, axis=-1) % 200 for channels in at]).astype(np.uint8)


def times(path):
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


@pytest.fixture
def joined(tmp_path):
    lengths = [7, 1, 30, 2]
    parts = [tmp_path / f"{n}.mp4" for n in range(len(lengths))]
    for n, length in enumerate(lengths):
        encode_video(parts[n], moving(length, start=50 * n), FPS)
    starts = concatenate_videos(tmp_path / "joined.mp4", parts, FPS)
    return tmp_path / "joined.mp4", parts, lengths, starts


def test_decoded_frames_have_the_colours_of_the_originals(tmp_path):
    plain = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 30)]
    frames = np.stack([np.full((32, 32, 3), colour, np.uint8) for colour in plain])
    assert encode_video(tmp_path / "v.mp4", frames, FPS) == len(plain)
    decoded = np.stack(list(decode_video(tmp_path / "v.mp4")))
    assert decoded.dtype == np.uint8 and decoded.shape == frames.shape
    assert np.abs(decoded.astype(int) - frames).max() <= 6


def test_decoded_frames_are_neither_darker_nor_brighter_than_the_originals(tmp_path):
    frames = (
        np.random.default_rng(0).integers(20, 230, (40, 1, 1, 3)).repeat(32, 1).repeat(32, 2).astype(np.uint8)
    )
    encode_video(tmp_path / "v.mp4", frames, FPS)
    error = np.stack(list(decode_video(tmp_path / "v.mp4"))).astype(int) - frames
    assert np.abs(error.mean((0, 1, 2))).max() < 0.4


def test_decoded_frames_keep_the_picture(tmp_path):
    frames = moving(20)
    encode_video(tmp_path / "v.mp4", frames, FPS)
    error = np.abs(np.stack(list(decode_video(tmp_path / "v.mp4"))).astype(int) - frames)
    assert error.mean() < 4


@pytest.mark.parametrize("fps", [5, 20, 24, 30, 50])
def test_frame_k_is_shown_at_k_over_fps(tmp_path, fps):
    encode_video(tmp_path / "v.mp4", moving(25), fps)
    np.testing.assert_allclose(times(tmp_path / "v.mp4"), np.arange(25) / fps, atol=1e-6)


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        encode_video(tmp_path / name, moving(12), FPS)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_every_second_frame_is_a_key_frame(joined):
    path, *_ = joined
    with av.open(str(path)) as container:
        keys = [bool(packet.is_keyframe) for packet in container.demux(video=0) if packet.size]
    assert keys == [k % 2 == 0 for length in (7, 1, 30, 2) for k in range(length)]


def test_a_joined_video_shows_every_frame_at_its_time(joined):
    path, _, lengths, starts = joined
    assert starts == [0, 7, 8, 38]
    np.testing.assert_allclose(times(path), np.arange(sum(lengths)) / FPS, atol=1e-6)


def test_joining_changes_no_pixel(joined):
    path, parts, *_ = joined
    apart = np.concatenate([list(decode_video(part)) for part in parts])
    np.testing.assert_array_equal(np.stack(list(decode_video(path))), apart)


def test_any_frame_of_a_joined_video_is_found_by_its_time(joined):
    path, parts, lengths, starts = joined
    for part, length, start in zip(parts, lengths, starts, strict=True):
        whole = list(decode_video(part))
        for k in {0, length // 2, length - 1}:
            (found,) = frames_at(path, [(start + k) / FPS])
            np.testing.assert_array_equal(found, whole[k])


def test_a_selection_of_frames_comes_in_order(joined):
    path, *_ = joined
    whole = list(decode_video(path))
    chosen = [3, 4, 9, 39]
    found = list(frames_at(path, [k / FPS for k in chosen]))
    np.testing.assert_array_equal(found, [whole[k] for k in chosen])


@pytest.mark.parametrize(("time_s", "says"), [(0.52 / FPS, "no frame at"), (2.0, "ends before")])
def test_a_time_without_a_frame_is_an_error(joined, time_s, says):
    with pytest.raises(VideoError, match=says):
        list(frames_at(joined[0], [time_s]))


def test_videos_of_different_size_do_not_join(tmp_path):
    encode_video(tmp_path / "a.mp4", moving(3), FPS)
    encode_video(tmp_path / "b.mp4", moving(3, size=(64, 64)), FPS)
    with pytest.raises(VideoError, match="cannot be joined"):
        concatenate_videos(tmp_path / "c.mp4", [tmp_path / "a.mp4", tmp_path / "b.mp4"], FPS)
    assert not (tmp_path / "c.mp4").exists()


@pytest.mark.parametrize("shape", [(0, 32, 32, 3), (2, 31, 32, 3), (2, 32, 33, 3)])
def test_a_video_needs_frames_of_even_size(tmp_path, shape):
    with pytest.raises(VideoError):
        encode_video(tmp_path / "v.mp4", np.zeros(shape, np.uint8), FPS)
