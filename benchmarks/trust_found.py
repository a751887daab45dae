"""Count of what came of many tries, kept on disk as it grows, so that a run that is stopped goes on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from sayso.work.provenance import write_json

FAULTS = ("death", "hang", "traceback", "failed", "deaf")
"""What must not come; ``failed``: a policy or a page broke over it; ``deaf``: a client that means well got no
answer afterwards."""
MOST_EXAMPLES = 50
KEEP_EVERY = 100


class Found:
    """What came of a run of tries; all that is random in a try depends on its number alone."""

    def __init__(self, path: Path | None = None) -> None:
        """Take up what is kept in a file, if there is one."""
        self._path = path
        kept: dict[str, Any] = {"sent": 0, "counted": {}, "examples": []}
        if path and path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
        self.sent: int = kept["sent"]
        self.counted = Counter[str](kept["counted"])
        self.examples: list[str] = kept["examples"]

    def add(self, what: str, said: str = "") -> None:
        """Count the next try."""
        if what in FAULTS:
            self.fault(what, said, tried=True)
        else:
            self.counted[what] += 1
        self.sent += 1
        if self.sent % KEEP_EVERY == 0:
            self.keep()

    def fault(self, what: str, said: str = "", *, tried: bool = False) -> None:
        """Count a fault, and remember it with the number of the try that it came of, or before."""
        self.counted[what] += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(f"{self.sent - (not tried)}: {what}: {said[:300]}")

    def keep(self) -> None:
        """Write it down."""
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, self.plain())

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"sent": self.sent, "counted": dict(self.counted), "examples": self.examples}
