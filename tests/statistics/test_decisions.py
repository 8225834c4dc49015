"""Where nothing is the matter, no winner is named and no banner shown in more than 5% of made runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from worlds import Judged, Longer, Outcome, judged, valued, verdict

from handpicked.records import Review, Verdict
from handpicked.results.answer import decide
from handpicked.results.banners import banners
from handpicked.statistics import seeds
from handpicked.statistics.compare import compare
from handpicked.statistics.health import health
from handpicked.statistics.length_control import controlled_json, length_controlled
from handpicked.statistics.size_curve import size_curve
from handpicked.statistics.win_rate import adjusted_win_rate

FAST, FULL = 300, 3000
EMPTY: dict[str, Any] = {
    "judges": [], "arms": [], "candidates": [], "comparisons": [], "short_answers": [], "benchmarks": [],
}  # fmt: skip


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
        found[test.b] = decide(
            {"strict": {"win_rate": asdict(rate)}, "test_set": "all", "holm": test.adjusted}
        )
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
        rate = asdict(adjusted_win_rate(verdicts))
        (test,) = compare(
            verdicts, arm_of={name: name.split("-")[0] for v in verdicts for name in (v.a, v.b)}
        )
        item = {
            "judge": "judge", "test_set": "all", "a": "mine", "b": "rival", "strict": {"win_rate": rate}, "holm": test.adjusted,
            "length_controlled": controlled_json(length_controlled(verdicts)), "style_controlled": None,
        }  # fmt: skip
        arms = [
            {"name": name, "by": "longest", "refined": None, "training": None, "unfinished": {"value": 0}}
            for name in ("mine", "rival")
        ]
        run = {
            **EMPTY,
            "judges": [{"name": "judge", "healthy": True}],
            "arms": arms,
            "candidates": ["mine"],
            "comparisons": [item],
        }
        return any("vanishes" in banner["title"] for banner in banners(run))

    return alarm


@pytest.mark.parametrize(("prompts", "count", "lead"), [(100, 1, 0.6), (200, 1, 0.35), (100, 3, 0.6)])
def test_a_win_is_not_laid_to_length_where_the_judge_does_not_care_for_it(prompts, count, lead):
    rare(explained(Longer(prompts, count, lead, by_length=0.0, side=0.5)), FAST // 2)


def difference(prompts: int, sd: float, mean: float, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """How far seeds of an arm lie above the base model on the same prompts."""
    base = [{f"p{p}": float(v) for p, v in enumerate(rng.normal(0, sd, prompts))}]
    mine = [{f"p{p}": float(v) for p, v in enumerate(rng.normal(mean, sd, prompts))} for _ in range(count)]
    return asdict(seeds.difference(mine, base))


def right(prompts: int, share: float, count: int, rng: np.random.Generator) -> dict[str, Any]:
    sides = [
        [{f"p{p}": float(hit) for p, hit in enumerate(rng.random(prompts) < share)} for _ in range(k)]
        for k in (count, 1)
    ]
    return asdict(seeds.difference(*sides))


@pytest.mark.parametrize(("prompts", "count", "arms"), [(30, 1, 1), (100, 1, 6), (100, 3, 6)])
def test_longer_answers_alone_do_not_say_that_accuracy_falls(prompts, count, arms):
    """Answers grow for certain; as many are right as before, on the short prompts and on three benchmarks."""

    def alarm(rng: np.random.Generator) -> bool:
        names = [f"arm-{i}" for i in range(arms)]
        short = [
            {
                "arm": name,
                "prompts": prompts,
                "words_above_base": difference(prompts, 1, 9, count, rng),
                "right_above_base": right(prompts, 0.4, count, rng),
            }
            for name in names
        ]
        cells = [
            {"benchmark": f"task-{j}", "higher_is_better": True, "members": [], "short_answer": True, "arms": [
                {"arm": name, "to_base": right(prompts, 0.6, count, rng), "characters_to_base": difference(prompts, 1, 9, count, rng), "failed": False}
                for name in names
            ]}
            for j in range(3)
        ]  # fmt: skip
        return bool(banners({**EMPTY, "short_answers": short, "benchmarks": cells}))

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
