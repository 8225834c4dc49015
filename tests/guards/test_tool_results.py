"""Tool results without a call, and calls without a result."""

from __future__ import annotations

from guarded import call, calling, findings, turn
from handpicked.guards.tool_results import ToolResults

ASK = turn("user", "What is the weather in Oslo?")
ANSWER = turn("assistant", "It is 3 degrees.")


def result(id=None, **more):
    return turn("tool", "3", **more, **({} if id is None else {"tool_call_id": id}))


SOUND = {
    "ids": [ASK, calling(call("w", id="a")), result("a"), ANSWER],
    "no ids": [ASK, calling(call("w")), result(), ANSWER],
    "parallel, in another order": [ASK, calling(call("w", id="a"), call("w", id="b")), result("b"), result("a"), ANSWER],
    "parallel turns": [ASK, calling(call("w", id="a")), calling(call("w", id="b")), result("a"), result("b"), ANSWER],
    "one result for two calls": [ASK, calling(call("w"), call("v")), result(), ANSWER],
    "results and no ids": [ASK, calling(call("w"), call("v")), result(), result(), ANSWER],
    "twice": [ASK, calling(call("w", id="a")), result("a"), calling(call("w", id="b")), result("b"), ANSWER],
    "ends with a call": [ASK, calling(call("w", id="a"))],
    "a call in the text": [ASK, turn("assistant", '<tool_call>{"name": "w", "arguments": {}}</tool_call>'), result(), ANSWER],
    "next question": [ASK, calling(call("w", id="a")), result("a"), ANSWER, ASK, ANSWER],
}  # fmt: skip
WRONG = {
    "no call": ([ASK, result(), ANSWER], "turn 2: a result without a call"),
    "after text": (
        [ASK, ANSWER, result("a", name="w"), ANSWER],
        "turn 3: a result of w a without a call",
    ),
    "another id": (
        [ASK, calling(call("w", id="a")), result("z"), ANSWER],
        "turn 3: a result of z without a call",
    ),
    "an old id": (
        [ASK, calling(call("w", id="a")), result("a"), calling(call("w", id="b")), result("a"), ANSWER],
        "turn 5: a result of a without a call",
    ),
    "no result": ([ASK, calling(call("w", id="a")), ANSWER], "w has no result before turn 3"),
    "no result before a question": (
        [ASK, calling(call("w")), ASK, ANSWER],
        "w has no result before turn 3",
    ),
    "one of two": (
        [ASK, calling(call("w", id="a"), call("v", id="b")), result("a"), ANSWER],
        "v has no result before turn 4",
    ),
    "one of two before a call": (
        [ASK, calling(call("w", id="a"), call("v", id="b")), result("a"), calling(call("w", id="c"))],
        "v has no result before turn 4",
    ),
    "one of two at the end": (
        [ASK, calling(call("w", id="a"), call("v", id="b")), result("a")],
        "v has no result before turn 4",
    ),
}


def test_sound_conversations_pass(tmp_path):
    rows = [{"messages": turns} for turns in SOUND.values()]
    found = dict(zip(SOUND, findings(ToolResults(), rows, tmp_path), strict=True))
    assert found == dict.fromkeys(SOUND)


def test_what_is_unmatched_is_named(tmp_path):
    rows = [{"messages": turns} for turns, _ in WRONG.values()]
    found = dict(zip(WRONG, findings(ToolResults(), rows, tmp_path), strict=True))
    assert found == {name: expected for name, (_, expected) in WRONG.items()}


def test_anthropics_blocks(tmp_path):
    use = {"type": "tool_use", "id": "a", "name": "w", "input": {}}
    back = {"type": "tool_result", "tool_use_id": "a", "content": "3"}
    other = {**back, "tool_use_id": "z"}
    rows = [
        {"messages": [ASK, turn("assistant", [use]), turn("user", [one]), ANSWER]} for one in (back, other)
    ]
    assert findings(ToolResults(), rows, tmp_path) == [None, "turn 3: a result of z without a call"]
