"""Where nothing is the matter, no winner is named and no banner shown in more than 5% of made runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from worlds import Judged, Longer, Outcome, judged, valued, verdict

import made_run
from handpicked.records import Estimate, Review, Verdict
from handpicked.results.answer import decide
from handpicked.results.banners import banners
from handpicked.results.controlled import controlled_rate
from handpicked.results.sections.benchmarks import BenchmarkCell, BenchmarkRow, ShortAnswers
from handpicked.statistics import seeds
from handpicked.statistics.compare import compare
from handpicked.statistics.health import health
from handpicked.statistics.length_control import length_controlled
from handpicked.statistics.size_curve import size_curve
from handpicked.statistics.win_rate import adjusted_win_rate

FAST, FULL = 300, 3000
USUAL = made_run.usual()
"""A run with nothing to warn of, whose parts are replaced by those under test."""
COMPARISON = next(one for one in USUAL.comparisons if one.test_set == "all" and one.a in USUAL.candidates)


def rare(alarm: Callable[[np.random.Generator], bool], n: int, most: float = 0.05) -> None:
    """False alarms in ``n`` made runs are at most 5%, up to 3.3 standard errors of so many."""
    rng = np.random.default_rng(30_000)
    found = sum(alarm(rng) for _ in range(n)) / n
    assert found <= most + 3.3 * math.sqrt(most * (1 - most) / n), f"alarms in {found:.3f}"


def decisions(verdicts: list[Verdict]) -> dict[str, str]:
    """What the run decides about each rival, by the rule of the report."""
    arm_of = {name: name.split("-")[0] for v in verdicts for name in (v.a, v.b)}
    found = {}
    for test in compare(verdicts, arm_of=arm_of):
        rate = adjusted_win_rate([v for v in verdicts if arm_of[v.b] == test.b])
        strict = replace(COMPARISON.strict, win_rate=rate)
        found[test.b] = decide(replace(COMPARISON, strict=strict, holm=test.adjusted))
    return found


def any_winner(world: Judged, rivals: int) -> Callable[[np.random.Generator], bool]:
    """Whether a winner is named among even arms, whose candidate has the same seeds against every rival."""
    return lambda rng: any(d in ("beaten", "lost") for d in decisions(judged(world, rivals, rng)).values())


@pytest.mark.parametrize(
    ("prompts", "count", "luck", "ties"),
    [(30, 1, 0, 0.2), (200, 1, 0, 0.9), (100, 2, 0.4, 0.2), (100, 3, 0.2, 0.5), (60, 5, 0.8, 0.0)],
)
@pytest.mark.parametrize("rivals", [1, 4])
def test_no_winner_is_named_among_even_arms(prompts, count, luck, ties, rivals):
    rare(any_winner(Judged(prompts, count, ties=ties, seed_sd=luck), rivals), FAST // rivals)


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [30, 100, 500])
@pytest.mark.parametrize(
    ("count", "luck"), [(1, 0.0), *((k, s) for k in (2, 3, 5) for s in (0.0, 0.1, 0.3, 1.0))]
)
@pytest.mark.parametrize("ties", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("rivals", [1, 4])
def test_no_winner_is_ever_named_among_even_arms(prompts, count, luck, ties, rivals):
    rare(any_winner(Judged(prompts, count, ties=ties, seed_sd=luck), rivals), FULL // 4)


def explained(world: Longer) -> Callable[[np.random.Generator], bool]:
    """Whether a win is laid to length by a judge that does not care for it."""

    def alarm(rng: np.random.Generator) -> bool:
        verdicts = world.verdicts(rng)
        (test,) = compare(
            verdicts, arm_of={name: name.split("-")[0] for v in verdicts for name in (v.a, v.b)}
        )
        item = replace(
            COMPARISON,
            strict=replace(COMPARISON.strict, win_rate=adjusted_win_rate(verdicts)),
            holm=test.adjusted,
            length_controlled=controlled_rate(length_controlled(verdicts)),
            style_controlled=None,
        )
        shown = banners(replace(USUAL, comparisons=(item,)))
        return any("vanishes" in banner.title for banner in shown)

    return alarm


@pytest.mark.parametrize(("prompts", "count", "lead"), [(100, 1, 0.6), (200, 1, 0.35), (100, 3, 0.6)])
def test_a_win_is_not_laid_to_length_where_the_judge_does_not_care_for_it(prompts, count, lead):
    rare(explained(Longer(prompts, count, lead, by_length=0.0, side=0.5)), FAST // 2)


def difference(prompts: int, sd: float, mean: float, count: int, rng: np.random.Generator) -> Estimate:
    """How far seeds of an arm lie above the base model on the same prompts."""
    base = [{f"p{p}": float(v) for p, v in enumerate(rng.normal(0, sd, prompts))}]
    mine = [{f"p{p}": float(v) for p, v in enumerate(rng.normal(mean, sd, prompts))} for _ in range(count)]
    return seeds.difference(mine, base)


def right(prompts: int, share: float, count: int, rng: np.random.Generator) -> Estimate:
    sides = [
        [{f"p{p}": float(hit) for p, hit in enumerate(rng.random(prompts) < share)} for _ in range(k)]
        for k in (count, 1)
    ]
    return seeds.difference(*sides)


def benchmark(name: str, arms: list[str], prompts: int, count: int, rng: np.random.Generator) -> BenchmarkRow:
    """A benchmark of short answers on which the arms grow longer than the base
    model, and as many are right.
    """
    cells = [
        BenchmarkCell(
            arm=arm,
            score=right(prompts, 0.6, count, rng),
            to_base=right(prompts, 0.6, count, rng),
            to_full=None,
            characters=None,
            characters_to_base=difference(prompts, 1, 9, count, rng),
            metrics={},
            subtasks={},
            reason=None,
            failed=False,
        )
        for arm in arms
    ]
    return BenchmarkRow(name, "acc", True, 5, False, True, (), (), tuple(cells))


@pytest.mark.parametrize(("prompts", "count", "arms"), [(30, 1, 1), (100, 1, 6), (100, 3, 6)])
def test_longer_answers_alone_do_not_say_that_accuracy_falls(prompts, count, arms):
    """Answers grow for certain; as many are right as before, on the short prompts and on three benchmarks."""

    def alarm(rng: np.random.Generator) -> bool:
        names = [f"arm-{i}" for i in range(arms)]
        short = tuple(
            ShortAnswers(
                arm=name,
                prompts=prompts,
                words=None,
                words_above_base=difference(prompts, 1, 9, count, rng),
                right=None,
                right_above_base=right(prompts, 0.4, count, rng),
            )
            for name in names
        )
        rows = tuple(benchmark(f"task-{j}", names, prompts, count, rng) for j in range(3))
        shown = banners(replace(USUAL, short_answers=short, benchmarks=rows))
        return any("accuracy falls" in banner.title for banner in shown)

    rare(alarm, FAST // arms)


def test_a_judge_within_the_tolerated_position_bias_is_not_called_unhealthy():
    """At the very edge, 75% for the first answer, and with contradictions well below a coin's."""

    def review(order: str, first: bool) -> Review:
        return Review(order, "first" if first else "second", "text")

    def alarm(rng: np.random.Generator) -> bool:
        verdicts = []
        for p in range(200):
            blind = (
                rng.random() < 0.5
            )  # half the pairs are decided by position alone, the rest by the answers
            mine = rng.random() < 0.5
            both = (True, True) if blind else (mine, not mine)
            outcome: Outcome = "tie" if blind else "win" if mine else "lose"
            made = verdict(p, 0, outcome)
            verdicts.append(
                Verdict(
                    made.prompt_id,
                    made.a,
                    made.b,
                    "judge",
                    (review("ab", both[0]), review("ba", both[1])),
                    outcome,
                    outcome,
                )
            )
        return any("prefers the first" in reason for reason in health(verdicts).reasons)

    rare(alarm, FAST // 3)


@pytest.mark.parametrize(("sizes", "count", "luck"), [(2, 1, 0.0), (5, 1, 0.0), (4, 2, 1.0), (4, 3, 1.0)])
def test_sizes_that_are_alike_are_not_called_worse_than_the_best_of_them(sizes, count, luck):
    rows = {f"size-{i}": 100 * (i + 1) for i in range(sizes)}

    def alarm(rng: np.random.Generator) -> bool:
        values = {}
        for arm in rows:
            table, _ = valued(rng, 60, count, seed_sd=luck, tail="normal")
            values[arm] = [{f"p{p}": float(v) for p, v in enumerate(column)} for column in table.T]
        curve = size_curve(values, rows, "high")
        assert curve is not None
        return not all(point.enough for point in curve.points)

    rare(alarm, FAST // 2)
