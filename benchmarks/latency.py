"""Measure milliseconds from a look to a chunk of actions: our policy on every engine, and others beside it.

    python benchmarks/latency.py CHECKPOINT [--calls 200] [--calibrate DATASET]

All take turns in one run on two threads, with a pause between calls as on a robot. A call begins with uint8
pictures of all cameras and ends with actions in robot units; preprocessing counts. The instruction stays the
same, as it does within an episode, so that it is read during the warm-up.

- ``sayso``: CHECKPOINT. ``sayso_openvino`` is bfloat16 where the CPU has it.
- ``textbook``: the textbook's model at its own size with random weights.
- ``act_480x640``: ACT in LeRobot's sizes (chunks of 100, two cameras of 480 x 640), random weights, float32.
- ``smolvla``: LeRobot's own SmolVLA in a process and an environment of its own (`smolvla`, `make smolvla`),
  random weights in the sizes it ships in, two such cameras; left out where there is no such environment.

``peak_memory_mb`` is the high-water mark of a process that only loads the exported policy and acts.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from results_file import ROOT, portable, write_result
from sayso.models.checkpoint import load, save
from sayso.models.policy import ModelPolicy
from sayso.models.table import rebuild
from sayso.runtime import exported
from sayso.runtime.engines import ExportError
from sayso.runtime.export import ExportConfig, export
from sayso.runtime.parity import PAUSE_S, WARM_UP, Latency, interleaved
from sayso.spec import STATE, TASK, Features, Observation, Policy, SaysoError, image_key

ENGINES = {
    "torchscript": ("torchscript", "fp32"),
    "onnx": ("onnx", "fp32"),
    "openvino_fp32": ("openvino", "fp32"),
    "openvino_bf16": ("openvino", "bf16"),
    "openvino_int8": ("openvino", "int8"),
}
"""Name in the results -> engine and precision."""
TEXTBOOK = ("torchscript", "openvino_fp32", "openvino_bf16", "openvino_int8")
VGA = (480, 640)
MEMORY = """
import sys, time
import numpy as np
from sayso.runtime.exported import load
from sayso.spec import STATE, TASK, image_key
policy = load(sys.argv[1], threads=int(sys.argv[2]))
f = policy.features
look = {image_key(c): np.zeros((*size, 3), np.uint8) for c, size in f.cameras.items()}
look |= {STATE: np.zeros(len(f.state), np.float32), TASK: sys.argv[3]}
for _ in range(50):
    policy.act(look)
assert "torch" not in sys.modules, "torch was imported"
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""Print kB. The usual ru_maxrss of a new process begins with what its parent had."""


@dataclass(frozen=True, kw_only=True)
class LatencyBenchmark:
    """What to time, and how often."""

    checkpoint: tyro.conf.Positional[Path]
    """Folder of our policy."""
    calibrate: Path | None = None
    """Dataset for int8; by default the expert of the robot's own world shows some frames."""
    calls: int = 200
    """Calls of each."""
    threads: int = 2
    """Threads of each."""
    pause_s: float = PAUSE_S
    """Pause between calls, as a robot makes; until then the threads of the engine before may still spin."""
    frames: int = 32
    """Frames on which int8 is calibrated and every export checked."""
    baselines: bool = True
    """Time ACT and SmolVLA as well, which need 4 GB and most of the time."""
    smolvla: Path = ROOT / ".venv-smolvla" / "bin" / "python"
    """Python of the environment with LeRobot's SmolVLA."""
    compile: bool = True
    """Time torch.compile as well, which needs a C++ compiler."""
    instruction: str = "put the red block in the blue tray"
    """What the policies are told."""


def look(features: Features, instruction: str, rng: np.random.Generator) -> Observation:
    """Return an observation of the right shape with nothing to see in it."""
    observation: Observation = {TASK: instruction}
    for camera, size in features.cameras.items():
        observation[image_key(camera)] = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    observation[STATE] = rng.normal(size=len(features.state)).astype(np.float32)
    return observation


def calls_ms(policy: Policy, looks: list[Observation]) -> list[float]:
    """Return how long each call of one policy took, without the first few, which set things up."""
    policy.reset()
    durations = []
    for observation in looks:
        started = time.perf_counter()
        policy.act(observation)
        durations.append(1000 * (time.perf_counter() - started))
    return durations[WARM_UP:]


def acting(policy: Policy, features: Features, config: LatencyBenchmark) -> Callable[[], object]:
    """Return what lets a policy act on one random look after the other."""
    rng = np.random.default_rng(0)
    looks = itertools.cycle([look(features, config.instruction, rng) for _ in range(4)])
    policy.reset()
    return lambda: policy.act(next(looks))


def exports(
    name: str, checkpoint: Path, wanted: tuple[str, ...], folder: Path, config: LatencyBenchmark
) -> dict[str, Path]:
    """Export a checkpoint for every engine that can be had here, and return where each export lies."""
    made = {}
    for engine in wanted:
        runs, precision = ENGINES[engine]
        out = folder / f"{name}_{engine}"
        settings = ExportConfig(
            engine=runs,
            precision=precision,
            out=out,
            calibrate=config.calibrate,
            frames=config.frames,
            calls=1,
            force=True,
        )
        print(f"{name}, {engine}:", flush=True)
        try:
            made[engine] = export(checkpoint, settings)
        except ExportError as error:
            print(f"  left out: {error}")
    return made


def textbook(like: ModelPolicy) -> ModelPolicy:
    """Return the textbook's model for the robot of another policy, with random weights."""
    return rebuild({"type": "textbook", "pretrained": False}, like.features, like.stats)


