"""A run as a quickstart would leave it: five arms, 48 prompts, one symmetric judge. Made up,
seeded, and never quoted.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from handpicked.records import Completion, Dropped, Message, Prompt, Review, SelectionSummary, Verdict
from handpicked.results.assemble import assemble
from handpicked.results.facts import (
    ArmFacts,
    InstructionFacts,
    PoolFacts,
    RunFacts,
    StageFacts,
    TrainingFacts,
)
from handpicked.results.schema import Results, to_json
from handpicked.results.sections.selected import SelectionAudit
from handpicked.results.selection_audit import RowSample, selection_audit
from handpicked.statistics.overlap import overlaps

# (selector, strength of the answers, mean answer tokens, loss below the base model)
ARMS: Mapping[str, tuple[str, float, int, float]] = {
    "base": ("none", 0.0, 70, 0.0),
    "longest": ("longest", 0.9, 150, 0.30),
    "random-1": ("random", 0.25, 105, 0.26),
    "random-2": ("random", 0.35, 110, 0.27),
    "length-matched": ("length-matched", 0.75, 145, 0.29),
}
CANDIDATE = "longest"
WORDS = [
    "returns",
    "the",
    "value",
    "of",
    "an",
    "object",
    "that",
    "is",
    "given",
    "as",
    "its",
    "first",
    "argument",
    "and",
    "raises",
    "an",
    "error",
    "if",
    "there",
    "is",
    "none",
]


def experiment(judges: tuple[str, ...] = ("reference-similarity",)) -> dict[str, Any]:
    return {
        "name": "quickstart",
        "why": "Do the longest answers of a pool teach a small model more than as many random ones?",
        "cost": "Ten minutes on two cores.",
        "expected": "The longest subset beats the base model; whether it beats random ones is open at this size.",
        "pool": {"path": "python-stdlib", "hold_out": 48},
        "model": {"name": "bundled:smollm2-135m-instruct"},
        "train": {"method": "lora", "budget_tokens": 8000, "batch_size": 8, "learning_rate": 2e-4},
        "arms": {name: {"by": by, "size": 64} for name, (by, *_) in ARMS.items()},
        "evaluate": {"judges": [{"name": name} for name in judges]},
    }


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words)).capitalize() + "."


def prompts(n: int = 48) -> list[Prompt]:
    rng = random.Random(1)
    return [
        Prompt(
            prompt_id=f"{i:032x}",
            messages=(
                Message("user", f"What does module_{i}.function_{i} do? {sentence(rng, rng.randint(2, 12))}"),
            ),
            test_set="held-out",
            reference=sentence(rng, rng.randint(8, 60)),
        )
        for i in range(n)
    ]


def completions(n: int = 48) -> list[Completion]:
    rng = random.Random(2)
    made = []
    for name, (_, _, mean, _) in ARMS.items():
        for i in range(n):
            tokens = min(160, max(4, round(rng.gauss(mean, 40))))
            made.append(Completion(name, f"{i:032x}", sentence(rng, tokens // 2), tokens, tokens < 160))
    return made


def verdicts(
    n: int = 48, judges: tuple[str, ...] = ("reference-similarity",), first_bias: bool = False
) -> list[Verdict]:
    """Verdicts of the candidate against every other arm; under ``first_bias`` each judge
    always prefers the first.
    """
    rng = random.Random(3)
    lengths = {(c.arm, c.prompt_id): c.tokens or 0 for c in completions(n)}
    made = []
    for judge in judges:
        for rival in (name for name in ARMS if name != CANDIDATE):
            edge = ARMS[CANDIDATE][1] - ARMS[rival][1]
            for i in range(n):
                prompt_id = f"{i:032x}"
                made.append(verdict(rng, judge, rival, prompt_id, edge, lengths, first_bias))
    return made


def verdict(
    rng: random.Random,
    judge: str,
    rival: str,
    prompt_id: str,
    edge: float,
    lengths: Mapping[tuple[str, str], int],
    first_bias: bool,
) -> Verdict:
    margin = rng.gauss(edge * 0.1, 0.12)
    base = 0.55 + rng.random() * 0.2
    outcome = "tie" if abs(margin) < 0.02 or first_bias else "win" if margin > 0 else "lose"
    seen = {"win": ("first", "second"), "lose": ("second", "first"), "tie": ("tie", "tie")}[outcome]
    preferred = ("first", "first") if first_bias else seen
    scores = ((base + margin, base), (base, base + margin))
    reviews = tuple(
        Review(order, choice, f"cosine to the reference: {pair[0]:.4f} and {pair[1]:.4f}", pair)  # type: ignore[arg-type]
        for order, choice, pair in zip(("ab", "ba"), preferred, scores, strict=True)
    )
    return Verdict(
        prompt_id, CANDIDATE, rival, judge, reviews, outcome, outcome, "held-out",  # type: ignore[arg-type]
        length_a=lengths[CANDIDATE, prompt_id], length_b=lengths[rival, prompt_id],
    )  # fmt: skip


def losses(n: int = 48) -> dict[str, dict[str, float | None]]:
    rng = random.Random(4)
    hard = [rng.gauss(3.1, 0.5) for _ in range(n)]
    return {
        name: {f"{i:032x}": hard[i] - gain + rng.gauss(0, 0.12) for i in range(n)}
        for name, (_, _, _, gain) in ARMS.items()
    }


def pool() -> PoolFacts:
    rng = random.Random(5)
    lengths = [max(1, round(rng.lognormvariate(3.6, 1.1))) for _ in range(6200)]
    return PoolFacts("python-stdlib", 6251, lengths, "tokens", rejected=3, held_out=48)


def arms() -> list[ArmFacts]:
    rng = random.Random(6)
    known = sorted(length for length in pool().lengths if length is not None)
    chosen = {"longest": lambda: known[-64:], "random": lambda: rng.sample(known, 64)}
    chosen["length-matched"] = lambda: rng.sample(known[-256:], 64)
    made = []
    for name, (by, _, _, gain) in ARMS.items():
        if by == "none":
            made.append(ArmFacts(name, by))
            continue
        curve = [(step, 3.0 - gain * 2 * (1 - 0.9**step) + rng.gauss(0, 0.06)) for step in range(1, 31)]
        trained = TrainingFacts(
            64, 21 if by == "longest" else 0, 30, 3.0, 8011, 6904, 96.0 + rng.random() * 9, curve, "cpu",
            learning_rate=2e-4, rate_origin="default for lora", rate_sum=0.0031, token_accuracy=0.412,
            token_accuracy_last_pass=0.437, weight_change=1.25, weight_change_relative=0.00063,
        )  # fmt: skip
        summary = SelectionSummary(
            by, 6251, 64, 3, (Dropped("held out as prompts", 48), Dropped("not among the 64", 6136))
        )
        made.append(
            ArmFacts(
                name, by, 64, chosen[by](), summary, trained, {"size": 64, "measure": "tokens", "seed": 0}
            )
        )
    return made


def stages() -> list[StageFacts]:
    made = [StageFacts("data", "", 2.1)]
    for name, (by, *_) in ARMS.items():
        if by != "none":
            made += [StageFacts("select", name, 0.8), StageFacts("train", name, 101.4)]
        made += [StageFacts("generate", name, 71.9), StageFacts("loss", name, 9.3)]
    return [*made, StageFacts("judge", "reference-similarity", 14.2)]


FEATURES = ("hedges", "first_person", "list_items", "lexical_diversity")
VERBS = {"write": ("story", "essay", "letter"), "explain": ("term",), "list": ("way", "name"), "describe": ()}


def parsed(rng: random.Random, rows: int, first: float) -> list[tuple[str | None, str | None, str | None]]:
    """Instructions of which the share ``first`` asks to write something."""
    made: list[tuple[str | None, str | None, str | None]] = []
    for _ in range(rows):
        if rng.random() < 0.05:
            made.append((None, None, "no verb"))
            continue
        verb = "write" if rng.random() < first else rng.choice(["explain", "list", "describe"])
        made.append((verb, rng.choice([*VERBS[verb], None]), None))
    return made


def audit() -> SelectionAudit:
    """Of a sample of 400 rows: the subsets use more of the first feature than the pool,
    and nothing else differs.
    """
    rng = random.Random(7)
    names = [name for name, (by, *_) in ARMS.items() if by != "none"]
    rows = {name: sorted(rng.sample(range(400), 64)) for name in names}
    values: dict[str, list[Any]] = {"row": list(range(400)), "source": [rng.choice("ab") for _ in range(400)]}
    values["ifd"] = [rng.random() for _ in range(400)]
    values["tokens"] = [rng.randint(5, 300) for _ in range(400)]
    chosen = {row for one in rows.values() for row in one}
    for name in FEATURES:
        values[name] = [rng.gauss(name == "hedges" and row in chosen, 1) for row in range(400)]
    sets = {"the pool": RowSample(list(range(400)), 6200)}
    sets |= {name: RowSample(one, 64) for name, one in rows.items()}
    overlap = overlaps({name: np.array(one) for name, one in rows.items()}, 6200)
    return selection_audit(
        values, sets, overlap, pool="the pool", measure="tokens", features=FEATURES, scores=("ifd",)
    )


def instructions(n: int = 48) -> InstructionFacts:
    rng = random.Random(8)
    sets = {"the pool": parsed(rng, 400, 0.2)}
    sets |= {name: parsed(rng, 64, 0.7) for name, (by, *_) in ARMS.items() if by != "none"}
    prompts = {f"{i:032x}": rng.choice(["write", "write", "explain", "list", None]) for i in range(n)}
    return InstructionFacts(None, sets, prompts)


def answer_features() -> dict[tuple[str, str], dict[str, float | None]]:
    rng = random.Random(9)
    return {
        (c.arm, c.prompt_id): {name: rng.gauss(0, 1) for name in FEATURES} | {"bold": 0.0}
        for c in completions()
    }


PROVENANCE: Mapping[str, Any] = {
    "handpicked": "0.1.0",
    "command": "handpicked run quickstart",
    "python": "3.11.9",
    "platform": "Linux-6.1.0-x86_64-with-glibc2.36",
    "pool": "4b1f0e" * 10,
    "models": {name: f"{place}a7c93e0b" * 4 for place, name in enumerate(ARMS)},
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
    "stages": [
        {
            "stage": "model/longest",
            "versions": {"train": 1},
            "libraries": {"torch": "2.13.0", "transformers": "5.23.0", "trl": "1.16.0", "peft": "0.21.2"},
            "finished": "2026-01-02T03:04:05Z",
            "machine": "Linux-6.1.0-x86_64-with-glibc2.36, 2 CPUs",
            "python": "3.11.9",
            "handpicked": "0.1.0",
            "kept": ["trl was 1.16.0, is 1.17.0"],
        },
    ],
}


def made(**changes: Any) -> Results:
    """The results of the made-up run; ``changes`` replace fields of ``RunFacts``."""
    fields: dict[str, Any] = {
        "experiment": experiment(),
        "pool": pool(),
        "arms": arms(),
        "prompts": prompts(),
        "completions": completions(),
        "losses": losses(),
        "verdicts": verdicts(),
        "stages": stages(),
        "provenance": PROVENANCE,
        "candidates": [CANDIDATE],
        "audit": audit(),
        "instructions": instructions(),
        "answer_features": answer_features(),
    }
    return assemble(RunFacts(**{**fields, **changes}))


def plain(results: Results) -> dict[str, Any]:
    """The results as results.json has them."""
    return json.loads(to_json(results))


@cache
def usual() -> Results:
    return made()


@cache
def unhealthy() -> Results:
    """The same run with an LLM judge that always prefers the first answer."""
    judges = ("first-answer",)
    return made(experiment=experiment(judges), verdicts=verdicts(judges=judges, first_bias=True))


@cache
def round_robin() -> Results:
    """The same run in which every two arms met."""
    names = list(ARMS)
    met = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if CANDIDATE not in (a, b)]
    by_rival = {name: [v for v in verdicts() if v.b == name] for name in names}
    return made(verdicts=[*verdicts(), *(replace(v, a=a) for a, b in met for v in by_rival[b])])
