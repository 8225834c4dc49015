"""The columns about the turns of a conversation, which guards read."""

from __future__ import annotations

import json

import pytest

from handpicked.data import read
from handpicked.data.turn_columns import tool_turns, turn_roles
from handpicked.records import Message, ToolCall

TAGGED = '<tool_call>{"name": "w", "arguments": {}}</tool_call>'


def test_roles_are_words_and_calls_are_their_own():
    turns = [
        Message("system", "s"),
        Message("user", "u"),
        Message("assistant", "", calls=(ToolCall("w", "{}"),)),
    ]
    turns += [Message("tool", "3"), Message("assistant", "It is 3."), Message("user", TAGGED)]
    assert turn_roles([*turns, Message("assistant", TAGGED)]) == "system user calls tool assistant user calls"


def test_only_rows_with_tools_are_written_and_all_that_they_say_comes_back():
    plain = [Message("user", "u"), Message("assistant", "a")]
    assert tool_turns(plain) is None
    full = [
        Message("user", "u", tools='[{"name": "w"}]'),
        Message("assistant", "", reasoning="r", calls=(ToolCall("w", '{"a": 1}', "x"),)),
        Message("tool", "3", call_id="x", name="w"),
        Message("assistant", "a", weight=0.0),
    ]
    assert [Message.of(fields) for fields in json.loads(tool_turns(full) or "")] == full
    for turn in (Message("tool", "3"), Message("assistant", TAGGED), Message("user", "u", tools="[]")):
        assert tool_turns([*plain, turn]) is not None


@pytest.mark.parametrize("response", ["Yes.", TAGGED, f"<think>Hm.</think>{TAGGED}"])
@pytest.mark.parametrize("prompt", ["Is it?", f"What is {TAGGED}?"])
def test_bulk_reading_gives_what_reading_row_by_row_does(tmp_path, prompt, response):
    """A row whose prompt is a list of turns is read by itself; plain pairs are read as columns."""
    plain, listed = tmp_path / "plain.jsonl", tmp_path / "listed.jsonl"
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    plain.write_text(json.dumps({"prompt": prompt, "response": response}) + "\n")
    listed.write_text(json.dumps({"messages": turns}) + "\n")
    found = [
        batch.to_pydict()
        for file in (plain, listed)
        for shard in read(file).shards
        for batch in shard.read(["turn_roles", "tool_turns"])
    ]
    assert found[0] == found[1]
    assert (found[0]["tool_turns"] == [None]) is ("<tool_call>" not in prompt + response)


def test_lone_surrogates_are_no_obstacle(tmp_path):
    call = {"function": {"name": "w\ud800", "arguments": "{}"}, "id": "\udc00"}
    turns = [{"role": "user", "content": "u"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    (batch,) = (b for shard in read(tmp_path / "rows.jsonl").shards for b in shard.read(["tool_turns"]))
    assert "w\ufffd" in batch["tool_turns"][0].as_py()
