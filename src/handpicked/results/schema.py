"""The contents of results.json: one frozen dataclass a section, ``Results`` at the top, and how they are
written and read.

The fields are the keys of the file, in its order. ``docs/results.schema.json`` is the JSON schema of
``Results``, made by ``schema``. Every reported number is an Estimate (value, low, high, n, missing, method).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from handpicked.records import LINE, Estimate, Json, Outcome, Review, SelectionSummary
from handpicked.results.facts import StageFacts, TrainingFacts
from handpicked.statistics.equal_length import NearEqual
from handpicked.statistics.health import Health
from handpicked.statistics.histogram import LengthSummary
from handpicked.statistics.overlap import Overlap, ValueShares
from handpicked.statistics.power import Power
from handpicked.statistics.preference import StylePreference
from handpicked.statistics.size_curve import Point
from handpicked.statistics.verb_noun import PromptType, VerbTable
from handpicked.statistics.win_rate import Counts

FORMAT = 4
"""Version of the shape of results.json: raised when a key changes its meaning, moves or goes."""
READ = (3, FORMAT)
"""The versions that are read."""

AnswerKind = Literal["clear", "mixed", "lost", "undecided", "refused"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the experiment in words.

    ``kind``: clear (every rival is beaten), mixed, lost, undecided, or refused (no winner may be named).
    ``headline`` is the answer without numbers, ``sentence`` with them. ``certainty`` says what the numbers
    cover and what they do not; ``by_loss`` what the loss on the references says, empty where there is none.
    """

    kind: AnswerKind
    headline: str
    sentence: str
    certainty: str
    by_loss: str


@dataclass(frozen=True, slots=True)
class Banner:
    """What a reader must know before believing the numbers. ``stop``: the verdicts decide nothing."""

    level: Literal["stop", "warn", "note"]
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class PoolSection:
    """A pool that arms select from; ``name`` is empty for the experiment's own. ``lengths`` are in
    ``measure``.
    """

    name: str
    source: str
    rows: int
    rejected: int
    held_out: int
    measure: str
    lengths: LengthSummary


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A test set; two runs that share its ``digest`` share its prompts. ``references`` counts prompts that
    have one.
    """

    test_set: str
    prompts: int
    references: int
    digest: str


@dataclass(frozen=True, slots=True)
class RefinedRows:
    """What rewriting made of the responses of a subset: ``left_out`` counts rows without a usable one, by
    reason.
    """

    rows: int
    rewritten: int
    unchanged: int
    left_out: Mapping[str, int]
    cost: float | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class ArmSection:
    """One arm: its subset, its training, its loss on the references, its answers. Several seeds are pooled.

    ``by`` is the selector (``none``: the base model); ``seeds`` names the models of an arm that has several.
    Losses are nats per response token; ``loss_above_base`` and ``loss_above_candidate`` are differences to
    the base model and to the candidate on the same prompts. Answers are counted in the model's tokens;
    ``finished`` and ``unfinished`` are the shares that ended on their own and that stopped at the token
    limit.
    """

    name: str
    by: str
    family: str
    base: str
    pool: str
    seeds: tuple[str, ...]
    rows: int
    settings: Mapping[str, JsonValue]
    selection: SelectionSummary | None
    refined: RefinedRows | None
    lengths: LengthSummary
    training: TrainingFacts | None
    loss: Estimate | None
    loss_above_base: Estimate | None
    loss_above_candidate: Estimate | None
    answer_lengths: LengthSummary
    answer_tokens: Estimate
    finished: Estimate
    unfinished: Estimate
    empty: int


@dataclass(frozen=True, slots=True)
class SeedSection:
    """One seed of an arm that has several."""

    arm: str
    name: str
    rows: int
    training: TrainingFacts | None
    loss: Estimate | None
    answer_tokens: Estimate
    finished: Estimate
    unfinished: Estimate
    empty: int


@dataclass(frozen=True, slots=True)
class RuleRate:
    """Outcomes and win rate under one rule."""

    counts: Counts
    win_rate: Estimate


@dataclass(frozen=True, slots=True)
class SoftRate:
    """The win rate of a judge's probabilities, and its standard error (``None``: several seeds)."""

    win_rate: Estimate
    standard_error: float | None


@dataclass(frozen=True, slots=True)
class SeedRate:
    """The win rate of two models that met, as seeds of their arms."""

    a: str
    b: str
    win_rate: Estimate


@dataclass(frozen=True, slots=True)
class ControlledRate:
    """A win rate at equal length (and style): an Estimate without a value where it is not estimable.

    ``reason`` says why there is no value, or why it decides nothing (``both_sides``: forms of control fall on
    both sides of 50%); else it is ``None``. ``forms`` has the rate by each form of the length term and
    ``range`` their ends; ``effects`` are log-odds per standard deviation of each term.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    missing: int
    method: str
    reason: str | None
    forms: Mapping[str, float]
    range: tuple[float, float] | None
    both_sides: bool
    effects: Mapping[str, Estimate]
    near_equal: NearEqual


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmComparison:
    """Two arms by one judge, from the side of ``a``; all seeds together.

    ``test_set`` is ``all`` or the name of one. ``holm`` is the p-value of the sign test that neither arm is
    better, corrected for all comparisons of the candidates by that judge; ``None`` where nothing was tested.
    ``seeds`` has every two models that met, where there are several; ``categories`` the same figures by
    category, where prompts have several.
    """

    judge: str
    test_set: str
    a: str
    b: str
    holm: float | None
    strict: RuleRate
    summed: RuleRate
    seeds: tuple[SeedRate, ...] = ()
    soft: SoftRate | None
    length_controlled: ControlledRate
    style_controlled: ControlledRate | None
    style_effects: Mapping[str, Estimate]
    by_length: Mapping[str, Estimate]
    power: Power
    categories: Mapping[str, ArmComparison] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SizeMeasure:
    """One measure over the sizes of a family: see ``statistics.size_curve.Curve``."""

    name: str
    better: Literal["high", "low"]
    sentence: str
    points: tuple[Point, ...]
    best: str
    smallest: str
    deficit: float


@dataclass(frozen=True, slots=True)
class SizeCurve:
    """The sizes of one family on one base model."""

    family: str
    base: str
    measures: tuple[SizeMeasure, ...]


@dataclass(frozen=True, slots=True)
class RankedArm:
    """An arm's Bradley-Terry strength, natural-log units around the average."""

    arm: str
    strength: Estimate


