"""Selection against the bare loop and against the usual way, on one pool, in one run.

    python -m benchmarks.select [--rows 1000000] [--size 10000] [--repeat 5] [--skip usual] [--alpaca alpaca_data.json]

* ``bare``: scan the response column with Arrow, count tokens with gigatoken, argpartition, take. It writes
  nothing, makes no ids and explains nothing: the practical limit.
* ``handpicked``: the command ``handpicked select``, from process start to exit: all of its output files.
* ``usual``: ``datasets.map`` with the fast Hugging Face tokenizer, batched, 2 processes, then sort and take.

Each runs in a process of its own and is measured from start to exit: wall seconds, CPU seconds of the process
and its children, peak resident memory of the largest of them. Figures are medians. ``usual`` must find the
same lengths as ``handpicked``. ``bare`` cannot: gigatoken refuses the embedded tokenizer, so the loop counts
with GPT-2's pattern, without the corrections that make every count exact.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first, and this file would stand in for the standard library's
# ``select``.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

import argparse
import json
import math
import os
import random
import re
import statistics
import subprocess
import sysconfig
import tempfile
import time
from dataclasses import dataclass

ROOT = Path(__file__).resolve().parent.parent
MEAN_CHARACTERS = 450

BARE = """
import json, sys
import awkward as ak, gigatoken, numpy as np, pyarrow as pa, pyarrow.parquet as pq
from handpicked.tokens.fast_count import GPT2, _missing_bytes, _patched
from handpicked.tokens.tokenizer import EMBEDDED
pool, size = sys.argv[1], int(sys.argv[2])
config = json.loads(EMBEDDED.read_bytes())
tokenizer = gigatoken.Tokenizer.from_json(json.dumps(_patched(config, _missing_bytes(config), True)))
counts = []
for batch in pq.ParquetFile(pool).iter_batches(65536, columns=["response"]):
    texts = ak.from_arrow(batch.column(0).cast(pa.large_string()))
    counts.append(np.diff(np.asarray(tokenizer.encode_batch(texts).layout.offsets)))
lengths = np.concatenate(counts)
rows = np.sort(np.argpartition(-lengths, size)[:size])
taken = pq.read_table(pool, columns=["response"]).take(rows)
print(json.dumps({"rows": len(taken), "least": int(lengths[rows].min()), "tokens": int(lengths[rows].sum())}))
"""

USUAL = """
import json, sys
import datasets
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast
from handpicked.tokens.tokenizer import EMBEDDED
pool, size, cache = sys.argv[1], int(sys.argv[2]), sys.argv[3]
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_file(str(EMBEDDED)))
def count(batch):
    return {"tokens": [len(ids) for ids in tokenizer(batch["response"], add_special_tokens=False)["input_ids"]]}
data = datasets.load_dataset("parquet", data_files=pool, split="train", cache_dir=cache)
data = data.map(count, batched=True, num_proc=2).sort("tokens", reverse=True).select(range(size))
data.to_json(cache + "/selected.jsonl")
print(json.dumps({"rows": len(data), "least": data[-1]["tokens"], "tokens": sum(data["tokens"])}))
"""

USUAL_SMALL = """
import sys
import datasets
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast
from handpicked.tokens.tokenizer import EMBEDDED
pool, out, cache = sys.argv[1], sys.argv[2], sys.argv[3]
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_file(str(EMBEDDED)))
def count(batch):
    return {"tokens": [len(ids) for ids in tokenizer(batch["output"], add_special_tokens=False)["input_ids"]]}
data = datasets.load_dataset("json", data_files=pool, split="train", cache_dir=cache)
data.map(count, batched=True).sort("tokens", reverse=True).select(range(1000)).to_json(out)
print("{}")
"""


@dataclass(frozen=True)
class Measured:
    """One process from start to exit."""

    wall: float
    cpu: float
    memory: float
    found: dict[str, int]


def sources() -> str:
    """Text found on any machine with Python: the prose and code of its standard library."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = [
        file
        for file in sorted(folder.rglob("*.py"))
        if "site-packages" not in file.parts and "test" not in file.parts
    ]
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


