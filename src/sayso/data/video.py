"""Write, join and read the videos of a dataset, with frame times that are exact.

Every video here is H.264 without B-frames and with a key frame every second frame: frame k is shown at
exactly ``k / fps``, any frame is reached by decoding at most two, and files join by copying packets.

    episode 3  |I P I P I|          joined  |I P I P I|I P I|
    episode 4  |I P I|                       0         ^ 5 / fps = from_timestamp of episode 4
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from sayso.spec import Image, SaysoError

CODEC = "libx264"
FOR_TRAINING, FOR_BROWSERS = "yuv444p", "yuv420p"
"""Pixel formats. Halving the colour's resolution (4:2:0) smears things that are a few pixels small: on the
tabletop, 1 % of pixels then lie 41 grey levels off, against 15 with full colour (4:4:4) at 6 % more bytes.
Policies learn from the video and act on the camera, so datasets keep full colour; films are for people, and
not every browser plays that."""
KEY_FRAME_EVERY = 2
QUALITY_CRF = 18
PRESET = "veryfast"
TOLERANCE_S = 1e-4
"""How far a frame may lie from the time it is asked for; LeRobot's reader uses the same number."""


_EXACT = Interpolation.BICUBIC | 0x2000 | 0x40000
"""FFmpeg's SWS_FULL_CHR_H_INT and SWS_ACCURATE_RND: without them every colour comes out a little darker."""


class VideoError(SaysoError):
    """Report a video that cannot be written, joined or read as asked."""


def encode_video(path: Path, frames: Iterable[Image], fps: float, pixel_format: str = FOR_TRAINING) -> int:
    """Write frames, uint8 ``[N, H, W, 3]`` or an iterable of ``[H, W, 3]``, as mp4 and return N.

    The file appears under its name only once it is whole. One thread encodes, so that the bytes depend on
    nothing but the frames, and workers that record side by side do not fight for cores.

    Raises:
        VideoError: if there is no frame, or height or width is odd (4:2:0 colour needs even ones).
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise VideoError(f"a video needs at least one frame, but {path.name} got none")
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        raise VideoError(
            f"{path.name} would be {height} x {width}; height and width must be even: pad the frames"
        )
    partial = path.with_name(f".{path.name}.partial")
    written = 0
    with av.open(str(partial), "w", format="mp4") as container:
        stream = container.add_stream(CODEC, rate=_rate(fps), options=_encoder_options())
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = 1 / _rate(fps)
        stream.codec_context.thread_count = 1
        converter = VideoReformatter()
        for written, image in enumerate(chain([first], frames), start=1):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame = _converted(converter, frame, pixel_format)
            frame.pts, frame.time_base = written - 1, 1 / _rate(fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    os.replace(partial, path)
    return written


def concatenate_videos(path: Path, parts: Sequence[Path], fps: float) -> list[int]:
    """Join videos that `encode_video` wrote into one, copying packets, and return each part's first frame.

    Frame k of part i is shown at ``(starts[i] + k) / fps`` exactly.

    Raises:
        VideoError: if the parts differ in size or encoder settings.
    """
    partial = path.with_name(f".{path.name}.partial")
    starts, frames = [], 0
    with av.open(str(partial), "w", format="mp4") as joined:
        stream: VideoStream | None = None
        for part in parts:
            with av.open(str(part)) as source:
                video = source.streams.video[0]
                if stream is None:
                    header = video.codec_context.extradata
                    stream = joined.add_stream_from_template(video)
                elif video.codec_context.extradata != header:
                    raise VideoError(
                        f"{part} cannot be joined to {parts[0]}: its size or encoder settings differ"
                    )
                starts.append(frames)
                frames += _copy_packets(source, joined, stream, fps, first_frame=frames)
    os.replace(partial, path)
    return starts


def decode_video(path: Path) -> Iterator[Image]:
    """Yield every frame as uint8 RGB ``[H, W, 3]``."""
    converter = VideoReformatter()
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            yield _rgb(converter, frame)


def frames_at(path: Path, times_s: Iterable[float]) -> Iterator[Image]:
    """Yield the frames shown at the given times, in ascending order, as uint8 RGB ``[H, W, 3]``.

    Frames before the first time and between times are decoded at most, never converted.

    Raises:
        VideoError: if no frame lies within `TOLERANCE_S` of one of the times.
    """
    wanted = iter(times_s)
    time_s = next(wanted, None)
    if time_s is None:
        return
    converter = VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        container.seek(int(time_s * av.time_base))
        for frame in container.decode(stream):
            shown_s = -1.0 if frame.time is None else frame.time
            if shown_s < time_s - TOLERANCE_S:
                continue
            if shown_s > time_s + TOLERANCE_S:
                raise VideoError(f"{path} shows no frame at {time_s:.4f} s; the next is at {shown_s:.4f} s")
            yield _rgb(converter, frame)
            time_s = next(wanted, None)
            if time_s is None:
                return
    raise VideoError(f"{path} ends before {time_s:.4f} s")


def video_info(height: int, width: int, fps: float) -> dict[str, object]:
    """Describe a video as LeRobot does under ``info`` of a feature."""
    return {
        "video.height": height,
        "video.width": width,
        "video.codec": "h264",
        "video.pix_fmt": FOR_TRAINING,
        "video.is_depth_map": False,
        "video.fps": int(fps) if fps == int(fps) else fps,
        "video.channels": 3,
        "has_audio": False,
        "video.g": KEY_FRAME_EVERY,
        "video.crf": QUALITY_CRF,
        "video.preset": PRESET,
        "video.video_backend": "pyav",
    }


def _rate(fps: float) -> Fraction:
    """Return the rate as films have it: 29.97 as 2997/100, 30000/1001 exactly."""
    return Fraction(fps).limit_denominator(1001)


def _encoder_options() -> dict[str, str]:
    # No B-frames: they would shift decoding times, and joining by copying packets would no longer be exact.
    return {"g": str(KEY_FRAME_EVERY), "crf": str(QUALITY_CRF), "preset": PRESET, "bf": "0"}


def _copy_packets(
    source: av.container.InputContainer,
    joined: av.container.OutputContainer,
    stream: VideoStream,
    fps: float,
    first_frame: int,
) -> int:
    """Copy every packet of a video behind the first `first_frame` frames and return how many there were."""
    count = 0
    for packet in source.demux(source.streams.video[0]):
        if packet.size == 0:  # the empty packet that ends a stream
            continue
        packet.pts = packet.dts = first_frame + count
        packet.duration, packet.time_base = 1, 1 / _rate(fps)
        packet.stream = stream
        joined.mux(packet)
        count += 1
    return count


def _rgb(converter: VideoReformatter, frame: av.VideoFrame) -> Image:
    return np.asarray(_converted(converter, frame, "rgb24").to_ndarray(), np.uint8)


def _converted(converter: VideoReformatter, frame: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    # PyAV 17 began to convert with many threads; handing them frames this small costs more than the work.
    one_thread: dict[str, Any] = {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}
    return converter.reformat(frame, format=pixel_format, interpolation=_EXACT, **one_thread)
