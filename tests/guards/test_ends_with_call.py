"""Conversations whose final turn only calls tools."""

from __future__ import annotations

from guarded import call, calling, findings, turn
from handpicked.guards.ends_with_call import EndsWithCall

ASK = turn("user", "What is the weather in Oslo?")
TAG = '<tool_call>{"name": "w", "arguments": {}}</tool_call>'


def test_only_a_turn_that_says_nothing_besides_its_calls(tmp_path):
    turns = {
        "only calls": calling(call("w"), call("v"), call("w")),
        "blank": calling(call("w"), content="\n"),
        "says something": calling(call("w"), content="Let me look."),
        "in the text": turn("assistant", TAG),
        "in the text, after a thought": turn("assistant", f"<think>Hm.</think>\n{TAG}"),
        "in the text, with words": turn("assistant", f"Let me look.\n{TAG}"),
        "no call": turn("assistant", "It is 3 degrees."),
    }
    found = findings(EndsWithCall(), [{"messages": [ASK, last]} for last in turns.values()], tmp_path)
    assert dict(zip(turns, found, strict=True)) == {
        "only calls": "w, v", "blank": "w", "says something": None, "in the text": "w",
        "in the text, after a thought": "w", "in the text, with words": None, "no call": None,
    }  # fmt: skip


def test_a_call_in_the_middle_is_no_end(tmp_path):
    turns = [ASK, calling(call("w")), turn("tool", "3"), turn("assistant", "It is 3 degrees.")]
    assert findings(EndsWithCall(), [{"messages": turns}, {"messages": turns[:2]}], tmp_path) == [None, "w"]
