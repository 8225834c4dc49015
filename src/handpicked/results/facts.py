"""The facts of a run, as ``results.assemble`` takes them: of pool, arms, training, benchmarks and stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from handpicked.records import Completion, Prompt, SelectionSummary, Verdict
from handpicked.statistics.preference import Answers

if TYPE_CHECKING:
    from handpicked.results.sections.arms import RefinedRows
    from handpicked.results.sections.people import People
    from handpicked.results.sections.selected import SelectionAudit

Lengths: TypeAlias = "Sequence[int | None] | npt.NDArray[np.float64]"
"""Lengths of rows; ``None``, in an array NaN, where a row has none."""

Losses = Mapping[str, Mapping[str, "float | None"]]
"""By model, then prompt id: the mean negative log-likelihood of the reference in nats per response token,
``None`` where it could not be computed.
"""


Count = int | float
"""A count, or the mean of several."""


@dataclass(frozen=True)
class PoolFacts:
    """A pool that arms select from; ``name`` is empty for the experiment's own.

    ``lengths`` are the response lengths of its readable rows, in ``measure`` (tokens, words, ...); ``None``
    where a row has none. ``rejected`` counts rows that could not be read, ``held_out`` rows set aside as
    prompts before selection.
    """

    source: str
    rows: int
    lengths: Lengths
    measure: str
    rejected: int = 0
    held_out: int = 0
    name: str = ""


@dataclass(frozen=True)
class TrainingFacts:
    """How one arm was fine-tuned.

    ``rows`` counts the distinct examples trained on (a token budget may leave some of the subset out);
    ``truncated`` those of them that were cut to ``max_length`` tokens. ``tokens`` is every token that went
    through the model and ``response_tokens`` those among them that carried loss, both over all epochs.
    ``curve`` is (optimizer step, mean loss in nats per response token), in step order. ``seconds`` is wall
    time spent training, without loading the model. ``ranks`` processes trained it, each on a device such as
    ``device``. ``template`` is the chat template's name.

    ``learning_rate`` is the peak and ``rate_origin`` says where it comes from; ``rate_sum`` adds up the rates
    of all steps, of which ``warmup_steps`` warmed up. ``token_accuracy`` is the share of the learned tokens
    that the model ranked first as it was trained on them, over all steps and over those of the last pass.
    ``weight_change`` is the L2 norm of what training changed in the weights, ``weight_change_relative`` that
    over the norm of these weights before. ``rows_refused`` are the rows of the subset that the chat template
    refuses, ``turns_unlearned`` the earlier turns that it shows differently from inference.
    """

    rows: Count
    truncated: Count
    steps: Count
    epochs: float
    tokens: Count
    response_tokens: Count
    seconds: float
    curve: Sequence[tuple[int, float]]
    device: str = ""
    ranks: Count = 1
    template: str = ""
    learning_rate: float | None = None
    rate_origin: str = ""
    warmup_steps: Count = 0
    rate_sum: float | None = None
    token_accuracy: float | None = None
    token_accuracy_last_pass: float | None = None
    weight_change: float | None = None
    weight_change_relative: float | None = None
    rows_refused: Count = 0
    turns_unlearned: Count = 0


@dataclass(frozen=True)
class ArmFacts:
    """One model of the experiment: its subset, its training and its answers.

    ``by`` is the selector (``none``: the base model). ``rows`` counts the subset; ``lengths`` are the
    response lengths of its rows in the pool's measure. ``training`` is ``None`` for an arm that was not
    trained. ``refined`` says how its responses were rewritten, if they were. ``arm`` is the arm of the
    results it belongs to (empty: its own; the seeds of one arm share it), ``family`` the arm of the file,
    ``base`` the base model and ``pool`` the pool by name (empty: the experiment's only one).
    """

    name: str
    by: str
    rows: int = 0
    lengths: Lengths = ()
    selection: SelectionSummary | None = None
    training: TrainingFacts | None = None
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    arm: str = ""
    family: str = ""
    base: str = ""
    pool: str = ""
    refined: RefinedRows | None = None


@dataclass(frozen=True)
class StageFacts:
    """One stage of the run, in the order it ran. ``arm`` is empty for a stage that serves all arms.

    ``seconds`` is the wall time of the run that produced its result, also when this run found it finished.
    ``cost`` is in US dollars, ``None`` where nothing was paid.
    """

    name: str
    arm: str
    seconds: float
    cost: float | None = None


@dataclass(frozen=True)
class BenchFacts:
    """One benchmark on one arm.

    ``value`` is a mean over ``n`` documents in the unit of ``metric`` (accuracies 0 to 1), ``stderr`` its
    standard error. ``values`` and ``characters`` are, by document, that metric's value and the length of the
    generated answer: arms are compared document by document. ``value`` is ``None`` with a ``reason`` for an
    empty set and, with ``failed``, for a benchmark that failed. ``short_answer`` says that a right answer
    is a number or a word.
    """

    arm: str
    benchmark: str
    metric: str = ""
    value: float | None = None
    stderr: float | None = None
    n: int = 0
    higher_is_better: bool = True
    shots: int = 0
    chat: bool = False
    short_answer: bool = False
    values: Mapping[str, float] = field(default_factory=dict)
    characters: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, JsonValue] = field(default_factory=dict)
    subtasks: Mapping[str, JsonValue] = field(default_factory=dict)
    notes: Sequence[str] = ()
    reason: str | None = None
    failed: bool = False


@dataclass(frozen=True)
class InstructionFacts:
    """Instructions, parsed: (root verb, direct object, why there is no verb), of the sampled rows of the pool
    and of each arm (``sets``), the root verb of each evaluation prompt by its id, and that of each benchmark
    document that asks something by benchmark and document (``documents``). ``missing`` says what to install
    where none was parsed.
    """

    missing: str | None = None
    sets: Mapping[str, Sequence[Sequence[str | None]]] = field(default_factory=dict)
    prompts: Mapping[str, str | None] = field(default_factory=dict)
    documents: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFacts:
    """All facts of a run, from which its results are made.

    ``experiment`` is the experiment file with its defaults resolved. ``candidates`` are the arms that the
    experiment is about, one for each base model, the headline's first; ``curves`` the arms of each size
    curve. ``completions``, ``losses``, ``verdicts`` and ``benchmarks`` name models, which ``arms`` gives the
    arms of; verdicts may be from either side and by several judges. ``averages`` names the benchmarks that
    each average is taken over, ``people`` is what ``votes.summary`` makes of the votes cast on this run,
    ``audit`` what ``selection_audit`` found. What is not given is left out of the report.
    """

    experiment: Mapping[str, JsonValue]
    candidates: Sequence[str]
    pool: PoolFacts
    arms: Sequence[ArmFacts]
    prompts: Sequence[Prompt]
    completions: Sequence[Completion]
    losses: Losses
    verdicts: Sequence[Verdict]
    stages: Sequence[StageFacts]
    provenance: Mapping[str, JsonValue]
    pools: Sequence[PoolFacts] = ()
    curves: Sequence[Sequence[str]] = ()
    benchmarks: Sequence[BenchFacts] = ()
    averages: Mapping[str, Sequence[str]] | None = None
    people: People | None = None
    audit: SelectionAudit | None = None
    instructions: InstructionFacts | None = None
    answer_features: Answers = field(default_factory=dict)
