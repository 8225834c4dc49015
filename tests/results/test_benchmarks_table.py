"""The benchmark table: known answers for scores, paired differences and averages;
nothing where there is nothing.
"""

from __future__ import annotations

import math
import random

import pytest

from handpicked.results.benchmarks import Line, benchmark_table
from handpicked.results.facts import BenchFacts
from handpicked.statistics.estimates import wilson
from made_run import made


def fact(arm, benchmark="gsm8k", values=(1, 0, 1, 1), **more):
    known = {f"doc {i}": float(value) for i, value in enumerate(values)}
    mean = sum(known.values()) / len(known) if known else None
    return BenchFacts(arm, benchmark, "acc", mean, 0.25 if known else None, len(known), values=known, **more)


def table_of(facts, base=None, **more):
    """The table of single models, compared with ``base``."""
    lines = [Line(arm, [arm], base) for arm in dict.fromkeys(one.arm for one in facts)]
    return benchmark_table(facts, lines, **more)


def cells(table, benchmark):
    row = next(row for row in table if row.benchmark == benchmark)
    return {cell.arm: cell for cell in row.arms}


def test_scores_keep_the_standard_error_of_lm_eval():
    score = cells(table_of([fact("base")]), "gsm8k")["base"].score
    assert score.value == 0.75 and score.n == 4
    assert score.high - score.value == pytest.approx(1.959964 * 0.25)


def test_differences_are_paired():
    mine, theirs = (1, 1, 0, 1, 1, 0), (0, 1, 0, 1, 0, 0)
    table = table_of([fact("base", values=theirs), fact("longest", values=mine)], base="base")
    found = cells(table, "gsm8k")
    assert found["base"].to_base is None
    differences = [a - b for a, b in zip(mine, theirs, strict=True)]
    mean = sum(differences) / 6
    error = math.sqrt(sum((d - mean) ** 2 for d in differences) / 5 / 6)
    assert found["longest"].to_base.value == pytest.approx(mean)
    assert found["longest"].to_base.high == pytest.approx(mean + 1.959964 * error)


def test_pairs_are_by_document_whatever_the_order():
    one, other = fact("a", values=(1, 0, 0, 1)), fact("b", values=(0, 0, 1, 1))
    shuffled = list(other.values.items())
    random.Random(0).shuffle(shuffled)
    moved = BenchFacts("b", "gsm8k", "acc", other.value, other.stderr, 4, values=dict(shuffled))
    assert table_of([one, other], base="a") == table_of([one, moved], base="a")


def test_documents_of_one_side_only_are_missing():
    table = table_of([fact("base", values=(1, 0)), fact("longest", values=(1, 1, 0))], base="base")
    assert cells(table, "gsm8k")["longest"].to_base.missing == 1


def test_documents_that_are_all_alike_prove_little():
    table = table_of([fact("base", values=(0, 0, 0)), fact("longest", values=(0, 0, 0))], base="base")
    difference = cells(table, "gsm8k")["longest"].to_base
    assert (
        difference.value == 0
        and difference.high == pytest.approx(wilson(0.0, 3)[1])
        and difference.high > 0.5
    )
    assert "Wilson" in difference.method


def test_an_average_wants_every_member():
    facts = [fact("base", "a", (1, 0)), fact("base", "b", (1, 1)), fact("other", "a", (0, 0))]
    found = cells(table_of(facts, base="base", averages={"avg": ("a", "b")}), "avg")
    assert found["base"].score.value == 0.75
    half = 1.959964 * math.sqrt(2 * 0.25**2) / 2
    assert found["base"].score.high == pytest.approx(0.75 + half)
    assert found["other"].score.value is None and found["other"].reason == "without b"


def test_seeds_of_one_arm_are_pooled():
    facts = [
        fact("base"),
        *(
            fact(f"longest-{seed}", values=values)
            for seed, values in enumerate([(1, 1, 1, 0), (0, 1, 1, 0), (1, 1, 0, 1)])
        ),
    ]
    lines = [Line("base", ["base"]), Line("longest", ["longest-0", "longest-1", "longest-2"], "base")]
    found = cells(benchmark_table(facts, lines), "gsm8k")["longest"]
    assert found.score.value == pytest.approx(8 / 12) and found.score.n == 12
    assert found.to_base.value == pytest.approx(8 / 12 - 0.75)
    assert "3 seeds" in found.score.method
    broken = BenchFacts("longest-2", "gsm8k", reason="KeyError: 'x'", failed=True)
    partly = cells(benchmark_table([*facts[:3], broken], lines), "gsm8k")["longest"]
    assert not partly.failed and partly.score.n == 8 and partly.reason == "longest-2: KeyError: 'x'"


def test_nothing_is_no_number():
    broken = BenchFacts("base", "gsm8k", reason="RuntimeError: no", failed=True)
    empty = BenchFacts("longest", "gsm8k", "acc", reason="the file has no rows")
    found = cells(table_of([broken, empty], base="base"), "gsm8k")
    assert found["base"].score.value is None and found["base"].failed
    assert found["longest"].score.value is None and found["longest"].to_base is None


def banners_of(facts):
    return [banner.title for banner in made(benchmarks=facts).banners]


@pytest.mark.parametrize(
    ("characters", "values", "raised"),
    [
        ((90, 95, 80, 99, 85, 90), (0, 0, 0, 1, 0, 0), True),  # longer and worse
        ((90, 95, 80, 99, 85, 90), (1, 1, 1, 1, 1, 1), False),  # longer only
        ((10, 11, 9, 12, 10, 10), (0, 0, 0, 1, 0, 0), False),  # worse only
    ],
)
def test_longer_and_worse_short_answers_are_reported(characters, values, raised):
    def lengths(numbers):
        return {f"doc {i}": number for i, number in enumerate(numbers)}

    base = fact(
        "base", values=(1, 1, 1, 1, 1, 0), characters=lengths((10, 10, 11, 9, 10, 12)), short_answer=True
    )
    longest = fact("longest", values=values, characters=lengths(characters), short_answer=True)
    assert (
        "Answers grow where short ones are right, and accuracy falls" in banners_of([base, longest])
    ) is raised


def test_broken_benchmarks_are_reported():
    assert "Benchmarks failed" in banners_of(
        [BenchFacts("base", "gsm8k", reason="KeyError: 'x'", failed=True)]
    )
