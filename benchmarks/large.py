"""Large pools rehearsed: ``select`` on millions of short rows, and selectors by embeddings within a limit.

    python -m benchmarks.large --rows 10000000 [--rejected 0.1] [--by longest random] [--folder FOLDER]
    python -m benchmarks.large --vectors 1000000 [--dimensions 384] [--memory 2GB] [--type float16]
                               [--only kmeans semdedup]
    python -m benchmarks.large --copies 4000000 [--only duplicates near-duplicates]

``--rows N`` makes a Parquet file of N rows of a few words each (deterministic; about 45 bytes a row), of which
a share cannot be read, and selects 10,000 of them with the command line.
``--vectors N`` writes N unit vectors around 2,000 centres to a file and selects 1,000 of them with each
selector within ``--memory``; the peak is that of the whole process, mapped pages included.
``--copies N`` makes the scores of N rows (id, length, signature), of which a fifth nearly repeats another and a
tenth shares a part with very many, and lets the filters find what repeats; ``no filter`` only reads the scores.
Each job is a process of its own. Printed are its wall and CPU seconds, its peak memory, a rate, and the free
disk that it took. What is made is deleted at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.embed import ROOT, TELL, run

CHUNK = 100_000
COMMAND = f"""{TELL}
from handpicked.cli import main
sys.argv = ["handpicked", *sys.argv[1:]]
began = now()
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
finally:
    sys.stdout.flush()
    tell(began)
"""
SELECTORS = {
    "kmeans": "KMeans(clusters=500, embeddings=embeddings)",
    "semdedup": "SemDeDup(embeddings=embeddings)",
    "car": "Car('quality', embeddings=embeddings)",
    "k-center": "KCenter(embeddings=embeddings)",
    "facility-location": "FacilityLocation(20, embeddings=embeddings)",
    "deita": "Deita('quality', embeddings=embeddings)",
}
CODE = f"""{TELL}
import hashlib
import numpy as np, pyarrow as pa
from pydantic import ByteSize, TypeAdapter
from handpicked.errors import ConfigError
from handpicked.selectors.car import Car
from handpicked.selectors.deita import Deita
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.facility_location import FacilityLocation
from handpicked.selectors.k_center import KCenter
from handpicked.selectors.kmeans import KMeans
from handpicked.selectors.selector import Scores
from handpicked.selectors.semdedup import SemDeDup
vectors = np.load(sys.argv[1], mmap_mode="r")
memory = TypeAdapter(ByteSize).validate_python(sys.argv[4]) if sys.argv[4] else None
embeddings = Embeddings(np.arange(len(vectors)), vectors, memory=memory)
def batches(columns):
    draw = np.random.default_rng(1)
    for begin in range(0, len(vectors), 4096):
        rows = np.arange(begin, min(begin + 4096, len(vectors)))
        ids = [hashlib.blake2b(b"%d" % row, digest_size=16).hexdigest() for row in rows.tolist()]
        quality = draw.normal(size=len(rows))
        made = {{"row": rows, "id": ids, "embedding": np.full(len(rows), 5.0), "quality": quality}}
        yield pa.record_batch({{name: made[name] for name in ["row", "id", *columns]}})
selector = eval(sys.argv[3])
began = now()
try:
    kept = selector.select(Scores(batches, len(vectors)), int(sys.argv[2]))
    tell(began, kept=len(kept), rows=hashlib.sha256(kept.tobytes()).hexdigest()[:8])
except ConfigError as error:
    tell(began, refused=str(error))
"""
FILTERS = {"no filter": "None", "duplicates": "Duplicates()", "near-duplicates": "NearDuplicates()"}
FIND = f"""{TELL}
import hashlib
from pathlib import Path
import numpy as np, pyarrow as pa
from handpicked.guards.duplicates import Duplicates
from handpicked.guards.near_duplicates import NearDuplicates
from handpicked.selection.guarded import Guarded
from handpicked.selection.scores import ScoredPool
file = Path(sys.argv[1])
with pa.OSFile(str(file)) as source, pa.ipc.open_file(source) as reader:
    scored = ScoredPool(file, reader.schema, int(sys.argv[2]), list(range(reader.num_record_batches)))
guard = eval(sys.argv[3])
held = sum(len(batch) for batch in scored.batches(("minhash", "chars")))
began = now()
found = np.empty(0, np.int64) if guard is None else guard.make(Guarded(scored, rows=held).scores()).rows
tell(began, dropped=len(found), rows=hashlib.sha256(found.tobytes()).hexdigest()[:8])
"""


def made_pool(rows: int, rejected: float, file: Path) -> None:
    """Rows of a few words each; the responses of a share of them are null."""
    words = ["write", "short", "poem", "answer", "river", "sum", "list", "why", "blue", "tea"]
    draw = np.random.default_rng(0)
    said = pa.array([" ".join(draw.choice(words, draw.integers(1, 6))) for _ in range(1000)])
    schema = pa.schema([("instruction", pa.string()), ("output", pa.string())])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for begin in range(0, rows, CHUNK):
            numbers = np.arange(begin, min(begin + CHUNK, rows))
            unread = pa.array(draw.random(len(numbers)) < rejected)
            phrases = said.take(pa.array(draw.integers(0, len(said), len(numbers))))
            asked = pc.binary_join_element_wise("say", pa.array(numbers).cast(pa.string()), " ")
            answers = pc.if_else(unread, pa.scalar(None, pa.string()), phrases)
            writer.write_table(pa.table([asked, answers], schema=schema))


def made_vectors(rows: int, dimensions: int, kind: str, file: Path) -> None:
    """Unit vectors around 2,000 centres, written a piece at a time."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(2000, dimensions)).astype(np.float32)
    kept = np.lib.format.open_memmap(file, "w+", np.dtype(kind), (rows, dimensions))
    for begin in range(0, rows, CHUNK):
        count = min(CHUNK, rows - begin)
        part = centres[draw.integers(0, len(centres), count)]
        part += 0.8 * draw.standard_normal((count, dimensions), np.float32)
        kept[begin : begin + count] = part / np.linalg.norm(part, axis=1, keepdims=True)
        kept.flush()