def act(like: ModelPolicy) -> ModelPolicy:
    """Return ACT in LeRobot's sizes, frozen batch norms included, for the same robot with VGA cameras."""
    features = replace(like.features, cameras={"front": VGA, "wrist": VGA})
    sizes = {"type": "act", "chunk": 100, "weights_from": "imagenet", "bf16": False}
    return rebuild(sizes, features, like.stats)


class LeRobotsSmolVLA:
    """SmolVLA in LeRobot's own class, in a process of its own that takes a call for each line."""

    def __init__(self, config: LatencyBenchmark) -> None:
        """Start it and wait until it stands.

        Raises:
            SaysoError: if it does not.
        """
        script = Path(__file__).with_name("smolvla.py")
        self._command = [str(config.smolvla), str(script), str(config.threads), config.instruction]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(self._command, **pipes)
        self.about: dict[str, Any] = json.loads(self._line())
        """Versions of LeRobot and of what it computes with, and how many parameters it has."""

    def __call__(self) -> None:
        """Look once, at two VGA pictures."""
        print(file=self._process.stdin, flush=True)
        self._line()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout
        if line := self._process.stdout.readline():
            return line
        raise SaysoError(f"{' '.join(self._command)} ended with {self._process.wait()}")


def compiled(checkpoint: Path) -> ModelPolicy:
    """Return a policy whose network goes through torch.compile."""
    policy: Any = load(checkpoint)
    policy.model.perceive = torch.compile(policy.model.perceive)
    policy.model.decoder.transformer.compile()
    return policy  # type: ignore[no-any-return]


def peak_memory_mb(folder: Path, config: LatencyBenchmark) -> float:
    """Return what a process of its own needs at most that runs an exported policy and nothing else."""
    command = [sys.executable, "-c", MEMORY, str(folder), str(config.threads), config.instruction]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1024


def contenders(
    ours: ModelPolicy,
    made: Mapping[str, Path],
    taught: ModelPolicy,
    books: Mapping[str, Path],
    config: LatencyBenchmark,
) -> dict[str, Callable[[], object]]:
    """Return one call of everything that takes part."""
    policies: dict[str, Any] = {"sayso_eager": ours}
    if config.compile:
        policies["sayso_compile"] = compiled(config.checkpoint)
    opened = {f"sayso_{engine}": folder for engine, folder in made.items()}
    opened |= {f"textbook_{engine}": folder for engine, folder in books.items()}
    policies |= {name: exported.load(folder, threads=config.threads) for name, folder in opened.items()}
    policies["textbook_eager"] = taught
    if config.baselines:
        policies["act_480x640_eager"] = act(ours)
    return {name: acting(policy, policy.features, config) for name, policy in policies.items()}


def numbers(found: Mapping[str, Latency]) -> dict[str, float]:
    """Return flat metrics; OpenVINO without a precision is bfloat16, or float32 where the CPU lacks that."""
    named = dict(found)
    for name in ("sayso", "textbook"):
        best = [f"{name}_openvino_{precision}" for precision in ("bf16", "fp32")]
        named[f"{name}_openvino"] = next(found[row] for row in best if row in found)
    ends = [
        (f"{name}_ms_{end}", getattr(taken, f"{end}_ms"))
        for name, taken in named.items()
        for end in ("p50", "p99")
    ]
    return dict(ends)


def one_thread_ms(ours: ModelPolicy, config: LatencyBenchmark) -> float:
    """Return the median of our policy on one thread of torch, as beside a simulator."""
    torch.set_num_threads(1)
    calls = {"one": acting(ours, ours.features, config)}
    return interleaved(calls, config.calls, pause_s=config.pause_s)["one"].p50_ms


def main(config: LatencyBenchmark) -> None:
    """Export, time, print the numbers and write ``latency.json``."""
    ours, told = load(config.checkpoint), {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        taught = textbook(ours)
        save(taught, folder / "textbook")
        graphs = exports("sayso", config.checkpoint, tuple(ENGINES), folder, config)
        books = exports("textbook", folder / "textbook", TEXTBOOK, folder, config)
        torch.set_num_threads(config.threads)
        calls = contenders(ours, graphs, taught, books, config)
        with contextlib.ExitStack() as ending:
            if config.baselines and config.smolvla.exists():
                smolvla = LeRobotsSmolVLA(config)
                ending.callback(smolvla.close)
                calls["smolvla_eager"], told = smolvla, smolvla.about
            else:
                print(f"smolvla: left out; there is no {config.smolvla}, which `make smolvla` makes")
            metrics = numbers(interleaved(calls, config.calls, pause_s=config.pause_s))
        best = graphs.get("openvino_bf16", graphs["openvino_fp32"])
        metrics["peak_memory_mb"] = peak_memory_mb(best, config)
    metrics["policy_ms_2_threads"] = metrics["sayso_eager_ms_p50"]
    metrics["policy_ms_1_thread"] = one_thread_ms(ours, config)
    for name, value in metrics.items():
        print(f"{name:36} {value:9.2f}")
    settings = {
        **asdict(config),
        "checkpoint": portable(str(config.checkpoint.resolve())),
        "openvino": best.name,
        "smolvla": told,
    }
    settings["calibrate"] = config.calibrate and portable(str(config.calibrate.resolve()))
    print("wrote", write_result("latency", metrics, seeds=[], n=config.calls, config=settings))


if __name__ == "__main__":
    main(tyro.cli(LatencyBenchmark, description=__doc__))
