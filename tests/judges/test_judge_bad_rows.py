"""Stored reviews, grades, labels and answers with a damaged field: read, or one clear
error; never anything else.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.errors import PoolError
from handpicked.judges.answers import pair_up, read_answers
from handpicked.judges.labelled import read_labelled
from handpicked.judges.replay import replay
from handpicked.judges.stored import write_verdicts

GAME = {"score": "A>B", "judgment": "x"}
SIDE = {"winner": "1", "completion": ["x", "stop"]}
REVIEWS: dict[str, dict[str, Any]] = {
    "cherry": {"text": "q", "Answer1": "a", "Answer2": "b", "review": "8 6", "scores": "[8, 6]",
               "review_reverse": "6 8", "scores_reverse": [6, 8], "instances": [{"input": "i"}]},
    "one order": {"text": "q", "Answer1": "a", "Answer2": "b", "review": "8 6", "score": [8, 6], "judge": "j"},
    "alpaca eval": {"instruction": "q", "input": "i", "output_1": "a", "output_2": "b", "generator_1": "x",
                    "generator_2": "y", "preference": 1.3, "time_per_example": 1.0, "price_per_example": 0.1},
    "pairs": {"question_id": 1, "model_1": "x", "model_2": "y", "g1_winner": "model_1", "g2_winner": "tie",
              "judge": ["gpt-4", "pair-v2"], "g1_judgment": "x", "turn": 1},
    "votes": {"question_id": 1, "model_a": "x", "model_b": "y", "winner": "model_a", "judge": "me"},
    "arena": {"question_id": 1, "model": "x", "judge": "j", "games": [GAME, GAME]},
    "lfqa": {"question": "q", "answer_a": "a", "answer_b": "b", "answer_a_type": "x", "overall_preference": -1},
    "grades": {"question_id": 1, "model": "x", "score": 8, "turn": 1, "judge": ["gpt-4", "v1"]},
    "skills": {"question_id": 1, "model": "x", "score": {"Depth": 4}, "response": "a", "prompt": "q"},
    "own": {"prompt_id": "1", "a": "x", "b": "y", "judge": "j", "strict": "win", "summed": "win",
            "reviews": [{"order": "ab", "preferred": "first", "raw": "x", "scores": [0.7, 0.3]}]},
}  # fmt: skip
LABELLED: dict[str, dict[str, Any]] = {
    "llmbar": {"input": "q", "output_1": "a", "output_2": "b", "label": 1,
               "results": [{"swap = False": SIDE, "swap = True": SIDE}]},
    "pandalm": {"idx": 1, "instruction": "q", "input": "", "response1": "a", "response2": "b", "annotator1": 1,
                "gpt_result": "2", "gpt_reason": "why"},
    "lfqa": {"question": "q", "answer_a": "a", "answer_b": "b", "overall_preference": 0},
    "auto-j": {"prompt": "q", "response 1": "a", "response 2": "b", "label": 0},
}  # fmt: skip
ANSWERS: dict[str, dict[str, Any]] = {
    "plain": {"instruction": "q", "input": "i", "output": "a", "generator": "m", "category": "c"},
    "turns": {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": ["a"]}]},
    "mt-bench": {"question_id": 1, "model_id": "m", "choices": [{"index": 0, "turns": ["a", "b"]}]},
}
DAMAGE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just({}), st.just([]),
    st.lists(st.none() | st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.sampled_from(["role", "turns", "winner", "score"]), st.none() | st.text(max_size=3), max_size=2),
)  # fmt: skip


def read(kind: str, file: Path) -> None:
    if kind == "reviews":
        write_verdicts(file.with_name("out.jsonl"), replay(file).verdicts)
    elif kind == "labelled":
        read_labelled(file)
    else:
        answers = read_answers(file)
        pair_up(answers, answers)


KINDS = {"reviews": REVIEWS, "labelled": LABELLED, "answers": ANSWERS}
CASES = [(kind, name) for kind, rows in KINDS.items() for name in rows]


@pytest.mark.parametrize(("kind", "name"), CASES)
@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_field_is_read_or_one_clear_error(kind, name, data):
    row = KINDS[kind][name]
    field = data.draw(st.sampled_from(sorted(row)))
    damaged = {**row, field: data.draw(DAMAGE)}
    if data.draw(st.booleans()):
        del damaged[field]
    rows = data.draw(st.permutations([row, damaged]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.json"
        file.write_text(json.dumps(rows))
        try:
            read(kind, file)
        except PoolError as error:
            assert str(error)
            assert "\n" not in str(error)
