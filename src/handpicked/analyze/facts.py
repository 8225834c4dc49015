"""What a run hands to ``analyze.results.assemble``, beside the records: the facts of pool, arms, training and stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from handpicked.records import SelectionSummary


@dataclass(frozen=True)
class PoolFacts:
    """The pool that every arm selects from.

    ``lengths`` are the response lengths of its readable rows, in ``measure`` (tokens, words, ...), as
    ``histogram.summarize`` counts them. ``rejected`` counts rows that could not be read, ``held_out`` rows set aside as prompts before selection.
    """

    source: str
    rows: int
    lengths: Mapping[str, Any]
    measure: str
    rejected: int = 0
    held_out: int = 0


@dataclass(frozen=True)
class TrainingFacts:
    """How one arm was fine-tuned.

    ``rows`` counts the distinct examples trained on (a token budget may leave some of the subset out); ``truncated``
    those of them that were cut to ``max_length`` tokens. ``tokens`` is every token that went through the model and
    ``response_tokens`` those among them that carried loss, both over all epochs. ``curve`` is (optimizer step, mean
    loss in nats per response token), in step order. ``seconds`` is wall time spent training, without loading the model.
    """

    rows: int
    truncated: int
    steps: int
    epochs: float
    tokens: int
    response_tokens: int
    seconds: float
    curve: Sequence[tuple[int, float]]
    device: str = ""


@dataclass(frozen=True)
class ArmFacts:
    """One arm: which subset it was given and what became of it.

    ``by`` is the selector (``none``: the untouched model). ``rows`` counts the subset; ``lengths`` are the response
    lengths of its rows in the pool's measure, as ``histogram.summarize`` counts them (``None``: no rows). ``training`` is ``None`` for an arm that was not trained.
    """

    name: str
    by: str
    rows: int = 0
    lengths: Mapping[str, Any] | None = None
    selection: SelectionSummary | None = None
    training: TrainingFacts | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


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
class InstructionFacts:
    """Instructions, parsed: (root verb, direct object, why there is no verb), of the sampled rows of the pool and of each arm
    (``sets``), and the root verb of each evaluation prompt by its id. ``missing`` says what to install where none was parsed.
    """

    missing: str | None = None
    sets: Mapping[str, Sequence[Sequence[str | None]]] = field(default_factory=dict)
    prompts: Mapping[str, str | None] = field(default_factory=dict)
