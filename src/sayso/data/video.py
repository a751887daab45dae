"""Video encoding and decoding for datasets, with frame times that are exact.

Every video here is H.264 without B-frames and with a key frame every second frame: frame k is shown at
exactly ``k / fps``, any frame is reached by decoding at most two, and files join by copying packets.

    episode 3  |I P I P I|          joined  |I P I P I|I P I|
    episode 4  |I P I|                       0         ^ 5 / fps = from_timestamp of episode 4
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sayso.spec import Image, SaysoError
from sayso.work.replace import appearing

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
"""How far a frame may lie from its time without a word; LeRobot's reader uses the same number."""


_EXACT = Interpolation.BICUBIC | 0x2000 | 0x40000
"""FFmpeg's SWS_FULL_CHR_H_INT and SWS_ACCURATE_RND: without them every colour comes out a little darker."""


_POINTER = b"version https://git-lfs"
_CUT = (
    "it was cut or damaged, by an interrupted recording or copy or by the disk. Take it from another copy "
    "of the dataset, or leave its episodes out"
)


class VideoError(SaysoError):
    """Video that cannot be written, joined or read as asked."""


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
    written = 0
    with appearing(path) as partial, av.open(str(partial), "w", format="mp4") as container:
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
    return written


def concatenate_videos(path: Path, parts: Sequence[Path], fps: float) -> list[int]:
    """Join videos that `encode_video` wrote into one, copying packets, and return each part's first frame.

    Frame k of part i is shown at ``(starts[i] + k) / fps`` exactly.

    Raises:
        VideoError: if the parts differ in size or encoder settings.
    """
    starts, frames = [], 0
    delay = max((_delay(part, fps) for part in parts), default=0)
    with appearing(path) as partial, av.open(str(partial), "w", format="mp4") as joined:
        stream: VideoStream | None = None
        for part in parts:
            with opened(part) as source:
                video = source.streams.video[0]
                packets = [packet for packet in source.demux(video) if packet.size]  # an empty one ends it
                if stream is None:
                    header = video.codec_context.extradata
                    stream = joined.add_stream_from_template(video, opaque=True)
                elif video.codec_context.extradata != header:
                    raise VideoError(
                        f"{part} cannot be joined to {parts[0]}: its size or encoder settings differ"
                    )
            starts.append(frames)
            _append(packets, joined, stream, fps, first_frame=frames, delay=delay)
            frames += len(packets)
    return starts


def copy_clip(path: Path, source: Path, begins_s: float, frames: int, fps: float) -> bool:
    """Copy some frames of a video into one of their own, packet by packet, where that changes no pixel.

    That is where they begin with a key frame, lie beside each other, and none is missing.

    Args:
        path: the video to write.
        source: the one they are in.
        begins_s: when the first of them is shown there.
        frames: how many.
        fps: how many a second.

    Returns:
        Whether they were copied; if not, nothing is written.

    Raises:
        VideoError: if `source` is damaged.
    """
    with opened(source) as container:
        video = container.streams.video[0]
        packets = _packets(container, video, begins_s, frames, fps)
        if not packets:
            return False
        content = io.BytesIO()  # a disk that is full is no fault of the source
        with av.open(content, "w", format="mp4") as copy:
            delay = max(place - shown for place, shown in enumerate(_shown(packets)))
            _append(packets, copy, copy.add_stream_from_template(video, opaque=True), fps, 0, delay)
    with appearing(path) as partial:
        partial.write_bytes(content.getvalue())
    last = frames - 1
    for first, n in ((0, min(frames, 2)), (last, 1)):
        copied, given = (
            _looks(file, at + first / fps, n, fps) for file, at in ((path, 0.0), (source, begins_s))
        )
        if not np.array_equal(copied, given):
            path.unlink()
            return False
    return True


