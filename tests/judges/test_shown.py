"""The answers inside stored MT-Bench judge prompts."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from handpicked.judges.replay import replay
from handpicked.judges.shown import answers_shown
from handpicked.statistics.length_control import length_controlled

ONE = (
    "[Question]\nWhy?\n\n[The Start of Assistant's Answer]\nBecause.\n\nYes.\n[The End of Assistant's Answer]"
)
TWO = (
    "[User Question]\nWhy?\n\n[The Start of Assistant A's Answer]\nA says\n[The "
    "End of Assistant A's Answer]\n\n"
    "[The Start of Assistant B's Answer]\n\n[The End of Assistant B's Answer]"
)
TURNS = (
    "<|The Start of Assistant A's Conversation with User|>\n\n### User:\nq\n\n### Assistant "
    "A:\nfirst\n\n### User:\nq2\n\n"
    "### Assistant A:\nsecond a\n\n<|The End of Assistant A's Conversation with User|>\n\n\n"
    "<|The Start of Assistant B's Conversation with User|>\n\n### User:\nq\n\n### Assistant "
    "B:\nfirst\n\n### User:\nq2\n\n"
    "### Assistant B:\nsecond b\n\n<|The End of Assistant B's Conversation with User|>"
)


@pytest.mark.parametrize(
    ("prompt", "answers"),
    [
        (ONE, ("Because.\n\nYes.",)),
        (TWO, ("A says", "")),
        (TURNS, ("second a", "second b")),
        ("Which is better?", ()),
    ],
)
def test_the_answers_that_are_judged(prompt, answers):
    assert answers_shown(prompt) == answers


@pytest.mark.data
def test_every_answer_of_stored_judgements_is_found(real_data):
    folder = real_data / "judge_meta"
    known = {
        (row["model_id"], row["question_id"]): [turn.strip() for turn in row["choices"][0]["turns"]]
        for row in pq.read_table(folder / "mt_bench_answers_phi3.parquet").to_pylist()
    }
    for row in pq.read_table(folder / "mt_bench_gpt4_single_judgments.parquet").to_pylist():
        (shown,) = answers_shown(row["user_prompt"])
        assert shown.strip() == known[row["model"], row["question_id"]][row["turn"] - 1]
    for row in pq.read_table(folder / "mt_bench_gpt4_pair_judgments.parquet").to_pylist():
        first, second = answers_shown(row["g1_user_prompt"])
        assert answers_shown(row["g2_user_prompt"]) == (second, first)
        assert (first.strip(), second.strip()) == tuple(
            known[row[model], row["question_id"]][0] for model in ("model_1", "model_2")
        )


@pytest.mark.data
def test_replayed_judgements_know_the_lengths_of_the_answers(real_data):
    folder = real_data / "judge_meta"
    pairs = replay(folder / "mt_bench_gpt4_pair_judgments.parquet")
    assert all(v.length_a and v.length_b for v in pairs.verdicts)
    assert len(pairs.pairs) == len(pairs.verdicts) == 75
    found = length_controlled(pairs.verdicts)
    assert (found.near.pairs, found.near.of) == (35, 73)
    single = replay(folder / "mt_bench_gpt4_single_judgments.parquet")
    ((table,),) = (by_model.values() for by_model in single.grades.values())
    assert len(table) == 160 and all(grade.answer for grade in table.values())
