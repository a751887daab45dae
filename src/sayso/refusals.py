"""Error messages for what is no bug, in one sentence: a full disk, missing rights, memory, a variable."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from sayso.spec import SaysoError, UnknownNameError
from sayso.spec.files import parsed

REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "The disk is full: make room there or name a place on another disk, then give the same "
    "command again; what was finished is kept",
    errno.EDQUOT: "Your share of the disk is full: make room or name a place on another disk, then give the "
    "same command again; what was finished is kept",
    errno.EFBIG: "It would be larger than this account may write: see `ulimit -f`, or name another place",
    errno.EACCES: "Give yourself the right to it, or name another place",
    errno.EPERM: "Give yourself the right to it, or name another place",
    errno.EROFS: "Nothing can be written on that disk: name another place",
    errno.EISDIR: "A file is meant, and this is a folder: name another",
    errno.ENOTDIR: "A folder is meant, and this is a file or lies below one: name another place",
    errno.EEXIST: "Something of that name is there already: name another, or move it away",
    errno.ENOTEMPTY: "Something of that name is there already: name another, or move it away",
    errno.ENOENT: "Look whether the name is right and everything is still there",
    errno.ENAMETOOLONG: "The name is too long for this disk: name another",
    errno.EMFILE: "Too many files are open: close other programs, or raise `ulimit -n`",
    errno.EIO: "The disk does not answer as it should: try another, and make a copy of what matters",
    errno.ENOMEM: "There is no memory left: close other programs, or ask for less at once",
    errno.EADDRINUSE: "Another program has that port: choose another with --port",
    errno.ECONNREFUSED: "Nobody answers there: look whether the server runs, and its address",
}
"""What to do about an error of the operating system, by its number."""
LONGEST = 2000
"""Characters of a sentence that anybody would read."""
DRAWS_WITH = ("egl", "osmesa", "glfw", "glx", "cgl", "wgl")
SWITCHES = ("", "enable", "enabled", "on", "true", "1", "disable", "disabled", "off", "false", "0")


def in_one_sentence(error: OSError | MemoryError) -> str:
    """Return what went wrong, where, and what to do about it.

    An error that was raised with a sentence instead of a number already says it all.
    """
    if isinstance(error, MemoryError):
        return "there is not enough memory. Close other programs, or ask for less (--workers, --batch-size)"
    if error.errno is None or not error.strerror:
        return str(error) or type(error).__name__
    where = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    what = error.strerror[0].lower() + error.strerror[1:]
    remedy = REMEDIES.get(error.errno, "")
    return ": ".join([*(" to ".join(where),) * bool(where), what]) + (f". {remedy}" if remedy else "")


def for_a_terminal(sentence: str) -> str:
    """Return what is said with nothing in it that a terminal would obey, and not longer than can be read.

    What a file or a server holds is quoted in many a sentence, and anybody may have written it.
    """
    plain = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in sentence)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST // 2]} ... {plain[-LONGEST // 2 :]}"


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the disk say which file it is about: one that comes from writing does not know."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def elsewhere(folder: Path, file: str) -> str:
    """Ask for another folder, one that holds a file which this one lacks; empty if none is near.

    Those below it count, or, where it does not even exist, one beside it with a similar name.
    """
    up = len(Path(file).parts) - 1
    if folder.is_dir():
        below = ([path.parents[up] for path in folder.glob(depth + file)] for depth in ("*/", "*/*/"))
        near = [str(path) for path in next(filter(None, below), [])]
    else:
        beside = [path.parents[up].name for path in folder.parent.glob(f"*/{file}")]
        near = [str(folder.parent / name) for name in get_close_matches(folder.name, beside, 1)]
    *others, last = sorted(near) or [""]
    return f" Did you mean {', '.join(others)}{' or ' * bool(others)}{last}?" if last else ""


def mistaken(folder: Path, wanted: str) -> str:
    """Say what a folder of ours is that was taken for something else, and what to do with it.

    Args:
        folder: what was given.
        wanted: what was meant to be there: ``dataset`` or ``policy``.

    Returns:
        One sentence; nothing if the folder is what is wanted, or none of ours.
    """
    if wanted != "dataset":
        made = f"`sayso train --datasets {folder} --out runs/{folder.name}` makes one from it"
        is_dataset = (folder / "meta" / "info.json").is_file()
        return f"{folder} is a dataset, not a policy; {made}" if is_dataset else ""
    if (run := folder / "run.json").is_file():
        learned: list[str] = []
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            learned = [str(root) for root in parsed(run.read_bytes())["typed"]["datasets"]]
        give = f" It learned from {' and '.join(learned)}: give that." if learned else ""
        return f"{folder} is a training, not a dataset.{give} `sayso show {folder}` draws how it went"
    if (folder / "config.json").is_file() and any(folder.glob("model.*")):
        measured = f"`sayso eval {folder} --datasets RECORDING` measures it, `sayso run {folder}` lets it act"
        return f"{folder} is a policy, not a dataset; {measured}"
    return ""


def refuse_unknown_renderer() -> None:
    """Check ``MUJOCO_GL``, of which MuJoCo says nothing but a traceback when it is imported.

    Raises:
        SaysoError: if it names nothing that MuJoCo can draw with.
    """
    chosen = os.environ.get("MUJOCO_GL", "").lower().strip()
    if chosen not in (*DRAWS_WITH, *SWITCHES):
        unknown = UnknownNameError("renderer", chosen, DRAWS_WITH)
        raise SaysoError(f"the environment variable MUJOCO_GL: {unknown} `unset MUJOCO_GL` lets sayso choose")
