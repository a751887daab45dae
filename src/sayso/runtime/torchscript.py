"""TorchScript engine: a traced graph run by torch, and the state of torch in which one can be traced."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sayso.spec import Array


@contextlib.contextmanager
def traceable() -> Iterator[None]:
    """Let a trace see through torch's fused transformer layers, and be silent about shapes that are fixed."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


class TorchScriptEngine:
    """TorchScript engine. Its file is data to torch's own reader, which runs nothing in it."""

    def __init__(self, path: Path, inputs: Sequence[str], threads: int) -> None:
        """Read the graph; torch has one number of threads for the whole process, which this sets."""
        torch.set_num_threads(threads)
        with traceable():
            self._graph, self._inputs = torch.jit.load(str(path)), tuple(inputs)

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Array:
        """Return actions float32 ``[1, K, A]``."""
        with torch.inference_mode():
            tensors = [torch.from_numpy(np.ascontiguousarray(feeds[name])) for name in self._inputs]
            answer: Array = self._graph(*tensors).numpy()
        return answer
