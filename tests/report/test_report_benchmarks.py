"""The benchmark section: what it shows, and that others' text in it stays text."""

from __future__ import annotations

from handpicked.report.markdown import render_markdown
from handpicked.report.page import render
from handpicked.results.facts import BenchFacts
from made_run import ARMS, made, usual


def facts():
    found = []
    for place, arm in enumerate(ARMS):
        right = {f"doc {i}": float((i + place) % 3 == 0) for i in range(60)}
        lengths = {doc: 40 + 5 * place + i % 7 for i, doc in enumerate(right)}
        mean = sum(right.values()) / 60
        found.append(
            BenchFacts(arm, "gsm8k", "exact_match,strict-match", mean, 0.06, 60, shots=5, short_answer=True,
                       values=right, characters=lengths, notes=["the first 60 documents a task only"])
        )  # fmt: skip
        found.append(
            BenchFacts(arm, "mmlu", "acc,none", 0.25 + place / 100, 0.004, 14042, shots=5, values=right)
            if arm != "random-1"
            else BenchFacts(arm, "mmlu", reason="<script>alert(1)</script> | gone", failed=True)
        )
    return found


def benched():
    return made(benchmarks=facts(), averages={"avg": ("gsm8k", "mmlu")})


def test_the_table_shows_scores_differences_and_what_broke():
    page = render(benched())
    assert "Does it know more, or only talk longer?" in page
    assert "33.3" in page and "±" in page and "failed" in page
    assert "without mmlu" in page and "The first 60 documents a task only." in page
    assert "Does it know more" not in render(usual())


def test_reasons_of_others_stay_text():
    page, text = render(benched()), render_markdown(benched())
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page
    assert "<script>" not in text


def test_markdown_has_a_row_for_each_benchmark_and_arm():
    rows = [
        line
        for line in render_markdown(benched()).splitlines()
        if line.startswith(("| gsm8k", "| mmlu", "| avg"))
    ]
    assert len(rows) == 3 * len(ARMS)
    assert sum("failed" in row for row in rows) == 1
