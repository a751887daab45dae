"""Provenance of a number: which code, which machine, which command, when.

A result that carries these can be repeated, and doubted, by somebody else.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sayso.refusals import elsewhere, mistaken, naming
from sayso.spec import SaysoError
from sayso.spec.files import CONFIG, STATS, parsed
from sayso.work.replace import appearing
from sayso.work.workers import cores

PACKAGE = Path(__file__).resolve().parents[1]
PACKAGES = ("sayso", "numpy", "mujoco", "gymnasium", "torch", "av", "pyarrow")


def provenance(repository: Path | None = None) -> dict[str, Any]:
    """Return ``command``, ``commit``, ``code``, ``date`` and ``machine``, ready for JSON.

    Ask before measuring: what is committed meanwhile has measured nothing.
    """
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": commit(repository),
        "code": code(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }


def write_json(path: Path, facts: Mapping[str, Any]) -> Path:
    """Write facts whole or not at all, into a folder that is made if need be, and return `path`.

    Raises:
        ValueError: if a number is not finite, which JSON has no word for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts, indent=1, allow_nan=False) + "\n"
    with naming(path), appearing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def commit(repository: Path | None = None) -> str:
    """Return the commit of the code, with ``+dirty`` behind it if files differ; ``unknown`` without git.

    Args:
        repository: a folder inside the repository; None for the one this package lies in.
    """
    here = Path(__file__)
    if repository is None and not _git(here.parent, "ls-files", here.name):
        return "unknown"  # an installed copy, whatever repository it may happen to lie in
    folder = repository or here.parent
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return "unknown"
    # Results are written one after the other, and one of them does not change the code behind the next.
    code = ("--", ":/", ":(exclude,top)benchmarks/results")
    return head + ("+dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no", *code) else "")


def code(more: Iterable[Path] = ()) -> str:
    """Return a digest of this package's files, which tells apart any two states of it, committed or not.

    Args:
        more: further files that decide what is measured, such as a benchmark's own.
    """
    digest = hashlib.sha256()
    for file in (*sorted(PACKAGE.rglob("*.py")), *sorted(more)):
        inside = file.is_relative_to(PACKAGE)
        digest.update(str(file.relative_to(PACKAGE) if inside else file.name).encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def digest_of(policy: Path) -> str:
    """Return a SHA-256 over all that decides what the policy in a folder does.

    Its weights or its exported graph, the statistics that its numbers pass through, and its configuration.
    What an export says about its making and its checks is left out, and that LeRobot is to know it as ours.
    """
    digest = hashlib.sha256(graph_digest(policy).encode())
    with contextlib.suppress(FileNotFoundError):
        digest.update((policy / STATS).read_bytes())
    with contextlib.suppress(FileNotFoundError):
        described = (policy / CONFIG).read_bytes()
        with contextlib.suppress(ValueError, AttributeError):  # it is damaged, and then differs in every byte
            kept = {k: v for k, v in parsed(described).items() if k not in ("engine", "source", "type")}
            described = json.dumps(kept, sort_keys=True).encode()
        digest.update(described)
    return digest.hexdigest()


def graph_digest(policy: Path) -> str:
    """Return a SHA-256 over a policy's weights, or its exported graph, alone."""
    digest = hashlib.sha256()
    for file in sorted(policy.glob("model.*")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def training_facts(policy: Path) -> dict[str, Any]:
    """Return what the ``config.json`` in a policy's folder says about its training; empty if it does not say.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        SaysoError: if the file is damaged.
    """
    config = policy / CONFIG
    if not config.is_file():
        if other := mistaken(policy, "policy"):
            raise FileNotFoundError(other)
        missing = f"there is no checkpoint in {str(policy)!r}: {config.name} is missing"
        raise FileNotFoundError(f"{missing}.{elsewhere(policy, config.name)}")
    try:
        return dict(parsed(config.read_text(encoding="utf-8")).get("training") or {})
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise SaysoError(f"{config} is damaged ({error}): fetch it again from where it came from") from error


def machine() -> dict[str, Any]:
    """Return cores, memory in GB, CPU model, system, and the versions of Python and of what matters here."""
    return {
        "cores": cores(),
        "memory_gb": _memory_gb(),
        "cpu": _cpu_model(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):  # not a POSIX system
        return None


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
