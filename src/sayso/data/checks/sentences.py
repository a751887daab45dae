"""Instructions of a recording: missing, said twice, or not what the policy will read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from sayso.data import format as fmt
from sayso.data.checks import remedies
from sayso.data.checks.evidence import Evidence
from sayso.data.checks.finding import Finding, error, note, warning

_EMPTY_WORDS = {"task", "test", "todo", "dummy", "default", "none", "null", "na", "untitled", "unknown"}
_EMPTY_WORDS |= {"dummytask", "yourtask", "tasktodo", "describeyourtask", "mytask", "singletask", "notask"}
"""What recorders and tutorials put where a sentence belongs."""
_SHORT = 60


def texts(e: Evidence) -> Iterator[Finding]:
    """Find frames without an instruction, and instructions that say nothing."""
    if e.tasks is None:
        return
    used = e.counters["task_index"]
    for index in np.unique(used).tolist():
        text, rows = e.tasks.get(index), np.flatnonzero(used == index)
        if text is None:
            known = ", ".join(map(str, list(e.tasks)[:12])) or "none at all"
            yield error(
                f"its task_index is {index}, which {fmt.TASKS} has no text for (but for {known})",
                remedy=remedies.relabel(e, e.place(rows)["episodes"], ""),
                **e.place(rows),
            )
        elif not text.strip():
            yield error(
                f"its instruction is empty (task_index {index} in {fmt.TASKS})",
                remedy=remedies.relabel(e, e.place(rows)["episodes"], text),
                **e.place(rows),
            )
        elif _plain(text).replace(" ", "") in _EMPTY_WORDS:
            yield warning(
                f"the instruction is {text!r}, which does not say what is done",
                episodes=e.place(rows)["episodes"],
                remedy=remedies.relabel(e, e.place(rows)["episodes"], text),
            )
    elsewhere = fmt.OTHER_TASK_INDEX in e.raw.get("features", ())  # labels of frames may need them
    if spare := [] if elsewhere else [text for index, text in e.tasks.items() if index not in used]:
        yield note(f"{len(spare)} instructions are used in no frame, such as {short(spare[0])}")
    if several := [span.index for span in e.episodes if len(set(used[span.start : span.stop].tolist())) > 1]:
        yield note("the instruction changes in the middle", episodes=tuple(several))


def twice(e: Evidence) -> Iterator[Finding]:
    """Find instructions that differ only in case, punctuation or spaces."""
    used = _used(e)
    for group in _alike([(_plain(text), text) for _, text in used]):
        first, second = group[:2]
        if first == second:
            says = f"the instruction {short(first)} stands in {fmt.TASKS} {len(group)} times"
            yield warning(says, remedy=remedies.edit(e))
            continue
        rows = next(rows for rows, text in used if text == second)
        yield warning(
            f"the instructions {' and '.join(map(short, group))} differ in case, spaces or punctuation only: "
            "one thing is said in two ways",
            remedy=remedies.relabel(e, rows, second, first),
        )


def reading(e: Evidence) -> Iterator[Finding]:
    """Find instructions that the policy's tokenizer cuts, cannot read, or does not tell apart."""
    hear = e.asked.hear
    if hear is None:
        return
    used = [(rows, text) for rows, text in _used(e) if text.strip()]
    heard = [hear(text) for _, text in used]
    for (rows, text), what in zip(used, heard, strict=True):
        about = {"episodes": rows, "remedy": remedies.relabel(e, rows, text)}
        if what.lost:
            yield warning(
                f"of the instruction {short(text)} the policy does not read the end: {short(what.lost)}",
                **about,
            )
        if what.unknown:
            words = " ".join(dict.fromkeys(what.unknown))
            say = error if what.is_foreign else warning
            share = "most" if what.is_foreign else "some"
            yield say(
                f"of the instruction {short(text)} the policy cannot read {share} words: {short(words)}",
                **about,
            )
    odd = {what.ids for what in heard if what.lost or what.unknown}
    pairs = [(what.ids, text) for what, (_, text) in zip(heard, used, strict=True) if what.ids in odd]
    for group in _alike(pairs):
        if len({_plain(text) for text in group}) > 1:
            rows = next(rows for rows, text in used if text == group[1])
            yield error(
                f"the instructions {' and '.join(map(short, group[:3]))} are the same to the policy: what "
                "tells them apart is cut off or cannot be read",
                remedy=remedies.relabel(e, rows, group[1]),
            )


def _used(e: Evidence) -> list[tuple[tuple[int, ...], str]]:
    """Return each instruction that some frame has, and its episodes."""
    used = e.counters["task_index"]
    return [
        (e.place(np.flatnonzero(used == index))["episodes"], text)
        for index, text in (e.tasks or {}).items()
        if index in used
    ]


def _alike(keyed: Iterable[tuple[object, str]]) -> list[list[str]]:
    """Return the texts that have one key, where there are two or more."""
    groups: dict[object, list[str]] = {}
    for key, text in keyed:
        groups.setdefault(key, []).append(text)
    return [group for group in groups.values() if len(group) > 1]


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", text).casefold().split())


def short(text: str) -> str:
    """Return a text in quotes, as long as a line can bear, with nothing that a terminal would obey."""
    shown = repr(text)
    return shown if len(shown) <= _SHORT else f"{shown[: _SHORT - 24]} ... {shown[-18:]}"