def encoding(path: Path) -> tuple[str, bytes]:
    """Return the codec and the settings of a video: such as have these alike can be joined.

    Raises:
        VideoError: if it is damaged.
    """
    with opened(path) as container:
        context = container.streams.video[0].codec_context
        return context.name, bytes(context.extradata or b"")


def _looks(path: Path, from_s: float, frames: int, fps: float) -> NDArray[Any]:
    """Return some frames as they are decoded, depth as well as colours."""
    found = []
    for time_s, frame in _decoded(path, from_s):
        if time_s > from_s - 0.5 / fps:
            form = "rgb24" if len(frame.format.components) >= 3 else "gray16le"
            found.append(_converted(VideoReformatter(), frame, form).to_ndarray())
        if len(found) == frames:
            break
    return np.array(found)


def _packets(
    container: av.container.InputContainer, video: VideoStream, begins_s: float, frames: int, fps: float
) -> list[av.Packet[Any]]:
    """Return the packets of so many frames from a time on; none if they cannot stand alone."""
    if begins_s > 0:
        container.seek(int(begins_s * av.time_base))
    found: list[av.Packet[Any]] = []
    steps = set[int]()
    for packet in container.demux(video):
        if packet.pts is None or not packet.size:
            continue
        step = round((float(packet.pts * (video.time_base or 0)) - begins_s) * fps)
        if 0 <= step < frames:
            if packet.is_corrupt or not (found or (packet.is_keyframe and step == 0)):
                return []
            found.append(packet)
            steps.add(step)
        elif found:
            return []
        if len(found) == frames:
            return found if len(steps) == frames else []
    return []


class Shown(NamedTuple):
    """Frame, and how far from the time it was asked for it is shown."""

    image: Image
    off_s: float


def frames_at(path: Path, times_s: Iterable[float], within_s: float = TOLERANCE_S) -> Iterator[Shown]:
    """Yield the frames shown nearest to the given times, which ascend.

    Frames before the first time and between times are decoded at most, never converted::

        frames    0    .05   .1    .15          in a table whose times have drifted by 2 ms
        times      .002  .052  .102             the nearest are 0, .05 and .1

    Args:
        path: the video.
        times_s: when they are shown, by somebody's table.
        within_s: how far they may lie from there; half a frame's time at most, or they mean nothing.

    Raises:
        VideoError: if no frame lies so near to one of the times, or the video is damaged.
    """
    wanted = iter(times_s)
    time_s = next(wanted, None)
    if time_s is None:
        return
    converter = VideoReformatter()
    before: tuple[float, av.VideoFrame] | None = None
    for last in _decoded(path, time_s):
        while last[0] >= time_s - TOLERANCE_S:
            near = before if before and time_s - before[0] < last[0] - time_s else last
            yield Shown(_rgb(converter, near[1], path), _off(path, near[0], time_s, within_s))
            time_s = next(wanted, None)
            if time_s is None:
                return
        before = last
    while time_s is not None:
        if before is None or time_s - before[0] > within_s:
            ends = "holds no frame" if before is None else f"ends at {before[0]:.4f} s"
            raise VideoError(f"{path} {ends}, though one at {time_s:.4f} s is spoken of: {_CUT}")
        yield Shown(_rgb(converter, before[1], path), time_s - before[0])
        time_s = next(wanted, None)


def extent(path: Path) -> tuple[int, float]:
    """Return how many frames a video says it has, 0 if it does not say, and when the first is shown.

    Raises:
        VideoError: if it is damaged, or no video.
    """
    with opened(path) as container:
        stream = container.streams.video[0]
        return int(stream.frames), float((stream.start_time or 0) * (stream.time_base or 0))


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


