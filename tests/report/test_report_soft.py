"""The soft win rate of a judge that gives probabilities: in the results, on the page and in report.md."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest

from handpicked.records import Review, Verdict
from handpicked.report import render
from handpicked.report.markdown import render_markdown
from handpicked.results.schema import Results
from made_run import CANDIDATE, made, usual, verdicts


def certain(verdict: Verdict, place: int) -> Verdict:
    """The verdict with probabilities in place of its scores: from 0.50 to 0.98 for
    ``a``, by the prompt's place.
    """
    p = 0.5 + place % 25 / 50
    reviews = (Review("ab", "first", "A", (p, 1 - p)), Review("ba", "second", "B", (1 - p, p)))
    return replace(verdict, reviews=reviews)


def probable() -> Results:
    return made(verdicts=[certain(v, place) for place, v in enumerate(verdicts())])


def test_it_is_the_mean_probability_with_alpaca_evals_standard_error():
    comparison = probable().comparisons[0]
    n = comparison.strict.win_rate.n
    shares = [0.5 + place % 25 / 50 for place in range(n)]
    assert comparison.a == CANDIDATE
    assert comparison.soft.win_rate.value == pytest.approx(statistics.fmean(shares))
    assert comparison.soft.standard_error == pytest.approx(statistics.stdev(shares) / math.sqrt(n))


def test_the_page_and_the_markdown_show_it_with_interval_and_standard_error():
    results = probable()
    soft = results.comparisons[0].soft
    value, error = f"{100 * soft.win_rate.value:.1f}", f"{100 * soft.standard_error:.1f}"
    page = render(results)
    assert f"Soft win rate, the mean of the judge's probabilities: {value}% against" in page
    assert f"standard error {error})" in page
    assert f'<td class="num">{value}</td>' in page
    assert f"| {value} | " in render_markdown(
        results
    ) and "| Soft | 95% | Standard error |" in render_markdown(results)


def test_a_judge_without_probabilities_has_none():
    assert all(comparison.soft is None for comparison in usual().comparisons)
    assert "Soft" not in render(usual())
    assert "Soft" not in render_markdown(usual())
