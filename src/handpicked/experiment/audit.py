"""Describes what the arms selected: lengths, linguistic features, instruction types and overlap.

Each part is a separate stage, so that writing a report again costs nothing. Features are computed of at
most ``SAMPLE`` rows of the pool and of each subset; they are the rows that a hash of the row number puts
first, so that a row that is sampled from the pool is sampled from every subset that holds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from handpicked.config import Measure
from handpicked.experiment.job import Job, Measured, OpenPool, Subset
from handpicked.records import Completion, Pool, Prompt
from handpicked.results.selection_audit import RowSample
from handpicked.scorers.text.features import FEATURES
from handpicked.scorers.text.root_verb import RootVerb, instruction, missing, root_verbs
from handpicked.scorers.text.words import mix
from handpicked.selection.lengths import lengths as lengths_of
from handpicked.selection.methods import measure as measured
from handpicked.statistics.overlap import Overlap, overlaps
from handpicked.store import Facts, Stage, digest, write_json
from handpicked.store.versions import Versions

# Versions of the stages' own work, besides those of the scorers they use: raised when their files would hold
# other values.
LENGTHS = 1
AUDIT = 1
ANSWERS = 1

SAMPLE = 5_000
"""Rows of the pool, and of each subset, whose features are computed."""
BATCH = 2_000
POOL = "the pool"
"""The name of the whole pool among the sets of rows. No arm can have it: arms have no spaces."""


@dataclass(frozen=True)
class Audit:
    """What the stages of the audit left: ``rows`` (one column a value), ``sets`` (name to sampled rows and
    size), ``overlap``, and the parsed instructions by row, ``None`` without spaCy.
    """

    rows: Mapping[str, Sequence[object]]
    scores: Sequence[str]
    sets: Mapping[str, RowSample]
    overlap: Sequence[Overlap]
    verbs: Mapping[int, Sequence[str | None]] | None
    stages: Sequence[Stage]


def lengths(
    job: Job, name: str, pool: Pool, identity: str, measure: Measure, tokenizer: str | None
) -> tuple[npt.NDArray[np.float64], Stage]:
    """The response length in ``measure`` of every readable row of ``pool``, float64, NaN where it has
    none; stored as ``name``.
    """

    def make(work: Path) -> None:
        np.save(work / "lengths.npy", lengths_of(pool, measure, tokenizer))

    stage = job.store.stage(
        f"lengths/{name}",
        make,
        inputs={"rows": identity},
        settings={"measure": measure, "tokenizer": tokenizer},
        versions=Versions.by(measured(measure, tokenizer), stage={"lengths": LENGTHS}),
    )
    return np.load(stage.folder / "lengths.npy"), stage


def audit(
    job: Job, opened: OpenPool, subsets: Mapping[str, Subset], measure: Measure, tokenizer: str | None
) -> Audit:
    """Features, scores and instruction types of a sample of the pool and of each subset,
    and what the subsets share.
    """
    scorers = [measured(measure, tokenizer), *(make() for make in FEATURES.values())]
    inputs = {"pool": opened.identity, **{f"subset {name}": one.identity for name, one in subsets.items()}}
    looked = job.store.stage(
        "audit/features",
        lambda work: _look(work, opened, subsets, measure, tokenizer),
        inputs=inputs,
        settings={"sample": SAMPLE, "measure": measure, "tokenizer": tokenizer},
        versions=Versions.by(*scorers, stage={"audit": AUDIT}),
    )
    table = pq.read_table(looked.folder / "rows.parquet")
    verbs = _verbs(job, "audit/verbs", digest(looked.folder / "asked.json"), looked.folder / "asked.json")
    rows = table["row"].to_pylist()
    return Audit(
        rows={name: table[name].to_pylist() for name in table.column_names},
        scores=looked.facts["scores"],
        sets={name: RowSample(**one) for name, one in looked.facts["sets"].items()},
        overlap=[Overlap(**one) for one in looked.facts["overlap"]],
        verbs=None if verbs is None else dict(zip(rows, verbs[0], strict=True)),
        stages=[looked, *([] if verbs is None else [verbs[1]])],
    )


def prompt_verbs(job: Job, prompts: Sequence[Prompt]) -> tuple[dict[str, str | None], Stage] | None:
    """The root verb of each evaluation prompt by its id, or ``None`` where spaCy is not installed."""
    texts = [instruction((turn.role, turn.content) for turn in prompt.messages) for prompt in prompts]
    found = _verbs(job, "audit/prompt-verbs", sha256(json.dumps(texts).encode()).hexdigest(), texts)
    if found is None:
        return None
    return {prompt.prompt_id: parsed[0] for prompt, parsed in zip(prompts, found[0], strict=True)}, found[1]


def document_verbs(
    job: Job, questions: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, dict[str, str | None]], Stage] | None:
    """The root verb of each benchmark document that asks something, by benchmark and document, or ``None``
    where none does or spaCy is not installed.
    """
    texts = sorted({_plain(text) for prompts in questions.values() for text in prompts.values()})
    if not texts:
        return None
    found = _verbs(job, "audit/benchmark-verbs", sha256(json.dumps(texts).encode()).hexdigest(), texts)
    if found is None:
        return None
    verbs = {text: parsed[0] for text, parsed in zip(texts, found[0], strict=True)}
    return {
        name: {doc: verbs[_plain(text)] for doc, text in prompts.items()}
        for name, prompts in questions.items()
    }, found[1]


def answer_features(
    job: Job, answers: Mapping[str, Measured[Completion]]
) -> tuple[dict[tuple[str, str], dict[str, float | None]], Stage]:
    """The linguistic features of every answer, by (arm, prompt id)."""
    listed = [answer for measured in answers.values() for answer in measured.records]

    def make(work: Path) -> None:
        texts = pa.record_batch(
            {"response": pa.array([_plain(answer.text) for answer in listed], pa.large_string())}
        )
        columns = {name: scorer()(texts) for name, scorer in FEATURES.items()}
        keys = {
            "arm": [answer.arm for answer in listed],
            "prompt_id": [answer.prompt_id for answer in listed],
        }
        pq.write_table(pa.table({**keys, **columns}), work / "answers.parquet")

    stage = job.store.stage(
        "audit/answers",
        make,
        inputs={arm: measured.identity for arm, measured in answers.items()},
        settings={},
        versions=Versions.by(*(make() for make in FEATURES.values()), stage={"answer features": ANSWERS}),
    )
    table = pq.read_table(stage.folder / "answers.parquet")
    return {(row.pop("arm"), row.pop("prompt_id")): row for row in table.to_pylist()}, stage


def _plain(text: str) -> str:
    """Arrow holds UTF-8: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _verbs(
    job: Job, name: str, identity: str, texts: Path | Sequence[str]
) -> tuple[list[Sequence[str | None]], Stage] | None:
    """The parsed instructions of ``texts`` (or of a JSON file of them), in order, and the stage."""
    if missing() is not None:
        return None

    def make(work: Path) -> None:
        listed = json.loads(texts.read_text()) if isinstance(texts, Path) else list(texts)
        write_json(work / "verbs.json", root_verbs(listed, job.progress))

    stage = job.store.stage(
        name,
        make,
        inputs={"instructions": identity},
        settings={},
        versions=Versions.by(RootVerb()),
    )
    return json.loads((stage.folder / "verbs.json").read_text()), stage