def make_pool(file: Path, rows: int, seed: int = 0) -> None:
    """A Parquet pool of ``rows`` prompts and responses; response lengths are log-normal
    with mean 450 characters.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = re.findall(r"\S+\s*", sources())
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word))
    average = starts[-1] / len(words)
    draw = random.Random(seed)
    sigma = 1.0
    middle = math.log(MEAN_CHARACTERS) - sigma**2 / 2

    def text(characters: float) -> str:
        count = max(1, round(characters / average))
        begin = draw.randrange(len(words) - count)
        return "".join(words[begin : begin + count]).strip()

    schema = pa.schema([("prompt", pa.string()), ("response", pa.string())])
    with pq.ParquetWriter(file, schema) as writer:
        for begin in range(0, rows, 50_000):
            count = min(50_000, rows - begin)
            prompts = [text(80) for _ in range(count)]
            responses = [text(min(draw.lognormvariate(middle, sigma), 100_000)) for _ in range(count)]
            writer.write_table(pa.table({"prompt": prompts, "response": responses}, schema=schema))


def measure(command: list[str]) -> Measured:
    """Run a command; the last line it prints is JSON."""
    with tempfile.TemporaryFile() as output:
        # As where it is installed, its own modules are compiled once and not in every process.
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": ""}
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=output, cwd=ROOT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        if status:
            raise SystemExit(f"{command[:4]} failed")
        output.seek(0)
        found = json.loads(output.read().splitlines()[-1])
    memory = usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    return Measured(wall, usage.ru_utime + usage.ru_stime, memory, found)


def handpicked(pool: Path, size: int, out: Path) -> list[str]:
    return [
        sys.executable, "-m", "handpicked", "select", str(pool), "--by", "longest", "--size", str(size), "--json", "-o", str(out)
    ]  # fmt: skip


def chosen(out: Path) -> dict[str, int]:
    """What the subset that handpicked wrote holds, in the figures that the rivals print."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(out / "scores.parquet", filters=[("kept", "==", True)])
    return {
        "rows": len(table),
        "least": pc.min(table["tokens"]).as_py(),
        "tokens": pc.sum(table["tokens"]).as_py(),
    }


def contest(pool: Path, size: int, repeat: int, skip: list[str], scratch: Path) -> dict[str, list[Measured]]:
    """Each contestant ``repeat`` times, taking turns so that a noisy minute hurts all of them."""
    results: dict[str, list[Measured]] = {}
    for turn in range(repeat):
        runs = {
            "bare": [sys.executable, "-c", BARE, str(pool), str(size)],
            "handpicked": handpicked(pool, size, scratch / "out"),
            "usual": [sys.executable, "-c", USUAL, str(pool), str(size), str(scratch / f"cache-{turn}")],
        }
        for name, command in runs.items():
            if name not in skip:
                results.setdefault(name, []).append(measure(command))
                print(f"  {name}: {results[name][-1].wall:.1f} s", file=sys.stderr)
    return results


def report(results: dict[str, list[Measured]]) -> None:
    print(f"{'':12}{'wall s':>10}{'CPU s':>10}{'peak GiB':>10}{'x bare':>10}")
    base = statistics.median(one.wall for one in results["bare"]) if "bare" in results else math.nan
    for name, runs in results.items():
        wall, cpu, memory = (
            statistics.median(getattr(one, key) for one in runs) for key in ("wall", "cpu", "memory")
        )
        print(f"{name:12}{wall:>10.2f}{cpu:>10.2f}{memory:>10.2f}{wall / base:>10.2f}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--skip", nargs="*", default=[], choices=["bare", "handpicked", "usual"])
    parser.add_argument("--alpaca", type=Path, help="alpaca_data.json: also the CPU time of a small job")
    parser.add_argument(
        "--pool", type=Path, help="keep the pool here, and take it from here when it is there"
    )
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="handpicked-bench-") as folder:
        scratch = Path(folder)
        pool = asked.pool or scratch / "pool.parquet"
        if not pool.exists():
            print(f"making a pool of {asked.rows:,} rows", file=sys.stderr)
            make_pool(pool, asked.rows)
        print(
            f"{asked.rows:,} rows, {pool.stat().st_size / 1e6:.0f} MB of Parquet, {asked.size:,} "
            f"kept, medians of {asked.repeat}"
        )
        results = contest(pool, asked.size, asked.repeat, asked.skip, scratch)
        report(results)
        if "handpicked" in results:
            ours = chosen(scratch / "out")
            if "usual" in results and results["usual"][0].found != ours:
                raise SystemExit(f"the usual way found {results['usual'][0].found}, handpicked {ours}")
        if asked.alpaca:
            small(asked.alpaca, asked.repeat, scratch)


def small(file: Path, repeat: int, scratch: Path) -> None:
    """CPU seconds of a whole small job, on top of those of an interpreter that does
    nothing; then with ``datasets``.
    """
    nothing = statistics.median(measure([sys.executable, "-c", "print('{}')"]).cpu for _ in range(repeat))
    runs = [measure(handpicked(file, 1000, scratch / "alpaca-1k")) for _ in range(repeat)]
    cpu = statistics.median(one.cpu for one in runs) - nothing
    wall = statistics.median(one.wall for one in runs)
    print(
        f"{file.name} to a written 1K subset: {cpu:.2f} CPU seconds beyond an empty "
        f"interpreter, {wall:.2f} s of wall time"
    )
    usual = [
        measure(
            [
                sys.executable,
                "-c",
                USUAL_SMALL,
                str(file),
                str(scratch / "usual.jsonl"),
                str(scratch / f"small-{turn}"),
            ]
        )
        for turn in range(repeat)
    ]
    cpu, wall = (statistics.median(getattr(one, key) for one in usual) for key in ("cpu", "wall"))
    print(f"the same with datasets: {cpu - nothing:.2f} CPU seconds, {wall:.2f} s of wall time")


if __name__ == "__main__":
    main()
