"""Stored reviews give the published numbers, with no call."""

from __future__ import annotations

import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.errors import PoolError
from handpicked.experiment.judge_files import replay_file
from handpicked.experiment.judged_text import text_of
from handpicked.judges import write_verdicts
from handpicked.judges.replay import replay
from handpicked.statistics.health import health
from handpicked.statistics.win_rate import adjusted_win_rate, by_group, counts, standard_error, winning_score


def cherry(scores, scores_reverse, **fields):
    return {
        "text": fields.pop("text", "a question"),
        "Answer1": "one",
        "Answer2": "three",
        "review": "why",
        "scores": str(scores),
        "review_reverse": "why",
        "scores_reverse": str(scores_reverse),
        **fields,
    }


@pytest.mark.data
def test_cherry_against_alpaca_judged_by_gpt35(real_data):
    verdicts = replay(real_data / "judge_meta/cherry5_vs_alpaca_reviews_gpt35.parquet").verdicts
    summed = counts(verdicts, "summed")
    assert (summed.win, summed.tie, summed.lose, summed.unparsed) == (198, 685, 147, 0)
    assert f"{winning_score(verdicts).value:.4f}" == "1.0495"
    found = health(verdicts)
    assert round(found.contradictions.value * found.contradictions.n) == 672
    assert found.contradictions.n == 1030
    assert f"{found.first_position.value:.1%}" == "20.1%"
    assert not found.healthy
    sizes = {name: len(group) for name, group in by_group(verdicts, "test_set").items()}
    assert sizes == {"vicuna": 80, "koala": 180, "wizardlm": 218, "sinstruct": 252, "lima": 300}


@pytest.mark.data
def test_the_alpaca_eval_leaderboard(real_data):
    """Six models; equal to the last but one of the 16 digits that the leaderboard prints."""
    import pyarrow.parquet as pq

    folder = real_data / "judge_meta"
    board = {
        r[""]: r
        for r in pq.read_table(folder / "alpaca_eval_alpaca_eval_gpt4_leaderboard.parquet").to_pylist()
    }
    verdicts = replay(folder / "alpaca_eval1_gpt4_annotations.parquet").verdicts
    models = dict.fromkeys(v.a for v in verdicts)
    assert len(models) == 6
    for model in models:
        own, printed = [v for v in verdicts if v.a == model], board[model]
        for rule in ("strict", "summed", "soft"):
            rate = adjusted_win_rate(own, rule)
            assert 100 * rate.value == pytest.approx(float(printed["win_rate"]), rel=1e-15)
            assert 100 * standard_error(own, rule) == pytest.approx(
                float(printed["standard_error"]), rel=1e-15
            )
            assert rate.n == int(printed["n_total"])
            assert rate.missing == 805 - rate.n
            assert rate.low < rate.value < rate.high
        fell = counts(own)
        assert [fell.win, fell.lose, fell.tie] == [
            int(printed[k]) for k in ("n_wins", "n_wins_base", "n_draws")
        ]


@pytest.mark.data
def test_alpaca_eval_does_not_store_the_order_and_so_position_cannot_be_checked(real_data):
    verdicts = replay(real_data / "judge_meta/alpaca_eval1_gpt4_annotations.parquet").verdicts
    found = health([v for v in verdicts if v.a == "gpt4"])
    assert found.first_position.n == found.contradictions.n == 0
    assert "cannot be checked" in found.reasons[0]


@pytest.mark.data
def test_mt_bench_pairs_judged_by_gpt4(real_data):
    import pyarrow.parquet as pq

    file = real_data / "judge_meta/mt_bench_gpt4_pair_judgments.parquet"
    rows, verdicts = pq.read_table(file).to_pylist(), replay(file).verdicts
    both = [r for r in rows if "error" not in (r["g1_winner"], r["g2_winner"])]
    wins = sum(r["g1_winner"] == r["g2_winner"] == "model_1" for r in both)
    losses = sum(r["g1_winner"] == r["g2_winner"] == "model_2" for r in both)
    fell = counts(verdicts)
    assert (fell.win, fell.tie, fell.lose, fell.unparsed) == (wins, len(both) - wins - losses, losses, 2)
    first = [r for v in verdicts for r in v.reviews if r.preferred == "first"]
    said_a = [r for row in rows for r in (row["g1_judgment"], row["g2_judgment"]) if "[[A]]" in r]
    assert len(first) == len(said_a)  # positions, not models


