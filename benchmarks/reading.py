"""Reading a pool with these sources against others, such as those of the last release, in the same run.

    python -m benchmarks.reading --alpaca alpaca_52k.parquet --other ../release/src [--rows 1000000] [--repeats 5]

* ``alpaca``: Alpaca as JSON: recognised, all rows with ids, prompts and responses, and the
  fields that are not understood.
* ``parquet``: ``--rows`` of its rows, repeated and numbered, as Parquet with zstd: the same.
* ``select``: ``handpicked select`` of 1,000 rows of ``parquet`` by ``longest`` in characters, from
  start to end of the process.

Every measurement is a process of its own. Repeats are interleaved; the medians of user and system CPU seconds
are printed (one core is not always free), and the ratio of these sources to the others, which shall not exceed
1.05.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LIMIT = 1.05
READ = """
import sys
from handpicked.data import read
pool = read(sys.argv[1])
rows = sum(len(batch) for shard in pool.shards for batch in shard.read(["row", "id", "prompt", "response"]))
assert rows > 50_000, rows
getattr(pool, "unread", tuple)()
"""


def cpu(command: list[str], source: Path) -> float:
    """User and system seconds of a child process that imports handpicked from ``source``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def made(alpaca: Path, rows: int, folder: Path) -> tuple[Path, Path]:
    """Alpaca as JSON, and so many of its rows, each with a number of its own, as Parquet."""
    table = pq.read_table(alpaca).select(["instruction", "input", "output"])
    as_json, as_parquet = folder / "alpaca.json", folder / "pool.parquet"
    as_json.write_text(json.dumps(table.to_pylist(), ensure_ascii=False), "utf-8")
    with pq.ParquetWriter(as_parquet, table.schema, compression="zstd") as writer:
        for begin in range(0, rows, table.num_rows):
            part = table.slice(0, min(table.num_rows, rows - begin))
            numbers = pa.array(range(begin, begin + part.num_rows)).cast(pa.string())
            asked = pc.binary_join_element_wise(part["instruction"].combine_chunks(), numbers, " ")
            writer.write_table(part.set_column(0, "instruction", asked))
    return as_json, as_parquet


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alpaca", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    own = Path(__file__).resolve().parents[1] / "src"
    slower = []
    with tempfile.TemporaryDirectory(prefix="handpicked-bench-") as folder:
        as_json, as_parquet = made(asked.alpaca, asked.rows, Path(folder))
        select = [
            sys.executable,
            "-m",
            "handpicked",
            "select",
            str(as_parquet),
            "--by",
            "longest",
            "--measure",
            "chars",
        ]
        commands = {
            "alpaca": [sys.executable, "-c", READ, str(as_json)],
            "parquet": [sys.executable, "-c", READ, str(as_parquet)],
            "select": [*select, "--size", "1000", "-o", str(Path(folder) / "out")],
        }
        print(f"{'':10}{'these, CPU s':>14}{'others':>10}{'ratio':>8}")
        for name, command in commands.items():
            pairs = [(cpu(command, own), cpu(command, asked.other)) for _ in range(asked.repeats)]
            these, others = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(one / two for one, two in pairs)
            slower += [name] * (ratio > LIMIT)
            print(f"{name:10}{these:>14.2f}{others:>10.2f}{ratio:>8.3f}", flush=True)
    if slower:
        raise SystemExit(f"slower than the others: {', '.join(slower)}")


if __name__ == "__main__":
    main()
