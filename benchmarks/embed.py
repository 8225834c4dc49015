"""Selectors by meaning and embedding against the libraries one would use otherwise, in one run.

    python -m benchmarks.embed [--rows 52002] [--size 1000] [--repeat 3] [--embeddings FOLDER] [--texts alpaca_data.json]
                               [--text-rows 512] [--keep FOLDER]

* K-Means with ``size`` clusters, 25 iterations from the same kind of start: against
  scikit-learn's ``KMeans``.
* k-center greedy, ``size`` rows: against a loop over scikit-learn's
  ``pairwise_distances``, as core-set code has it.
* facility location by 100 neighbours, ``size`` rows: against apricot-select on scikit-learn's graph of 100
  neighbours (submodlib took 13 s for 100 of 2,000 rows, and is left out). The coverage of each choice is
  measured: the mean cosine of all rows to the nearest taken.
* exact facility location, over ``--exact`` rows, because the rivals keep every cosine (52,002 rows: 21.6 GB
  in apricot's float64): against apricot-select and submodlib.
* with ``--texts``, embedding of ``--text-rows`` of its rows, evenly spread: against
  ``SentenceTransformer.encode`` as it comes.

Vectors are those of the texts where ``--text-rows`` are enough of them, or ``embeddings.npy`` in
``--embeddings`` (what ``handpicked score --scorer embedding`` left in its cache), or else made: seeded, 384
dimensions, around 2,000 centres. Each contestant runs in a process of its own, which times the work without
imports and reading, and takes its peak memory. Figures are medians; contestants take turns. A rival that is
not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIMENSIONS, CENTRES = 384, 2000

TELL = r"""
import json, re, sys, time
def now():
    return time.monotonic(), time.process_time()
def tell(began, **more):
    seconds, cpu = (end - begin for end, begin in zip(now(), began))
    # Not getrusage, which begins with the peak of the process that started this one.
    peak = int(re.search(r"VmHWM:\s*(\d+) kB", open("/proc/self/status").read())[1]) / 2**20
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, **more}))
"""
HEAD = f"""{TELL}
import numpy as np
vectors, size = np.load(sys.argv[1]), int(sys.argv[2])
def covered(taken):
    return float(sum((part @ vectors[taken].T).max(1).clip(0).sum() for part in np.array_split(vectors, 16)) / len(vectors))
"""
CODE = {
    "kmeans handpicked": """
from handpicked.selectors.clusters import cluster, load_faiss
load_faiss(); began = now()
found = cluster(vectors, size, seed=0)
tell(began, inertia=found.inertia)
""",
    "kmeans scikit-learn": """
from sklearn.cluster import KMeans
began = now()
found = KMeans(size, n_init=1, max_iter=25, random_state=0).fit(vectors)
tell(began, inertia=float(found.inertia_))
""",
    "k-center handpicked": """
from handpicked.selectors.k_center import centres
began = now()
taken = centres(vectors, 0, size)
tell(began, sum=sum(taken))
""",
    "k-center scikit-learn": """
from sklearn.metrics import pairwise_distances
began = now()
taken, nearest = [0], pairwise_distances(vectors, vectors[:1]).ravel()
while len(taken) < size:
    taken.append(int(nearest.argmax()))
    nearest = np.minimum(nearest, pairwise_distances(vectors, vectors[taken[-1:]]).ravel())
tell(began, sum=sum(taken))
""",
    "facility-100 handpicked": """
from handpicked.selectors.coverage import Sparse, lazy_greedy
from handpicked.selectors.neighbours import nearest
began = now()
taken = lazy_greedy(Sparse(*nearest(vectors, 100)), size)
tell(began, coverage=covered(taken))
""",
    "facility-100 apricot": """
from apricot import FacilityLocationSelection
from sklearn.neighbors import NearestNeighbors
def fit(vectors, size, neighbours):
    # Its own n_neighbors makes 64-bit indices, for which its compiled code has no entry.
    near = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(vectors).kneighbors_graph(mode="distance").T.tocsr()
    near.data = np.maximum(1 - near.data.astype(np.float64), 0)
    near.indices, near.indptr = near.indices.astype(np.int32), near.indptr.astype(np.int32)
    return FacilityLocationSelection(size, metric="precomputed", optimizer="lazy").fit(near).ranking
fit(vectors[:50], 3, 5)  # compiles
began = now()
taken = fit(vectors, size, 100)
tell(began, coverage=covered(taken))
""",
    "facility-exact handpicked": """
from handpicked.selectors.coverage import Dense, lazy_greedy
began = now()
taken = lazy_greedy(Dense(vectors), size)
tell(began, coverage=covered(taken))
""",
    "facility-exact apricot": """
from apricot import FacilityLocationSelection
FacilityLocationSelection(3, metric="precomputed", optimizer="lazy").fit(np.eye(9))  # compiles
began = now()
cosines = np.maximum(vectors @ vectors.T, 0)
taken = FacilityLocationSelection(size, metric="precomputed", optimizer="lazy").fit(cosines).ranking
tell(began, coverage=covered(taken))
""",
    "facility-exact submodlib": """
