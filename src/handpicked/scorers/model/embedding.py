"""An embedding of each row of a pool: computed once, in parts, kept memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from handpicked.config import BUNDLED_EMBEDDER, LATER
from handpicked.method import called
from handpicked.models.embed import dimensions, embed, embedder, embedder_identity, tokens_read
from handpicked.models.load import device, is_folder
from handpicked.records import Cost, Example, Json, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.forecast import in_words, most_seconds, stored_weights
from handpicked.scorers.lm.vectors import NO_DIRECTION, NumberType, directed, vectors_of, with_vectors
from handpicked.scorers.part_scorer import PartScorer, summed
from handpicked.scorers.pool_scorer import FACTS, write_tables
from handpicked.store import write_json, writing
from handpicked.store.versions import EMBEDDER
from handpicked.workers import PartFiles, with_facts

Text = Literal["prompt", "response", "both"]

VECTORS, ROWS = "embeddings.npy", "rows.npy"
CHUNK = 256
"""Texts that are embedded together, of like length."""
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
class Embedding(PartScorer):
    """Sentence embeddings (Reimers & Gurevych 2019, Sentence-BERT) of each row's prompt, response, or both.

    ``both``, the default, is the prompt, a blank line and the response: two rows are alike when they ask and
    answer alike. The model reads a text up to its limit (the bundled MiniLM: 256 tokens, special ones
    included) and ignores the rest; the column ``embedding`` is the tokens that it read, ``embedding_cut``
    those that it did not. The folder gets ``embeddings.npy`` (``stored`` [n, dimensions], each of length 1) and
    ``rows.npy`` (the pool row of each, int64, ascending). A row without text has no embedding, nor has one
    whose vector is zero or not finite.
    """

    model: str = field(default=BUNDLED_EMBEDDER, metadata=called("embedder"))
    """Sentence embedder: ``bundled:NAME``, a folder or a hub name."""
    text: Text = "both"
    """What is embedded: the prompt, the response, or both as one text."""
    stored: NumberType = field(default="float32", metadata={**called("vectors"), **LATER})
    """How vectors are stored: ``float32``, or ``float16``, which takes half the disk space and changes a
    cosine by less than 0.001.
    """
    name: ClassVar[str] = "embedding"
    about: ClassVar[str] = (
        "a sentence embedding of each row, for the selectors by embeddings; its column counts tokens read"
    )
    source: ClassVar[str] = "Sentence-BERT, Reimers & Gurevych 2019, arXiv 1908.10084"
    needs: ClassVar[str] = "embed; demo for the bundled model"
    values: ClassVar[tuple[str, ...]] = ("embedding", "embedding_cut")
    unit: ClassVar[str] = "tokens read"
    cost: ClassVar[Cost] = "embedding"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = EMBEDDER

    def identity(self) -> str:
        """The hash of the model."""
        return embedder_identity(self.model)

    @property
    def dimensions(self) -> int | None:
        """Numbers of a vector, where the files of the model say it."""
        return dimensions(self.model)

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """Rows, tokens and time: of the bundled model on two cores as measured, of another at most, by the
        weights of its files, where they are here.
        """
        count, tokens = 0, 0
        for row in _texts(pool, rows, self.text):
            count += 1
            tokens += _guess(row.text, 256 if self.model == BUNDLED_EMBEDDER else None)
        summary = f"embedding {count:,} texts of some {tokens:,} tokens"
        if self.model == BUNDLED_EMBEDDER:
            seconds = tokens / TOKENS_PER_SECOND
            return Forecast(f"{summary}: about {in_words(seconds)} on two cores", seconds)
        weights = stored_weights(Path(self.model).expanduser() if is_folder(self.model) else self.model)
        if not weights:
            return Forecast(f"{summary} by {self.model}, whose speed is unknown")
        seconds = most_seconds(weights, tokens)
        return Forecast(f"{summary} by {self.model}: at most {in_words(seconds)} on this {device()}", seconds)

    def opened(self) -> EmbeddingWork:
        """See ``PartScorer``."""
        return EmbeddingWork(self.model, self.text, self.stored)

    def facts(self, noted: Sequence[Mapping[str, object]]) -> Json:
        """See ``PartScorer``: the embedder's limit in tokens, its dimensions, and how many texts it cut."""
        limits = {name: noted[0][name] for name in ("limit", "dimensions")}
        return {**limits, "texts that were cut": summed({"cut": one["cut"]} for one in noted)["cut"]}

    def finish(self, files: PartFiles, work: Path) -> None:
        """The scores, and beside them all vectors in one file, which is mapped, not read.

        Raises StoreError: ``work`` cannot be written.
        """
        facts = self.facts(files.facts())
        rows = [table["row"].filter(table["vector"].is_valid()).to_numpy() for table in files.tables()]
        count = sum(map(len, rows))
        with writing(work):
            shape = (count, facts["dimensions"])
            kept = np.lib.format.open_memmap(work / VECTORS, "w+", np.dtype(self.stored), shape)
            at = 0
            for table in files.tables():
                vectors = vectors_of(table)
                kept[at : at + len(vectors)] = vectors
                at += len(vectors)
            kept.flush()
            np.save(work / ROWS, np.concatenate(rows))
            write_json(work / FACTS, facts)
            write_tables(work, (table.drop_columns("vector") for table in files.tables()))


