"""Networks that find hands (MediaPipe Hands), fetched once, held against their digests, and run by OpenVINO.

They are the palm detector and the landmark network of Zhang et al. 2020 (arXiv 2006.10214), Apache-2.0, as
they lie in the last wheel of ``mediapipe`` that carries them. The wheel is only opened, never installed: 36
MB once, of which 8 MB stay in ``$SAYSO_CACHE/hands``.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.spec import SaysoError
from sayso.work.cache import cache_folder
from sayso.work.replace import appearing

Numbers = NDArray[np.float32]
PALMS, LANDMARKS = "palm_detection_full.tflite", "hand_landmark_full.tflite"
DIGESTS: Mapping[str, str] = {
    PALMS: "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    LANDMARKS: "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
}
"""File of a network -> SHA-256 of what it holds."""
PACKAGE, WHEEL = "mediapipe==0.10.21", "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
PLATFORM = ("--python-version", "3.11", "--platform", "manylinux_2_28_x86_64", "--only-binary=:all:")
"""Whose wheel it is; the networks in it are the same for all."""
INSTALL = "watching hands needs OpenVINO and OpenCV: pip install 'sayso[watch]'"


class NetworksError(SaysoError):
    """Networks that are not here, or are not what they should be; it says what to download and where to."""


def folder() -> Path:
    """Return where the networks are kept."""
    return cache_folder() / "hands"


def fetched(tell: Callable[[str], None] = print) -> Path:
    """Return the folder of the networks, and fetch what is not there.

    A wheel that somebody has put into the folder is used before anything is downloaded.

    Raises:
        NetworksError: if they cannot be fetched, or are damaged.
    """
    there = folder()
    if missing := [name for name in DIGESTS if not (there / name).is_file()]:
        there.mkdir(parents=True, exist_ok=True)
        if (there / WHEEL).is_file():
            _unpack(there / WHEEL, there)
        else:
            tell(f"fetching {' and '.join(missing)} once: 36 MB, of which 8 MB stay in {there}")
            _download(there)
    for name, digest in DIGESTS.items():
        if hashlib.sha256((there / name).read_bytes()).hexdigest() != digest:
            raise NetworksError(
                f"{there / name} is not the network that it should be (SHA-256 {digest[:12]}...): delete it, "
                "and the same command fetches it anew"
            )
    return there


def compiled(name: str, threads: int) -> Callable[[Numbers], dict[str, Numbers]]:
    """Return a network as a function from one input to its outputs by name.

    Args:
        name: `PALMS` or `LANDMARKS`.
        threads: how many work on it.

    Raises:
        NetworksError: if OpenVINO is not installed, or the network cannot be had.
    """
    path = fetched() / name
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    settings["INFERENCE_PRECISION_HINT"] = "f32"
    model = _core().compile_model(str(path), "CPU", settings)
    names = [sorted(output.get_names())[0] for output in model.outputs]
    request = model.create_infer_request()

    def answer(image: Numbers) -> dict[str, Numbers]:
        request.infer([image])
        return {name: request.get_output_tensor(k).data.copy() for k, name in enumerate(names)}

    return answer


def _download(there: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *PLATFORM]
        run = subprocess.run([*words, PACKAGE, "--dest", scratch], capture_output=True, text=True)
        wheels = [*Path(scratch).glob("*.whl")]
        if run.returncode or not wheels:
            said = (run.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise NetworksError(
                f"the networks that find hands could not be fetched ({said}): download {WHEEL} from "
                f"https://pypi.org/project/mediapipe/0.10.21/#files and put it into {there}"
            )
        _unpack(wheels[0], there)


def _unpack(wheel: Path, there: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as file:
            inside = {Path(name).name: name for name in file.namelist()}
            for name in DIGESTS:
                with appearing(there / name) as partial:
                    partial.write_bytes(file.read(inside[name]))
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise NetworksError(
            f"{wheel} is no wheel that holds the networks ({error}): take {WHEEL} from "
            "https://pypi.org/project/mediapipe/0.10.21/#files"
        ) from error


@functools.cache
def _core() -> Any:
    # One for all: two that end in the order in which they began break Ctrl-C (OpenVINO 2026.4).
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it does not ask first
    try:
        openvino = importlib.import_module("openvino")
    except ModuleNotFoundError as error:
        raise NetworksError(INSTALL) from error
    return openvino.Core()
