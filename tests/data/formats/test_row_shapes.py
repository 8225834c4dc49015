"""Rows in the shapes of published data sets, APIs and chat templates, each with the turns that it means."""

from __future__ import annotations

import json

import pytest

from handpicked.data import read
from handpicked.data.formats import templated
from handpicked.data.formats.row_format import thought_and_answer_of
from handpicked.errors import PoolError
from handpicked.records import ToolCall
from handpicked.records.response_parts import thought_and_answer

Q, A, S = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, "be good"
PLAIN = [("user", "q"), ("assistant", "a")]
WITH_SYSTEM = [("system", S), *PLAIN]


def example_of(tmp_path, row):
    path = tmp_path / "pool.jsonl"
    path.write_text((json.dumps(row) + "\n") * 3, "utf-8")
    return next(iter(read(path).examples()))


def said(example):
    return [(turn.role, turn.content) for turn in example.messages]


@pytest.mark.parametrize(
    ("turns", "row"),
    [
        (PLAIN, {"inputs": "q", "targets": "a"}),
        (PLAIN, {"kind": "QA", "input": "q", "target": "a"}),
        (PLAIN, {"user": "q", "assistant": "a"}),
        (PLAIN, {"human": "q", "gpt": "a"}),
        (PLAIN, {"Q": "q", "A": "a"}),
        (WITH_SYSTEM, {"system": [{"text": S}], "messages": [
            {"role": "user", "content": [{"text": "q"}]}, {"role": "assistant", "content": [{"text": "a"}]}]}),
        (WITH_SYSTEM, {"systemInstruction": {"role": "system", "parts": [{"text": S}]}, "contents": [
            {"role": "user", "parts": [{"text": "q"}]}, {"role": "model", "parts": [{"text": "a"}]}]}),
        (WITH_SYSTEM, {"system": [{"type": "text", "text": S}], "messages": [Q, A]}),
        ([*WITH_SYSTEM, ("user", "q2"), ("assistant", "a2")], {"conversation": [
            {"system": S, "input": "q", "output": "a"}, {"input": "q2", "output": "a2"}]}),
        (PLAIN, {"conversation": [{"human": "q", "assistant": "a"}]}),
    ],
)  # fmt: skip
def test_prompt_and_response_are_found(tmp_path, turns, row):
    assert said(example_of(tmp_path, row)) == turns


def test_a_user_who_is_a_name_is_no_prompt(tmp_path):
    row = {"user": "ada", "prompt": "q", "response": "a"}
    assert said(example_of(tmp_path, row)) == PLAIN


@pytest.mark.parametrize(
    ("row", "response"),
    [
        ({"problem": "q", "answer": "2", "solution": "One and one are 2."}, "One and one are 2."),
        ({"question": "q", "solution": "One and one are 2.", "answer": "2"}, "One and one are 2."),
        ({"question": "q", "answer": "It is 2.", "solution": 2}, "It is 2."),
        ({"question": "q", "answer": "It is 2.", "solution": ""}, "It is 2."),
        ({"question": "q", "response": "It is 2.", "attempt": 3}, "It is 2."),
    ],
)
def test_a_worked_solution_is_the_response_and_not_its_result(tmp_path, row, response):
    assert example_of(tmp_path, row).response == response


def test_a_trajectory_beside_an_attempt_is_its_thought(tmp_path):
    row = {"question": "q", "solution": "2", "attempt": "a", "thinking_trajectories": ["Let me see."]}
    example = example_of(tmp_path, row)
    assert thought_and_answer_of(example.messages, "last") == ("Let me see.", "a")


@pytest.mark.parametrize("flag", ["on", "off", True, "No"])
def test_a_field_that_says_whether_to_think_is_no_thought(tmp_path, flag):
    for row in (
        {"input": [Q], "output": "a", "reasoning": flag},
        {"messages": [Q, {**A, "reasoning": flag}]},
    ):
        if isinstance(flag, bool) or "messages" not in row:
            assert thought_and_answer_of(example_of(tmp_path, row).messages, "last") == ("", "a")


