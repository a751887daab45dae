"""Rewrite a small recording as LeRobotDataset v2.1 had it: a file per episode, lists of JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from sayso.data.reader import Dataset
from sayso.data.video import encode_video


def as_v21(root: Path, old: Path) -> Path:
    """Write the episodes of a recording into `old`, with videos encoded anew."""
    dataset = Dataset(root)
    info = json.loads((root / "meta/info.json").read_text())
    rows = pq.read_table(next(root.glob("data/*/*.parquet")))
    (old / "meta").mkdir(parents=True)
    (old / "data/chunk-000").mkdir(parents=True)
    for episode in dataset.episodes:
        name = f"episode_{episode.index:06d}"
        mine = rows.filter(pc.equal(rows["episode_index"], episode.index))
        pq.write_table(mine, old / f"data/chunk-000/{name}.parquet")
        for camera in dataset.features.cameras:
            folder = old / f"videos/chunk-000/observation.images.{camera}"
            folder.mkdir(parents=True, exist_ok=True)
            images = list(dataset.images(camera, range(episode.start, episode.stop)))
            encode_video(folder / f"{name}.mp4", images, dataset.fps)
    episodes = [
        {"episode_index": e.index, "tasks": list(e.tasks), "length": len(e)} for e in dataset.episodes
    ]
    tasks = [{"task_index": k, "task": text} for k, text in enumerate(dataset.tasks)]
    for file, lines in (("episodes", episodes), ("tasks", tasks)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (old / f"meta/{file}.jsonl").write_text(text)
    info |= {
        "codebase_version": "v2.1",
        "total_videos": len(episodes) * len(dataset.features.cameras),
        "total_chunks": 1,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    (old / "meta/info.json").write_text(json.dumps(info, indent=4))
    return old
