"""Answers that begin with a thought: what is judged, shown to people and measured is what follows it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from handpicked.experiment.judge_arms import _pairs
from handpicked.records import Completion, Message, Prompt, Verdict
from handpicked.results.compared import judged_pairs

THOUGHT = "<think>\nsecond-guessing\n</think>\n\n"


def test_pairs_are_of_answers_without_their_thoughts():
    prompt = Prompt("p", (Message("user", "ask"),), "set")
    answers = [
        Completion("a", "p", f"{THOUGHT}one", 9, True),
        Completion("b", "p", "two", 1, True),
        Completion("c", "p", "<think>never ends", 3, False),
    ]
    measured: dict[str, Any] = {one.arm: SimpleNamespace(records=[one]) for one in answers}
    asked = _pairs([("a", "b"), ("b", "c")], [prompt], measured)
    assert [(pair.answer_a, pair.answer_b) for pair in asked] == [("one", "two"), ("two", "")]
    verdicts = [Verdict("p", pair.a, pair.b, "j", (), "tie", "tie") for pair in asked]
    shown = judged_pairs(verdicts, [prompt], answers)
    assert [(pair.answer_a, pair.answer_b) for pair in shown] == [("one", "two"), ("two", "")]