def _look(
    work: Path,
    opened: OpenPool,
    subsets: Mapping[str, Subset],
    measure: Measure,
    tokenizer: str | None,
) -> Facts:
    """Write rows.parquet (row, source, length, features, scores) and asked.json
    (instructions); what they hold.
    """
    kept = {name: _kept(subset) for name, subset in subsets.items()}
    sets = {
        POOL: _sample(np.arange(opened.pool.rows)),
        **{name: _sample(rows) for name, rows in kept.items()},
    }
    wanted = np.unique(np.concatenate([*sets.values(), np.empty(0, np.int64)]))
    parts, prompts = [], []
    for batch, instructions in _texts(opened.pool, wanted.tolist()):
        parts.append(_valued(batch, measure, tokenizer))
        prompts += instructions
    table = pa.concat_tables(parts) if parts else _valued(_batch([]), measure, tokenizer)
    scores = []
    for subset in subsets.values():
        for name, values in _scores(subset, table["row"]).items():
            if name not in table.column_names and name != measure:
                table = table.append_column(name, values)
                scores.append(name)
    pq.write_table(table, work / "rows.parquet")
    write_json(work / "asked.json", prompts)
    read = set(table["row"].to_pylist())
    sampled = {name: [row for row in rows.tolist() if row in read] for name, rows in sets.items()}
    sizes = {POOL: opened.pool.rows, **{name: len(rows) for name, rows in kept.items()}}
    return {
        "sets": {name: {"rows": rows, "of": sizes[name]} for name, rows in sampled.items()},
        "scores": scores,
        "overlap": [asdict(one) for one in overlaps(kept, opened.pool.rows)],
    }


