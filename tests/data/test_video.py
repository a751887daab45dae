"""Videos keep colours, number and exact times of their frames, alone and joined."""

from __future__ import annotations

import re
import wave
from fractions import Fraction

import av
import numpy as np
import pytest

from sayso.data.checks.reel import Reel
from sayso.data.video import VideoError, concatenate_videos, copy_clip, encode_video, frames_at, opened
from small_videos import whole_video

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
    decoded = np.stack(list(whole_video(tmp_path / "v.mp4")))
    assert decoded.dtype == np.uint8 and decoded.shape == frames.shape
    assert np.abs(decoded.astype(int) - frames).max() <= 6


def test_decoded_frames_are_neither_darker_nor_brighter_than_the_originals(tmp_path):
    frames = (
        np.random.default_rng(0).integers(20, 230, (40, 1, 1, 3)).repeat(32, 1).repeat(32, 2).astype(np.uint8)
    )
    encode_video(tmp_path / "v.mp4", frames, FPS)
    error = np.stack(list(whole_video(tmp_path / "v.mp4"))).astype(int) - frames
    assert np.abs(error.mean((0, 1, 2))).max() < 0.4


def test_decoded_frames_keep_the_picture(tmp_path):
    frames = moving(20)
    encode_video(tmp_path / "v.mp4", frames, FPS)
    error = np.abs(np.stack(list(whole_video(tmp_path / "v.mp4"))).astype(int) - frames)
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
    apart = np.concatenate([list(whole_video(part)) for part in parts])
    np.testing.assert_array_equal(np.stack(list(whole_video(path))), apart)


