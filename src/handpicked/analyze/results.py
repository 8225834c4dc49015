"""Everything a report says, assembled from what the stages found: records and facts in, plain JSON out.

Deterministic: the same inputs, in any order of prompts, completions and verdicts, give the same results. Every reported
number is an Estimate (value, low, high, n, missing, method); loss in nats per response token, time in seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from handpicked.analyze import bootstrap
from handpicked.analyze.answer import answer
from handpicked.analyze.banners import banners
from handpicked.analyze.compare import compare
from handpicked.analyze.facts import ArmFacts, PoolFacts, StageFacts
from handpicked.analyze.health import health
from handpicked.analyze.histogram import EDGES, summarize
from handpicked.analyze.length_control import length_controlled
from handpicked.analyze.paired import paired_difference
from handpicked.analyze.win_rate import Rule, adjusted_win_rate, counts
from handpicked.records import Completion, Outcome, Prompt, Review, Verdict

FORMAT = 1
"""Version of the shape of results.json."""
EVERYTHING = "all"
"""The test set that holds every prompt."""
PROMPTS_SHOWN = 8
"""Judged prompts sampled for reading."""

Json = dict[str, Any]
Losses = Mapping[str, Mapping[str, float | None]]


def assemble(
    experiment: Mapping[str, Any],
    *,
    candidate: str,
    pool: PoolFacts,
    arms: Sequence[ArmFacts],
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    losses: Losses,
    verdicts: Sequence[Verdict],
    stages: Sequence[StageFacts],
    provenance: Mapping[str, Any],
) -> Json:
    """The results of an experiment as plain JSON (``results.json``), which ``report.render`` turns into a page.

    ``experiment`` is the experiment file with its defaults resolved; ``losses`` maps arm, then prompt id, to the mean
    negative log-likelihood of the reference in nats per response token, ``None`` where it could not be computed.
    ``verdicts`` may be told from either side and by several judges: each is turned to the side of the arm that comes
    first, the ``candidate`` before all others. A comparison's ``holm`` is the p-value of the sign test that neither
    arm is better, corrected for all comparisons of the candidate by that judge; ``None`` where nothing was tested.
    """
    order = [candidate, *(arm.name for arm in arms if arm.name != candidate)]
    told = [_from_first(verdict, order) for verdict in verdicts]
    told.sort(key=lambda v: (v.judge, order.index(v.a), order.index(v.b), v.test_set, v.prompt_id))
    names = list(dict.fromkeys(judge["name"] for judge in experiment["evaluate"]["judges"]))
    names += sorted({verdict.judge for verdict in told} - set(names))
    judges = [_judge(name, [v for v in told if v.judge == name]) for name in names]
    judges = [judge for judge in judges if judge["pairs"]]
    tables = _arms(arms, candidate, losses, completions)
    comparisons = [c for judge in judges for c in _comparisons(judge["name"], told, order)]
    main = judges[0] if judges else None
    headline = [c for c in comparisons if main and _is_headline(c, main["name"], candidate)]
    results: Json = {
        "format": FORMAT,
        "name": experiment["name"],
        "why": experiment.get("why", ""),
        "expected": experiment.get("expected", ""),
        "cost": experiment.get("cost", ""),
        "candidate": candidate,
        "answer": answer(candidate, tables, headline, main),
        "pool": _pool(pool),
        "length_bins": list(EDGES),
        "prompts": _prompt_sets(prompts),
        "arms": tables,
        "comparisons": comparisons,
        "judges": judges,
        "samples": _samples(told, prompts, completions, candidate, main),
        "stages": [asdict(stage) for stage in stages],
        "settings": dict(experiment),
        "provenance": dict(provenance),
    }
    results["banners"] = banners(results)
    return results


def _is_headline(comparison: Mapping[str, Any], judge: str, candidate: str) -> bool:
    return bool(
        comparison["judge"] == judge and comparison["test_set"] == EVERYTHING and comparison["a"] == candidate
    )


def _from_first(verdict: Verdict, order: Sequence[str]) -> Verdict:
    """The verdict told from the side of the arm that comes first in ``order``."""
    if order.index(verdict.a) < order.index(verdict.b):
        return verdict
    turned: dict[Outcome, Outcome] = {"win": "lose", "lose": "win", "tie": "tie", "unparsed": "unparsed"}
    first, second = verdict.reviews
    return replace(
        verdict,
        a=verdict.b,
        b=verdict.a,
        reviews=(_other_order(second), _other_order(first)),
        strict=turned[verdict.strict],
        summed=turned[verdict.summed],
        length_a=verdict.length_b,
        length_b=verdict.length_a,
    )


def _other_order(review: Review) -> Review:
    other: dict[str, Literal["ab", "ba", "unknown"]] = {"ab": "ba", "ba": "ab"}
    return replace(review, order=other.get(review.order, "unknown"))


def _judge(name: str, verdicts: Sequence[Verdict]) -> Json:
    found = asdict(health(verdicts))
    del found["judge"]
    return {"name": name, **found}


def _comparisons(judge: str, verdicts: Sequence[Verdict], order: Sequence[str]) -> Iterable[Json]:
    """Every two arms that met, over all prompts and then by test set where there are several."""
    mine = [verdict for verdict in verdicts if verdict.judge == judge]
    met = {(verdict.a, verdict.b) for verdict in mine}
    tests = {(test.a, test.b): test for test in compare([v for v in mine if v.a == order[0]])}
    for a, b in sorted(met, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        pairs = [verdict for verdict in mine if (verdict.a, verdict.b) == (a, b)]
        sets = sorted({verdict.test_set for verdict in pairs})
        test = tests.get((a, b))
        for test_set in [EVERYTHING, *(sets if len(sets) > 1 else [])]:
            chosen = [v for v in pairs if test_set in (EVERYTHING, v.test_set)]
            adjusted = test.adjusted if test and test_set == EVERYTHING else None
            yield {
                "judge": judge,
                "test_set": test_set,
                "a": a,
                "b": b,
                "holm": adjusted,
                **_comparison(chosen),
            }


def _comparison(verdicts: Sequence[Verdict]) -> Json:
    rules: tuple[Rule, ...] = ("strict", "summed")
    found: Json = {
        rule: {
            "counts": asdict(counts(verdicts, rule)),
            "win_rate": asdict(adjusted_win_rate(verdicts, rule)),
        }
        for rule in rules
    }
    controlled = length_controlled(verdicts).win_rate
    return {**found, "length_controlled": asdict(controlled) if controlled.value is not None else None}


def _arms(
    arms: Sequence[ArmFacts], candidate: str, losses: Losses, completions: Sequence[Completion]
) -> list[Json]:
    """The facts of each arm, in the order of the experiment file."""
    base = next((arm.name for arm in arms if arm.by == "none"), None)
    answers: dict[str, list[Completion]] = {arm.name: [] for arm in arms}
    for completion in completions:
        answers[completion.arm].append(completion)
    return [
        {
            "name": arm.name,
            "by": arm.by,
            "rows": arm.rows,
            "settings": dict(arm.settings),
            "selection": asdict(arm.selection) if arm.selection else None,
            "lengths": summarize(arm.lengths),
            "training": asdict(arm.training) if arm.training else None,
            **_loss(arm.name, base, candidate, losses),
            **_answers(answers[arm.name]),
        }
        for arm in arms
    ]


def _loss(arm: str, base: str | None, candidate: str, losses: Losses) -> Json:
    """Reference loss, and how far it lies above that of the untouched model and of the candidate on the same prompts."""
    mine = losses.get(arm)

    def above(other: str | None) -> Json | None:
        if other is None or other == arm or not mine or not losses.get(other):
            return None
        return asdict(paired_difference(_in_order(mine), _in_order(losses[other])))

    return {
        "loss": _mean(mine) if mine else None,
        "loss_above_base": above(base),
        "loss_above_candidate": above(candidate),
    }


def _answers(completions: Sequence[Completion]) -> Json:
    """Answer lengths in the model's tokens, and the share of answers that stopped at the token limit."""
    unfinished = {completion.prompt_id: float(not completion.finished) for completion in completions}
    return {
        "answer_lengths": summarize([completion.tokens for completion in completions]),
        "answer_tokens": _mean({completion.prompt_id: completion.tokens for completion in completions}),
        "unfinished": asdict(bootstrap.share(list(unfinished), list(unfinished.values()))),
        "empty": sum(not completion.text.strip() for completion in completions),
    }


