"""With fewer prompts than coefficients there is no interval, and no number is made up."""

from __future__ import annotations

import random

from handpicked.records import Verdict
from handpicked.statistics.preference import preference


def verdicts(prompts: int, arms: list[str]) -> tuple[list[Verdict], dict]:
    draw = random.Random(0)
    answers = {
        (arm, f"p{n}"): {"f1": draw.random(), "f2": draw.random(), "f3": draw.random()}
        for arm in arms
        for n in range(prompts)
    }
    found = []
    for n in range(prompts):
        for i, a in enumerate(arms):
            for b in arms[i + 1 :]:
                outcome = draw.choice(["win", "lose", "tie"])
                lengths = {"length_a": draw.randint(5, 50), "length_b": draw.randint(5, 50)}
                found.append(Verdict(f"p{n}", a, b, "j", (), outcome, outcome, **lengths))
    return found, answers


def test_fewer_prompts_than_coefficients_have_no_interval():
    listed, answers = verdicts(12, ["a", "b", "c", "d", "e", "f"])  # 15 pairs of arms and 2 more coefficients
    found = preference(listed, answers, ["f1", "f2", "f3"])
    assert found.together is None
    assert all(row.effect.value is None and row.p is None for row in found.rows)


def test_enough_prompts_have_one():
    listed, answers = verdicts(60, ["a", "b"])
    found = preference(listed, answers, ["f1", "f2", "f3"])
    assert all(row.effect.low <= row.effect.value <= row.effect.high for row in found.rows)
    assert set(found.together) == {"f1", "f2", "f3"}
