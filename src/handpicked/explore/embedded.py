"""A map of a pool's embeddings: two numbers for each row, and the cluster that it is in.

Embeddings are those that ``handpicked score --scorer embedding``, or a selector that needs them, has left in
the cache or in the run. None are computed here.
"""

from __future__ import annotations

import hashlib
import importlib.util
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from handpicked.data import read
from handpicked.errors import MissingPart
from handpicked.explore.columns import Category, Column, Number
from handpicked.explore.index import Index
from handpicked.models.bundled import cache_folder
from handpicked.progress import SILENT, Progress
from handpicked.selection.kept_scores import Content
from handpicked.selectors.clusters import cluster
from handpicked.selectors.embeddings import VECTORS, Embeddings
from handpicked.selectors.vectors import BLOCK, Runs, Vectors
from handpicked.store import write_text

Projection = Literal["pca", "umap"]
CLUSTERS = 12
HELD = 1 << 30
"""Bytes of vectors that are held at a time."""
SAMPLE = 20_000
"""Vectors that the axes are computed from; of more a seeded sample."""
NEIGHBOURS = 10_000
"""Rows on a UMAP map, which takes a minute for so many."""
FEW = 16
"""Vectors from which UMAP's own start does not compute eigenvectors."""
IDENTITY = "content.txt"


@dataclass(frozen=True)
class Map:
    """The columns of a map: two axes, and the cluster where faiss is installed."""

    axes: tuple[Number, Number]
    clusters: Category | None
    about: str

    @property
    def columns(self) -> list[Column]:
        """All of them."""
        return [*self.axes, *([self.clusters] if self.clusters is not None else [])]


def embeddings_of(index: Index, run: Path | None = None) -> Path | None:
    """The folder with embeddings of this pool that was written last: of the run, or of the cache."""
    folders = [file.parent for file in run.glob(f"scores/embedding-*/{VECTORS}")] if run is not None else []
    kept = cache_folder() / "scores"
    if not folders and next(kept.glob(f"*/embedding-*/done/{VECTORS}"), None) is not None:
        folders = [file.parent for file in kept.glob(f"{_identity(index)[:16]}/embedding-*/done/{VECTORS}")]
    return max(folders, key=lambda folder: (folder / VECTORS).stat().st_mtime, default=None)


def map_of(index: Index, folder: Path, method: Projection, progress: Progress = SILENT) -> Map:
    """The map of these embeddings; kept beside the index, since a million vectors take half a minute.

    Raises:
        MissingPart: UMAP is requested and not installed. StoreError: damaged embeddings.
    """
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise MissingPart("--projection umap needs UMAP: pip install umap-learn. 'pca' needs nothing more.")
    stat = (folder / VECTORS).stat()
    stamp = f"1 {folder.resolve()} {stat.st_size} {stat.st_mtime_ns} {method}"
    kept = index.folder / f"map-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}.npz"
    if not kept.is_file():
        with progress("map", None):
            _keep(kept, Embeddings.load(folder), method, index.rows)
    found = np.load(kept)
    places, labels, share = found["places"], found["labels"], float(found["share"])
    names = ("PCA 1", "PCA 2") if method == "pca" else ("UMAP 1", "UMAP 2")
    about = (
        f"The first two principal components, {share:.0%} of the variance"
        if method == "pca"
        else "UMAP by cosine"
    )
    axes = [Number(name, partial(_axis, places, axis), about) for axis, name in enumerate(names)]
    clusters = None
    if (labels >= 0).any():
        texts = [f"cluster {number + 1}" for number in range(CLUSTERS)]
        clusters = Category("cluster", lambda: (labels, texts), f"one of {CLUSTERS} by K-Means")
    return Map((axes[0], axes[1]), clusters, about)


def _axis(places: np.ndarray, axis: int) -> np.ndarray:
    return places[:, axis]


def _keep(file: Path, embeddings: Embeddings, method: Projection, rows: int) -> None:
    vectors = Runs(embeddings.take, np.arange(len(embeddings.rows)), embeddings.dimensions, HELD)
    share = 0.0
    places = np.full((rows, 2), np.nan)
    if method == "pca":
        own, share = _pca(vectors)
        places[embeddings.rows] = own
    else:
        chosen = _sample(len(vectors), NEIGHBOURS)
        places[embeddings.rows[chosen]] = _umap(np.asarray(vectors[chosen]))
    labels = np.full(rows, -1, np.int32)
    if len(vectors) > CLUSTERS:
        with suppress(MissingPart):  # without faiss the map has no clusters
            labels[embeddings.rows] = cluster(vectors, CLUSTERS, 0).labels
    aside = file.with_suffix(".part.npz")
    np.savez(aside, places=places, labels=labels, share=share)
    aside.replace(file)


def _pca(vectors: Vectors) -> tuple[np.ndarray, float]:
    """The first two principal components (float64 [n, 2]) and their share of the variance."""
    few = np.asarray(vectors[_sample(len(vectors), SAMPLE)], np.float64)
    middle = few.mean(axis=0)
    values, axes = np.linalg.eigh(
        np.cov(few - middle, rowvar=False) if len(few) > 1 else np.eye(few.shape[1])
    )
    first = axes[:, ::-1][:, :2]
    first = first * np.where(first[np.abs(first).argmax(axis=0), [0, 1]] < 0, -1, 1)  # a sign is arbitrary
    blocks = [(vectors[begin : begin + BLOCK] - middle) @ first for begin in range(0, len(vectors), BLOCK)]
    return np.concatenate(blocks), float(values[-2:].sum() / max(values.sum(), 1e-300))


def _umap(vectors: np.ndarray) -> np.ndarray:
    """UMAP starts from eigenvectors, which few vectors do not have, and cannot place two at all."""
    import umap

    if len(vectors) < 3:
        return _pca(vectors)[0]
    start = "random" if len(vectors) < FEW else "spectral"
    reducer = umap.UMAP(
        metric="cosine", random_state=0, n_jobs=1, init=start, n_neighbors=min(15, len(vectors) - 1)
    )
    found: np.ndarray = reducer.fit_transform(vectors)
    return found


def _sample(count: int, most: int) -> np.ndarray | slice:
    if count <= most:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def _identity(index: Index) -> str:
    """The content of the pool as kept scores are named after; reads the pool once, and keeps it."""
    kept = index.folder / IDENTITY
    if not kept.is_file():
        write_text(kept, Content.of(read(index.paths, **vars(index.reading))).identity)
    return kept.read_text(encoding="utf-8").strip()