from submodlib import FacilityLocationFunction
began = now()
cosines = np.maximum(vectors @ vectors.T, 0)
function = FacilityLocationFunction(n=len(vectors), mode="dense", sijs=cosines, separate_rep=False)
taken = [place for place, _ in function.maximize(budget=size, optimizer="LazyGreedy", show_progress=False)]
tell(began, coverage=covered(taken))
""",
}
NEEDS = {"apricot": "apricot", "submodlib": "submodlib", "scikit-learn": "sklearn"}

EMBED = f"""{TELL}
import tempfile
from pathlib import Path
import handpicked as hp
from handpicked.models.embed import embedder
from handpicked.progress import SILENT
from handpicked.scorers.model.embedding import Embedding, _texts
pool = hp.read(sys.argv[1]); count = min(int(sys.argv[3]), pool.rows)
rows = [place * pool.rows // count for place in range(count)]
texts = [one.text for one in _texts(pool, rows, "both")]
scorer = Embedding(); model = embedder(scorer.model); model.encode(texts[:4])
folder = Path(tempfile.mkdtemp(dir=sys.argv[4]))
began = now()
if sys.argv[2] == "handpicked":
    scorer.score(pool, rows, folder, SILENT)
else:
    model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
tell(began)
"""


@dataclass(frozen=True)
class Measured:
    """What one process measured of itself: seconds, CPU seconds, peak memory in GiB,
    and how good its result is.
    """

    seconds: float
    cpu: float
    peak: float
    result: str


def run(code: str, *arguments: object) -> Measured:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if ended.returncode:
        raise SystemExit(f"a contestant failed:\n{ended.stderr[-2000:]}")
    measured = json.loads(ended.stdout.splitlines()[-1])
    rest = ", ".join(
        f"{key}: {value}" if isinstance(value, str) else f"{key} {value:,.4g}"
        for key, value in measured.items()
        if key not in ("seconds", "cpu", "peak")
    )
    return Measured(measured["seconds"], measured["cpu"], measured["peak"], rest)


def made_vectors(rows: int, file: Path, embeddings: Path | None) -> None:
    """``rows`` unit vectors in ``file``: real ones (the first of the folder), or
    seeded ones around centres.
    """
    import numpy as np

    if embeddings is not None:
        vectors = np.load(embeddings / "embeddings.npy", mmap_mode="r")[:rows]
    else:
        draw = np.random.default_rng(0)
        centres = draw.normal(size=(CENTRES, DIMENSIONS)).astype(np.float32)
        vectors = centres[draw.integers(0, CENTRES, rows)]
        vectors += 0.8 * draw.normal(size=vectors.shape).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(file, np.ascontiguousarray(vectors, np.float32))


def there(name: str) -> bool:
    module = NEEDS.get(name.split()[-1])
    return module is None or importlib.util.find_spec(module) is not None


def contest(contestants: dict[str, tuple[object, ...]], repeat: int) -> dict[str, list[Measured]]:
    """Each contestant (its code and arguments) ``repeat`` times, taking turns."""
    results: dict[str, list[Measured]] = {}
    for _ in range(repeat):
        for name, (code, *arguments) in contestants.items():
            results.setdefault(name, []).append(run(str(code), *arguments))
            print(f"  {name}: {results[name][-1].seconds:.1f} s", file=sys.stderr)
    return results


def report(results: dict[str, list[Measured]]) -> None:
    print(f"{'':28}{'seconds':>10}{'CPU s':>10}{'peak GiB':>10}{'x ours':>9}  result")
    ours = math.nan
    for name, runs in results.items():
        seconds = statistics.median(one.seconds for one in runs)
        ours = seconds if name.endswith("handpicked") else ours
        cpu, peak = (statistics.median(getattr(one, key) for one in runs) for key in ("cpu", "peak"))
        print(f"{name:28}{seconds:>10.2f}{cpu:>10.2f}{peak:>10.2f}{seconds / ours:>9.2f}  {runs[0].result}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=52_002)
    parser.add_argument("--exact", type=int, default=10_000, help="rows of exact facility location")
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="contests by name, such as kmeans")
    parser.add_argument("--embeddings", type=Path, help="folder with embeddings.npy")
    parser.add_argument("--texts", type=Path, help="a pool: also the rate of embedding")
    parser.add_argument("--text-rows", type=int, default=512, help="rows of the pool that are embedded")
    parser.add_argument("--keep", type=Path, help="where to leave the embeddings of the texts")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="handpicked-bench-") as folder:
        print(f"{asked.rows:,} vectors, {asked.size:,} kept, medians of {asked.repeat}")
        if asked.texts:
            texts = {
                f"embedding {who}": (EMBED, asked.texts, who, asked.text_rows, folder)
                for who in ("handpicked", "encode")
            }
            report(contest(texts, asked.repeat))
        made = [file.parent for file in Path(folder).glob("*/embeddings.npy")]
        if asked.keep and made:
            shutil.copytree(made[0], asked.keep, dirs_exist_ok=True)
        embeddings = made[0] if made and asked.text_rows >= asked.rows else asked.embeddings
        whole, part = Path(folder) / "whole.npy", Path(folder) / "part.npy"
        made_vectors(asked.rows, whole, embeddings)
        made_vectors(min(asked.exact, asked.rows), part, embeddings)
        contestants: dict[str, tuple[object, ...]] = {
            name: (HEAD + code, part if "exact" in name else whole, asked.size)
            for name, code in CODE.items()
            if there(name) and (not asked.only or name.split()[0] in asked.only)
        }
        report(contest(contestants, asked.repeat))


if __name__ == "__main__":
    main()
