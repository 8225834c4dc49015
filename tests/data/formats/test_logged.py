"""Stored requests with their answers, and ChatGPT's export."""

import json

import pytest

from handpicked.data import read
from handpicked.errors import PoolError

ASK, TELL = {"role": "user", "content": "Tallest tree?"}, {"role": "assistant", "content": "Hyperion."}
GEMINI = {"role": "user", "parts": [{"text": "Tallest tree?"}]}
GEMINI_SAYS = {"role": "model", "parts": [{"text": "Hyperion."}]}
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
        {"request": {"contents": [GEMINI]}, "response": {"candidates": [{"content": GEMINI_SAYS}]}},
        {"modelInput": {"messages": [ASK]}, "modelOutput": TELL},
        {"request": {"messages": [ASK]}, "response": {"type": "message", **TELL}},
        {"input": {"messages": [ASK]}, "output": TELL},
        {"input": json.dumps({"messages": [ASK]}), "output": json.dumps(TELL)},
        {"inputs": {"messages": [ASK]}, "outputs": {"message": TELL}},
        {"inputs": {"question": "Tallest tree?"}, "outputs": {"answer": "Hyperion."}},
        {"inputs": {"text": "Tallest tree?"}, "output": "Hyperion."},
        {"input": {"question": "Tallest tree?"}, "expectedOutput": {"answer": "Hyperion."}},
        {"input": "Tallest tree?", "output": [{"type": "message", **TELL}]},
        {"request": {"input": "Tallest tree?"}, "response": {"output": [{"type": "message", **TELL}]}},
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


@pytest.mark.parametrize(
    "row",
    [
        {"request": {"messages": [ASK], "system": "Be brief."}, "response": {"choices": CHOICES}},
        {"input": "Tallest tree?", "instructions": "Be brief.", "output": [{"type": "message", **TELL}]},
        {
            "request": {"contents": [GEMINI], "systemInstruction": {"parts": [{"text": "Be brief."}]}},
            "response": {"candidates": [{"content": GEMINI_SAYS}]},
        },
    ],
)
def test_the_system_text_of_a_request_is_kept(tmp_path, row):
    (example,) = pool_of(tmp_path, row).examples()
    assert [(turn.role, turn.content) for turn in example.messages] == [
        ("system", "Be brief."), ("user", "Tallest tree?"), ("assistant", "Hyperion."),
    ]  # fmt: skip


def test_the_items_of_a_response_are_its_turns(tmp_path):
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "A redwood."}]},
        {"type": "function_call", "call_id": "c", "name": "look_up", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "115 m"},
        {"type": "message", **TELL},
    ]
    pool = pool_of(tmp_path, {"input": "Tallest tree?", "output": items})
    (example,) = pool.examples()
    _, call, result, answer = example.messages
    assert (call.reasoning, call.calls[0].name) == ("A redwood.", "look_up")
    assert (result.content, answer.content) == ("115 m", "Hyperion.")
    assert not list(pool.unread())


def test_of_two_kinds_of_inputs_in_one_export_both_are_read(tmp_path):
    rows = [
        {"id": 1, "input": {"messages": [ASK]}, "output": TELL},
        {"id": 2, "input": [ASK], "output": TELL},
    ]
    assert [example.response for example in pool_of(tmp_path, *rows).examples()] == ["Hyperion."] * 2


def test_a_record_of_a_request_beside_the_row_is_not_the_row(tmp_path):
    other = {"role": "assistant", "content": "An oak."}
    for made in (
        {"messages": [ASK, other]},
        {"messages": [ASK], "choices": [{"index": 0, "message": other}]},
    ):
        (example,) = pool_of(
            tmp_path, {"prompt": "Tree?", "response": "Hyperion.", "metadata": made}
        ).examples()
        assert (example.prompt, example.response) == ("Tree?", "Hyperion.")


def test_requests_without_their_answers_are_refused_in_words(tmp_path):
    rows = [{"custom_id": str(n), "body": {"messages": [ASK]}} for n in range(2)]
    with pytest.raises(PoolError, match="what was asked, and no answer"):
        pool_of(tmp_path, *rows)


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
