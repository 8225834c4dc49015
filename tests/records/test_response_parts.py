"""Where the thought of a response ends and its answer begins, in the ways that models write it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.records import Message, ToolCall, messages_id
from handpicked.records.response_parts import MARKED, thought_and_answer

WRITTEN = [
    ("<think>\nt\n</think>\n\na", "t", "a"),
    ("<think></think>a", "", "a"),
    ("  <Thinking>t</Thinking> a", "t", "a"),
    ("<thought>t</thought>a", "t", "a"),
    ("<reasoning>t</reasoning>\n<answer>a</answer>", "t", "<answer>a</answer>"),
    ("[THINK]t[/THINK]a", "t", "a"),
    ("<seed:think>t</seed:think>a", "t", "a"),
    ("◁think▷t◁/think▷a", "t", "a"),
    ("<|begin_of_thought|>\nt\n<|end_of_thought|>\n<|begin_of_solution|>\na\n<|end_of_solution|>", "t", "a"),
    (
        "<|channel|>analysis<|message|>t<|end|><|start|>assistant<|channel|>final<|message|>a<|return|>",
        "t",
        "a",
    ),
    ("<|channel|>final<|message|>a<|return|>", "", "a"),
    ("t\n</think>\n\na", "t", "a"),  # the prompt opened the thought
    ("<think>t, cut", "t, cut", ""),
    ("a plain answer", "", "a plain answer"),
    ("Write </think> to end a thought.", "", "Write </think> to end a thought."),
    (
        "The tag <think>t</think> is not a thought here.",
        "",
        "The tag <think>t</think> is not a thought here.",
    ),
]


@pytest.mark.parametrize(("text", "thought", "answer"), WRITTEN)
def test_thought_and_answer(text, thought, answer):
    assert thought_and_answer(text) == (thought, answer)


def test_what_has_a_thought_is_marked_for_arrow_too():
    texts = pa.array([text for text, _, _ in WRITTEN], pa.large_string())
    marked = pc.match_substring_regex(texts, MARKED).to_pylist()
    assert all(found for (_, thought, _), found in zip(WRITTEN, marked, strict=True) if thought)


@given(st.text())
def test_any_text_has_its_parts_in_it(text):
    thought, answer = thought_and_answer(text)
    assert thought in text and answer in text


def test_all_that_a_turn_says_is_its_text():
    call = ToolCall("add", '{"a": 1}', "c1")
    turn = Message("assistant", "Let me see.", reasoning="Hm.", calls=(call,))
    assert turn.text == '<think>\nHm.\n</think>\n\nLet me see.\n{"name": "add", "arguments": {"a": 1}}'
    assert (turn.thought, turn.answer) == ("Hm.", "Let me see.")
    assert ToolCall("f", "no json").text == '{"name": "f", "arguments": "no json"}'


def test_a_message_is_the_same_after_a_file():
    turn = Message("assistant", "a", reasoning="t", calls=(ToolCall("f", "{}", "1"),), name="n", weight=0.0)
    fields = turn.fields()
    fields["calls"] = [{"name": "f", "arguments": "{}", "id": "1", "quoted": True}]
    assert Message.of(fields) == turn
    assert Message("user", "u").fields() == {"role": "user", "content": "u", "input": ""}


def test_ids_of_plain_conversations_are_those_of_version_one():
    def id_of(*turns):
        return messages_id([Message(*turn) for turn in turns])

    assert id_of(("user", "What is 2+2?"), ("assistant", "Four.")) == "9462cd8199104eca260e717058983d2d"
    thought = "<think>\nx\n</think>\n\ny"
    found = id_of(("system", "Be brief."), ("user", "é\nü"), ("assistant", thought))
    assert found == "09727f4bcb94452910c32a153c19d4f7"
    long = id_of(("user", "u"), ("tool", "4"), ("assistant", "a" * 3_000_000))
    assert long == "5fe049dc6756e55578369d7b0a1a0748"


def test_whatever_a_turn_says_tells_it_from_another():
    turns = [
        Message("assistant", "a"),
        Message("assistant", "a", reasoning="t"),
        Message("assistant", "a", calls=(ToolCall("f", "{}"),)),
        Message("assistant", "a", calls=(ToolCall("f", "{}", "1"),)),
        Message("assistant", "a", call_id="t"),
        Message("assistant", "a", name="t"),
        Message("assistant", "a", weight=0.0),
        Message("assistant", "a", tools="t"),
    ]
    assert len({messages_id([Message("user", "q"), turn]) for turn in turns}) == len(turns)
    plain, weighted = Message("assistant", "a"), Message("assistant", "a", weight=1.0)
    assert messages_id([plain]) == messages_id([weighted])  # the weight that every turn has
