"""The benchmarks of the runtime refuse what they cannot measure and report every number."""

from __future__ import annotations

import numpy as np
import pytest

import latency
import results_file
import runtime
from sayso.runtime.limits import Limits
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.robot import ImaginedRobot
from sayso.spec import Chunk, SaysoError, UnknownNameError
from small_worlds import FEATURES


class Still:
    """Ask for no motion, eight steps long."""

    def reset(self) -> None:
        """Remember nothing."""

    def act(self, observation) -> Chunk:
        """Return eight zeros."""
        return Chunk(np.zeros((8, 2), np.float32))


def test_a_delay_is_a_number_of_control_steps():
    assert runtime.Delay(delays_ms=(0, 50, 300)).delays_ms == (0, 50, 300)
    for bad in (30, -50):
        with pytest.raises(ValueError, match=f"a multiple of 50 ms, but got {bad} ms"):
            runtime.Delay(delays_ms=(0, bad))


def test_an_unknown_strategy_is_refused_before_anything_runs():
    with pytest.raises(UnknownNameError, match="Did you mean 'naive'"):
        runtime.Delay(strategies=("naiv",))


def test_the_numbers_of_a_run_can_be_written():
    wide = np.full(2, np.inf, np.float32)
    report = drive(
        ImaginedRobot(FEATURES),
        Still(),
        "stay",
        features=FEATURES,
        limits=Limits(names=FEATURES.action_names, low=-1 / wide - 1, high=1 / wide + 1, speed_per_s=wide),
        config=LoopConfig(hz=50, seconds=0.4, rest_s=0),
    )
    metrics = runtime.metrics_of(report)
    results_file.check_metrics(metrics)
    assert 0 < metrics["ticks"] == report.ticks <= 20 and 0 <= metrics["missed_deadlines"] <= 1
    ends = [
        f"{name}_{end}" for name in ("jitter_ms", "tick_ms", "policy_ms") for end in ("p50", "p99", "max")
    ]
    assert set(ends) < set(metrics)


def test_smolvla_takes_a_call_for_each_line_and_says_what_it_is(tmp_path):
    python = tmp_path / "python"
    asked = tmp_path / "asked"
    python.write_text(
        f'#!/bin/sh\necho "$2 $3" > {asked}\n'
        'echo \'{"lerobot": "0.6.1"}\'\nwhile read -r line; do echo 6; echo call >> ' + f"{asked}; done\n"
    )
    python.chmod(0o755)
    config = latency.LatencyBenchmark(checkpoint=tmp_path, smolvla=python, instruction="push it", threads=3)
    smolvla = latency.LeRobotsSmolVLA(config)
    assert smolvla.about == {"lerobot": "0.6.1"}
    smolvla()
    smolvla()
    smolvla.close()
    assert asked.read_text().splitlines() == ["3 push it", "call", "call"]
    python.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(SaysoError, match="ended with 3"):
        latency.LeRobotsSmolVLA(config)
