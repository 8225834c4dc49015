"""Responses in which the marks of a thought do not pair."""

from __future__ import annotations

from guarded import findings
from handpicked.guards.unclosed_think import UnclosedThink

WRONG = {
    "<think>Hm, so": "<think> never closes",
    "Sure.\n<think>\nHm": "<think> never closes",
    "Hm.</think>\nYes.": "</think> closes a thought that nothing opens",
    "<think>a</think>b</think>": "</think> closes a thought that nothing opens",
    "<think>a</think>\n<think>b": "<think> never closes",
    "<think>Hm.</thinking>Yes.": "<think> never closes",
    "[THINK]Hm.": "[THINK] never closes",
    "◁think▷Hm.": "◁think▷ never closes",
    "<|begin_of_thought|>Hm.": "<|begin_of_thought|> never closes",
    "<|channel|>analysis<|message|>Hm.": "<|channel|>analysis<|message|> never closes",
}
SOUND = (
    "Yes.",
    "<think>Hm.</think>Yes.",
    "<think>\na\n</think>\nb\n<think>\nc\n</think>\nd",
    "<THINKING>Hm.</thinking> Yes.",
    "Put it between <think> and </think> marks.",
    "The mark `</think>` ends it.",
    "[thinking] He paces.",
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
    "<reasoning>a</reasoning>\n<answer>b</answer>",
)


def test_marks_that_have_no_partner(tmp_path):
    rows = [{"prompt": "Is it?", "response": text} for text in (*WRONG, *SOUND)]
    found = dict(zip((*WRONG, *SOUND), findings(UnclosedThink(), rows, tmp_path), strict=True))
    assert found == {**WRONG, **dict.fromkeys(SOUND)}
