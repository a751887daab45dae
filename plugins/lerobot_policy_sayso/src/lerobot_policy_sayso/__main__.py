"""Let LeRobot's commands open a checkpoint of an older sayso: ``python -m lerobot_policy_sayso CHECKPOINT``.

What it does stays the same, to the bit; it is then called a policy of sayso, with LeRobot's steps beside it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sayso.models.checkpoint import CONFIG, digested, read_folder
from sayso.models.lerobot_folder import SAYSO, TYPE, write_processors
from sayso.spec import SaysoError
from sayso.work.digests import write_digests


def main() -> int:
    """Complete the folder that is named, and return the exit code."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if {"-h", "--help"} & set(sys.argv) else 2
    try:
        complete(Path(sys.argv[1]))
    except (SaysoError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{sys.argv[1]} opens in LeRobot now: lerobot-rollout --policy.path={sys.argv[1]} ...")
    return 0


def complete(folder: Path) -> None:
    """Write into a checkpoint's folder what LeRobot looks for, after looking whether it is whole."""
    read_folder(folder)
    described = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    (folder / CONFIG).write_text(json.dumps({TYPE: SAYSO, **described}, indent=2) + "\n", encoding="utf-8")
    write_processors(folder)
    write_digests(folder, digested(folder))


if __name__ == "__main__":
    sys.exit(main())
