"""Tables of scores: grades of single answers by one judge or several."""

from __future__ import annotations

import json
import random
import statistics

import pytest

from handpicked.errors import PoolError
from handpicked.experiment.judge_files import replay_file
from handpicked.experiment.judged_text import text_of
from handpicked.judges.replay import MANY, replay


def put(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def grade(model, score, question=1, turn=1, judge=("gpt-4", "single-v1")):
    return {"question_id": question, "model": model, "score": score, "turn": turn, "judge": list(judge)}


def values(grades, model):
    return [grade.value for grade in grades[model].values()]


@pytest.mark.parametrize("scores", [(9, -1), (-1, 9), (9, None), (3, 9)])
def test_a_failed_regrade_never_replaces_a_good_grade(tmp_path, scores):
    found = replay(put(tmp_path / "g.jsonl", [grade("x", score) for score in scores]))
    assert values(found.grades["gpt-4"], "x") == [9]
    assert found.notes == ("1 answers were graded again: the last valid grade counts",)


def test_two_judges_in_one_file_stay_apart_and_the_prompts_of_one_are_one_judge(tmp_path):
    rows = [
        grade("x", 9), grade("y", 4), grade("x", 2, judge=("claude", "single-v1")),
        grade("y", 7, judge=("claude", "single-v1")), grade("x", 5, 2, judge=("gpt-4", "single-math-v1")),
        grade("y", 6, 2, judge=("gpt-4", "single-math-v1")),
    ]  # fmt: skip
    found = replay(put(tmp_path / "g.jsonl", rows))
    assert {judge: values(table, "x") for judge, table in found.grades.items()} == {
        "gpt-4": [9, 5],
        "claude": [2],
    }
    assert [(v.judge, v.strict) for v in found.verdicts] == [
        ("gpt-4", "win"),
        ("gpt-4", "lose"),
        ("claude", "lose"),
    ]


def test_two_prompts_of_one_model_on_the_same_answers_are_two_judges(tmp_path):
    rows = [grade("x", 9), grade("x", 3, judge=("gpt-4", "my-prompt"))]
    found = replay(put(tmp_path / "g.jsonl", rows))
    assert set(found.grades) == {"gpt-4/single-v1", "gpt-4/my-prompt"}


def test_a_plain_table_of_many_models_is_ranked_and_its_pairs_are_named(tmp_path):
    rng = random.Random(0)
    models = [f"m{i}" for i in range(MANY + 1)]
    lines = ["question,model,score"]
    lines += [f"q{q},{m},{50 + 5 * i + rng.random()}" for q in range(12) for i, m in enumerate(models)]
    file = tmp_path / "scores.csv"
    file.write_text("\n".join(lines))
    ranked = replay_file(file, None)
    assert ranked.results.pairs == 0
    table = ranked.results.grades["unknown judge"]
    assert [row.model for row in table] == models[::-1]
    assert table[0].grade.n == 12
    assert table[0].grade.low < table[0].grade.value < table[0].grade.high
    assert any("--a and --b" in line for line in ranked.said)
    pair = replay_file(file, None, a="m6", b="m0").results.judges[0].comparisons
    assert [(one.a, one.b, one.strict.counts.win) for one in pair] == [("m6", "m0", 12)]
    with pytest.raises(PoolError, match="no model 'm9'"):
        replay(file, a="m9")


def test_negative_rewards_are_scores_and_a_lone_minus_one_is_a_failure(tmp_path):
    rewards = [{"question": "q", "model": m, "score": s} for m, s in (("x", -1), ("y", -2.5))]
    assert replay(put(tmp_path / "r.jsonl", rewards)).verdicts[0].strict == "win"
    failed = [{"question": "q", "model": m, "score": s} for m, s in (("x", -1), ("y", 2.5))]
    assert replay(put(tmp_path / "f.jsonl", failed)).verdicts[0].strict == "unparsed"


def test_scores_by_skill_are_compared_skill_by_skill_and_the_file_names_the_model(tmp_path):
    for model, depth in (("x", 5), ("y", 3)):
        score = {"Depth": depth, "Clarity": 4, "Harmlessness": "N/A"}
        put(
            tmp_path / f"{model}.jsonl",
            [{"question_id": q, "text": "review", "score": score} for q in (1, 2)],
        )
    found = replay(tmp_path)
    assert [(v.category, v.strict) for v in found.verdicts] == [("Depth", "win"), ("Clarity", "tie")] * 2
    assert "x vs y" in text_of(replay_file(tmp_path, None).results)


@pytest.mark.data
def test_mt_benchs_mean_grades_are_those_of_fastchat_by_turn_and_over_both(real_data):
    """FastChat's ``show_result`` averages all grades that are not -1, by turn and over both turns."""
    import pyarrow.parquet as pq

    file = real_data / "judge_meta/mt_bench_gpt4_single_judgments.parquet"
    rows = [row for row in pq.read_table(file).to_pylist() if row["score"] != -1]
    (found,) = replay_file(file, None).results.grades["gpt-4"]
    scores = {turn: [row["score"] for row in rows if row["turn"] == turn] for turn in (1, 2)}
    assert found.grade.value == pytest.approx(statistics.fmean([*scores[1], *scores[2]]))
    for turn, listed in scores.items():
        assert found.parts[f"turn {turn}"].value == pytest.approx(statistics.fmean(listed))
