"""What a pool has in common with evaluation prompts, and with rows that one has."""

from __future__ import annotations

import json

import pytest
from made_pools import LONG, two_files, write

import handpicked as hp
from handpicked.errors import ConfigError, PoolError
from handpicked.pool_audit.record import Common


def test_prompts_exact_and_overlapping(tmp_path):
    pool = hp.read(two_files(tmp_path))
    prompts = tmp_path / "test.jsonl"
    prompts.write_text(
        "".join(json.dumps({"prompt": text}) + "\n" for text in ("Name a colour.", f"Say: {LONG}", "Other."))
    )
    found = hp.audit(pool, against=[str(prompts)])
    (one,) = found.against
    assert (one.kind, one.items) == ("prompts", 3)
    assert one.common == Common(rows=5, conversations=0, prompts=3, overlaps=5)
    assert [(match.row.row, match.item) for match in one.shown] == [(0, 2), (1, 1), (4, 1)]


def test_rows_that_one_has_by_conversation_and_prompt(tmp_path):
    pool = hp.read(two_files(tmp_path))
    chat = [{"role": "user", "content": "Name a colour."}, {"role": "assistant", "content": "Red."}]
    other = write(
        tmp_path / "chat.jsonl", [{"messages": chat}, {"messages": [chat[0], {**chat[1], "content": ""}]}]
    )
    found = hp.audit(pool, against=[str(other)])
    (one,) = found.against
    assert (one.kind, one.items, one.unreadable) == ("rows", 1, 1)
    assert (one.common.conversations, one.common.prompts, one.common.rows) == (2, 3, 3)


def test_with_several_files_a_row_counts_once(tmp_path):
    pool = hp.read(two_files(tmp_path))
    texts = ("Name a colour.", "Unlike all others here.")
    files = [tmp_path / f"{number}.json" for number in range(2)]
    files[0].write_text(json.dumps([{"prompt": texts[0]}]))
    files[1].write_text(json.dumps([{"prompt": text} for text in texts]))
    found = hp.audit(pool, against=[str(file) for file in files])
    assert [one.common.rows for one in found.against] == [3, 4]
    assert found.against_any == Common(rows=4, conversations=0, prompts=4, overlaps=4)
    as_one = hp.audit(pool, against=[str(tmp_path / "[01].json")])
    assert (as_one.against[0].items, as_one.against[0].common) == (3, found.against_any)


def test_with_the_pool_itself_everything_is_in_common(tmp_path):
    files = two_files(tmp_path)
    found = hp.audit(hp.read(files), against=[str(files[0])])
    assert found.against[0].common.conversations == 4  # three rows and the copy


def test_all_turns_of_a_conversation_are_compared(tmp_path):
    turns = [
        ("user", "Hello there."),
        ("assistant", "Hi."),
        ("user", "Name a colour."),
        ("assistant", "Red."),
    ]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    file = write(tmp_path / "pool.jsonl", [row])
    for rule in ("last", "all"):
        found = hp.audit(hp.read(file, turns=rule), against=[str(file)])
        assert (found.against[0].common.conversations, found.against[0].common.prompts) == (1, 1), rule


def test_files_that_hold_neither_rows_nor_prompts(tmp_path):
    pool = hp.read(two_files(tmp_path))
    neither = write(tmp_path / "neither.jsonl", [{"x": 1}])
    with pytest.raises(PoolError, match=r"--against .*neither rows .* nor evaluation prompts"):
        hp.audit(pool, against=[str(neither)])
    with pytest.raises(PoolError, match="no such file"):
        hp.audit(pool, against=[str(tmp_path / "missing.json")])
    with pytest.raises(ConfigError, match="61 files are given"):
        hp.audit(pool, against=[str(neither)] * 61)


def test_real_prompts_that_are_in_alpaca(real_data):
    """LIMA's test prompts come as conversations without answers."""
    pool = hp.read(real_data / "sft" / "alpaca_cleaned_sample_1000.parquet")
    lima = str(real_data / "prompts" / "lima_test_300.parquet")
    found = hp.audit(pool, against=[lima, str(real_data / "sft" / "alpaca_52k.parquet")])
    prompts, rows = found.against
    assert (prompts.kind, prompts.items) == ("prompts", 300)
    assert (rows.kind, rows.items, rows.unreadable) == ("rows", 51_974, 28)
    assert rows.common.conversations == 61 and rows.common.prompts > 800
