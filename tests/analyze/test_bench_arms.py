"""Benchmarks of arms with seeds, sizes and several base models: pooled, and compared within the base."""

from __future__ import annotations

import pytest

from handpicked.analyze.bench_arms import table_of_arms
from handpicked.analyze.facts import ArmFacts, BenchFacts
from handpicked.analyze.size_curves import size_curves

DOCS = 40


def fact(arm, right, benchmark="arc"):
    values = {f"doc {i}": float(i < right) for i in range(DOCS)}
    return BenchFacts(arm, benchmark, "acc", right / DOCS, 0.07, DOCS, values=values)


def groups(*arms):
    found = {}
    for arm in arms:
        found.setdefault(arm.arm or arm.name, []).append(arm)
    return found


def cell(table, arm):
    return next(cell for cell in table[0]["arms"] if cell["arm"] == arm)


def test_each_arm_is_compared_with_the_untouched_model_of_its_own_base():
    known = groups(
        ArmFacts("base-a", "none", base="a"), ArmFacts("long-a", "longest", base="a"),
        ArmFacts("base-b", "none", base="b"), ArmFacts("long-b", "longest", base="b"),
    )  # fmt: skip
    facts = [fact("base-a", 10), fact("long-a", 20), fact("base-b", 30), fact("long-b", 20)]
    table = table_of_arms(facts, known)
    assert [c["arm"] for c in table[0]["arms"]] == ["base-a", "long-a", "base-b", "long-b"]
    assert cell(table, "long-a")["to_base"]["value"] == pytest.approx(0.25)
    assert cell(table, "long-b")["to_base"]["value"] == pytest.approx(-0.25)


def test_seeds_are_one_arm_whose_error_holds_their_spread():
    known = groups(
        ArmFacts("base", "none"), ArmFacts("r-s1", "random", arm="r"), ArmFacts("r-s2", "random", arm="r")
    )
    alike = cell(table_of_arms([fact("base", 10), fact("r-s1", 20), fact("r-s2", 20)], known), "r")["score"]
    apart = cell(table_of_arms([fact("base", 10), fact("r-s1", 10), fact("r-s2", 30)], known), "r")["score"]
    assert alike["value"] == apart["value"] == 0.5
    assert alike["high"] - 0.5 == pytest.approx(1.96 * 0.07, rel=1e-3)
    assert apart["high"] - 0.5 == pytest.approx(1.96 * (0.07**2 + 0.125 / 2) ** 0.5, rel=1e-3)


def test_an_arm_of_which_a_seed_broke_off_has_no_score():
    known = groups(ArmFacts("r-s1", "random", arm="r"), ArmFacts("r-s2", "random", arm="r"))
    broken = BenchFacts("r-s2", "arc", failed=True, reason="it crashed")
    found = cell(table_of_arms([fact("r-s1", 20), broken], known), "r")
    assert found["score"]["value"] is None and found["failed"] and found["reason"] == "r-s2: it crashed"


def test_a_size_curve_has_every_benchmark_whose_score_is_a_mean_over_documents():
    known = groups(*(ArmFacts(f"long-{n}", "longest", rows=n, family="long") for n in (10, 100, 1000)))
    facts = [fact("long-10", 5), fact("long-100", 29), fact("long-1000", 30)]
    weighed = [BenchFacts(f.arm, "mmlu", "acc", 0.9, 0.1, DOCS, values=f.values) for f in facts]
    (curve,) = size_curves([list(known)], known, {}, [], [*facts, *weighed])
    (measure,) = curve["measures"]
    assert (measure["name"], measure["best"], measure["smallest"]) == ("arc", "long-1000", "long-100")
    assert "by arc, 100 rows of long (0.725)" in measure["sentence"].lower()