def test_calls_of_gemini_and_bedrock(tmp_path):
    gemini = {
        "contents": [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [{"thought": True, "text": "t"},
                                        {"functionCall": {"name": "f", "args": {"x": 1}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"ok": 2}}}]},
            {"role": "model", "parts": [{"text": "a"}]},
        ]
    }  # fmt: skip
    bedrock = {
        "messages": [
            {"role": "user", "content": [{"text": "q"}]},
            {
                "role": "assistant",
                "content": [{"toolUse": {"toolUseId": "i", "name": "f", "input": {"x": 1}}}],
            },
            {"role": "user", "content": [{"toolResult": {"toolUseId": "i", "content": [{"text": "2"}]}}]},
            {"role": "assistant", "content": [{"text": "a"}]},
        ]
    }
    for row, id_, result in ((gemini, "", '{"ok": 2}'), (bedrock, "i", '[{"text": "2"}]')):
        _, call, answer, last = example_of(tmp_path, row).messages
        assert call.calls == (ToolCall("f", '{"x": 1}', id_),)
        assert (answer.role, answer.content, answer.call_id) == ("tool", result, id_)
        assert last.content == "a"
    assert example_of(tmp_path, gemini).messages[1].reasoning == "t"


def test_items_of_openais_responses(tmp_path):
    row = {
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "q"}]}],
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]},
            {"type": "function_call", "call_id": "i", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "i", "output": "2"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        ],
    }
    _, call, result, last = example_of(tmp_path, row).messages
    assert (call.reasoning, call.calls) == ("t", (ToolCall("f", "{}", "i"),))
    assert (result.role, result.content, result.call_id) == ("tool", "2", "i")
    assert (last.content, last.reasoning) == ("a", "")


