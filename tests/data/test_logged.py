"""Stored requests with their answers, and ChatGPT's export."""

import json

import pytest

from handpicked.data import read
from handpicked.errors import PoolError

ASK, TELL = {"role": "user", "content": "Tallest tree?"}, {"role": "assistant", "content": "Hyperion."}
CHOICES = [{"index": 0, "message": TELL, "finish_reason": "stop"}]


def pool_of(tmp_path, *rows):
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return read(path)


@pytest.mark.parametrize(
    "row",
    [
        {
            "request": {"model": "m", "messages": [ASK]},
            "response": {"object": "chat.completion", "choices": CHOICES},
        },
        {"request": json.dumps({"messages": [ASK]}), "response": json.dumps({"choices": CHOICES})},
        {"messages": [ASK], "choices": CHOICES},
        {"messages": [ASK], "choices": [*CHOICES, {"index": 1, "message": TELL}]},
        {"messages": [ASK], "response": {"choices": CHOICES}},
        {"prompt": "Tallest tree?", "choices": [{"index": 0, "text": "Hyperion."}]},
        {"custom_id": "7", "body": {"messages": [ASK, TELL]}},
        {"input": {"messages": [ASK]}, "preferred_output": [TELL], "non_preferred_output": [ASK]},
        {"messages": [ASK], "completion": "Hyperion."},
        {"messages": [ASK], "response": TELL},
        {
            "chat_messages": [
                {"sender": "human", "text": "Tallest tree?"},
                {"sender": "assistant", "text": "Hyperion."},
            ]
        },
        {
            "dialogue": [
                {"speaker": " User", "text": "Tallest tree?"},
                {"speaker": "ASSISTANT ", "text": "Hyperion."},
            ]
        },
        {
            "conversations": [
                {"from": "human", "content": "Tallest tree?"},
                {"from": "gpt", "content": "Hyperion."},
            ]
        },
    ],
)
def test_a_request_and_its_answer(tmp_path, row):
    (example,) = pool_of(tmp_path, row).examples()
    assert (example.prompt, example.response) == ("Tallest tree?", "Hyperion.")


def test_tools_of_a_request_are_kept(tmp_path):
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    row = {"request": {"messages": [ASK], "tools": tools}, "response": {"choices": CHOICES}}
    (example,) = pool_of(tmp_path, row).examples()
    assert json.loads(example.messages[0].tools) == tools


def test_several_choices_and_failed_requests_are_rejected(tmp_path):
    other = {"index": 1, "message": {"role": "assistant", "content": "An oak."}}
    rows = [
        {"request": {"messages": [ASK]}, "response": {"choices": CHOICES}},
        {"request": {"messages": [ASK]}, "response": {"choices": [*CHOICES, other]}},
        {"request": {"messages": [ASK]}, "response": {"error": {"code": 429}}},
    ]
    pool = pool_of(tmp_path, *rows)
    assert len(list(pool.examples())) == 1
    several, failed = (row.reason for row in pool.rejected())
    assert "'response.choices' holds 2 answers" in several
    assert "the request may have failed" in failed


def test_answers_without_their_requests_are_refused_in_words(tmp_path):
    rows = [{"custom_id": str(n), "response": {"body": {"choices": CHOICES}}} for n in range(2)]
    with pytest.raises(PoolError, match="without what was asked"):
        pool_of(tmp_path, *rows)


def node(parent, children, role=None, **content):
    message = role and {
        "author": {"role": role},
        "recipient": "all",
        "content": {"content_type": "text", **content},
    }
    return {"parent": parent, "children": children, "message": message}


TREE = {
    "root": node(None, ["sys"]),
    "sys": node("root", ["ask"], "system", parts=[""]),
    "ask": node("sys", ["old", "think"], "user", parts=["Tallest tree?"]),
    "old": node("ask", [], "assistant", parts=["An oak."]),
    "think": node("ask", ["new"], "assistant", content_type="thoughts", thoughts=[{"content": "A redwood."}]),
    "new": node("think", [], "assistant", parts=["Hyperion."]),
}


@pytest.mark.parametrize(
    ("last", "response"), [("new", "Hyperion."), ("old", "An oak."), (None, "Hyperion.")]
)
def test_the_branch_of_an_export_that_was_shown_last(tmp_path, last, response):
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([{"title": "Trees", "mapping": TREE, "current_node": last}]))
    (example,) = read(path).examples()
    assert [turn.role for turn in example.messages] == ["user", "assistant"]
    assert example.messages[-1].content == response
    assert example.messages[-1].reasoning == ("A redwood." if response == "Hyperion." else "")


def test_a_ring_in_an_export_ends(tmp_path):
    ring = {"a": node("b", ["b"], "user", parts=["Q"]), "b": node("a", ["a"], "assistant", parts=["A"])}
    (example,) = pool_of(tmp_path, {"mapping": ring, "current_node": "b"}).examples()
    assert (example.prompt, example.response) == ("Q", "A")
