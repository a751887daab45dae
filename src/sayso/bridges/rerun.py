"""Rerun: episodes of a dataset, or a robot while it moves, in Rerun's viewer or a file of its own (extra).

sayso show DATASET --rerun                 opens the viewer
sayso show DATASET --rerun mine.rrd        writes a file, for `rerun mine.rrd`
sayso run ... --rerun rerun+http://...     sends to a viewer that is open, here or elsewhere
"""

from __future__ import annotations

import colorsys
import importlib.util
import os
import queue
import socket
import sysconfig
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from sayso.data.preview import spread
from sayso.data.reader import Dataset, RecordedEpisode
from sayso.runtime.chunking import Plan
from sayso.runtime.tick import Tick, Watch
from sayso.spec import IMAGES, STATE, TASK, Features, SaysoError
from sayso.work.progress import tracked

HERE = "rerun+http://127.0.0.1:9876/proxy"
"""Where a viewer on this machine listens."""
VIEW = "view"
"""What stands for Rerun's own viewer where a file or an address could."""
FRAME, TIME = "frame", "time"
RUN = "run"
JPEG_QUALITY = 90
WAITING = 64
"""Ticks that may wait to be written, two seconds of them; then some are left out, so that no robot waits."""
LEAVES_S = 5.0
"""How long to wait at the end for what is still to be written."""
ANSWERS_S = 3.0
"""How long a viewer elsewhere may take to answer."""
ARRIVES_S = 30.0
"""How long the last of it may take to arrive there."""
INSTALL = "Rerun is not installed: pip install 'sayso[rerun]'"


def show_episodes(root: Path, where: str, count: int) -> str:
    """Show episodes of a dataset, spread over it, and return a sentence that says where they are.

    Every episode has its own tab, with timelines of its own that begin at 0.

    Raises:
        FormatError: if `root` is not a LeRobotDataset v3.0.
        SaysoError: if Rerun is missing, or `where` is none of what it can be.
    """
    dataset = Dataset(root)
    episodes = spread(dataset, count)
    recording, said = opened(where, dataset.root.resolve().name)
    names = {f"episode_{episode.index}": episode for episode in episodes}
    recording.send_blueprint(_layout(tuple(names), dataset.features))
    for name, episode in tracked(list(names.items()), "sending episodes"):
        _send_episode(recording, name, dataset, episode)
    _finish(recording)
    return f"{len(episodes)} episodes: {said}"


def opened(where: str, name: str) -> tuple[Any, str]:
    """Return a recording of Rerun's, to a file, an address or its viewer, and in words where that is.

    Raises:
        SaysoError: if Rerun is missing, or `where` is none of what it can be.
    """
    address = where.startswith(("rerun://", "rerun+http://", "rerun+https://"))
    if not (where == VIEW or address or where.endswith(".rrd")):
        raise SaysoError(
            f"--rerun {where} is no place for Rerun. It stands alone, which opens the viewer, or has a file "
            "that ends in .rrd, or the address of a viewer, such as rerun+http://127.0.0.1:9876/proxy"
        )
    try:
        import rerun
    except ModuleNotFoundError as error:
        raise SaysoError(INSTALL) from error
    recording = rerun.RecordingStream("sayso")
    try:
        if where == VIEW:
            with _viewer_on_path():
                recording.spawn(connect=False)
            _refuse_deaf(
                HERE, "Rerun's viewer did not open; without a screen, `--rerun FILE.rrd` writes a file"
            )
            recording.connect_grpc(HERE)
        elif address:
            _refuse_deaf(
                where, f"no viewer of Rerun listens at {where}. `rerun` opens one and says its address"
            )
            recording.connect_grpc(where)
        else:
            Path(where).parent.mkdir(parents=True, exist_ok=True)
            recording.save(where)
    except (RuntimeError, ValueError) as error:
        raise SaysoError(f"--rerun {where}: {str(error).splitlines()[0]}") from error
    recording.send_recording_name(name)
    said = "in Rerun's viewer" if where == VIEW else f"sent to {where}"
    return recording, said if not where.endswith(".rrd") else f"{where}; `rerun {where}` opens it"