TEXTS = {
    "Llama 4": "<|begin_of_text|><|header_start|>system<|header_end|>\n\nbe good<|eot|><|header_start|>user"
    "<|header_end|>\n\nq<|eot|><|header_start|>assistant<|header_end|>\n\na<|eot|>",
    "ChatML": "<|im_start|>system<|im_sep|>be good<|im_end|><|im_start|>user<|im_sep|>q<|im_end|>"
    "<|im_start|>assistant<|im_sep|>a<|im_end|>",
    "Kimi": "<|im_system|>system<|im_middle|>be good<|im_end|><|im_user|>user<|im_middle|>q<|im_end|>"
    "<|im_assistant|>assistant<|im_middle|>a<|im_end|>",
    "Command R": "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>be good<|END_OF_TURN_TOKEN|>"
    "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>q<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>a"
    "<|END_OF_TURN_TOKEN|>",
    "Granite": "<|start_of_role|>system<|end_of_role|>be good<|end_of_text|>\n<|start_of_role|>user"
    "<|end_of_role|>q<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>a<|end_of_text|>",
    "Llama 2": "<s>[SYSTEM_PROMPT]be good[/SYSTEM_PROMPT][INST]q[/INST]a</s>",
    "DeepSeek": "<｜begin▁of▁sentence｜>be good<｜User｜>q<｜Assistant｜>a<｜end▁of▁sentence｜>",
    "Zephyr": "[gMASK]<sop><|system|>\nbe good<|user|>\nq<|assistant|>\na",
    "MiniMax": "]~!b[]~b]system\nbe good[e~[\n]~b]user\nq[e~[\n]~b]ai\na[e~[\n",
    "Seed": "<seed:bos>system\nbe good\n<seed:eos><seed:bos>user\nq<seed:eos><seed:bos>assistant\na<seed:eos>",
    "EXAONE": "[|system|]\nbe good[|endofturn|]\n[|user|]\nq[|endofturn|]\n[|assistant|]\na[|endofturn|]\n",
    "OpenChat": "<s>be good GPT4 Correct User: q<|end_of_turn|>GPT4 Correct Assistant: a<|end_of_turn|>",
    "Baize": "be good\n[|Human|] q\n[|AI|] a\n[|Human|] ",
    "OIG": "be good\n<human>: q\n<bot>: a",
    "MOSS": "be good\n[Human]: q<eoh>\n[MOSS]: a<eoa>",
    "User and Assistant": "System: be good\nUser: q\n\nAssistant: a<|endoftext|>",
    "gpt-oss": "<|start|>system<|message|>be good<|end|><|start|>user<|message|>q<|end|>"
    "<|start|>assistant<|channel|>final<|message|>a<|return|>",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_cut_at_the_marks_of_its_template(tmp_path, name):
    found = templated.split(TEXTS[name])
    assert found is not None and found[0] == name
    assert said(example_of(tmp_path, {"text": TEXTS[name]})) == WITH_SYSTEM


def test_what_a_tool_returned_is_no_part_of_the_answer():
    _, turns = templated.split(
        '<s>[AVAILABLE_TOOLS][{"name": "f"}][/AVAILABLE_TOOLS][INST]q[/INST][TOOL_CALLS][{"name": "f", '
        '"arguments": {}}]</s>[TOOL_RESULTS]{"content": 1}[/TOOL_RESULTS]a</s>'
    )
    assert [turn.role for turn in turns] == ["user", "assistant", "tool", "assistant"]
    assert (turns[1].calls, turns[2].content, turns[3].content) == (
        (ToolCall("f", "{}"),),
        '{"content": 1}',
        "a",
    )
    assert json.loads(turns[0].tools)[0]["function"] == {"name": "f"}
    _, turns = templated.split(
        "<|im_user|>user<|im_middle|>q<|im_end|><|im_assistant|>assistant<|im_middle|>x<|im_end|>"
        "<|im_system|>f<|im_middle|>## Return of f:0\n2<|im_end|><|im_assistant|>assistant<|im_middle|>a<|im_end|>"
    )
    assert [turn.role for turn in turns] == ["user", "assistant", "tool", "assistant"]


def test_the_mark_of_no_thought_is_no_part_of_the_answer():
    _, turns = templated.split("<｜User｜>q<｜Assistant｜></think>a<｜end▁of▁sentence｜>")
    assert turns[-1].content == "a"


def test_a_templated_text_keeps_thoughts_calls_and_results():
    _, turns = templated.split(
        "<|start|>user<|message|>q<|end|><|start|>assistant<|channel|>analysis<|message|>t<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"
        "<|start|>functions.f to=assistant<|channel|>commentary<|message|>2<|end|>"
        "<|start|>assistant<|channel|>final<|message|>a<|return|>"
    )
    _, call, result, last = turns
    assert (call.reasoning, call.calls) == ("t", (ToolCall("f", "{}"),))
    assert (result.role, result.content, result.name, last.content) == ("tool", "2", "f", "a")
    _, turns = templated.split("<｜User｜>q<｜Assistant｜><think>\nt\n</think>\n\na<｜end▁of▁sentence｜>")
    assert thought_and_answer(turns[-1].content) == ("t", "a")
    _, turns = templated.split(
        'USER: q\n\n\nASSISTANT: <functioncall> {"name": "f"} <|endoftext|>\n\n\nFUNCTION RESPONSE: 2\n\n\n'
        "ASSISTANT: a <|endoftext|>"
    )
    assert [turn.role for turn in turns] == ["user", "assistant", "tool", "assistant"]
    assert (turns[2].content, turns[3].content) == ("2", "a")


def test_rows_of_single_turns_say_what_to_do(tmp_path):
    row = {"id": "1", "session_id": "t", "text": "q", "role": "prompter"}
    with pytest.raises(PoolError, match=r"each row is one turn.*the rows of one 'session_id'"):
        example_of(tmp_path, row)
