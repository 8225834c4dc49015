"""Every benchmark, one after the other: ``make bench``. Some hours on two cores; each also runs by itself.

Figures that were measured, with the machine and the command, are in ``benchmarks/README.md``.
"""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = ("select", "train", "judge", "report", "bench", "score", "rows", "embed", "million", "english")


def main() -> int:
    failed = []
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
