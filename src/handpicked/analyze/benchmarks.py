"""The benchmark table: each arm's score, and how far it lies above the untouched model and above training on everything.

Errors are those of a mean over documents (Miller, 2024, "Adding error bars to evals", arXiv 2411.00640): lm-eval's own
standard error for a score (section 2.1), that of the paired differences for two arms on the same documents (section 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from handpicked.analyze.bootstrap import Z95, wilson
from handpicked.analyze.facts import BenchFacts
from handpicked.records import Estimate

Json = dict[str, Any]


def benchmark_table(
    facts: Sequence[BenchFacts],
    *,
    base: str | None = None,
    full: str | None = None,
    averages: Mapping[str, Sequence[str]] | None = None,
) -> list[Json]:
    """A row for each benchmark in the order of ``facts``, then one for each average (its name to the benchmarks in it).

    Each row holds a cell for each arm: ``score`` (an Estimate), ``to_base`` and ``to_full`` (paired differences, ``None`` for
    the arm itself or where there is no such arm), ``characters`` and ``characters_to_base`` for generated answers, and
    ``failed`` or ``reason`` where there is no score.
    """
    names = list(dict.fromkeys(fact.benchmark for fact in facts))
    arms = list(dict.fromkeys(fact.arm for fact in facts))
    found = {(fact.benchmark, fact.arm): fact for fact in facts}
    rows = [_row([found[name, arm] for arm in arms if (name, arm) in found], base, full) for name in names]
    for average, members in (averages or {}).items():
        rows.append(_average_row(average, members, arms, found, base, full))
    return rows


def _row(facts: Sequence[BenchFacts], base: str | None, full: str | None) -> Json:
    by_arm = {fact.arm: fact for fact in facts}
    told = next((fact for fact in facts if not fact.failed), facts[0])
    return {
        "benchmark": told.benchmark,
        "metric": told.metric,
        "higher_is_better": told.higher_is_better,
        "shots": told.shots,
        "chat": told.chat,
        "short_answer": told.short_answer,
        "notes": list(told.notes),
        "members": [],
        "arms": [_cell(fact, by_arm.get(base or ""), by_arm.get(full or "")) for fact in facts],
    }


def _cell(fact: BenchFacts, base: BenchFacts | None, full: BenchFacts | None) -> Json:
    return {
        "arm": fact.arm,
        "score": asdict(_estimate(fact.value, fact.stderr, fact.n, "mean over documents")),
        "to_base": _above(fact, base, "values"),
        "to_full": _above(fact, full, "values"),
        "characters": asdict(_mean(list(fact.characters.values()))) if fact.characters else None,
        "characters_to_base": _above(fact, base, "characters"),
        "metrics": dict(fact.metrics),
        "subtasks": dict(fact.subtasks),
        "reason": fact.reason,
        "failed": fact.failed,
    }


def _above(fact: BenchFacts, other: BenchFacts | None, what: Literal["values", "characters"]) -> Json | None:
    """How far the arm lies above ``other``: the mean difference over the documents that both have."""
    mine, theirs = getattr(fact, what), getattr(other, what, {})
    if other is None or other.arm == fact.arm or not mine or not theirs:
        return None
    shared = [mine[doc] - theirs[doc] for doc in mine if doc in theirs]
    return asdict(_mean(shared, len(mine.keys() ^ theirs.keys()), "mean of paired differences"))


def _mean(values: Sequence[float], missing: int = 0, what: str = "mean over documents") -> Estimate:
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, missing, "nothing to average")
    mean = math.fsum(values) / n
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1) if n > 1 else None
    return _estimate(mean, None if variance is None else math.sqrt(variance / n), n, what, missing)


def _estimate(value: float | None, stderr: float | None, n: int, what: str, missing: int = 0) -> Estimate:
    """``value`` with 1.96 standard errors to either side; no interval where there is no standard error.

    Where all documents are alike the standard error is 0 and says nothing; then, for shares, the interval reaches as far as
    Wilson's (1927) for a kind of document of which ``n`` showed none.
    """
    if value is None:
        return Estimate(None, None, None, n, missing, "no value")
    half = None if stderr is None else Z95 * stderr
    method = f"{what}, 1.96 standard errors"
    if half == 0 and n:
        half = wilson(0.0, n)[1] if abs(value) <= 1 else None
        method = f"{what}, all alike: Wilson's interval over {n} documents"
    if half is None:
        return Estimate(value, None, None, n, missing, f"{what}, no standard error")
    return Estimate(value, value - half, value + half, n, missing, method)


def _average_row(
    name: str,
    members: Sequence[str],
    arms: Sequence[str],
    found: Mapping[tuple[str, str], BenchFacts],
    base: str | None,
    full: str | None,
) -> Json:
    """The unweighted mean of the members' scores; no value for an arm that lacks one of them."""
    cells = {arm: [_cell_of(member, arm, found, base, full) for member in members] for arm in arms}
    return {
        "benchmark": name,
        "metric": "mean",
        "higher_is_better": True,
        "shots": None,
        "chat": False,
        "short_answer": False,
        "notes": [],
        "members": list(members),
        "arms": [_average(arm, members, cells[arm]) for arm in arms],
    }


def _cell_of(
    member: str,
    arm: str,
    found: Mapping[tuple[str, str], BenchFacts],
    base: str | None,
    full: str | None,
) -> Json | None:
    fact = found.get((member, arm))
    if fact is None or fact.value is None:
        return None
    return _cell(fact, found.get((member, base or "")), found.get((member, full or "")))


def _average(arm: str, members: Sequence[str], cells: Sequence[Json | None]) -> Json:
    lacking = [member for member, cell in zip(members, cells, strict=True) if cell is None]
    known = [cell for cell in cells if cell is not None]
    return {
        "arm": arm,
        **{
            key: _mean_of([cell[key] for cell in known]) if not lacking else None
            for key in ("to_base", "to_full")
        },
        "score": (not lacking and _mean_of([cell["score"] for cell in known]))
        or asdict(Estimate(None, None, None, 0, 0, "no value")),
        "characters": None,
        "characters_to_base": None,
        "metrics": {},
        "subtasks": {},
        "reason": f"without {', '.join(lacking)}" if lacking else None,
        "failed": False,
    }


def _mean_of(estimates: Sequence[Mapping[str, Any] | None]) -> Json | None:
    """The mean of independent estimates; the standard errors add in quadrature."""
    values = [item["value"] for item in estimates if item is not None]
    if len(values) < len(estimates) or any(value is None for value in values):
        return None
    widths = [
        item["high"] - item["value"] for item in estimates if item is not None and item["high"] is not None
    ]
    whole = len(widths) == len(values)
    half = math.sqrt(math.fsum(width**2 for width in widths)) / len(values) if whole else None
    value = math.fsum(values) / len(values)
    n = sum(item["n"] for item in estimates if item is not None)
    method = f"mean of {len(values)} benchmarks" + (
        ", 1.96 standard errors" if whole else ", no standard error"
    )
    return asdict(
        Estimate(
            value,
            None if half is None else value - half,
            None if half is None else value + half,
            n,
            0,
            method,
        )
    )
