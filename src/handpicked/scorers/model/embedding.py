"""An embedding of each row of a pool: computed once, kept memory-mapped, resumed after a kill."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from handpicked.config import BUNDLED_EMBEDDER
from handpicked.method import called
from handpicked.models.embed import embed, embedder, embedder_identity, tokens_read
from handpicked.progress import Progress
from handpicked.records import Better, Cost, Pool
from handpicked.scorers.lm.vectors import NO_DIRECTION, directed
from handpicked.scorers.pool_scorer import FACTS, PoolScorer, write_scores
from handpicked.scorers.scorer import Scope
from handpicked.store import read_json, write_json, writing
from handpicked.store.versions import EMBEDDER

Text = Literal["prompt", "response", "both"]

VECTORS, ROWS = "embeddings.npy", "rows.npy"
COUNTS, STARTED, DONE = "counts.npy", "started.json", "done"
"""Tokens of each text that the model reads and that it cuts; a note, written once the arrays are laid out;
one byte for each chunk that is done.
"""
BLOCK = 8192
"""Rows held in memory and sorted by length together."""
CHUNK = 256
"""Texts between two notes of what is done: a kill costs at most so many."""
BATCH = 8
"""Texts in one forward pass on a CPU, of like length (a fifth faster there than 32); elsewhere a whole chunk.
"""
TOKENS_PER_SECOND = 4500
"""Of the bundled model on two cores: 18 texts of 250 tokens a second."""
CHARACTERS_PER_TOKEN = 4


class _Row(NamedTuple):
    row: int
    text: str


@dataclass(frozen=True)
class Embedding(PoolScorer):
    """Sentence embeddings (Reimers & Gurevych 2019, Sentence-BERT) of each row's prompt, response, or both.

    ``both``, the default, is the prompt, a blank line and the response: two rows are alike when they ask and
    answer alike. The model reads a text up to its limit (the bundled MiniLM: 256 tokens, special ones
    included) and ignores the rest; the column ``embedding`` is the tokens that it read, ``embedding_cut``
    those that it did not. The folder gets ``embeddings.npy`` (float32 [n, dimensions], each of length 1) and
    ``rows.npy`` (the pool row of each, int64, ascending). A row without text has no embedding, nor has one
    whose vector is zero or not finite.
    """

    model: str = field(default=BUNDLED_EMBEDDER, metadata=called("embedder"))
    """Sentence embedder: ``bundled:NAME``, a folder or a hub name."""
    text: Text = "both"
    """What is embedded: the prompt, the response, or both as one text."""
    name: ClassVar[str] = "embedding"
    about: ClassVar[str] = (
        "a sentence embedding of each row, which the selectors by meaning need; its column is the tokens read"
    )
    source: ClassVar[str] = "Sentence-BERT, Reimers & Gurevych 2019, arXiv 1908.10084"
    needs: ClassVar[str] = "embed; demo for the bundled model"
    values: ClassVar[tuple[str, ...]] = ("embedding", "embedding_cut")
    unit: ClassVar[str] = "tokens read"
    better: ClassVar[Better] = "none"
    scope: ClassVar[Scope] = "item"
    cost: ClassVar[Cost] = "embedding"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = EMBEDDER

    def identity(self) -> str:
        """The hash of the model."""
        return embedder_identity(self.model)

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> str:
        """Rows, tokens and, for the bundled model, the time on two cores."""
        count, tokens = 0, 0
        for row in _texts(pool, rows, self.text):
            count += 1
            tokens += _guess(row.text, 256 if self.model == BUNDLED_EMBEDDER else None)
        told = f"embedding {count:,} texts of some {tokens:,} tokens"
        if self.model != BUNDLED_EMBEDDER:
            return f"{told} by {self.model}; the bundled model does {TOKENS_PER_SECOND:,} tokens a second on two cores"
        minutes = tokens / TOKENS_PER_SECOND / 60
        return f"{told}: about {minutes:,.0f} min on two cores" if minutes >= 1 else f"{told}: under a minute"

    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        """Embed the rows into ``work``. What an interrupted attempt embedded is kept.

        Raises:
            MissingPart: sentence-transformers or the model is not there.
            StoreError: ``work`` cannot be written.
        """
        with writing(work):
            arrays = _Arrays.open(work, pool, rows, self)
            with progress("embed", arrays.tokens) as step:
                arrays.fill(_texts(pool, rows, self.text), self.model, step)
            arrays.finish(pool, rows, self)


@dataclass
class _Arrays:
    """Embeddings in the making: arrays on disk, and a count of the chunks that are done."""

    folder: Path
    rows: np.ndarray
    vectors: np.ndarray
    counts: np.ndarray
    limit: int | None
    tokens: int
    done: int

    @staticmethod
    def open(folder: Path, pool: Pool, rows: Sequence[int] | None, scorer: Embedding) -> _Arrays:
        """What an earlier attempt left, or empty arrays of the right size."""
        model = embedder(scorer.model)
        limit = model.max_seq_length
        files = [folder / name for name in (ROWS, VECTORS, COUNTS)]
        if not (folder / STARTED).is_file():
            found, tokens = [], 0
            for row in _texts(pool, rows, scorer.text):
                found.append(row.row)
                tokens += _guess(row.text, limit)
            np.save(files[0], np.array(found, np.int64))
            np.lib.format.open_memmap(
                files[1], "w+", np.float32, (len(found), model.get_embedding_dimension())
            )
            np.lib.format.open_memmap(files[2], "w+", np.int32, (len(found), 2))
            (folder / DONE).write_bytes(b"")
            write_json(folder / STARTED, {"tokens": tokens})
        return _Arrays(
            folder,
            np.load(files[0]),
            np.lib.format.open_memmap(files[1], "r+"),
            np.lib.format.open_memmap(files[2], "r+"),
            limit,
            read_json(folder / STARTED)["tokens"],
            (folder / DONE).stat().st_size,
        )

    def fill(self, texts: Iterator[_Row], model: str, step: Any) -> None:
        """Embed what is not done yet: a block of rows at a time, sorted by length, in chunks that
        are noted as they are done.
        """
        chunk = 0
        batch = BATCH if embedder(model).device.type == "cpu" else CHUNK
        for first in range(0, len(self.rows), BLOCK):
            block = [row.text for row in itertools.islice(texts, BLOCK)]
            begins = range(0, len(block), CHUNK)
            if chunk + len(begins) <= self.done:
                chunk += len(begins)
                step(sum(_guess(text, self.limit) for text in block))
                continue
            counts = np.array(tokens_read(block, model))
            order = np.argsort(counts.sum(axis=1), kind="stable")
            for begin in begins:
                places = order[begin : begin + CHUNK]
                if chunk >= self.done:
                    self.vectors[first + places] = embed([block[p] for p in places], model, batch_size=batch)
                    self.counts[first + places] = counts[places]
                    self._note()
                chunk += 1
                step(sum(_guess(block[p], self.limit) for p in places))

    def _note(self) -> None:
        """One byte a chunk, once its vectors are on the disk."""
        self.vectors.flush()  # type: ignore[attr-defined]
        self.counts.flush()  # type: ignore[attr-defined]
        with (self.folder / DONE).open("ab") as file:
            file.write(b".")

    def finish(self, pool: Pool, rows: Sequence[int] | None, scorer: Embedding) -> None:
        """Write what was made, and the scores of every row."""
        every = _rows(pool, rows)
        texted = np.isin(every, self.rows, assume_unique=True)
        self._keep(directed(self.vectors))
        there = np.isin(every, self.rows, assume_unique=True)
        table = {"row": pa.array(every)}
        for name, known in zip(scorer.values, self.counts.T, strict=True):
            values = np.zeros(len(every))
            values[there] = known
            table[name] = pa.array(values, mask=~there)
        reasons = np.where(texted, NO_DIRECTION, f"there is no text to embed ({scorer.text})")
        table["reason"] = pa.array(reasons.tolist(), pa.string(), mask=there)
        cut = int((self.counts[:, 1] > 0).sum())
        facts = {"limit": self.limit, "dimensions": self.vectors.shape[1], "texts that were cut": cut}
        write_json(self.folder / FACTS, facts)
        write_scores(self.folder, pa.table(table))

    def _keep(self, good: np.ndarray) -> None:
        """Leave the rows that are ``good``, and no embedding of the others.

        The note of what is done goes first: an attempt that is killed between two files
        begins anew and mixes none.
        """
        if good.all():
            return
        (self.folder / STARTED).unlink()
        aside = self.folder / f".{VECTORS}.part"
        kept = np.flatnonzero(good)
        vectors = np.lib.format.open_memmap(aside, "w+", np.float32, (len(kept), self.vectors.shape[1]))
        for first in range(0, len(kept), BLOCK):
            vectors[first : first + BLOCK] = self.vectors[kept[first : first + BLOCK]]
        vectors.flush()
        aside.replace(self.folder / VECTORS)
        self.rows, self.counts, self.vectors = self.rows[good], self.counts[good], vectors
        np.save(self.folder / ROWS, self.rows)
        np.save(self.folder / COUNTS, self.counts)


def _texts(pool: Pool, rows: Sequence[int] | None, text: Text) -> Iterator[_Row]:
    """The rows that have a text to embed, in pool order."""
    columns = {"prompt": ["prompt"], "response": ["response"], "both": ["prompt", "response"]}[text]
    for batch in _batches(pool, rows, ["row", *columns]):
        parts = [batch[name].to_pylist() for name in columns]
        for row, *pieces in zip(batch["row"].to_pylist(), *parts, strict=True):
            joined = "\n\n".join(piece for piece in pieces if piece).strip()
            if joined:
                yield _Row(row, joined)


def _rows(pool: Pool, rows: Sequence[int] | None) -> np.ndarray:
    found = [batch["row"].to_numpy() for batch in _batches(pool, rows, ["row"])]
    return np.concatenate([np.empty(0, np.int64), *found])


def _batches(pool: Pool, rows: Sequence[int] | None, columns: Sequence[str]) -> Iterator[Any]:
    """The readable rows of the pool, or those of ``rows``."""
    wanted = None if rows is None else np.asarray(rows, np.int64)
    for shard in pool.shards:
        for batch in shard.read(columns):
            if wanted is None:
                yield batch
            else:
                yield batch.filter(pa.array(np.isin(batch["row"].to_numpy(), wanted)))


def _guess(text: str, limit: int | None) -> int:
    """About how many tokens of a text the model reads: what the progress bar counts."""
    tokens = 2 + len(text) // CHARACTERS_PER_TOKEN
    return tokens if limit is None else min(tokens, limit)