def _mean(values: Mapping[str, float | None]) -> Json:
    """The mean over prompts of the values that there are."""
    known = {prompt: value for prompt, value in _in_order(values).items() if value is not None}
    return asdict(bootstrap.mean(list(known), list(known.values()), missing=len(values) - len(known)))


def _in_order(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """By prompt id, so that the bootstrap draws the same prompts whatever the order of arrival."""
    return dict(sorted(values.items()))


def _pool(pool: PoolFacts) -> Json:
    return {
        "source": pool.source,
        "rows": pool.rows,
        "rejected": pool.rejected,
        "held_out": pool.held_out,
        "measure": pool.measure,
        "lengths": summarize(pool.lengths),
    }


def _prompt_sets(prompts: Sequence[Prompt]) -> list[Json]:
    """Each test set with its counts and a digest of its prompts, by which two runs can tell that they share them."""
    sets: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        sets.setdefault(prompt.test_set, []).append(prompt)
    return [
        {
            "test_set": name,
            "prompts": len(chosen),
            "references": sum(prompt.reference is not None for prompt in chosen),
            "digest": _digest("\n".join(sorted(prompt.prompt_id for prompt in chosen))),
        }
        for name, chosen in sets.items()
    ]


def _samples(
    verdicts: Sequence[Verdict],
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    candidate: str,
    judge: Mapping[str, Any] | None,
) -> list[Json]:
    """Judged prompts for reading, with the candidate's answer and every rival's.

    They are chosen by a hash of the prompt: blind to the outcome, and the same on every machine.
    """
    judged: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if judge and verdict.a == candidate:
            judged.setdefault(verdict.prompt_id, []).append(verdict)
    texts = {(completion.arm, completion.prompt_id): completion for completion in completions}
    by_id = {prompt.prompt_id: prompt for prompt in prompts}
    return [
        {
            "prompt_id": prompt_id,
            "test_set": by_id[prompt_id].test_set,
            "prompt": by_id[prompt_id].text,
            "reference": by_id[prompt_id].reference,
            "answer": _text(texts.get((candidate, prompt_id))),
            "rivals": [
                {
                    "arm": rival,
                    "answer": _text(texts.get((rival, prompt_id))),
                    "verdicts": [_verdict(v) for v in judged[prompt_id] if v.b == rival],
                }
                for rival in dict.fromkeys(v.b for v in judged[prompt_id])
            ],
        }
        for prompt_id in sorted(judged, key=_draw)[:PROMPTS_SHOWN]
    ]


def _verdict(verdict: Verdict) -> Json:
    reviews = [asdict(review) for review in verdict.reviews]
    return {"judge": verdict.judge, "strict": verdict.strict, "summed": verdict.summed, "reviews": reviews}


def _draw(prompt_id: str) -> str:
    return _digest(f"samples {prompt_id}")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _text(completion: Completion | None) -> Json | None:
    if completion is None:
        return None
    return {"text": completion.text, "tokens": completion.tokens, "finished": completion.finished}
