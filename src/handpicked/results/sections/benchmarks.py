"""The sections of results.json on benchmarks and on prompts with short answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from handpicked.records import Estimate


@dataclass(frozen=True, slots=True)
class BenchmarkCell:
    """One arm on one benchmark, in the unit of its metric (accuracies 0 to 1).

    ``to_base`` and ``to_full`` are paired differences to the base model and to training on everything,
    ``None`` where there is none; ``characters`` and ``characters_to_base`` the lengths of generated answers.
    ``failed`` or ``reason`` say why there is no score.
    """

    arm: str
    score: Estimate
    to_base: Estimate | None
    to_full: Estimate | None
    characters: Estimate | None
    characters_to_base: Estimate | None
    metrics: Mapping[str, Mapping[str, JsonValue]]
    subtasks: Mapping[str, Mapping[str, JsonValue]]
    reason: str | None
    failed: bool


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One benchmark, or an average over ``members`` (then ``shots`` is ``None``), with a cell for each arm."""

    benchmark: str
    metric: str
    higher_is_better: bool
    shots: int | None
    chat: bool
    short_answer: bool
    notes: tuple[str, ...]
    members: tuple[str, ...]
    arms: tuple[BenchmarkCell, ...]


@dataclass(frozen=True, slots=True)
class DocumentType:
    """The benchmark documents of one type, how many come from each benchmark, and the candidate's paired
    differences.
    """

    type: str
    documents: int
    benchmarks: Mapping[str, int]
    to_base: Estimate | None
    to_full: Estimate | None


@dataclass(frozen=True, slots=True)
class BenchmarkTypes:
    """Benchmark differences by type of document; ``left_out`` says which benchmarks are not pooled, and why.

    ``no_verb`` is the share without a root verb among documents with text, ``overall`` the row of all
    documents.
    """

    left_out: Mapping[str, str]
    no_verb: Estimate
    overall: DocumentType
    rows: tuple[DocumentType, ...]


@dataclass(frozen=True, slots=True)
class ShortAnswers:
    """One arm on the prompts whose reference is a few words: words an answer, and the share of answers that
    hold it.
    """

    arm: str
    prompts: int
    words: Estimate | None
    words_above_base: Estimate | None
    right: Estimate | None
    right_above_base: Estimate | None