def _off(path: Path, shown_s: float, time_s: float, within_s: float) -> float:
    """Return how far a frame lies from a time, if that is near enough."""
    if (off_s := abs(shown_s - time_s)) <= within_s:
        return off_s
    raise VideoError(
        f"{path} shows no frame at {time_s:.4f} s; the nearest is at {shown_s:.4f} s, {off_s * 1e3:.1f} ms "
        "off. Frames were lost while recording, or the video is of another episode or rate: leave it out "
        "(sayso edit --drop-episodes), or record anew"
    )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a video inside a `with`, and say of a damaged one what it is and why it may be so."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(f"{path} holds no pictures: it is no video. Copy the right file there")
            if container.streams.video[0].codec_context is None:
                raise VideoError(f"{path} does not say how its pictures are stored: {_CUT}")
            yield container
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path} {_reason(path, error)}") from error


def _decoded(path: Path, from_s: float = 0.0) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield every frame and its time from the key frame before a time on."""
    with opened(path) as container:
        if from_s > 0:
            container.seek(int(from_s * av.time_base))
        for frame in container.decode(container.streams.video[0]):
            if frame.is_corrupt or frame.time is None:
                raise VideoError(f"{path} has a damaged frame after {from_s:.4f} s: {_CUT}")
            yield frame.time, frame


def _reason(path: Path, error: Exception) -> str:
    """Say what is wrong with a file that is no whole video."""
    if not path.is_file():
        return "is missing: a copy or download of the dataset was not finished; fetch it again"
    with path.open("rb") as file:
        begin = file.read(len(_POINTER))
    if not begin:
        return f"is empty: {_CUT}"
    if begin == _POINTER:
        return "is only a pointer that Git LFS left: run `git lfs pull` in the dataset's folder"
    return f"is no video that can be read ({getattr(error, 'strerror', '') or error}): {_CUT}"


def _encoder_options() -> dict[str, str]:
    # No B-frames: they would shift decoding times, and joining by copying packets would not be exact. No
    # macroblock tree: of small pictures x264 makes other bytes with it now and then, from the same frames.
    quality = {"g": str(KEY_FRAME_EVERY), "crf": str(QUALITY_CRF), "preset": PRESET}
    return quality | {"bf": "0", "mbtree": "0"}


def _append(
    packets: Sequence[av.Packet[Any]],
    joined: av.container.OutputContainer,
    stream: VideoStream,
    fps: float,
    first_frame: int,
    delay: int,
) -> None:
    """Write packets, a frame each, behind the first `first_frame` frames.

    Where frames refer to later ones, these are decoded first: so many frames' times earlier, `delay`.
    """
    for place, (packet, shown) in enumerate(zip(packets, _shown(packets), strict=True)):
        packet.pts, packet.dts = first_frame + shown, first_frame + place - delay
        packet.duration, packet.time_base = 1, 1 / _rate(fps)
        packet.stream = stream
        joined.mux(packet)


def _shown(packets: Sequence[av.Packet[Any]]) -> list[int]:
    """Return the place of each packet's frame in the order in which frames are shown."""
    ordered = sorted(range(len(packets)), key=lambda place: packets[place].pts or 0)
    return [shown for _, shown in sorted(zip(ordered, range(len(packets)), strict=True))]


def _delay(path: Path, fps: float) -> int:
    """Return by how many frames' times a video is decoded before it is shown."""
    with opened(path) as container:
        first = next((p for p in container.demux(container.streams.video[0]) if p.size), None)
        if first is None or first.dts is None:
            return 0
        return max(0, round(-float(first.dts * first.time_base) * fps))


def _rgb(converter: VideoReformatter, frame: av.VideoFrame, path: Path) -> Image:
    if len(frame.format.components) < 3 and frame.format.name != "pal8":
        raise VideoError(
            f"{path} has one channel ({frame.format.name}), grey or depth, where three colours are read: "
            "leave that camera out of the dataset"
        )
    return np.asarray(_converted(converter, frame, "rgb24").to_ndarray(), np.uint8)


def _converted(converter: VideoReformatter, frame: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    # PyAV 17 began to convert with many threads; handing them frames this small costs more than the work.
    one_thread: dict[str, Any] = {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}
    return converter.reformat(frame, format=pixel_format, interpolation=_EXACT, **one_thread)
