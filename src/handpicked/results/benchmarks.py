"""The benchmark table: each arm's score, and its difference to the base model and to training on everything.

Errors are those of a mean over documents (Miller, 2024, "Adding error bars to evals", arXiv 2411.00640):
lm-eval's own standard error for a score (section 2.1), that of the paired differences for two arms on the
same documents (section 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from handpicked.records import Estimate
from handpicked.results.facts import ArmFacts, BenchFacts
from handpicked.results.sections.benchmarks import BenchmarkCell, BenchmarkRow
from handpicked.statistics import seeds
from handpicked.statistics.estimates import Z95, wilson


@dataclass(frozen=True)
class Line:
    """One arm of the table: the models in it (one, or one a seed), and the arms it is compared
    with on the same base model.
    """

    arm: str
    members: Sequence[str]
    base: str | None = None
    full: str | None = None


def lines_of(groups: Mapping[str, Sequence[ArmFacts]]) -> list[Line]:
    """The arms with what each is compared with: the base model, and training on all of the same pool."""
    lines = []
    for name, members in groups.items():
        same = {other: found[0] for other, found in groups.items() if found[0].base == members[0].base}
        base = next((other for other, arm in same.items() if arm.by == "none"), None)
        fulls = [other for other, arm in same.items() if arm.by == "full" and arm.pool == members[0].pool]
        lines.append(Line(name, [arm.name for arm in members], base, next(iter(fulls), None)))
    return lines


def benchmark_table(
    facts: Sequence[BenchFacts],
    lines: Sequence[Line] = (),
    averages: Mapping[str, Sequence[str]] | None = None,
) -> tuple[BenchmarkRow, ...]:
    """A row for each benchmark in the order of ``facts``, then one for each average (its name
    to the benchmarks in it).

    Each row holds a cell for each of ``lines`` (default: each model alone). Several seeds of an arm are
    pooled and their spread is part of the interval (``seeds``).
    """
    names = list(dict.fromkeys(fact.benchmark for fact in facts))
    lines = lines or [Line(arm, [arm]) for arm in dict.fromkeys(fact.arm for fact in facts)]
    found = {(fact.benchmark, fact.arm): fact for fact in facts}
    sides = {
        (name, line.arm): [found[name, member] for member in line.members if (name, member) in found]
        for name in names
        for line in lines
    }
    rows = [_row(name, lines, sides) for name in names]
    by_name = {row.benchmark: {cell.arm: cell for cell in row.arms} for row in rows}
    return (
        *rows,
        *(_average_row(name, members, lines, by_name) for name, members in (averages or {}).items()),
    )


def _row(
    name: str, lines: Sequence[Line], sides: Mapping[tuple[str, str], Sequence[BenchFacts]]
) -> BenchmarkRow:
    facts = [fact for line in lines for fact in sides[name, line.arm]]
    first = next((fact for fact in facts if not fact.failed), facts[0])
    cells = []
    for line in lines:
        if mine := sides[name, line.arm]:
            base, full = (
                sides[name, other] if other is not None and other != line.arm else ()
                for other in (line.base, line.full)
            )
            cells.append(_cell(line.arm, mine, base, full))
    return BenchmarkRow(
        benchmark=name,
        metric=first.metric,
        higher_is_better=first.higher_is_better,
        shots=first.shots,
        chat=first.chat,
        short_answer=first.short_answer,
        notes=tuple(first.notes),
        members=(),
        arms=tuple(cells),
    )


def _cell(
    arm: str, facts: Sequence[BenchFacts], base: Sequence[BenchFacts], full: Sequence[BenchFacts]
) -> BenchmarkCell:
    broken = [
        f"{fact.arm}: {fact.reason}" if len(facts) > 1 else fact.reason for fact in facts if fact.reason
    ]
    whole = [fact for fact in facts if not fact.failed]
    generated = any(fact.characters for fact in whole)
    return BenchmarkCell(
        arm=arm,
        score=_score(whole),
        to_base=paired([fact.values for fact in whole], [fact.values for fact in base]),
        to_full=paired([fact.values for fact in whole], [fact.values for fact in full]),
        characters=_of_seeds([fact.characters for fact in whole]) if generated else None,
        characters_to_base=paired([fact.characters for fact in whole], [fact.characters for fact in base]),
        metrics={fact.arm: fact.metrics for fact in whole},
        subtasks={fact.arm: fact.subtasks for fact in whole},
        reason="; ".join(reason for reason in broken if reason) or None,
        failed=not whole,
    )


def _score(facts: Sequence[BenchFacts]) -> Estimate:
    if len(facts) == 1:
        return _estimate(facts[0].value, facts[0].stderr, facts[0].n, "mean over documents")
    return _of_seeds([fact.values for fact in facts])


def paired(arm: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]]) -> Estimate | None:
    """How far an arm lies above another: the mean difference over the documents that
    both have, as an Estimate.

    A mapping from document to value for each model (seed) of the arm; one without documents says nothing, and
    without any on either side there is no difference. Several seeds are pooled and their spread is part of
    the interval (``seeds``).
    """
    mine, theirs = ([values for values in side if values] for side in (arm, other))
    if not mine or not theirs:
        return None
    if len(mine) == len(theirs) == 1:
        shared = [mine[0][doc] - theirs[0][doc] for doc in mine[0] if doc in theirs[0]]
        return _mean(shared, len(mine[0].keys() ^ theirs[0].keys()), "mean of paired differences")
    return _over_seeds(seeds.differences(mine, theirs), seeds.paired_groups(len(mine), len(theirs)))


def _of_seeds(values: Sequence[Mapping[str, float]]) -> Estimate:
    if len(values) == 1:
        return _mean(list(values[0].values()))
    return _over_seeds(values)


def _over_seeds(values: Sequence[seeds.Values], groups: Sequence[int] | None = None) -> Estimate:
    """``seeds.mean``; where all values are alike, their variance says nothing and the
    rule of ``_estimate`` holds.
    """
    found = seeds.mean(values, groups=groups)
    if found.value is None or found.low is None or found.low != found.high:
        return found
    documents = {doc for one in values for doc, value in one.items() if value is not None}
    alike = _estimate(found.value, 0.0, len(documents), "mean over documents and seeds")
    return replace(alike, n=found.n, missing=found.missing)


def _mean(values: Sequence[float], missing: int = 0, what: str = "mean over documents") -> Estimate:
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, missing, "nothing to average")
    mean = math.fsum(values) / n
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1) if n > 1 else None
    return _estimate(mean, None if variance is None else math.sqrt(variance / n), n, what, missing)


def _estimate(value: float | None, stderr: float | None, n: int, what: str, missing: int = 0) -> Estimate:
    """``value`` with 1.96 standard errors to either side; no interval where there is no standard error.

    Where all documents are alike the standard error is 0 and says nothing; then, for shares, the interval
    reaches as far as Wilson's (1927) for a kind of document of which ``n`` showed none.
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
    lines: Sequence[Line],
    rows: Mapping[str, Mapping[str, BenchmarkCell]],
) -> BenchmarkRow:
    """The unweighted mean of the members' scores; no value for an arm that lacks one of them."""
    return BenchmarkRow(
        benchmark=name,
        metric="mean",
        higher_is_better=True,
        shots=None,
        chat=False,
        short_answer=False,
        notes=(),
        members=tuple(members),
        arms=tuple(
            _average(line.arm, {member: rows.get(member, {}).get(line.arm) for member in members})
            for line in lines
        ),
    )


