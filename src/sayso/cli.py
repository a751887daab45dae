"""Command line: one verb is carried out, and what was wrong is said in one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from collections.abc import Sequence

from sayso.refusals import for_a_terminal, in_one_sentence, refuse_unknown_renderer
from sayso.spec import SaysoError, known
from sayso.verbs import PURPOSES, RENAMED, VERBS

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130
EXIT_NO_READER = 141
"""What a shell says of a command whose reader left in the middle, as in ``sayso show d | head -1``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and return its exit code.

    Returns:
        0 when it was done; 1 when it was carried out and came to nothing, such as an evaluation without a
        valid episode; 2 for what was refused; 130 for what Ctrl-C has broken off. Where it is how to end
        what would go on for ever (``run``, ``serve``, ``studio``), that is 0. What a person, a disk or
        a machine can do wrong is one sentence on stderr. Anything else is a bug, and keeps its traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _carry_out(given)
        sys.stdout.flush()
    except (SaysoError, OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError) and _reader_left():
            return EXIT_NO_READER
        return _refuse(str(error) if isinstance(error, SaysoError) else in_one_sentence(error))
    except KeyboardInterrupt:
        print("sayso: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def _carry_out(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help"):
        print(overview())
        return 0
    if given[0] == "--version":
        print(f"sayso {version()}")
        return 0
    if (now := RENAMED.get(given[0])) is not None:
        print(f"sayso: `{given[0]}` is called `{now}` now; the old name will be gone soon", file=sys.stderr)
        given = [now, *given[1:]]
    verb = VERBS[known("verb", given[0], VERBS)]
    refuse_unknown_renderer()
    if isinstance(sys.stdout, io.TextIOWrapper):  # what goes into a file or a pipe is seen as it happens, too
        sys.stdout.reconfigure(line_buffering=True)
    try:
        return verb.run(given[1:])
    except SystemExit as shown:  # the flags' help
        return int(shown.code or 0)


def _refuse(sentence: str) -> int:
    with contextlib.suppress(OSError):  # nobody may be listening there either
        print(f"sayso: {for_a_terminal(sentence)}", file=sys.stderr)
    return EXIT_REFUSED


def _reader_left() -> bool:
    """Tell whether what is printed goes into a pipe; if so, let the rest of it go into nothing."""
    if not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def overview() -> str:
    """Return what ``sayso --help`` prints."""
    verbs = [
        line
        for purpose, verbs in PURPOSES.items()
        for line in (f"{purpose}:", *(f"  {name:10} {verb.summary}" for name, verb in verbs.items()), "")
    ]
    return "\n".join(
        [
            "usage: sayso VERB ...",
            "",
            "Robots that do as you say, trained and run on the computer you have.",
            "",
            *verbs,
            "sayso VERB --help explains a verb; sayso --version says which one this is.",
        ]
    )


def version() -> str:
    """Return the version of the installed package, or ``unknown`` when it runs without being installed."""
    import importlib.metadata

    try:
        return importlib.metadata.version("sayso")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
