"""Clicks of a simulated person for a recording of the mock arm: `sayso label` without anybody who clicks.

    python benchmarks/mock_clicks.py own --episodes 10 --out own.clicks.json
    sayso edit own --episodes 0-9 --points own.clicks.json --out own10_points

Each episode's scene is set again and its recorded actions are sent again, so that the simulation knows where
the named thing and its place are in every frame. In a few of them, as far apart as they go, it is clicked in
each camera what a person can see of them (`mock_sight.py`), with the unsteadiness of a hand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from PIL import Image, ImageDraw

import mock_arm
from sayso.data.clicks import write_clicks
from sayso.data.reader import Dataset, RecordedEpisode
from sayso.data.tracking import Mark
from sayso.spec import REFERENTS, SaysoError

AGREES = 0.5
"""How far a joint may be from where it was recorded, degrees or per cent."""
COLOURS = {"object": (255, 0, 255), "place": (0, 255, 255)}

Sights = dict[str, dict[str, tuple[float, float] | None]]
"""Camera -> referent -> u and v, or None where it is not to be seen."""


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """Which recording is clicked in, how often, and how well."""

    recording: tyro.conf.Positional[Path]
    """Dataset that `mock_recording.py` made."""
    out: Path
    """File of the clicks, which ``sayso edit --points`` reads."""
    scenes: Path | None = None
    """File that says which scene each episode shows; the recording's own if left out."""
    episodes: int = 0
    """How many, from the first on; 0 for all."""
    frames: int = 5
    """Frames of each episode in which is clicked."""
    noise: float = 0.006
    """Standard deviation of a click, as a share of the picture."""
    seed: int = 0
    """Of the noise."""
    draw: Path | None = None
    """Folder for a picture of each episode: the frames, with what was clicked."""


def main(config: Clicks) -> None:
    """Click through the episodes, and write what was clicked after each."""
    dataset = Dataset(config.recording)
    number, scenes = scenes_of(config.scenes or config.recording / mock_arm.SCENES)
    chosen = dataset.episodes[: config.episodes or None]
    if len(scenes) < len(chosen):
        raise SaysoError(f"there are {len(scenes)} scenes for {len(chosen)} episodes")
    rng, clicks = np.random.default_rng(config.seed), {}
    height = dataset.features.cameras[mock_arm.CAMERAS[0]][0]
    with mock_arm.serving("--height", str(height), "--seed", str(number)) as address:
        arm = mock_arm.MockArm(address)
        arm.connect()
        for episode, scene in zip(chosen, scenes, strict=False):
            spread = np.linspace(0, len(episode) - 1, config.frames).round().astype(int)
            seen = dict(replayed(arm, dataset, episode, scene, {*spread.tolist()}))
            marks = {
                camera: {
                    what: [clicked(k, seen[k][camera][what], config.noise, rng) for k in seen]
                    for what in REFERENTS
                }
                for camera in mock_arm.CAMERAS
            }
            clicks[episode.index] = marks
            write_clicks(config.out, clicks)
            shown = [m.uv is not None for of in marks.values() for some in of.values() for m in some]
            print(
                f"episode {episode.index}: {sum(shown)} clicks, {len(shown) - sum(shown)} hidden", flush=True
            )
            if config.draw:
                drawn(dataset, episode, marks, config.draw)
        arm.disconnect()


def scenes_of(path: Path) -> tuple[int, list[int]]:
    """Return of which arm a recording is, and the scene of each of its episodes."""
    if not path.is_file():
        raise SaysoError(
            f"{path} is not there: which scene does each episode show? --scenes names such a file"
        )
    kept = json.loads(path.read_text(encoding="utf-8"))
    return kept["arm"], kept["scenes"]


def replayed(
    arm: mock_arm.MockArm, dataset: Dataset, episode: RecordedEpisode, scene: int, frames: Collection[int]
) -> Iterator[tuple[int, Sights]]:
    """Send an episode's actions again, and yield what is to be seen in some of its frames.

    Raises:
        SaysoError: if the arm is not where it was recorded: another scene, or another simulation.
    """
    arm.ask("reset", scene, episode.tasks[0])
    for frame, row in enumerate(range(episode.start, episode.stop)):
        if frame in frames:
            off = np.abs(arm.ask("joints") - dataset.state[row]).max()
            if off > AGREES:
                raise SaysoError(
                    f"episode {episode.index} is not scene {scene}: frame {frame} has a joint {off:.1f} off"
                )
            yield frame, arm.ask("points")
        arm.send_action(dict(zip(mock_arm.NUMBERS, dataset.action[row].tolist(), strict=True)))


def clicked(frame: int, place: tuple[float, float] | None, noise: float, rng: np.random.Generator) -> Mark:
    """Return the click of a hand that is not quite steady."""
    if place is None:
        return Mark(frame=frame, uv=None)
    u, v = np.clip(rng.normal(place, noise), 0, 1).tolist()
    return Mark(frame=frame, uv=(u, v))


def drawn(dataset: Dataset, episode: RecordedEpisode, marks: dict[str, Any], folder: Path) -> None:
    """Draw an episode's clicks on its frames: a row for each camera, a circle for what was clicked."""
    rows = []
    for camera, of in marks.items():
        frames = [mark.frame for mark in of[REFERENTS[0]]]
        row = []
        for k, picture in enumerate(dataset.images(camera, np.array(frames) + episode.start)):
            image = Image.fromarray(picture)
            pen = ImageDraw.Draw(image)
            for what, some in of.items():
                if some[k].uv is not None:
                    middle = np.array(some[k].uv) * image.size
                    radius = max(4, image.height // 50)
                    pen.ellipse([*(middle - radius), *(middle + radius)], outline=COLOURS[what], width=2)
            row.append(np.asarray(image))
        rows.append(np.concatenate(row, 1))
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(folder / f"episode_{episode.index:03}.png")


if __name__ == "__main__":
    main(tyro.cli(Clicks, description=__doc__))