@dataclass(frozen=True, slots=True)
class Ranking:
    """All arms of a base model by one judge, strongest first."""

    base: str
    judge: str
    arms: tuple[RankedArm, ...]


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


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """An answer as it was generated."""

    text: str
    tokens: int | None
    finished: bool


@dataclass(frozen=True, slots=True)
class SampleVerdict:
    """A verdict with every review as it came."""

    judge: str
    strict: Outcome
    summed: Outcome
    reviews: tuple[Review, ...]


@dataclass(frozen=True, slots=True)
class Rival:
    """A rival's answer, and the verdicts on the candidate's against it."""

    arm: str
    answer: SampleAnswer | None
    verdicts: tuple[SampleVerdict, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """A judged prompt for reading; ``answer`` is the candidate's."""

    prompt_id: str
    test_set: str
    prompt: str
    reference: str | None
    answer: SampleAnswer | None
    rivals: tuple[Rival, ...]


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


@dataclass(frozen=True, slots=True)
class VoteCounts:
    """The distribution of labels."""

    n: int
    win: int
    tie: int
    lose: int
    unparsed: int


@dataclass(frozen=True, slots=True)
class Annotator:
    """One person's votes."""

    name: str
    n: int
    win: int
    tie: int
    lose: int
    unparsed: int


@dataclass(frozen=True, slots=True)
class PeopleComparison:
    """People's outcomes for two arms, and each judge's on the same pairs, from the side of ``a``."""

    a: str
    b: str
    people: VoteCounts
    judges: Mapping[str, VoteCounts]


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """How well two raters agree: see ``statistics.agreement.Agreement``."""

    one: str
    other: str
    agreement: Estimate
    kappa: Estimate
    table: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class People:
    """What the votes of people say. ``stale`` votes are on answers that have since changed, and are left out
    of the rest.

    ``longer``: how often people preferred the longer answer, where they had a preference and the lengths
    differ.
    """

    votes: int
    stale: int
    pairs: int
    annotators: tuple[Annotator, ...]
    reasons: Mapping[str, int]
    comparisons: tuple[PeopleComparison, ...]
    longer: Estimate
    agreement: tuple[RaterAgreement, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that results.json says, in its order. A section is ``None`` or empty where the run has no
    such part.
    """

    format: int
    name: str
    why: str
    expected: str
    cost: str
    candidate: str
    candidates: tuple[str, ...]
    answer: Answer
    pool: PoolSection
    pools: tuple[PoolSection, ...]
    length_bins: tuple[int, ...]
    prompts: tuple[PromptSet, ...]
    arms: tuple[ArmSection, ...]
    members: tuple[SeedSection, ...]
    comparisons: tuple[ArmComparison, ...]
    size_curves: tuple[SizeCurve, ...]
    judges: tuple[Health, ...]
    rankings: tuple[Ranking, ...]
    benchmarks: tuple[BenchmarkRow, ...]
    short_answers: tuple[ShortAnswers, ...]
    samples: tuple[Sample, ...]
    audit: SelectionAudit | None
    instructions: Instructions | None
    preference: StylePreference | None
    people: People | None
    stages: tuple[StageFacts, ...]
    settings: Mapping[str, JsonValue]
    provenance: Mapping[str, JsonValue]
    banners: tuple[Banner, ...] = ()


def to_json(results: Results) -> str:
    """The text of results.json."""
    return json.dumps(results, default=LINE.default, indent=1, allow_nan=False) + "\n"


def from_json(plain: Mapping[str, JsonValue]) -> Results:
    """The results of a parsed results.json of this format or the one before.

    Raises pydantic's ValidationError, which names every wrong key.
    """
    return _adapter().validate_python(_of_format_3(plain) if plain.get("format") == 3 else plain)


def _of_format_3(plain: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The same in this format: there, a comparison by category did not name its arms and judge."""
    comparisons: list[JsonValue] = []
    listed = plain.get("comparisons")
    for comparison in listed if isinstance(listed, list) else []:
        if isinstance(comparison, dict) and isinstance(categories := comparison.get("categories"), dict):
            named: dict[str, JsonValue] = {
                name: {
                    **{key: comparison.get(key) for key in ("judge", "test_set", "a", "b")},
                    "holm": None,
                    **group,
                }
                for name, group in categories.items()
                if isinstance(group, dict)
            }
            comparison = {**comparison, "categories": named}
        comparisons.append(comparison)
    return {**plain, "format": FORMAT, "comparisons": comparisons}


def schema() -> Json:
    """The JSON schema of results.json, with the version of its shape."""
    made = _adapter().json_schema()
    made["properties"]["format"]["const"] = FORMAT
    title = f"handpicked results.json, format {FORMAT}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": title}


def schema_text() -> str:
    """``schema`` as docs/results.schema.json holds it."""
    return json.dumps(schema(), indent=1) + "\n"


@cache
def _adapter() -> TypeAdapter[Results]:
    return TypeAdapter(Results)
