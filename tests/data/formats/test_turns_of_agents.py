"""Turns as LangChain, OpenAI's Responses, Anthropic, Vercel and others write them."""

from __future__ import annotations

import json

import pytest

from handpicked.data import read
from handpicked.errors import PoolError

Q, A = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


def pool_of(tmp_path, *rows):
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return read(path)


def turns(tmp_path, *listed):
    (example,) = pool_of(tmp_path, {"messages": [*listed]}).examples()
    return example.messages


def told(messages):
    """Role, content, names of calls and the call that a result answers."""
    return [(one.role, one.content, [call.name for call in one.calls], one.call_id) for one in messages]


def constructor(kind, **kwargs):
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", kind], "kwargs": kwargs}


@pytest.mark.parametrize(
    "listed",
    [
        [{"type": "human", "content": "q"}, {"type": "ai", "content": "a"}],
        [{"type": "human", "data": {"content": "q"}}, {"type": "ai", "data": {"content": "a", "type": "ai"}}],
        [{"type": "HumanMessage", "content": "q"}, {"type": "AIMessageChunk", "content": "a"}],
        [constructor("HumanMessage", content="q"), constructor("AIMessage", content="a", type="ai")],
        [{"role": "human", "content": "q"}, {"role": "ai", "content": "a"}],
        [{"role": "USER", "message": "q"}, {"role": "CHATBOT", "message": "a"}],
        [Q, {"role": "agent", "content": "a"}],
        [{"user": "q"}, {"assistant": "a"}],
        [["user", "q"], ["assistant", "a"]],
        [["q", "a"]],
        [[Q, A]],
        [None, Q, A],
        [Q, {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "step-start"}]}],
        [Q, {"role": "assistant", "content": None, "refusal": "a"}],
    ],
)
def test_a_question_and_its_answer(tmp_path, listed):
    assert told(turns(tmp_path, *listed)) == [("user", "q", [], ""), ("assistant", "a", [], "")]


def test_an_unusual_word_for_a_speaker_is_remarked(tmp_path):
    pool = pool_of(tmp_path, {"messages": [Q, {"role": "ai", "content": "a"}]})
    assert "read roles: ai as assistant" in pool.why


def test_the_fields_of_langchain_are_no_losses(tmp_path):
    said = constructor("AIMessage", content="a", type="ai")
    pool = pool_of(tmp_path, {"messages": [constructor("HumanMessage", content="q"), said]})
    assert not {one.field for one in pool.unread()}


def test_a_thought_in_additional_kwargs(tmp_path):
    said = {"type": "ai", "content": "a", "additional_kwargs": {"reasoning_content": "t"}}
    assert turns(tmp_path, {"type": "human", "content": "q"}, said)[-1].reasoning == "t"


CALL = [
    ("user", "q", [], ""),
    ("assistant", "", ["f"], ""),
    ("tool", "r", [], "c1"),
    ("assistant", "a", [], ""),
]


@pytest.mark.parametrize(
    "listed",
    [
        [{"type": "ai", "content": "", "tool_calls": [{"name": "f", "args": {}, "id": "c1", "type": "tool_call"}]},
         {"type": "tool", "content": "r", "tool_call_id": "c1"}, A],
        [{"role": "tool_call", "content": '{"name": "f", "arguments": {}}'},
         {"role": "tool_response", "content": "r", "tool_call_id": "c1"}, A],
        [{"role": "assistant", "content": [
            {"type": "server_tool_use", "id": "c1", "name": "f", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "r"}]},
            {"type": "text", "text": "a"}]}],
        [{"role": "assistant", "content": [
            {"type": "mcp_tool_use", "id": "c1", "name": "f", "server_name": "s", "input": {}},
            {"type": "mcp_tool_result", "tool_use_id": "c1", "is_error": False, "content": [{"type": "text", "text": "r"}]},
            {"type": "text", "text": "a"}]}],
        [{"role": "assistant", "content": [
            {"type": "tool-call", "toolCallId": "c1", "toolName": "f", "args": {}}]},
         {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "f", "result": "r"}]}, A],
        [{"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": "x"},
         {"type": "custom_tool_call_output", "call_id": "c1", "output": "r"}, A],
        [{"type": "mcp_call", "call_id": "c1", "name": "f", "arguments": "{}", "output": "r"}, A],
        [{"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "function": "f", "arguments": {}}]},
         {"role": "environment", "content": "r", "tool_call_id": "c1"}, A],
    ],
)  # fmt: skip
def test_a_call_what_it_returned_and_the_answer(tmp_path, listed):
    assert told(turns(tmp_path, Q, *listed)) == CALL


