"""The sections of results.json on what the arms selected and what the instructions ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handpicked.records import Estimate
from handpicked.results.sections.benchmarks import BenchmarkTypes
from handpicked.statistics.overlap import Overlap, ValueShares
from handpicked.statistics.verb_noun import PromptType, VerbTable


@dataclass(frozen=True, slots=True)
class SampledRows:
    """How many rows were looked at, of how many."""

    rows: int
    of: int


@dataclass(frozen=True, slots=True)
class LengthCorrelation:
    """Spearman's rank correlation of a score with the length, over the pool's sample."""

    score: str
    spearman: Estimate


@dataclass(frozen=True, slots=True)
class FeatureDifference:
    """How far each arm's subset lies from the pool in one feature, in standard deviations of the pool."""

    feature: str
    arms: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class SelectionAudit:
    """What the arms selected. ``sources`` is empty where there is only one."""

    sample: Mapping[str, SampledRows]
    overlap: tuple[Overlap, ...]
    correlations: tuple[LengthCorrelation, ...]
    differences: tuple[FeatureDifference, ...]
    sources: tuple[ValueShares, ...]


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the instructions of pool and subsets ask for, and the candidate by type of prompt and of benchmark
    document.

    ``missing`` says what to install where none was parsed.
    """

    missing: str | None
    sets: tuple[VerbTable, ...]
    by_type: tuple[PromptType, ...]
    on_benchmarks: BenchmarkTypes | None
