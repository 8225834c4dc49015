"""What an audit of a pool takes: every guard, lengths, copies and a chat template, from start to exit.

    python -m benchmarks.audit [--rows 1000000] [--pool pool-1m.parquet] [--alpaca alpaca_data.json] [--repeat 1]

The pool is that of ``benchmarks.select``: random pieces of the standard library's text, of which many
overlap, so that near copies are many. ``--alpaca`` audits that file too, and twice its rows tell how memory
grows with the pool: ``half`` is the first half of the made pool. Each runs in a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.select import make_pool, measure


def half_of(pool: Path, out: Path) -> None:
    with pq.ParquetFile(pool) as file, pq.ParquetWriter(out, file.schema_arrow) as writer:
        for group in range(file.num_row_groups // 2):
            writer.write_table(file.read_row_group(group))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pool", type=Path, help="keep the pool here, and take it from here")
    parser.add_argument("--alpaca", type=Path, help="a pool of its own that is audited too")
    parser.add_argument("--repeat", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="handpicked-bench-") as folder:
        pool = asked.pool or Path(folder) / "pool.parquet"
        if not pool.exists():
            make_pool(pool, asked.rows)
        half = Path(folder) / "half.parquet"
        half_of(pool, half)
        pools = {"alpaca": asked.alpaca, "made": pool, "half": half}
        print(f"{'':10}{'rows':>12}{'wall s':>10}{'CPU s':>10}{'peak GiB':>10}", flush=True)
        for name, one in pools.items():
            if one is None:
                continue
            command = [
                sys.executable,
                "-m",
                "handpicked",
                "audit",
                str(one),
                "--json",
                "--max-length",
                "2048",
            ]
            runs = [measure(command) for _ in range(asked.repeat)]
            wall, cpu, memory = (
                statistics.median(getattr(run, key) for run in runs) for key in ("wall", "cpu", "memory")
            )
            print(
                f"{name:10}{runs[0].found['rows']:>12,}{wall:>10.1f}{cpu:>10.1f}{memory:>10.2f}", flush=True
            )


if __name__ == "__main__":
    main()
