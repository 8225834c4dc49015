"""``handpicked explore`` on a million rows: the index, the first screen, filters,
searches, sorting and charts.

    python -m benchmarks.explore [--rows 1000000] [--seed 0] [--keep FOLDER]

Rows are those of Alpaca where it is (HANDPICKED_DATA), drawn with replacement, else made ones; beside them
scores.parquet holds three made scores, kept and reason, as ``handpicked select`` writes them. Times are of
requests over HTTP, to the whole answer; each is the median of five with other words and bounds, so that
nothing is answered from what was kept. The first screen is what the page asks for when it opens: its files,
what there is, and the first rows. A first screen over 1 s or a filter over 0.5 s fails the benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST, FILTER = 1.0, 0.5
WORDS = ("photosynthesis", "python", "recipe", "river", "quantum")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the pool and its index, used again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        os.environ["HANDPICKED_CACHE"] = str(folder / "cache")
        measure(made(folder, asked.rows, asked.seed))


def made(folder: Path, rows: int, seed: int) -> Path:
    """A pool of JSON lines and a folder as ``select`` writes it."""
    pool, out = folder / f"pool-{rows}.jsonl", folder / f"selection-{rows}"
    if not (out / "manifest.json").is_file():
        out.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        known = sources(rng)
        chosen = rng.integers(0, len(known), rows)
        with pool.open("wb") as file:
            file.writelines(known[place] for place in chosen.tolist())
        scores(pool, out, rng, rows)
    return out


def sources(rng: np.random.Generator) -> list[bytes]:
    file = Path(os.environ.get("HANDPICKED_DATA", "../shared/data")) / "sft/alpaca_52k.parquet"
    if file.is_file():
        rows = pq.read_table(file).filter(pa.compute.field("output") != "").to_pylist()
    else:
        text = lambda words: " ".join(rng.choice([*WORDS, "the", "of", "and", "a", "is"], words))  # noqa: E731
        rows = [{"instruction": text(12), "input": "", "output": text(60)} for _ in range(20_000)]
    return [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows]


def scores(pool: Path, out: Path, rng: np.random.Generator, rows: int) -> None:
    from handpicked.data import read

    ids = [batch["id"] for shard in read(pool).shards for batch in shard.read(["id"])]
    kept = rng.random(rows) < 0.01
    table = {
        "row": np.arange(rows),
        "id": pa.chunked_array(ids).cast(pa.large_string()),
        "tokens": rng.integers(1, 900, rows),
        "ifd": rng.normal(0.7, 0.2, rows),
        "quality": rng.integers(1, 6, rows).astype("float64"),
        "kept": kept,
        "reason": pa.array(np.where(kept, None, "not among the 1% longest").tolist(), pa.string()),
    }
    pq.write_table(pa.table(table), out / "scores.parquet", compression="zstd")
    manifest = {
        "handpicked": "0",
        "selector": {"name": "longest"},
        "pool": {"inputs": [{"path": str(pool)}]},
        "counts": {"kept": int(kept.sum()), "rejected": 0},
    }
    (out / "manifest.json").write_text(json.dumps(manifest))


def measure(folder: Path) -> None:
    from handpicked.explore import Wanted, open_wanted, site_of
    from handpicked.pages.local_page import LocalServer

    wanted = Wanted((str(folder),))
    began = time.perf_counter()
    open_wanted(wanted)
    print(f"{'index the pool, once':42s} {time.perf_counter() - began:8.2f} s")
    began = time.perf_counter()
    opened = open_wanted(wanted)
    start = time.perf_counter() - began
    print(f"{'open it again':42s} {start:8.3f} s")
    with LocalServer(site_of(opened), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        failed = times(Client(server.address), start)
        server.shutdown()
    if failed:
        sys.exit(f"too slow: {', '.join(failed)}")


class Client:
    """Asks the server as the page does."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, where: str) -> bytes:
        with urllib.request.urlopen(self.address + where) as reply:
            return reply.read()

    def ask(self, what: str, /, **body: Any) -> Any:
        request = urllib.request.Request(
            self.address + what, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)


def times(client: Client, start: float) -> list[str]:
    failed = []
    page = resources.files("handpicked.explore").joinpath("page")
    files = ["", "about", *(file.name for file in page.iterdir() if file.name != "page.html")]

    def first() -> None:
        for file in files:
            client.get(file)
        client.ask("rows", limit=50)
        client.ask("row", row=0)

    took = timed("first screen", lambda _: first(), 1)
    if start + took > FIRST:
        failed.append("first screen")
    bounds = [0.4, 0.5, 0.6, 0.7, 0.8]
    filters: dict[str, Callable[[int], Any]] = {
        "filter by a score": lambda n: client.ask("rows", where=[{"column": "ifd", "low": bounds[n]}]),
        "filter by two scores and the state": lambda n: client.ask(
            "rows",
            where=[
                {"column": "ifd", "high": bounds[n]},
                {"column": "tokens", "low": 100 * n},
                {"column": "state", "values": ["kept"]},
            ],
        ),
        "search prompts and responses": lambda n: client.ask("rows", search=WORDS[n]),
        "search, filter and sort": lambda n: client.ask(
            "rows", search=WORDS[n] + " ", where=[{"column": "tokens", "low": n}], sort="ifd"
        ),
    }
    for name, work in filters.items():
        if timed(name, work, 5) > FILTER:
            failed.append(name)
    columns = ["tokens", "quality", "response characters", "turns", "prompt characters"]
    timed("sort by a number, first time", lambda n: client.ask("rows", sort=columns[n], descending=True), 5)
    timed("sort by the prompt, first time", lambda _: client.ask("rows", sort="prompt"), 1)
    timed("page 10,000", lambda n: client.ask("rows", sort="ifd", offset=500_000 + 50 * n), 5)
    timed(
        "histogram of found rows",
        lambda n: client.ask("histogram", column="ifd", where=[{"column": "tokens", "low": n}]),
        5,
    )
    timed(
        "scatter of two scores",
        lambda n: client.ask(
            "scatter", x="ifd", y="tokens", colour="state", where=[{"column": "tokens", "low": n}]
        ),
        5,
    )
    timed("open a row", lambda n: client.ask("row", row=100_000 * n + 7), 5)
    return failed


def timed(name: str, work: Callable[[int], Any], repeats: int) -> float:
    taken, spent = [], []
    for number in range(repeats):
        began, busy = time.perf_counter(), time.process_time()
        work(number)
        taken.append(time.perf_counter() - began)
        spent.append(time.process_time() - busy)
    median = statistics.median(taken)
    print(f"{name:42s} {median:8.3f} s   (slowest {max(taken):.3f}; {statistics.median(spent):.3f} s of CPU)")
    return median


if __name__ == "__main__":
    main()