@contextmanager
def _viewer_on_path() -> Iterator[None]:
    """Let Rerun find the viewer that was installed with it, whether or not the environment is activated."""
    before, spec = os.environ.get("PATH", ""), importlib.util.find_spec("rerun_cli")
    own = [str(Path(spec.origin).parent)] if spec and spec.origin else []
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), *own, before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _refuse_deaf(address: str, why: str) -> None:
    """Refuse an address where nobody listens, which Rerun itself would go on calling."""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 443), ANSWERS_S):
            pass
    except OSError as error:
        raise SaysoError(why) from error


def _finish(recording: Any) -> None:
    """Wait a while until all has arrived, and end a recording.

    Raises:
        SaysoError: if it did not arrive.
    """
    try:
        recording.flush(timeout_sec=ARRIVES_S)
    except RuntimeError as error:
        raise SaysoError(f"not all of it reached Rerun: {str(error).splitlines()[0]}") from error
    finally:
        recording.disconnect()


def _layout(tabs: Sequence[str], features: Features, *, live: bool = False) -> Any:
    """Return Rerun's page: a tab for each name, with its pictures above, its numbers and words below.

    Rerun's own panels, which would take half of it, are folded away; buttons at the top right unfold them.
    """
    from rerun import blueprint

    # What has its colour in the state's legend needs no other.
    known = set(features.action_names) <= set(features.state_names)
    legend = blueprint.PlotLegend(visible=not known)
    what = "action: sent, and wanted in a thin line" if live else "action"

    def tab(name: str) -> Any:
        def view(kind: str, part: str, title: str = "", **said: Any) -> Any:
            return getattr(blueprint, kind)(origin=f"{name}/{part}", name=title or part, **said)

        pictures = [view("Spatial2DView", f"cameras/{camera}", camera) for camera in features.cameras]
        numbers = [
            view("TimeSeriesView", "state"),
            view("TimeSeriesView", "action", what, plot_legend=legend),
        ]
        words = [view("TextDocumentView", "task")]
        if live:
            numbers += [view("TensorView", "chunk", view_fit="Fill")]
            words += [view("TextLogView", "events")]
        rows = [blueprint.Horizontal(*row) for row in (pictures, numbers, words) if row]
        return blueprint.Vertical(*rows, row_shares=[3, 3, 1][-len(rows) :], name=name)

    return blueprint.Blueprint(blueprint.Tabs(*map(tab, tabs)), collapse_panels=True)


def _send_episode(recording: Any, name: str, dataset: Dataset, episode: RecordedEpisode) -> None:
    import rerun

    steps = np.arange(len(episode))
    times = [rerun.TimeColumn(FRAME, sequence=steps), rerun.TimeColumn(TIME, duration=steps / dataset.fps)]
    rows = slice(episode.start, episode.stop)
    for part, numbers, names in (
        ("state", dataset.state, dataset.features.state_names),
        ("action", dataset.action, dataset.features.action_names),
    ):
        _name_lines(recording, f"{name}/{part}", names, dataset.features)
        columns = rerun.Scalars.columns(scalars=numbers[rows])
        recording.send_columns(f"{name}/{part}", indexes=times, columns=columns)
    said = ""
    for step, frame in enumerate(dataset.frames(episode)):
        recording.set_time(FRAME, sequence=step)
        recording.set_time(TIME, duration=step / dataset.fps)
        _send_pictures(recording, name, frame)
        if frame[TASK] != said:  # some recordings change what is asked for within an episode
            said = frame[TASK]
            recording.log(f"{name}/task", rerun.TextDocument(said))


def _send_pictures(recording: Any, name: str, observation: Mapping[str, Any]) -> None:
    import rerun

    for key, image in observation.items():
        if key.startswith(IMAGES):
            picture = rerun.Image(image).compress(jpeg_quality=JPEG_QUALITY)
            recording.log(f"{name}/cameras/{key.removeprefix(IMAGES)}", picture)


def _name_lines(
    recording: Any, path: str, names: Sequence[str], features: Features, kind: str = "", width: float = 1.5
) -> None:
    """Name the lines of a plot; one joint has one colour, whatever of it is drawn."""
    import rerun

    joints = list(dict.fromkeys((*features.state_names, *features.action_names)))
    colours = [colorsys.hsv_to_rgb(joints.index(name) / len(joints), 0.8, 0.8) for name in names]
    lines = rerun.SeriesLines(
        names=[f"{name} {kind}".strip() for name in names], colors=colours, widths=[width] * len(names)
    )
    recording.log(path, lines, static=True)


