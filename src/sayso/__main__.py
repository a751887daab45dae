"""Be the command ``sayso``, and end in one line if Ctrl-C comes while it is still being imported."""

from __future__ import annotations

import sys


def main() -> int:
    """Carry out the command line and return its exit code, as `sayso.cli.main` does."""
    try:
        from sayso.cli import main as carry_out
    except KeyboardInterrupt:
        print("sayso: interrupted", file=sys.stderr)
        return 130
    return carry_out()


if __name__ == "__main__":
    sys.exit(main())
