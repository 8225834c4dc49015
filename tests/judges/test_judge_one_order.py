"""Reviews in two files, one of each order."""

from __future__ import annotations

import json

import pytest

from handpicked.errors import PoolError
from handpicked.experiment.judge_files import replay_file
from handpicked.judges.replay import replay
from handpicked.judges.rows import PROMPTS
from handpicked.statistics.win_rate import Counts


def gasus(prompt, score, **fields):
    """A row of AlpaGasus: both answers in fields named after the models."""
    return {"prompt": prompt, "mine": "one", "theirs": "two", "review": "why", "score": score, **fields}


def put(path, rows):
    path.write_text(json.dumps(rows))
    return path


def test_the_names_of_the_files_say_which_answer_was_shown_first(tmp_path):
    put(tmp_path / "mine-theirs-koala.json", [gasus("p", [8, 6]), gasus("q", [5, 5])])
    put(tmp_path / "theirs-mine-koala.json", [gasus("q", [7, 5]), gasus("p", [6, 8])])
    found = replay(tmp_path, a="mine")
    verdicts = {pair.prompt: v for v, pair in zip(found.verdicts, found.pairs, strict=True)}
    assert {(v.a, v.b, v.test_set) for v in found.verdicts} == {("mine", "theirs", "koala")}
    assert [r.order for r in verdicts["p"].reviews] == ["ab", "ba"]
    assert (verdicts["p"].strict, verdicts["q"].summed, verdicts["q"].strict) == ("win", "lose", "tie")


@pytest.mark.parametrize("swapped", [True, False])
def test_a_reversed_file_may_swap_the_answers_or_only_the_scores(tmp_path, swapped):
    row = {"text": "p", "Answer1": "mine", "Answer2": "theirs", "review": "", "scores": [8, 6]}
    order = put(tmp_path / "order.json", [row])
    turned = {"Answer1": "theirs", "Answer2": "mine"} if swapped else {}
    other = put(tmp_path / "other.json", [{**row, **turned, "scores": [6, 8]}])
    found = replay(order, other)
    assert [v.strict for v in found.verdicts] == ["win"]
    assert [r.order for r in found.verdicts[0].reviews] == ["ab", "ba"]
    assert found.pairs[0].answer_a == "mine"


def test_two_inputs_to_one_instruction_are_two_prompts(tmp_path):
    rows = [
        gasus("add", score, instances=[{"input": number, "output": ""}])
        for number, score in (("1", [8, 6]), ("2", [6, 8]))
    ]
    put(tmp_path / "mine-theirs-sinstruct.json", rows)
    turned = [{**row, "score": row["score"][::-1]} for row in rows[::-1]]
    put(tmp_path / "theirs-mine-sinstruct.json", turned)
    found = replay(tmp_path, a="mine", b="theirs")
    assert [(p.prompt, v.strict) for p, v in zip(found.pairs, found.verdicts, strict=True)] == [
        ("add\n\n1", "win"),
        ("add\n\n2", "lose"),
    ]


def test_the_reversed_file_needs_no_name_where_the_first_has_one(tmp_path):
    put(tmp_path / "mine-theirs-koala.json", [gasus("p", [8, 6])])
    put(tmp_path / "again.json", [gasus("p", [6, 8])])
    (verdict,) = replay(tmp_path / "mine-theirs-koala.json", tmp_path / "again.json").verdicts
    assert (verdict.a, verdict.strict, len(verdict.reviews)) == ("mine", "win", 2)


def test_pairs_of_one_order_are_counted_and_said(tmp_path):
    put(tmp_path / "mine-theirs-koala.json", [gasus("p", [8, 6]), gasus("q", [5, 5])])
    put(tmp_path / "theirs-mine-koala.json", [gasus("p", [6, 8])])
    found = replay(tmp_path)
    assert found.notes == ("1 of 2 pairs were judged in one order only",)


def test_what_does_not_say_its_order_is_refused_and_can_be_named(tmp_path):
    file = put(tmp_path / "reviews.json", [gasus("p", [8, 6])])
    with pytest.raises(PoolError, match="name both by --a"):
        replay(file)
    assert replay(file, a="theirs", b="mine").verdicts[0].a == "theirs"
    put(tmp_path / "again.json", [{"text": "p", "Answer1": "x", "Answer2": "y", "review": "8 6"}] * 1)
    put(tmp_path / "reviews.json", [{"text": "p", "Answer1": "x", "Answer2": "y", "review": "8 6"}])
    with pytest.raises(PoolError, match="the same answer first"):
        replay(tmp_path)


@pytest.mark.data
def test_cherrys_reviews_split_into_two_files_give_their_published_score(real_data, tmp_path):
    import pyarrow.parquet as pq

    rows = pq.read_table(real_data / "judge_meta/cherry5_vs_alpaca_reviews_gpt35.parquet").to_pylist()
    for order, review, scores in (
        ("cherry-alpaca", "review", "scores"),
        ("alpaca-cherry", "review_reverse", "scores_reverse"),
    ):
        for name in dict.fromkeys(row["test_set"] for row in rows):
            result = [
                {
                    "prompt": next(row[field] for field in PROMPTS if row.get(field)),
                    "cherry": row["Answer1"],
                    "alpaca": row["Answer2"],
                    "review": row[review],
                    "score": json.loads(row[scores]),
                }
                for row in rows
                if row["test_set"] == name
            ]
            put(tmp_path / f"{order}-{name}.json", result if order == "cherry-alpaca" else result[::-1])
    found = replay_file(tmp_path, None, a="cherry", b="alpaca").results.judges[0].comparisons[0]
    assert found.a == "cherry"
    assert found.summed.counts == Counts(198, 685, 147, 0)
    assert f"{found.summed.winning_score.value:.4f}" == "1.0495"