@pytest.mark.data
def test_mt_bench_single_grades_of_one_model(real_data):
    found = replay(real_data / "judge_meta/mt_bench_gpt4_single_judgments.parquet")
    assert found.verdicts == []
    assert len(found.grades["gpt-4"]["phi-3-dpo"]) == 160


def test_cherrys_own_file_shape_and_a_folder_of_them(tmp_path):
    for name, scores in (("vicuna", [8.0, 9.0]), ("koala", [9.0, 7.0])):
        wrapped = {
            "Meta_Info": {"dataset_name": name, "fname1": "mine", "fname2": "theirs"},
            "data": [cherry(scores, [7, 7])],
        }
        (tmp_path / f"{name}_wrap_reviews_gpt4.json").write_text(json.dumps(wrapped))
    found = replay(tmp_path)
    assert found.format == "both-order reviews"
    assert [(v.test_set, v.a, v.b, v.judge) for v in found.verdicts] == [
        ("koala", "mine", "theirs", "gpt4"),
        ("vicuna", "mine", "theirs", "gpt4"),
    ]
    assert [(v.strict, v.summed) for v in found.verdicts] == [("tie", "win"), ("tie", "lose")]
    assert (found.verdicts[0].length_a, found.verdicts[0].length_b) == (3, 5)


@pytest.mark.parametrize("stored", [[-1, -1], [8], [8, 7, 6], [11, 3]])
def test_stored_scores_that_are_none_are_unparsed_with_the_reason(tmp_path, stored):
    (tmp_path / "r.json").write_text(json.dumps([cherry(stored, [8, 7])]))
    verdict = replay(tmp_path / "r.json").verdicts[0]
    assert (verdict.strict, verdict.summed) == ("unparsed", "unparsed")
    assert "stored scores" in verdict.reviews[0].reason


def test_reviews_without_stored_scores_are_read(tmp_path):
    row = cherry(None, None, review="8 7\nwhy", review_reverse="6 9\nwhy")
    row = {k: v for k, v in row.items() if not k.startswith("scores")}
    (tmp_path / "r.jsonl").write_text(json.dumps(row) + "\n")
    assert replay(tmp_path / "r.jsonl").verdicts[0].strict == "win"


@pytest.mark.parametrize(
    ("preference", "outcome", "soft"),
    [
        (1, "lose", 0.0),
        (2, "win", 1.0),
        (0, "tie", 0.5),
        (1.5, "tie", 0.5),
        (1.9, "win", 0.9),
        (None, "unparsed", None),
    ],
)
def test_alpaca_eval_preferences(tmp_path, preference, outcome, soft):
    row = {
        "instruction": "q",
        "output_1": "base",
        "output_2": "mine",
        "generator_1": "b",
        "generator_2": "m",
        "annotator": "gpt",
        "preference": preference,
    }
    (tmp_path / "annotations.json").write_text(json.dumps([row]))
    verdicts = replay(tmp_path / "annotations.json").verdicts
    assert verdicts[0].strict == outcome
    rate = adjusted_win_rate(verdicts, "soft").value
    assert rate == (None if soft is None else pytest.approx(soft))


def test_grades_of_two_models_become_verdicts(tmp_path):
    rows = [
        {"question_id": q, "model": m, "score": s, "turn": 1, "judge": ["gpt-4", "single-v1"]}
        for q, m, s in [(1, "x", 9), (1, "y", 7), (2, "x", -1), (2, "y", 5), (3, "x", 6), (3, "y", 6)]
    ]
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    verdicts = replay(tmp_path / "s.jsonl").verdicts
    assert [v.strict for v in verdicts] == ["win", "unparsed", "tie"]


def test_votes_of_people(tmp_path):
    rows = [
        {"question_id": 1, "model_a": "x", "model_b": "y", "winner": w, "judge": "author_0", "turn": 1}
        for w in ("model_a", "model_b", "tie", "tie (bothbad)")
    ]
    (tmp_path / "v.json").write_text(json.dumps(rows))
    assert [v.strict for v in replay(tmp_path / "v.json").verdicts] == ["win", "lose", "tie", "tie"]