def _kept(subset: Subset) -> npt.NDArray[np.int64]:
    """The pool rows of a subset, ascending."""
    found = ds.dataset(subset.folder / "scores.parquet").to_table(columns=["row"], filter=ds.field("kept"))
    return np.sort(found["row"].to_numpy())


def _sample(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The ``SAMPLE`` rows that a hash of their numbers puts first, ascending."""
    if len(rows) <= SAMPLE:
        return rows
    with np.errstate(over="ignore"):
        keys = mix(rows.astype(np.uint64))
    return np.sort(rows[np.argpartition(keys, SAMPLE)[:SAMPLE]])


def _texts(pool: Pool, rows: Sequence[int]) -> Iterator[tuple[pa.RecordBatch, list[str]]]:
    """Batches of row, source and response, each with the instructions of its rows."""
    waiting: list[tuple[int, str, str]] = []
    prompts: list[str] = []
    for example in pool.examples(rows) if rows else ():
        waiting.append((example.row, _plain(example.source), _plain(example.response)))
        prompts.append(_plain(instruction((turn.role, turn.content) for turn in example.messages)))
        if len(waiting) == BATCH:
            yield _batch(waiting), prompts
            waiting, prompts = [], []
    if waiting:
        yield _batch(waiting), prompts


def _batch(rows: Sequence[tuple[int, str, str]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    kinds = {"row": pa.int64(), "source": pa.string(), "response": pa.large_string()}
    return pa.record_batch(
        {
            name: pa.array(list(values), kind)
            for (name, kind), values in zip(kinds.items(), columns, strict=True)
        }
    )


def _valued(batch: pa.RecordBatch, measure: Measure, tokenizer: str | None) -> pa.Table:
    columns = {name: scorer()(batch) for name, scorer in FEATURES.items()}
    return pa.table(
        {
            "row": batch["row"],
            "source": batch["source"],
            measure: measured(measure, tokenizer)(batch),
            **columns,
        }
    )


def _scores(subset: Subset, rows: pa.ChunkedArray) -> dict[str, pa.Array]:
    """The numeric scores of a selection for ``rows``, in their order."""
    data = ds.dataset(subset.folder / "scores.parquet")
    names = [
        field.name
        for field in data.schema
        if field.name != "row" and (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
    ]
    found = data.to_table(columns=["row", *names], filter=ds.field("row").isin(rows.combine_chunks()))
    found = found.sort_by("row")
    places = np.searchsorted(found["row"].to_numpy(), rows.to_numpy())
    return {name: found[name].combine_chunks().take(pa.array(places)) for name in names}