def test_what_a_search_of_the_server_found_is_kept_as_json(tmp_path):
    found = [{"type": "web_search_result", "url": "u", "title": "t"}]
    blocks = [
        {"type": "server_tool_use", "id": "c1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "c1", "content": found},
        {"type": "text", "text": "a"},
    ]
    _, _, result, answer = turns(tmp_path, Q, {"role": "assistant", "content": blocks})
    assert (json.loads(result.content), answer.content) == (found, "a")


@pytest.mark.parametrize(
    "calls",
    [
        [{"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
         {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"}],
        [{"role": "tool_call", "content": '{"name": "f", "arguments": {}}'},
         {"role": "tool_call", "content": '{"name": "g", "arguments": {}}'}],
    ],
)  # fmt: skip
def test_parallel_calls_are_one_turn(tmp_path, calls):
    _, called, _ = turns(tmp_path, Q, *calls, A)
    assert [call.name for call in called.calls] == ["f", "g"]


def test_calls_that_cannot_be_read_stay_beside_the_text(tmp_path):
    said = {"role": "assistant", "content": "Let me look.", "function_calls": "f(x=1)"}
    assert turns(tmp_path, Q, said)[-1].content == "Let me look.\nf(x=1)"


@pytest.mark.parametrize(
    ("turn", "thought"),
    [
        ({"reasoning_details": [{"type": "reasoning.text", "text": "t"}]}, "t"),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "t"}]}, "t"),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "xyz"}]}, ""),
        ({"reasoning": "t", "reasoning_details": [{"type": "reasoning.text", "text": "t"}]}, "t"),
    ],
)
def test_the_thoughts_of_gateways(tmp_path, turn, thought):
    answer = turns(tmp_path, Q, {**A, **turn})[-1]
    assert (answer.reasoning, answer.content) == (thought, "a")


def test_a_thought_of_bedrock(tmp_path):
    blocks = [{"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}}, {"text": "a"}]
    answer = turns(tmp_path, Q, {"role": "assistant", "content": blocks})[-1]
    assert (answer.reasoning, answer.content) == ("t", "a")


def test_tools_in_the_system_turn(tmp_path):
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert (
        json.loads(turns(tmp_path, {"role": "system", "content": "s", "tools": tools}, Q, A)[0].tools)
        == tools
    )


def test_an_item_that_is_no_turn_is_named(tmp_path):
    pool = pool_of(tmp_path, {"messages": [Q, {"type": "web_search_call", "status": "completed"}, A]})
    (rejected,) = pool.rejected()
    assert rejected.reason == "turn 2 of 'messages' has no role (its type is \"web_search_call\")"


def test_pairs_of_texts_are_rounds(tmp_path):
    said = turns(tmp_path, ["q", "a"], ["r", "b"])
    assert [(one.role, one.content) for one in said] == [
        ("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b"),
    ]  # fmt: skip


def test_a_number_in_a_turn_is_its_text(tmp_path):
    said = turns(tmp_path, {"role": "user", "content": 6}, {"role": "assistant", "content": 1.5})
    assert [one.content for one in said] == ["6", "1.5"]


@pytest.mark.parametrize("found", [{"degrees": 3}, [{"degrees": 3}, {"degrees": 4}]])
def test_an_object_that_a_tool_returned_is_kept_as_json(tmp_path, found):
    said = turns(tmp_path, Q, {"role": "tool", "content": found}, A)
    assert json.loads(said[1].content) == found


@pytest.mark.parametrize("field", ["trajectory", "chat_history", "thread", "our_turns"])
def test_turns_in_a_field_of_any_name(tmp_path, field):
    (example,) = pool_of(tmp_path, {"id": 1, field: [Q, A]}).examples()
    assert (example.prompt, example.response) == ("q", "a")


def test_a_tool_that_returned_nothing_costs_no_row(tmp_path):
    call = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}
    result = turns(tmp_path, Q, call, {"role": "tool", "tool_call_id": "1", "content": None}, A)[2]
    assert (result.role, result.content, result.call_id) == ("tool", "", "1")


def test_turns_in_two_fields_of_unknown_names_are_not_guessed(tmp_path):
    with pytest.raises(PoolError, match="no prompt and response"):
        pool_of(tmp_path, *[{"one": [Q, A], "two": [Q, A]}] * 2)


@pytest.mark.parametrize("field", ["history", "chat_history"])
@pytest.mark.parametrize("before", [[Q, A], [["q", "a"]], [{"user": "q", "assistant": "a"}]])
def test_the_turns_before_a_question_belong_to_it(tmp_path, field, before):
    (example,) = pool_of(tmp_path, {"question": "r", "answer": "b", field: before}).examples()
    assert [(one.role, one.content) for one in example.messages] == [
        ("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b"),
    ]  # fmt: skip


def test_an_empty_list_is_no_input(tmp_path):
    (example,) = pool_of(tmp_path, {"instruction": "q", "input": [], "output": "a"}).examples()
    assert example.prompt == "q"