def test_our_own_verdicts_come_back_as_they_were(tmp_path):
    (tmp_path / "r.json").write_text(
        json.dumps([cherry([8, 7], [6, 9]), cherry([8, 7], [-1, -1], text="other")])
    )
    verdicts = replay(tmp_path / "r.json").verdicts
    write_verdicts(tmp_path / "own.jsonl", verdicts)
    again = replay(tmp_path / "own.jsonl")
    assert again.format == "handpicked verdicts"
    assert [asdict(v) for v in again.verdicts] == [asdict(v) for v in verdicts]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"a": 1}]', "Fields seen: a"),
        ("[]", "is empty"),
        ("", "is empty"),
        ("[1]", "expected an object"),
        ('{"x": ', "line 1: not valid JSON"),
        (json.dumps([cherry("oops", [1, 2])]), "row 1 is not a review"),
    ],
)
def test_what_is_no_review_is_one_clear_error(tmp_path, text, says):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(PoolError, match=says):
        replay(tmp_path / "r.json")


def test_no_file_no_reviews_in_the_folder_and_no_parquet_are_clear_errors(tmp_path):
    with pytest.raises(PoolError, match="there is no such file"):
        replay(tmp_path / "missing.json")
    with pytest.raises(PoolError, match="holds no"):
        replay(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(PoolError, match="not a valid parquet"):
        replay(tmp_path / "x.parquet")


def annotation(preference, **fields):
    return {
        "instruction": "q", "output_1": "base", "output_2": "mine", "generator_1": "b", "generator_2": "m",
        "annotator": "gpt", "preference": preference, **fields,
    }  # fmt: skip


@given(st.lists(st.sampled_from([0, 1, 1.5, 2]) | st.floats(1, 2), min_size=2, max_size=60))
def test_the_soft_win_rate_is_alpaca_evals(preferences):
    """AlpacaEval 2: 0 is a draw (1.5); the mean of the preferences less 1, and its standard error."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.json"
        rows = [annotation(p, instruction=f"q{i}") for i, p in enumerate(preferences)]
        file.write_text(json.dumps([*rows, annotation(None, instruction="missing")]))
        verdicts = replay(file).verdicts
    kept = [(1.5 if p == 0 else p) - 1 for p in preferences]
    rate = adjusted_win_rate(verdicts, "soft")
    assert rate.value == pytest.approx(statistics.fmean(kept), abs=1e-12)
    assert (rate.n, rate.missing) == (len(kept), 1)
    error = statistics.stdev(kept) / len(kept) ** 0.5
    assert standard_error(verdicts, "soft") == pytest.approx(error, abs=1e-9)


def test_the_soft_win_rate_is_printed_and_in_the_json_with_its_standard_error(tmp_path):
    rows = [annotation(p, instruction=f"q{i}") for i, p in enumerate([1.1, 1.2, 1.9, 1.4])]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    results = replay_file(tmp_path / "a.json", tmp_path / "out").results
    soft = json.loads((tmp_path / "out/judgements.json").read_text())["judges"][0]["comparisons"][0]["soft"]
    assert soft == asdict(results.judges[0].comparisons[0].soft)
    assert soft["win_rate"]["value"] == pytest.approx(0.4)
    assert soft["standard_error"] == pytest.approx(0.1780, abs=1e-4)
    (line,) = [line for line in text_of(results).splitlines() if line.strip().startswith("soft ")]
    assert line.split()[1] == "40.0" and line.split()[-2:] == ["17.8", "4"]


def test_a_judge_without_probabilities_has_no_soft_win_rate(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps([cherry([8, 7], [6, 9]), cherry([1, 0], [0, 1], text="r")]))
    results = replay_file(tmp_path / "r.json", None).results
    assert results.judges[0].comparisons[0].soft is None
    assert "soft" not in text_of(results)


def test_the_win_rate_is_wins_and_half_the_ties_and_the_share_won_is_wins(tmp_path):
    rows = [annotation(p, instruction=f"q{i}") for i, p in enumerate([2, 2, 1.5, 1, 1])]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    strict = replay_file(tmp_path / "a.json", None).results.judges[0].comparisons[0].strict
    assert strict.win_rate.value == 0.5
    assert strict.share_won.value == 0.4


def test_the_input_beside_an_instruction_belongs_to_the_prompt(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([annotation(2, input="1"), annotation(1, input="2")]))
    (tmp_path / "c.json").write_text(
        json.dumps([cherry([8, 7], [7, 8], input="1"), cherry([8, 7], [7, 8], input="2")])
    )
    for name, prompt in (("a.json", "q"), ("c.json", "a question")):
        found = replay(tmp_path / name)
        assert len({v.prompt_id for v in found.verdicts}) == 2
        assert [p.prompt for p in found.pairs] == [f"{prompt}\n\n1", f"{prompt}\n\n2"]


def test_numbers_that_are_none_are_missing_and_what_is_printed_is_json(tmp_path):
    nan = float("nan")
    rows = [
        annotation(2.0, time_per_example=nan, price_per_example=nan),
        annotation(nan, instruction="r"),
        annotation(1.1, instruction="s", time_per_example=0.5, price_per_example=0.01, output_1=None),
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    judged = replay_file(tmp_path / "a.json", tmp_path / "out")
    health_ = judged.results.judges[0].health
    assert (health_.seconds, health_.cost, health_.unparsed.n) == (0.5, 0.01, 3)
    json.dumps(asdict(judged.results), allow_nan=False)
    assert "1 rows lack one of the two answers" in judged.said[1]
    pairs = [json.loads(line) for line in (tmp_path / "out/pairs.jsonl").read_text().splitlines()]
    assert pairs[2]["answer_b"] == ""
    assert (replay(tmp_path / "a.json").verdicts[2].length_a) == 0  # unknown: not four characters of "None"


def test_the_text_says_why_replies_could_not_be_read(tmp_path):
    rows = [cherry([-1, -1], [8, 7], text=f"t{i}", review="I cannot rate these.") for i in range(3)]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    text = text_of(replay_file(tmp_path / "r.json", None).results)
    assert "3 replies not parsed: the stored scores are outside 0 to 10" in text
    assert "for example: I cannot rate these." in text


def test_a_failed_game_does_not_count_where_the_pair_was_judged_again(tmp_path):
    row = {"question_id": 1, "model_1": "x", "model_2": "y", "judge": ["gpt-4", "pair-v2"], "turn": 1}
    good, failed = (
        {"g1_winner": "model_1", "g2_winner": "model_1"},
        {"g1_winner": "error", "g2_winner": "tie"},
    )
    for name, order in (("a", (good, failed)), ("b", (failed, good))):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps({**row, **result}) for result in order))
        found = replay(tmp_path / f"{name}.jsonl")
        assert [v.strict for v in found.verdicts] == ["win"]
        assert "1 failed reviews left out" in found.notes[0]


def test_arena_hard_shows_the_baseline_first_and_then_the_model(tmp_path):
    games = [{"score": "B>>A", "judgment": "[[B>>A]]"}, {"score": "A>B", "judgment": {"answer": "[[A>B]]"}}]
    rows = [{"question_id": "a", "model": "mine", "judge": "gpt", "games": games}]
    rows.append({**rows[0], "question_id": "b", "games": [{"score": None}, {"score": "A=B"}]})
    (tmp_path / "j.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = replay(tmp_path / "j.jsonl").verdicts
    assert [(v.a, v.b, v.strict) for v in found] == [
        ("mine", "baseline", "win"),
        ("mine", "baseline", "unparsed"),
    ]
    assert [r.order for r in found[0].reviews] == ["ba", "ab"]


def test_experts_preferences_of_lfqa_are_reported_from_one_side(tmp_path):
    rows = [
        {
            "question": f"q{i}", "answer_a": "a", "answer_b": "b", "answer_a_type": one, "answer_b_type": other,
            "overall_preference": value,
        }
        for i, (one, other, value) in enumerate([("human", "gpt", -1), ("gpt", "human", 1), ("gpt", "human", 0)])
    ]  # fmt: skip
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (found,) = replay_file(tmp_path / "e.jsonl", tmp_path / "out").results.judges[0].comparisons
    assert (found.a, found.b, found.strict.counts.win, found.strict.counts.tie) == (
        "human",
        "gpt",
        2,
        1,
    )
    pairs = [json.loads(line) for line in (tmp_path / "out/pairs.jsonl").read_text().splitlines()]
    assert [(p["a"], p["answer_a"]) for p in pairs] == [("human", "a"), ("human", "b"), ("human", "b")]


def test_lfqas_raw_annotations_name_their_sides_and_experts_stay_apart(tmp_path):
    rows = [
        {"question_text": "q", "answer1": "a", "answer2": "b", "answer1_label": label, "BetterAnswer": better, "annotator": who}
        for label, better, who in [("HMM", "Answer A", 8), ("HMH[3]", "Answer B", 8), ("HHh[4][1]", "Answer A", 9)]
    ]  # fmt: skip
    (tmp_path / "Biology_8_Common20.json").write_text(json.dumps(rows))
    verdicts = replay(tmp_path).verdicts
    assert [(v.judge, v.a, v.b, v.strict, v.test_set) for v in verdicts] == [
        ("expert 8", "model", "human", "win", "Biology"),
        ("expert 8", "human", "model", "lose", "Biology"),
        ("expert 9", "human, fewer votes", "human, more votes", "win", "Biology"),
    ]


def replayed(tmp_path, row):
    (tmp_path / "r.jsonl").write_text(json.dumps(row) + "\n")
    (verdict,) = replay(tmp_path / "r.jsonl").verdicts
    return verdict


def test_preferences_of_alpaca_farm_name_no_generators_and_a_null_name_is_none(tmp_path):
    row = {"instruction": "q", "output_1": "one", "output_2": "two", "preference": 2, "annotator_index": 7}
    verdict = replayed(tmp_path, row)
    assert (verdict.a, verdict.b, verdict.judge, verdict.strict) == (
        "output_2",
        "output_1",
        "person 7",
        "win",
    )
    verdict = replayed(tmp_path, {**row, "generator_1": None, "generator_2": "mine", "annotator": "j"})
    assert (verdict.a, verdict.b, verdict.judge) == ("mine", "output_1", "j")


@pytest.mark.parametrize(
    ("winners", "outcome"),
    [
        (("model_1", "model_1"), "win"),
        (("m", "m"), "win"),
        (("n", "N "), "lose"),
        (("model_1", "model_2"), "tie"),
        (("tie", "tie (bothbad)"), "tie"),
        (("error", "model_1"), "unparsed"),
        (("model_1", None), "unparsed"),
    ],
)
def test_winners_of_mt_bench_are_places_or_names_and_an_error_is_no_tie(tmp_path, winners, outcome):
    row = {
        "question_id": 81,
        "model_1": "m",
        "model_2": "n",
        "g1_winner": winners[0],
        "g2_winner": winners[1],
    }
    assert replayed(tmp_path, row).strict == outcome


def test_a_name_that_both_models_have_names_no_winner(tmp_path):
    row = {"question_id": 81, "model_1": "m", "model_2": "M", "g1_winner": "m", "g2_winner": "m"}
    assert replayed(tmp_path, row).strict == "unparsed"


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        (("B > A", "a>b "), "win"),
        (("A>B", "B>A", "A>B", "B>A"), "lose"),
        (("B>A", "A>B", "A=B", "A>B"), "tie"),
        (("B>A", "A>B", "B>A", None), "unparsed"),
    ],
)
def test_all_rounds_of_arena_hard_count_and_blanks_do_not(tmp_path, scores, outcome):
    games = [{"score": score, "judgment": ""} for score in scores]
    verdict = replayed(tmp_path, {"question_id": "q", "model": "mine", "judge": "j", "games": games})
    assert (verdict.strict, len(verdict.reviews)) == (outcome, len(scores))


def wild_bench(winner, **fields):
    outputs = {"mine": "longer answer", "theirs": "\n<|begin_of_response_B|>\nshort"}
    row = {"session_id": "s", "model_A": "mine", "model_B": "theirs", "winner": winner, "extent": 2}
    return {**row, "parsed_result": {"choice": "A++"}, "model_outputs": outputs, **fields}


def test_pairs_of_wild_bench_name_the_winner_and_show_a_first(tmp_path):
    rows = [
        wild_bench("mine"),
        wild_bench("tie", session_id="t"),
        wild_bench("mine", session_id="u", model_A="theirs", model_B="mine"),
        wild_bench(None, session_id="v"),
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    found = replay(tmp_path / "r.json")
    assert found.format == "WildBench pairs"
    assert [(one.a, one.strict) for one in found.verdicts] == [
        ("mine", "win"),
        ("mine", "tie"),
        ("theirs", "lose"),
        ("mine", "unparsed"),
    ]
    assert (found.pairs[0].answer_a, found.pairs[0].answer_b) == ("longer answer", "short")
    assert found.verdicts[0].reviews[0].order == "ab"


def test_scores_of_wild_bench_are_a_table(tmp_path):
    rows = [
        {"session_id": "s", "parsed_result": {}, "model_test": name, "score": score, "model_output": "said"}
        for name, score in (("mine", "8"), ("theirs", 6))
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    found = replay(tmp_path / "r.json")
    assert [(one.a, one.strict, one.reviews[0].scores) for one in found.verdicts] == [("mine", "win", (8, 6))]