def _average(arm: str, cells: Mapping[str, BenchmarkCell | None]) -> BenchmarkCell:
    lacking = [member for member, cell in cells.items() if cell is None or cell.score.value is None]
    known = [cell for cell in cells.values() if cell is not None and not lacking]
    return BenchmarkCell(
        arm=arm,
        score=_mean_of([cell.score for cell in known]) or Estimate(None, None, None, 0, 0, "no value"),
        to_base=_mean_of([cell.to_base for cell in known]),
        to_full=_mean_of([cell.to_full for cell in known]),
        characters=None,
        characters_to_base=None,
        metrics={},
        subtasks={},
        reason=f"without {', '.join(lacking)}" if lacking else None,
        failed=False,
    )


def _mean_of(estimates: Sequence[Estimate | None]) -> Estimate | None:
    """The mean of independent estimates; the standard errors add in quadrature.
    ``None`` where one has no value.
    """
    known = [item for item in estimates if item is not None]
    values = [item.value for item in known if item.value is not None]
    if not values or len(values) < len(estimates):
        return None
    widths = [item.high - item.value for item in known if item.high is not None and item.value is not None]
    whole = len(widths) == len(values)
    half = math.sqrt(math.fsum(width**2 for width in widths)) / len(values) if whole else None
    value = math.fsum(values) / len(values)
    n = sum(item.n for item in known)
    method = f"mean of {len(values)} benchmarks" + (
        ", 1.96 standard errors" if whole else ", no standard error"
    )
    if half is None:
        return Estimate(value, None, None, n, 0, method)
    return Estimate(value, value - half, value + half, n, 0, method)
