"""Identity of a run: its folder says which one it holds, and refuses another; it can be lengthened.

``run.json`` holds all that decides the weights. Steps may become more: the learning rate of each further step
is the one that a run of the new length has there, and the steps before keep theirs::

    begun with --steps 100      /`-._
    then --steps 200                 |`-._         up again at step 101, where a run of 200 steps
                              0     100  200       would be, and down from there
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sayso.learn.config import DEVICES, FREE_TO_CHANGE, IN_THE_LAST_BITS, USUAL, FitConfig, plain
from sayso.spec import SaysoError
from sayso.spec.files import parsed
from sayso.work.provenance import write_json

RUN = "run.json"
CONTENTS = {"policy_digest": "the policy that it began with", "wordings_digest": "--wordings: what it names"}
"""Digests, and what each is of."""
IMITATE = "imitate"
"""Method of the runs from before there was a choice."""
TYPED = "typed"
"""What else was asked for, which decides no weight: for whoever takes the settings back."""
HELDOUT = "heldout"
"""Field of the held-out episodes, a text for each dataset; in runs from before there were any, nothing."""
MODEL = "model_config"
"""Field of changes to the model; once it was a list of words, which were none in most runs."""
BEFORE = {"spacing": 1, "idle": "keep", DEVICES: 1}
"""What runs did from before there was a choice."""
BATCH = "batch_size"
"""Field of the examples of a step, those of all devices and passes; typed are those of one."""
GONE = {"history": 1}
"""Fields that older runs have, and the only value with which they still go on."""
CALLED = {"other_share": "grounding_share"}
"""What fields were called in older runs, and what they are called now."""


class Claim:
    """Identity of a run: what its folder says and what is asked for are the same run."""

    def __init__(self, config: FitConfig, decided: Mapping[str, Any]) -> None:
        """Compare what is asked for with what the folder holds, without writing anything.

        Args:
            config: what is asked for.
            decided: all that decides the weights, as `sayso.learn.config.decides` returns it.

        Raises:
            SaysoError: if that is another run, saying what differs and how to go on, or cannot be read.
        """
        self.out, self.path = config.out, config.out / RUN
        self._asked, self._config = decided, config
        self.notes: list[str] = []
        """What is worth saying to whoever asked."""
        self.schedule: list[tuple[int, int]] = [(0, config.steps)]
        """From which step on the learning rate is that of a run of how many steps."""
        if self._is_there():
            self._compare(self._found())

    @staticmethod
    def held_out(out: Path) -> list[str] | None:
        """Return the held-out episodes of a folder's run, a text for each dataset; None without a run.

        What cannot be read is refused when the claim is made, which says how to go on.
        """
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return list(map(str, parsed((out / RUN).read_bytes()).get(HELDOUT, [])))
        return None

    def is_new(self) -> bool:
        """Tell whether nothing is said in the folder yet."""
        return not self.path.exists()

    def hold(self, step: int) -> None:
        """Write down which run this is, and that it is lengthened from `step` on if it is.

        Args:
            step: where the run stands.
        """
        steps = self._asked["steps"]
        if steps != self.schedule[-1][1]:
            self.schedule.append((step, steps))
            self.notes.append(
                f"{self.out} is lengthened to {steps} steps: from step {step + 1} on the learning rate is "
                "that of a run of this length"
            )
        elif not self.is_new():
            return
        lengthened = {"schedule": self.schedule} if len(self.schedule) > 1 else {}
        write_json(self.path, {**self._asked, **lengthened, TYPED: self._besides()})

    def _besides(self) -> dict[str, Any]:
        named = {HELDOUT, *FREE_TO_CHANGE} - {"out", "config"}
        typed = {name: value for name, value in plain(self._config).items() if name in named}
        shares = _shares(self._asked)
        return typed | ({BATCH: self._asked[BATCH] // shares} if shares > 1 else {})

    def total(self, step: int) -> int:
        """Return of how many steps the run is whose learning rate a step has."""
        return [steps for after, steps in self.schedule if after < step][-1]

    def _is_there(self) -> bool:
        if self.path.exists():
            return True
        if any(self.out.glob("checkpoints/step_*")):
            raise self._unreadable("is missing, though there are checkpoints")
        if (self.out / "policy").exists():
            raise SaysoError(
                f"{self.out} holds a policy, but not the run that made it: choose another --out, with "
                f"{self._beginning} to begin with its weights"
            )
        return False

    @property
    def _beginning(self) -> str:
        return self._config.begin_with(self.out / "policy")

    def _found(self) -> dict[str, Any]:
        try:
            found = parsed(self.path.read_bytes())
            found.pop(TYPED, None)
            schedule = [(int(after), int(steps)) for after, steps in found.pop("schedule", [])]
            found["steps"] = int(found["steps"])
            self.schedule = schedule or [(0, found["steps"])]
        except (OSError, ValueError, OverflowError, TypeError, AttributeError, KeyError) as error:
            raise self._unreadable(f"cannot be read ({error})") from error
        if self.schedule[0][0] != 0 or self.schedule[-1][1] != found["steps"]:
            raise self._unreadable("contradicts itself about its steps")
        return dict(found)

    def _unreadable(self, how: str) -> SaysoError:
        return SaysoError(
            f"{self.path}, which says what this run was begun with, {how}. Put it back from a copy, or begin "
            f"a new run: another --out, and {self._beginning} to keep what was learned"
        )

    def _compare(self, found: dict[str, Any]) -> None:
        # What there was not yet when it began was as its default is.
        defaults = {f.name: f.default for f in dataclasses.fields(self._config)} | {
            **USUAL,
            **BEFORE,
            MODEL: {},
            HELDOUT: [],
        }
        if (method := found.get("objective", IMITATE)) != self._asked.get("objective"):
            raise SaysoError(
                f"{self.out} holds a run of another method ({method}, not {self._asked.get('objective')}): "
                f"choose another --out, with {self._beginning} to begin with its weights"
            )
        there = {name: json.loads(json.dumps(defaults.get(name), default=str)) for name in self._asked}
        kept = {name: value for name, value in found.items() if name not in GONE or GONE[name] != value}
        there |= {CALLED.get(name, name): value for name, value in kept.items()}
        there |= {MODEL: there.get(MODEL) or {}} if MODEL in self._asked else {}
        names = (there.keys() | self._asked.keys()) - {"steps"}
        differing = {name for name in names if there.get(name) != self._asked.get(name)}
        if self._asked["steps"] < there["steps"]:
            differing.add("steps")
        self.notes += [
            f"{self.out} was begun {_with(name, there[name])} and goes on with {self._asked[name]}: the last "
            "digits of its numbers may come out otherwise than they would have"
            for name in sorted(differing & IN_THE_LAST_BITS)
        ]
        if differing := differing - IN_THE_LAST_BITS:
            lines = [_difference(name, there.get(name), self._asked.get(name)) for name in sorted(differing)]
            if BATCH in differing and max(_shares(there), _shares(self._asked)) > 1:
                lines.append("(examples of a step, over all devices and passes (--accumulate) together)")
            raise SaysoError(
                f"{self.out} holds another run than the one asked for, as {self.path.name} says. Go on with "
                f"what it was begun with, or choose another --out, with {self._beginning} to begin with its "
                "weights:\n  " + "\n  ".join(lines)
            )


def flag(name: str) -> str:
    """Return a field as it is typed."""
    return "--" + name.replace("_", "-")


def _shares(decided: Mapping[str, Any]) -> int:
    """Return into how many shares the batch of a run is dealt."""
    return int(decided.get(DEVICES, 1) * decided.get("accumulate", 1))


def _with(name: str, value: Any) -> str:
    """Return what decides no more than the last digits, in words."""
    return f"with {flag(name)} {value}" if name != DEVICES else f"on {value} device{'s' * (value != 1)}"


def _difference(name: str, there: Any, now: Any) -> str:
    if name == "dataset_hashes":
        many = f"{len(there)} with" if isinstance(there, list) else "data with"
        return f"--datasets: it learns from {many} other contents than the {len(now)} given now"
    if name in CONTENTS:
        return f"{CONTENTS[name]} has other contents than it had"
    if name in GONE:
        return f"{flag(name)}: {there} there, which can no longer be trained"
    if name == MODEL:
        return f"{flag('model')}.*: {_said(there)} there, {_said(now)} now"
    fewer = "; steps can become more, not fewer" if name == "steps" else ""
    return f"{flag(name)}: {_said(there)} there, {_said(now)} now{fewer}"


def _said(value: Any) -> str:
    """Return a value as it is typed."""
    if isinstance(value, list | dict):
        parts = [f"{name}={part}" for name, part in value.items()] if isinstance(value, dict) else value
        return " ".join(map(str, parts)) or "nothing"
    return "nothing" if value in (None, "") else str(value)
