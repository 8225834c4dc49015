"""Every selector by meaning at a million embeddings: its time and memory, or its refusal.

    python -m benchmarks.million [--rows 1000000] [--size 1000] [--only k-center qdit]

Vectors are made: seeded, 384 dimensions, around 2,000 centres, memory-mapped as those of ``handpicked score
--scorer embedding`` are. Each selector runs in a process of its own, as ``handpicked select`` calls it; its
peak memory is that of the whole process, mapped pages included. One whose peak is over 8 GB fails the
benchmark.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.embed import TELL, made_vectors, run

LIMIT = 8e9
SELECTORS = {
    "kmeans": "KMeans(embeddings=embeddings)",
    "k-center": "KCenter(embeddings=embeddings)",
    "facility-location": "FacilityLocation(embeddings=embeddings)",
    "facility-location, 100 neighbours": "FacilityLocation(100, embeddings=embeddings)",
    "deita": "Deita('quality', embeddings=embeddings)",
    "qdit": "Qdit('quality', embeddings=embeddings)",
    "qdit, 100 neighbours": "Qdit('quality', neighbours=100, embeddings=embeddings)",
    "car": "Car('quality', embeddings=embeddings)",
    "semdedup": "SemDeDup(embeddings=embeddings)",
}
CODE = f"""{TELL}
import hashlib
import numpy as np, pyarrow as pa
from handpicked.errors import ConfigError
from handpicked.selectors.car import Car
from handpicked.selectors.deita import Deita
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.facility_location import FacilityLocation
from handpicked.selectors.k_center import KCenter
from handpicked.selectors.kmeans import KMeans
from handpicked.selectors.qdit import Qdit
from handpicked.selectors.selector import Scores
from handpicked.selectors.semdedup import SemDeDup
vectors = np.load(sys.argv[1], mmap_mode="r"); rows = np.arange(len(vectors))
embeddings = Embeddings(rows, vectors)
ids = pa.array([hashlib.blake2b(b"%d" % row, digest_size=16).hexdigest() for row in rows.tolist()])
quality = np.random.default_rng(1).normal(size=len(rows))
table = pa.table({{"row": rows, "id": ids, "embedding": np.full(len(rows), 5.0), "quality": quality}})
selector = eval(sys.argv[3])
began = now()
try:
    tell(began, kept=len(selector.select(Scores.of(table), int(sys.argv[2]))))
except ConfigError as error:
    tell(began, refused=str(error))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--only", nargs="*", default=[], help="selectors by name")
    asked = parser.parse_args()
    over = []
    with tempfile.TemporaryDirectory(prefix="handpicked-bench-") as folder:
        vectors = Path(folder) / "vectors.npy"
        made_vectors(asked.rows, vectors, None)
        print(
            f"{asked.rows:,} vectors, {asked.size:,} kept\n{'':36}{'seconds':>10}{'CPU s':>10}{'peak GB':>10}"
        )
        for name, made in SELECTORS.items():
            if asked.only and name.split(",")[0] not in asked.only:
                continue
            measured = run(CODE, vectors, asked.size, made)
            peak = measured.peak * 2**30 / 1e9
            over += [name] * (peak * 1e9 > LIMIT)
            print(
                f"{name:36}{measured.seconds:>10.1f}{measured.cpu:>10.1f}{peak:>10.2f}  {measured.result}",
                flush=True,
            )
    if over:
        raise SystemExit(f"more than {LIMIT / 1e9:.0f} GB: {', '.join(over)}")


if __name__ == "__main__":
    main()