def made_signatures(rows: int, file: Path) -> None:
    """Scores of rows in batches of 8,192: signatures of 128 numbers of which a fifth has a near copy in the
    same batch, a tenth begins with the same numbers as 1,000 others, and a hundredth has the id of another.
    """
    draw, batch = np.random.default_rng(0), 8192
    openings = draw.integers(0, 2**32, (max(1, rows // 10_000), 5), np.uint32)
    schema = pa.schema(
        [("row", pa.int64()), ("id", pa.large_string()), ("minhash", pa.binary(512)), ("chars", pa.int64())]
    )
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for begin in range(0, rows, batch):
            count = min(batch, rows - begin)
            numbers = draw.integers(0, 2**32, (count, 128), np.uint32)
            copies = np.flatnonzero(draw.random(count) < 0.2)
            changed = draw.random((len(copies), 128)) < 0.05
            numbers[copies] = np.where(
                changed, numbers[copies], numbers[draw.integers(0, count, len(copies))]
            )
            common = np.flatnonzero(draw.random(count) < 0.1)
            numbers[common, :5] = openings[draw.integers(0, len(openings), len(common))]
            names = np.arange(begin, begin + count)
            names[draw.random(count) < 0.01] //= 2
            ids = [hashlib.md5(b"%d" % name).hexdigest() for name in names.tolist()]
            signed = pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(512), count, [None, pa.py_buffer(np.ascontiguousarray(numbers))]
            )
            columns = [np.arange(begin, begin + count), ids, signed, draw.integers(10, 5000, count)]
            writer.write_batch(
                pa.record_batch(
                    [pa.array(one, kind.type) for one, kind in zip(columns, schema, strict=True)],
                    schema=schema,
                )
            )


def copy_jobs(rows: int, only: list[str], folder: Path) -> None:
    file = folder / "scores.arrow"
    made_signatures(rows, file)
    print(f"{rows:,} rows, {file.stat().st_size / 1e9:.2f} GB of scores")
    for name, made in FILTERS.items():
        if not only or name in only:
            measured = run(FIND, file, rows, made)
            print(
                f"{name:20}{measured.seconds:>9.1f} s{measured.cpu:>9.1f} CPU s{measured.peak * 2**30 / 1e6:>8.0f} MB  {measured.result}",
                flush=True,
            )


def select_jobs(rows: int, rejected: float, selectors: list[str], folder: Path) -> None:
    pool = folder / "pool.parquet"
    made_pool(rows, rejected, pool)
    print(f"{rows:,} rows, {pool.stat().st_size / 1e9:.2f} GB of Parquet, {rejected:.0%} of them unreadable")
    for by in selectors:
        out = folder / by
        command = ["select", pool, "--by", by, "--size", "10000", "-o", out]
        environment = os.environ | {
            "PYTHONPATH": str(ROOT / "src"),
            "HANDPICKED_CACHE": str(folder / "cache"),
        }
        ended = subprocess.run(
            [sys.executable, "-c", COMMAND, *map(str, command)],
            check=True, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        printed = ended.stdout.splitlines()[-1]
        written = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e9
        print(f"select --by {by}: {printed}, {written:.2f} GB written", flush=True)


def vector_jobs(asked: argparse.Namespace, folder: Path) -> None:
    file = folder / "vectors.npy"
    made_vectors(asked.vectors, asked.dimensions, asked.type, file)
    print(f"{asked.vectors:,} vectors, {file.stat().st_size / 1e9:.2f} GB, memory {asked.memory or 'free'}")
    for name, made in SELECTORS.items():
        if not asked.only or name in asked.only:
            measured = run(CODE, file, 1000, made, asked.memory or "")
            print(
                f"{name:20}{measured.seconds:>9.1f} s{measured.cpu:>9.1f} CPU s{measured.peak * 2**30 / 1e9:>7.2f} GB  {measured.result}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=0, help="rows of a pool to select from")
    parser.add_argument("--rejected", type=float, default=0.1, help="share of the rows that is unreadable")
    parser.add_argument(
        "--by", nargs="*", default=["longest", "random"], help="what to select by, with --rows"
    )
    parser.add_argument("--vectors", type=int, default=0, help="embeddings to select from")
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--type", default="float32", choices=["float32", "float16"])
    parser.add_argument("--memory", help="what a selector may take, such as 2GB")
    parser.add_argument("--copies", type=int, default=0, help="scores in which the filters look for copies")
    parser.add_argument("--only", nargs="*", default=[], help="selectors, or filters, by name")
    parser.add_argument("--folder", type=Path, help="where to make the files; else the temporary folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="handpicked-bench-", dir=asked.folder) as folder:
        if asked.rows or not (asked.vectors or asked.copies):
            select_jobs(asked.rows or 1_000_000, asked.rejected, asked.by, Path(folder))
        if asked.vectors:
            vector_jobs(asked, Path(folder))
        if asked.copies:
            copy_jobs(asked.copies, asked.only, Path(folder))


if __name__ == "__main__":
    main()
