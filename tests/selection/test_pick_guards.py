"""Guards in a selection: what they drop, how it is counted, and what an audit of the subset finds."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError
from handpicked.selection import pick, select
from handpicked.selection.audit import Truncation
from handpicked.selection.result import Form
from handpicked.selectors.full import Full
from handpicked.selectors.ranked import Longest
from made_rows import WORDS
from memory_pool import MemoryPool


def guarded(responses, guards, size=None, prompts=(), asked=None):
    rows = [
        {"prompt": asked[number] if asked else f"Question {number}?", "response": response}
        for number, response in enumerate(responses)
    ]
    selection = select(
        MemoryPool(rows), Longest("words") if size else Full(), size=size, guards=guards, prompts=prompts
    )
    return selection.rows.tolist(), {
        part.reason.split(":")[0]: part.rows for part in selection.summary.dropped
    }


PROSE = "It was the best of times, it was the worst of times, and the river ran on under the old bridge."


def test_guards_drop_and_count_by_reason():
    loop = "again and again we go. " * 30
    responses = [PROSE, loop, PROSE[:-1] + " and", "word", PROSE + " So it was."]
    assert guarded(responses, ["repetition"]) == ([0, 2, 3, 4], {"repetition": 1})
    assert guarded(responses, ["cut-off"]) == ([0, 1, 3, 4], {"cut-off": 1})
    assert guarded(responses, ["compressibility"]) == ([0, 2, 3, 4], {"compressibility": 1})
    assert guarded(responses, ["token-window=5:60"]) == ([0, 2, 4], {"token-window": 2})
    assert guarded(responses, ["repetition", "cut-off", "token-window=5:"]) == (
        [0, 4],
        {"repetition": 1, "cut-off": 1, "token-window": 1},
    )


def test_guards_drop_before_the_size_is_filled():
    loop = "again and again we go. " * 30
    rows, dropped = guarded([loop, PROSE, "short.", PROSE + " More."], ["repetition"], size=2)
    assert rows == [1, 3]
    assert dropped == {"repetition": 1, "not among the 2 longest": 1}
    with pytest.raises(
        ConfigError, match=r"4 rows are requested, but the pool has 3 .*1 are dropped by guards"
    ):
        guarded([loop, PROSE, "short.", PROSE + " More."], ["repetition"], size=4)


def test_exact_duplicates_keep_their_first_row():
    rows, dropped = guarded(["one", "two", "one", "one"], ["duplicates"], asked=["q"] * 4)
    assert rows == [0, 1]
    assert dropped == {"duplicates": 2}


def test_near_duplicates_keep_the_longest():
    draw = random.Random(1)
    base = " ".join(f"{draw.choice(WORDS)}{draw.randint(0, 99)}" for _ in range(100))
    rows, dropped = guarded(
        [base, base + " and a few words more", "something else entirely, quite short"], ["near-duplicates"]
    )
    assert rows == [1, 2]
    assert dropped == {"near-duplicates": 1}


def test_decontamination_names_the_prompt(tmp_path):
    prompt = "Write a short story about a lighthouse keeper who finds a message in a bottle on the beach"
    (tmp_path / "eval.jsonl").write_text(
        json.dumps({"instruction": "Something else"}) + "\n" + json.dumps({"instruction": prompt})
    )
    pool = MemoryPool(
        [
            {"prompt": prompt.upper() + "!", "response": "Once."},
            {"prompt": "Hello", "response": "World, hello."},
        ]
    )
    summary = pick(
        pool,
        SelectSettings(by="full", guards=("decontaminate",), prompts=(str(tmp_path / "eval.jsonl"),)),
        tmp_path / "out",
    )
    assert summary.kept == 1
    scores = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert scores[0]["overlap"] == "eval.jsonl #2" and scores[1]["overlap"] is None


@pytest.mark.parametrize("container", ["jsonl", "parquet"])
def test_the_audit_of_the_written_subset_is_that_of_the_pool(tmp_path, container, monkeypatch):
    rows = [{"q": f"ask {n}?", "a": "word " * (n % 7) + f"end {n}.", "x": n} for n in range(60)]
    file = tmp_path / f"pool.{container}"
    if container == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), file)
    pool = read(file, map={"prompt": "q", "response": "a"})
    subset = select(pool, Longest(), size=30)
    truncation = Truncation(12)
    quick = subset.write(tmp_path / "quick", truncation=truncation).audit
    monkeypatch.setattr("handpicked.selection.result.read_back", lambda *_: None)
    assert subset.write(tmp_path / "slow", truncation=truncation).audit == quick


def test_the_audit_counts_what_guards_would_drop_even_when_they_are_off(tmp_path):
    loop = "again and again we go. " * 30
    rows = [
        {"prompt": f"{n}", "response": text}
        for n, text in enumerate([loop, PROSE, "The end of it all is near and"])
    ]
    audit = pick(
        MemoryPool(rows),
        SelectSettings(by="full"),
        tmp_path / "out",
        form=Form(truncation=Truncation(40, overhead=5)),
    ).audit
    assert audit["guards"]["repetition"]["rows"] == 1
    assert audit["guards"]["cut-off"]["rows"] == 1
    assert audit["guards"]["duplicates"]["rows"] == 0
    assert audit["truncation"]["cut_and_lose_end_of_text"] == 1
    assert audit["truncation"]["rows"] == 3
    written = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert written["audit"] == json.loads(json.dumps(audit))


def test_truncation_counts_at_the_boundary():
    from handpicked.selection.audit import _cut

    found = _cut([(5, 5), (6, 5), (25, 5)], Truncation(max_length=12, overhead=2))
    assert (found["cut_and_lose_end_of_text"], found["lose_whole_response"], found["tokens_lost"]) == (
        2,
        1,
        21,
    )
