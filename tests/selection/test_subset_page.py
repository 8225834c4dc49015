"""report.html of a subset and of scores: every row accounted for, foreign text harmless, the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handpicked as hp
from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.selection import pick, subset_page
from handpicked.selection.audit import Truncation
from handpicked.selection.result import Form, Selection
from handpicked.selection.scoring import score_into
from handpicked.selection.spread import spread
from handpicked.store import digest
from page_tags import HOSTILE, assert_safe, words


def written(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """30 readable rows, of which the longest one is hostile, and two that cannot be read."""
    rows = [{"instruction": f"Say {n} times.", "output": "so " * n} for n in range(1, 30)]
    rows.append({"instruction": HOSTILE, "output": f"{HOSTILE} " + "so " * 40})
    file = written(tmp_path / "pool.jsonl", rows)
    file.write_text(file.read_text() + "{broken\n[1]\n")
    return file


def test_the_page_accounts_for_every_row(pool: Path, tmp_path: Path) -> None:
    settings = SelectSettings(by="longest", size=5, measure="words", guards=["token-window=3:1000"])
    form = Form(truncation=Truncation(20))
    summary = pick(read(pool), settings, tmp_path / "out", form=form, command=["handpicked", "select", "a b"])
    page = (tmp_path / "out/report.html").read_text()
    said = words(page)
    assert "5 of 32 rows are kept, by longest." in said
    assert (
        f"32 rows = 5 kept + {sum(part.rows for part in summary.dropped)} not kept + 2 that cannot be read"
        in said
    )
    for part in summary.dropped:
        assert f"not kept: {part.reason} {part.rows}" in said
    for part in summary.rejections:
        assert f"cannot be read: {part.reason} {part.rows}" in said
    assert "handpicked select 'a b'" in said
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    cut = manifest["audit"]["truncation"]
    assert f"At 20 tokens a trainer cuts {cut['cut_and_lose_end_of_text']} of 5 kept rows" in said
    assert manifest["outputs"]["report.html"] == digest(tmp_path / "out/report.html")
    assert manifest["pool"]["inputs"][0]["sha256"][:16] in said


def test_foreign_text_stays_text(pool: Path, tmp_path: Path) -> None:
    pick(read(pool), SelectSettings(by="longest", size=2), tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert_safe(page)
    assert "document.title='owned'" in words(page) and "{{ 7 * 7 }}" in words(page)


def test_the_same_selection_gives_the_same_bytes(pool: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        pick(read(pool), SelectSettings(by="random", size=9, seed=3), tmp_path / name)
    hp.select(hp.read(pool), hp.Random(seed=3), size=9).write(tmp_path / "three")
    pages = [(tmp_path / name / "report.html").read_bytes() for name in ("one", "two")]
    assert pages[0] == pages[1]
    assert b"9 of 32 rows are kept" in (tmp_path / "three/report.html").read_bytes()


def of(selection: Selection, out: Path, monkeypatch: pytest.MonkeyPatch) -> subset_page.SubsetPage:
    """What the page of a written selection says."""
    seen: list[subset_page.SubsetPage] = []
    real = subset_page.subset_page

    def kept(*given: Any) -> subset_page.SubsetPage:
        seen.append(real(*given))
        return seen[-1]

    monkeypatch.setattr(subset_page, "subset_page", kept)
    selection.write(out)
    return seen[0]


def test_lengths_are_those_of_kept_rows_and_pool(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selection = hp.select(hp.read(pool), "longest", size=4, measure="words")
    page = of(selection, tmp_path / "out", monkeypatch)
    values = np.array(selection.scores["words"].drop_null().to_pylist())
    kept = np.array(selection.kept["words"].to_pylist())
    assert page.lengths is not None and not page.lengths_from
    assert page.lengths.pool.at[3] == np.median(values) and page.lengths.pool.n == len(values) == 30
    assert page.lengths.kept.at[3] == np.median(kept) and page.lengths.kept.at[0] == kept.min()
    assert sum(page.lengths.pool_shares) == pytest.approx(1) and sum(
        page.lengths.kept_shares
    ) == pytest.approx(1)
    assert [row.row for row in page.rows] == selection.rows.tolist()
    assert [row.response for row in page.rows] == [one.response for one in selection]


def test_a_selection_without_a_length_is_measured_in_characters(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selection = hp.select(hp.read(pool), hp.Random(seed=0), size=6)
    page = of(selection, tmp_path / "out", monkeypatch)
    lengths = [len(one.response) for one in selection]
    assert page.lengths is not None and page.lengths.name == "chars"
    assert page.lengths.kept.n == 6 and page.lengths.kept.at[6] == max(lengths)


def test_a_large_pool_is_sampled_and_the_page_says_so(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subset_page, "WHOLE", 10)
    monkeypatch.setattr(subset_page, "AT_EACH", 7)
    page = of(hp.select(hp.read(pool), hp.Random(seed=0), size=6), tmp_path / "out", monkeypatch)
    assert page.lengths is not None and page.lengths.pool.n == 7 and page.lengths.kept.n == 6
    assert "these are of 7 rows taken at" in words((tmp_path / "out/report.html").read_text())


def test_nothing_kept_is_no_page_that_breaks(pool: Path, tmp_path: Path) -> None:
    pick(read(pool), SelectSettings(by="longest", size=0), tmp_path / "out")
    assert "0 of 32 rows are kept" in words((tmp_path / "out/report.html").read_text())


def test_the_page_of_scores_tells_missing_values_with_reasons(pool: Path, tmp_path: Path) -> None:
    counts = score_into(read(pool), ["tokens", "lexical_diversity"], tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert_safe(page)
    said, lacking = words(page), counts["null"]["lexical_diversity"]
    assert lacking == 24 and f"lexical_diversity: {lacking} of 30 rows" in said
    assert "the response has fewer than 25 words 24 80%" in said
    assert "30 of 32 rows are scored, by tokens, lexical_diversity." in said
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["outputs"]["report.html"] == digest(tmp_path / "out/report.html")


def test_a_spread_counts_every_value_once_and_leaves_missing_ones_out() -> None:
    values = np.array([np.nan, *range(1000), 10.0**6])
    found = spread("x", "", values, values[:10], half_octaves=False)
    assert found.pool.n == 1001 and found.pool.missing == 1 and found.kept.n == 9
    assert sum(found.pool_shares) == pytest.approx(1) and len(found.edges) == len(found.pool_shares) + 1
    assert found.edges[-1] < 1000 and found.pool.at[6] == 10**6
    same = spread("x", "", np.full(5, 2.0), np.empty(0), half_octaves=False)
    assert same.pool_shares == (1.0,) and same.kept_shares == (0.0,)
    none = spread("x", "", np.full(5, np.nan), np.empty(0), half_octaves=True)
    assert none.pool.n == 0 and none.pool.missing == 5 and not none.pool_shares
