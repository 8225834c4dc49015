"""report.html of judgements and of benchmarks: the result, the judge's health, every pair, nothing that runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from handpicked.experiment.judge_files import replay_file
from handpicked.experiment.judged_text import sentences
from handpicked.judges.outcome import verdict
from handpicked.records import Estimate, Pair, Review, Verdict
from handpicked.report import judged_page
from handpicked.report.bench_page import render_bench
from handpicked.report.judged_page import render_judged
from handpicked.results.judgements import Judgements, judgements
from handpicked.results.sections.benchmarks import BenchmarkCell, BenchmarkRow
from page_tags import HOSTILE, assert_safe, words


def judged(pairs: Sequence[Pair], judge: str = "gpt-x", raw: str = "8 5") -> list[Verdict]:
    """``a`` wins every pair, in both orders."""
    reviews = (Review("ab", "first", raw, (8, 5)), Review("ba", "second", raw, (5, 8)))
    return [verdict(pair, judge, reviews) for pair in pairs]


def page_of(pairs: Sequence[Pair], verdicts: Sequence[Verdict]) -> str:
    results = Judgements(len(verdicts), judgements(verdicts, pairs))
    return render_judged(results, pairs, verdicts, sentences(results), ["two files"])


def made(n: int, text: str = "word") -> list[Pair]:
    return [Pair(f"p{i}", f"Ask {i}? {text}", "mine", "other", f"{text} " * 9, text) for i in range(n)]


def test_the_page_states_the_result_and_shows_every_pair() -> None:
    pairs = made(60)
    said = words(page_of(pairs, judged(pairs)))
    results = Judgements(60, judgements(judged(pairs), pairs))
    for sentence in sentences(results):
        assert sentence in said
    assert "All 60 pairs" in said and "Ask 0?" in said and "Ask 59?" in said
    assert "60 wins, 0 ties, 0 losses" in said and "first position preferred 50.0" in said
    assert "mine shown first: prefers the first, scores 8.000 and 5.000" in said


def test_hostile_pairs_and_replies_run_nothing() -> None:
    pairs = made(3, HOSTILE)
    page = page_of(pairs, judged(pairs, judge=HOSTILE, raw=HOSTILE))
    assert_safe(page)
    assert page == page_of(pairs, judged(pairs, judge=HOSTILE, raw=HOSTILE))


def test_pairs_beyond_the_limit_are_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged_page, "MOST_CHARACTERS", 400)
    pairs = made(20)
    said = words(page_of(pairs, judged(pairs)))
    shown = said.count("shown first: prefers the first")
    assert 0 < shown < 20 and f"The first {shown} of 20 pairs" in said and "pairs.jsonl has all" in said


def test_pairs_of_one_prompt_have_each_their_own_verdict() -> None:
    first, second = made(1)[0], made(1)[0]
    lost = (Review("ab", "second", "2 9"), Review("ba", "first", "9 2"))
    said = words(page_of([first, second], [*judged([first]), verdict(second, "gpt-x", lost)]))
    assert said.count("mine wins") == 1 and said.count("mine loses") == 1


def test_a_replay_writes_the_page_for_its_owner_alone(real_data: Path, tmp_path: Path) -> None:
    stored = pq.read_table(real_data / "judge_meta" / "cherry5_vs_alpaca_reviews_gpt35.parquet")
    file = tmp_path / "reviews.parquet"
    pq.write_table(stored.slice(0, 60), file)
    judged_now = replay_file(file, tmp_path / "out")
    page = tmp_path / "out" / "report.html"
    assert page.stat().st_mode & 0o077 == 0
    said = words(page.read_text())
    assert "gpt-3.5-turbo" in said and f"{len(judged_now.verdicts):,} pairs" in said
    assert_safe(page.read_text())


def cell(score: Estimate, reason: str | None = None) -> BenchmarkCell:
    given = {one.name: None for one in fields(BenchmarkCell)}
    return BenchmarkCell(
        **{**given, "arm": "model", "score": score, "metrics": {}, "failed": bool(reason), "reason": reason}
    )  # type: ignore[arg-type]


def row(name: str, of: BenchmarkCell, members: tuple[str, ...] = ()) -> BenchmarkRow:
    shots = None if members else 5
    return BenchmarkRow(name, "acc", True, shots, False, False, (), members, (of,))


def test_benchmarks_are_reported_with_intervals_and_what_broke_off() -> None:
    known = Estimate(0.613, 0.55, 0.671, 200, 0, "by documents")
    none = Estimate(None, None, None, 0, 0, "by documents")
    rows = [
        row("arc", cell(known)),
        row("mmlu", cell(none, f"no file {HOSTILE}")),
        row("average", cell(known), ("arc",)),
    ]
    page = render_bench(f"a model {HOSTILE}", rows, ["bench: 1"])
    assert_safe(page)
    said = words(page)
    assert "61.3 55.0 to 67.1 200" in said and "mmlu failed: no file" in said
    assert "average of arc" in said and "Kept from an earlier version: bench: 1" in said