@dataclass(frozen=True)
class _Read:
    """A part: every row, and of those with a text the text and its tokens, read and cut."""

    rows: list[int]
    texts: list[_Row]
    counts: np.ndarray


@dataclass(frozen=True)
class EmbeddingWork:
    """Embeddings of the rows of parts, in one worker."""

    model: str
    text: Text
    stored: NumberType = "float32"

    def read(self, section: int, examples: Sequence[Example]) -> _Read:
        """See ``RowsWork``."""
        del section
        texts = [
            _Row(one.row, text) for one in examples if (text := _text(one.prompt, one.response, self.text))
        ]
        counts = np.array(tokens_read([row.text for row in texts], self.model), np.int64).reshape(-1, 2)
        return _Read([one.row for one in examples], texts, counts)

    def read_beside(self, section: int, first: int, end: int) -> _Read:
        """See ``RowsWork``."""
        raise NotImplementedError("all sections are of rows")

    def compute(self, ready: _Read, step: Callable[[float], None]) -> pa.Table:
        """See ``RowsWork``. Texts sorted by length, in chunks."""
        model = embedder(self.model)
        batch = BATCH if model.device.type == "cpu" else CHUNK
        vectors = np.empty((len(ready.texts), model.get_embedding_dimension()), np.float32)
        order = np.argsort(ready.counts.sum(axis=1), kind="stable")
        for begin in range(0, len(order), CHUNK):
            places = order[begin : begin + CHUNK]
            vectors[places] = embed([ready.texts[p].text for p in places], self.model, batch_size=batch)
            step(len(places))
        facts = {
            "limit": model.max_seq_length,
            "dimensions": vectors.shape[1],
            "cut": int((ready.counts[directed(vectors), 1] > 0).sum()),
        }
        return with_facts(self._table(ready, vectors), facts)

    def _table(self, ready: _Read, vectors: np.ndarray) -> pa.Table:
        """Every row; one without text, or whose vector has no direction, has a reason in place of values."""
        good = directed(vectors)
        there = np.full(len(ready.rows), -1)
        texted = np.isin(ready.rows, [row.row for row in ready.texts])
        there[texted] = np.where(good, np.arange(len(good)), -1)
        valued = there >= 0
        table = {"row": pa.array(ready.rows, pa.int64())}
        for name, known in zip(Embedding.values, ready.counts.T, strict=True):
            values = np.zeros(len(ready.rows))
            values[valued] = known[there[valued]]
            table[name] = pa.array(values, mask=~valued)
        reasons = np.where(texted, NO_DIRECTION, f"there is no text to embed ({self.text})")
        table["reason"] = pa.array(reasons.tolist(), pa.string(), mask=valued)
        return with_vectors(pa.table(table), vectors[good], valued, self.stored)


def _text(prompt: str, response: str, wanted: Text) -> str:
    """What is embedded of a row; empty where there is none."""
    parts = {"prompt": [prompt], "response": [response], "both": [prompt, response]}[wanted]
    return "\n\n".join(part for part in parts if part).strip()


def _texts(pool: Pool, rows: Sequence[int] | None, text: Text) -> Iterator[_Row]:
    """The rows that have a text to embed, in pool order."""
    wanted = None if rows is None else np.asarray(rows, np.int64)
    for shard in pool.shards:
        for batch in shard.read(["row", "prompt", "response"]):
            few = (
                batch if wanted is None else batch.filter(pa.array(np.isin(batch["row"].to_numpy(), wanted)))
            )
            parts = zip(*(few[name].to_pylist() for name in ("row", "prompt", "response")), strict=True)
            for row, prompt, response in parts:
                if joined := _text(prompt, response, text):
                    yield _Row(row, joined)


def _guess(text: str, limit: int | None) -> int:
    """Roughly how many tokens of a text the model reads, for the progress bar."""
    tokens = 2 + len(text) // CHARACTERS_PER_TOKEN
    return tokens if limit is None else min(tokens, limit)