class Live:
    """Watched run: what the loop tells of every step, written by a thread of its own.

    The loop puts things into a queue and never waits. A viewer that hangs makes steps go missing here only.
    """

    def __init__(self, recording: Any, instruction: str) -> None:
        """Start the thread."""
        self._recording, self._instruction = recording, instruction
        self._waiting: queue.Queue[Features | Tick | str | None] = queue.Queue(WAITING)
        self._ticks, self._held, self._holding = 0, 0, False
        self._planned: Plan | None = None
        self.left_out = 0
        """Steps and lines that could not be shown in time."""
        self._thread = threading.Thread(target=self._write_all, name="rerun", daemon=True)
        self._thread.start()

    def watch(self, features: Features) -> Watch:
        """Return what takes over the steps of a run; it has these features."""
        self._put(features)
        return self.tick

    def tick(self, tick: Tick) -> None:
        """Take over a step of the loop, without waiting."""
        seen = tick.observation
        if seen is not None:  # drivers may use a picture's memory again
            seen = {k: np.array(v) if k.startswith(IMAGES) else v for k, v in seen.items()}
        self._put(replace(tick, observation=seen))

    def tell(self, line: str) -> None:
        """Print a line for the person who watches, such as why it stopped, and take it over, too."""
        print(line)
        self._put(line)

    def close(self) -> None:
        """Write what still waits, for a moment, and end the recording."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=LEAVES_S)
        self._thread.join(LEAVES_S)
        if not self._thread.is_alive():
            try:
                _finish(self._recording)
            except SaysoError as error:  # the run itself went as its report says
                print(error)

    def _put(self, what: Features | Tick | str) -> None:
        try:
            self._waiting.put_nowait(what)
        except queue.Full:
            self.left_out += 1

    def _write_all(self) -> None:
        while (what := self._waiting.get()) is not None:
            if isinstance(what, str):
                self._event(what)
            elif isinstance(what, Features):
                self._begin(what)
            else:
                self._write(what)

    def _begin(self, features: Features) -> None:
        import rerun

        recording = self._recording
        recording.send_blueprint(_layout((RUN,), features, live=True))
        recording.log(f"{RUN}/task", rerun.TextDocument(self._instruction), static=True)
        _name_lines(recording, f"{RUN}/state", features.state_names, features)
        for kind, width in (("wanted", 0.7), ("sent", 2.0)):
            _name_lines(recording, f"{RUN}/action/{kind}", features.action_names, features, kind, width)

    def _write(self, tick: Tick) -> None:
        import rerun

        recording, wanted = self._recording, tick.plan.at(tick.step)
        recording.set_time(FRAME, sequence=self._ticks)
        recording.set_time(TIME, duration=tick.seconds)
        self._ticks += 1
        if tick.observation is not None:
            _send_pictures(recording, RUN, tick.observation)
            recording.log(f"{RUN}/state", rerun.Scalars(tick.observation[STATE]))
        if wanted is not None:
            recording.log(f"{RUN}/action/wanted", rerun.Scalars(wanted))
        recording.log(f"{RUN}/action/sent", rerun.Scalars(tick.sent))
        if tick.plan is not self._planned and len(tick.plan.actions):
            self._planned = tick.plan
            chunk = rerun.Tensor(tick.plan.actions, dim_names=("step", "action"))
            recording.log(f"{RUN}/chunk", chunk)
        self._write_holds(tick.held)

    def _write_holds(self, held: int) -> None:
        holding, self._held = held > self._held, held
        if holding is not self._holding:
            self._event("held: nothing fresh to do" if holding else "goes on")
        self._holding = holding

    def _event(self, text: str) -> None:
        import rerun

        self._recording.log(f"{RUN}/events", rerun.TextLog(text))


@contextmanager
def live(where: str, instruction: str) -> Iterator[Live]:
    """Open a recording of a run, and close it at the end.

    Raises:
        SaysoError: if Rerun is missing, or `where` is none of what it can be. Nothing has moved then.
    """
    recording, said = opened(where, instruction)
    print(f"watched {said}")
    watched = Live(recording, instruction)
    try:
        yield watched
    finally:
        watched.close()
        if watched.left_out:
            print(f"{watched.left_out} steps came too fast for Rerun and are not shown")
