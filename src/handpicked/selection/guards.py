"""Filters by name: which scores each needs, its limit, and its rule in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from handpicked.data import read_prompts
from handpicked.errors import ConfigError, did_you_mean
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.compression import CompressionRatio
from handpicked.scorers.text.ending import CutOff
from handpicked.scorers.text.length_chars import LengthChars
from handpicked.scorers.text.length_tokens import LengthTokens
from handpicked.scorers.text.minhash import MinHash
from handpicked.scorers.text.overlap import PromptOverlap
from handpicked.scorers.text.repetition import RepeatedNgrams
from handpicked.selectors.guards import Guard, Limit, Listed, Present, exact_duplicates
from handpicked.selectors.near_duplicates import near_duplicates
from handpicked.selectors.selector import Scores


@dataclass(frozen=True)
class GuardPlan:
    """A guard that was asked for: its scorers, the rule in words, and how it is
    made once the pool is scored.
    """

    name: str
    rule: str
    scorers: tuple[Scorer, ...]
    make: Callable[[Scores], Guard]
    version: int = 1
    """Raised when the guard drops other rows by the same scores, and only then; its scorers state their own.
    """
    identity: str = ""
    """The hash of what it reads beside the pool."""


def plan_guards(
    names: Sequence[str], prompts: Sequence[str | Path] = (), tokenizer: str | None = None
) -> tuple[GuardPlan, ...]:
    """The guards named, each as ``name`` or ``name=value``, in that order.

    Raises:
        ConfigError: an unknown guard, or a value that it does not take; all mistakes at once.
    """
    plans: list[GuardPlan] = []
    mistakes: list[str] = []
    for text in names:
        name, _, value = text.partition("=")
        if name not in GUARDS:
            mistakes.append(f"guards: there is no guard {name!r}.{did_you_mean(name, GUARDS)}")
            continue
        try:
            plans.append(GUARDS[name].plan(value, prompts, tokenizer))
        except ValueError as error:
            mistakes.append(f"guards: {text!r}: {error}")
    if mistakes:
        raise ConfigError(*mistakes)
    return tuple(plans)


def _repetition(value: str, prompts: Sequence[str | Path], tokenizer: str | None) -> GuardPlan:
    limit = _share(value, 0.30)
    rule = f"more than {limit:.0%} of its 5-grams are repeats"
    return GuardPlan(
        "repetition",
        rule,
        (RepeatedNgrams(),),
        lambda _: Limit("repetition", "repeated_5grams", rule, high=limit),
    )


def _compressibility(value: str, prompts: Sequence[str | Path], tokenizer: str | None) -> GuardPlan:
    limit = float(value) if value else 4.0
    rule = f"it compresses more than {limit:g} times"
    return GuardPlan(
        "compressibility",
        rule,
        (CompressionRatio(),),
        lambda _: Limit("compressibility", "compression_ratio", rule, high=limit),
    )


def _cut_off(value: str, prompts: Sequence[str | Path], tokenizer: str | None) -> GuardPlan:
    _no_value(value)
    rule = "it ends in mid-sentence"
    return GuardPlan("cut-off", rule, (CutOff(),), lambda _: Limit("cut-off", "cut_off", rule, high=0))


def _duplicates(value: str, prompts: Sequence[str | Path], tokenizer: str | None) -> GuardPlan:
    _no_value(value)
    rule = "an earlier row has the same messages"
    return GuardPlan(
        "duplicates", rule, (), lambda scores: Listed("duplicates", exact_duplicates(scores), rule)
    )


def _near_duplicates(value: str, prompts: Sequence[str | Path], tokenizer: str | None) -> GuardPlan:
    limit = _share(value, 0.80)
    rule = f"a longer row has {limit:.0%} of its 3-grams (Jaccard similarity, estimated)"
    return GuardPlan(
        "near-duplicates",
        rule,
        (MinHash(), LengthChars()),
        lambda scores: Listed("near-duplicates", near_duplicates(scores, limit), rule),
    )


def _token_window(value: str, prompts: Sequence[str | Path], tokenizer: str | None) -> GuardPlan:
    least, colon, most = value.partition(":")
    if not colon or not (least or most):
        raise ValueError(
            "give the fewest and the most tokens of a response, such as "
            "token-window=20:2048 (either may be empty)"
        )
    low, high = float(least or "0"), float(most or "inf")
    rule = f"its response has not {least or 0} to {most or 'any number of'} tokens"
    return GuardPlan(
        "token-window",
        rule,
        (LengthTokens(tokenizer),),
        lambda _: Limit("token-window", "tokens", rule, low=low, high=high),
    )


def _decontaminate(value: str, prompts: Sequence[str | Path], tokenizer: str | None) -> GuardPlan:
    if value not in ("", "exact", "normalised"):
        raise ValueError("it takes 'exact' or 'normalised' (the default: case and punctuation are ignored)")
    if not prompts:
        raise ValueError(
            "name the files of evaluation prompts to keep out of the selection (--prompts, or prompts: [...])"
        )
    listed = tuple(_prompts(prompts))
    scorer = PromptOverlap(listed, exact=value == "exact")
    rule = f"it shares {scorer.n} words in a row with an evaluation prompt (named in column {scorer.name})"
    return GuardPlan(
        "decontaminate",
        rule,
        (scorer,),
        lambda _: Present("decontaminate", scorer.name, rule),
        identity=sha256(json.dumps(listed).encode()).hexdigest(),
    )


@dataclass(frozen=True)
class GuardKind:
    """A guard that can be named: what it does, and how it is planned from its value."""

    about: str
    plan: Callable[[str, Sequence[str | Path], str | None], GuardPlan]


GUARDS: Mapping[str, GuardKind] = {
    "repetition": GuardKind(
        "drops responses with a larger share of repeated 5-grams (default 0.30)", _repetition
    ),
    "compressibility": GuardKind(
        "drops responses that compress to a smaller share of their size", _compressibility
    ),
    "cut-off": GuardKind("drops responses that end in mid-sentence", _cut_off),
    "duplicates": GuardKind("drops all but the first of exact duplicates", _duplicates),
    "near-duplicates": GuardKind("drops all but the first of near duplicates (MinHash)", _near_duplicates),
    "token-window": GuardKind("drops responses outside MIN:MAX tokens", _token_window),
    "decontaminate": GuardKind(
        "drops rows that share a 13-gram with an evaluation prompt (prompts)", _decontaminate
    ),
}


def _prompts(files: Sequence[str | Path]) -> list[tuple[str, str]]:
    """Label and text of every user turn of every prompt in ``files``."""
    return [
        (f"{Path(file).name} #{number}", message.content)
        for file in files
        for number, prompt in enumerate(read_prompts(file, Path(file).stem), start=1)
        for message in prompt.messages
        if message.role == "user"
    ]


def _share(value: str, default: float) -> float:
    share = float(value) if value else default
    if not 0 <= share <= 1:
        raise ValueError("its limit is a share from 0 to 1")
    return share


def _no_value(value: str) -> None:
    if value:
        raise ValueError("it takes no value")
