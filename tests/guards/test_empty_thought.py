"""Responses with an empty thought."""

from __future__ import annotations

from guarded import findings, kept
from handpicked.guards.empty_thought import EmptyThought

EMPTY = ("<think></think>Yes.", "<think>\n\n</think>\n\nYes.", "  <THINK> </THINK>", "[THINK][/THINK]Yes.",
         "◁think▷◁/think▷Yes.", "<|begin_of_thought|>\n<|end_of_thought|>Yes.")  # fmt: skip
FULL = (
    "<think>Hm.</think>Yes.",
    "Yes.",
    "<think>",
    "</think>Yes.",
    "Write <think></think> first.",
    "<b></b>",
)


def test_marks_with_nothing_between_them(tmp_path):
    rows = [{"prompt": "Is it?", "response": text} for text in (*EMPTY, *FULL)]
    found = findings(EmptyThought(), rows, tmp_path)
    assert found == ["an empty thought"] * len(EMPTY) + [None] * len(FULL)


def test_a_thought_of_its_own_field_is_full(tmp_path):
    turns = [
        {"role": "user", "content": "Is it?"},
        {"role": "assistant", "content": "Yes.", "reasoning": "Hm."},
    ]
    assert findings(EmptyThought(), [{"messages": turns}], tmp_path) == [None]


def test_such_rows_are_dropped(tmp_path):
    rows = [{"prompt": "Is it?", "response": text} for text in (EMPTY[0], FULL[0])]
    assert kept("empty-thought", rows, tmp_path)[0] == [1]