def test_any_frame_of_a_joined_video_is_found_by_its_time(joined):
    path, parts, lengths, starts = joined
    for part, length, start in zip(parts, lengths, starts, strict=True):
        whole = list(whole_video(part))
        for k in {0, length // 2, length - 1}:
            (found,) = frames_at(path, [(start + k) / FPS])
            np.testing.assert_array_equal(found.image, whole[k])


def test_a_selection_of_frames_comes_in_order(joined):
    path, *_ = joined
    whole = list(whole_video(path))
    chosen = [3, 4, 9, 39]
    found = list(frames_at(path, [k / FPS for k in chosen]))
    np.testing.assert_array_equal([shown.image for shown in found], [whole[k] for k in chosen])


@pytest.mark.parametrize(("time_s", "says"), [(0.52 / FPS, "no frame at"), (2.0, "ends at 1.9500 s")])
def test_a_time_without_a_frame_is_an_error(joined, time_s, says):
    with pytest.raises(VideoError, match=says):
        list(frames_at(joined[0], [time_s]))


@pytest.mark.parametrize("drift_s", [-0.02, -0.004, 0.001, 0.024])
def test_where_times_have_drifted_the_nearest_frame_is_shown_and_how_far_off_it_is(joined, drift_s):
    path, *_ = joined
    whole, chosen = list(whole_video(path)), [0, 3, 4, 9, 38, 39]
    found = list(frames_at(path, [k / FPS + drift_s for k in chosen], within_s=0.5 / FPS))
    np.testing.assert_array_equal([shown.image for shown in found], [whole[k] for k in chosen])
    np.testing.assert_allclose([shown.off_s for shown in found], abs(drift_s), atol=1e-5)


def test_a_gap_of_a_frame_is_no_drift(tmp_path):
    with av.open(str(tmp_path / "gap.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = 48, 32
        for k in (0, 1, 3, 4):
            frame = av.VideoFrame.from_ndarray(moving(1)[0], format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"no frame at 0.1010 s; the nearest is at 0.1500 s, 49.0 ms off"):
        list(frames_at(tmp_path / "gap.mp4", [k / FPS + 0.001 for k in range(4)], within_s=0.5 / FPS))


def damaged(content: bytes, how: str) -> bytes:
    middle = len(content) // 2
    return {
        "half": content[:middle],
        "empty": b"",
        "text": b"a page that says the download failed",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "zeros": content[:2000] + bytes(len(content) - 2000),
        "shifted": content[: middle - 7] + content[middle:],
    }[how]


@pytest.mark.parametrize("how", ["half", "empty", "text", "pointer", "zeros", "shifted"])
def test_a_damaged_video_is_told_by_its_name_with_the_likely_cause(joined, how):
    path, *_ = joined
    path.write_bytes(damaged(path.read_bytes(), how))
    with pytest.raises(VideoError, match=r"joined\.mp4 .*(was cut or damaged|git lfs pull)"):
        list(frames_at(path, np.arange(40) / FPS))


def test_a_missing_video_is_told(tmp_path):
    with pytest.raises(VideoError, match=r"v\.mp4 is missing.*fetch it again"):
        list(frames_at(tmp_path / "v.mp4", [0.0]))


@pytest.mark.parametrize("pixels", ["gray", "gray10le"])
def test_a_video_of_one_channel_is_not_read_as_colours(tmp_path, pixels):
    with av.open(str(tmp_path / "depth.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 48, 32, pixels
        container.mux(
            stream.encode(av.VideoFrame.from_ndarray(moving(1)[0], format="rgb24").reformat(format=pixels))
        )
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="one channel"):
        list(frames_at(tmp_path / "depth.mkv", [0.0]))


def test_a_film_without_pictures_is_told(tmp_path):
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    with pytest.raises(VideoError, match="no pictures"):
        list(frames_at(tmp_path / "sound.wav", [0.0]))


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


# Clips


def referring(path, frames):
    """Encode frames that refer to later ones, as videos of depth do: these are decoded first."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"bf": "3", "g": "250"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv444p"
        for k, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_clip_is_copied_without_a_pixel_changed(joined, tmp_path):
    path, parts, lengths, starts = joined
    for part, length, start in zip(parts, lengths, starts, strict=True):
        assert copy_clip(tmp_path / "clip.mp4", path, start / FPS + 0.004, length, FPS)
        np.testing.assert_array_equal(list(whole_video(tmp_path / "clip.mp4")), list(whole_video(part)))
        assert times(tmp_path / "clip.mp4") == pytest.approx(np.arange(length) / FPS)


def test_frames_that_refer_to_later_ones_are_joined_and_copied_in_their_order(tmp_path):
    lengths = (9, 1, 14)
    parts = [referring(tmp_path / f"{n}.mp4", moving(n, start=40 * n)) for n in lengths]
    assert concatenate_videos(tmp_path / "joined.mp4", parts, FPS) == [0, 9, 10]
    assert times(tmp_path / "joined.mp4") == pytest.approx(np.arange(24) / FPS)
    apart = [image for part in parts for image in whole_video(part)]
    np.testing.assert_array_equal(list(whole_video(tmp_path / "joined.mp4")), apart)
    assert copy_clip(tmp_path / "clip.mp4", tmp_path / "joined.mp4", 10 / FPS, 14, FPS)
    np.testing.assert_array_equal(list(whole_video(tmp_path / "clip.mp4")), apart[10:])


@pytest.mark.parametrize(("first", "frames"), [(1, 5), (2, 39), (39, 2)])
def test_a_clip_that_cannot_stand_alone_or_ends_early_is_not_copied(joined, tmp_path, first, frames):
    assert not copy_clip(tmp_path / "clip.mp4", joined[0], first / FPS, frames, FPS)
    assert not (tmp_path / "clip.mp4").exists()


def test_a_video_that_does_not_say_how_its_pictures_are_stored_is_refused(joined):
    path = joined[0]
    content = path.read_bytes()
    path.write_bytes(content.replace(b"stsd", b"free", 1))
    with pytest.raises(VideoError, match=re.escape(str(path))):
        list(frames_at(path, [0.0]))
    with pytest.raises(VideoError, match=re.escape(str(path))), opened(path) as container:
        _ = Reel.of(container).size
