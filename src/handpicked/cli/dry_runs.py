"""How a dry run ends: with the command that starts the work."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence


def starting_command() -> str:
    """This command without ``--dry-run``, for a shell."""
    return shlex.join(["handpicked", *(word for word in sys.argv[1:] if word not in ("--dry-run", "--json"))])


def show(summary: Mapping[str, object], lines: Sequence[str], as_json: bool) -> None:
    """Print what the work will take, and last the command that starts it."""
    if as_json:
        print(json.dumps({**summary, "start": starting_command()}))
        return
    for line in lines:
        print(line)
    print(f"Nothing was started. Start it: {starting_command()}")
