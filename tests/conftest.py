"""Settings that must stand before anything renders or computes: a back end without a screen, few threads."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Two cores are shared by the tests, the processes they start and whatever else runs on the machine.
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Decoded frames and thinned meshes stay out of the cache of whoever runs the tests.
os.environ.setdefault("SAYSO_CACHE", str(Path(tempfile.gettempdir()) / f"sayso-tests-{os.getuid()}"))

# Whoever starts the tests in the background may have told them, and what they start, to ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def one_thread():
    """Let torch compute on one thread, as results are compared that depend on how many there are."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Give Ctrl-C back, whoever in a test held it."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
