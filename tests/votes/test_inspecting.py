"""From folders to cases, and from votes to agreement and exports."""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import replace

import pytest

from handpicked.errors import ConfigError, PoolError
from handpicked.experiment.judge_files import replay_file
from handpicked.experiment.judged_text import text_of as judgements_text
from handpicked.votes import Standing, Vote
from handpicked.votes.open import cases_of, export_to, inspection, with_votes
from handpicked.votes.summary import text_of, together
from made_folder import CANDIDATE, JUDGE, RIVAL, judged_folder, run_folder, write
from made_run import usual


def vote_all(inspected, who, outcome_of):
    for case in inspected.session.cases:
        pair = case.pair
        inspected.session.file.cast(
            Vote(who, case.id, pair.prompt_id, pair.a, pair.b, outcome_of(case), "a", ("more detail",))
        )


def agreement(summary, one, other):
    return next(found for found in summary.agreement if (found.one, found.other) == (one, other))


def test_a_run_gives_its_pairs_with_the_main_judge_first(tmp_path):
    folder = run_folder(tmp_path / "run", 6, judges=("b-judge", "a-judge"))
    assert [v.judge for v in cases_of(folder)[0].verdicts] == ["a-judge", "b-judge"]
    (folder / "results.json").write_text(json.dumps({"judges": [{"name": "b-judge"}, {"name": "a-judge"}]}))
    cases = cases_of(folder)
    assert len(cases) == 6
    assert [v.judge for v in cases[0].verdicts] == ["b-judge", "a-judge"]
    assert (cases[0].pair.a, cases[0].pair.b) == (CANDIDATE, RIVAL)
    assert all(case.verdicts[0].length_a == len(case.pair.answer_a) for case in cases)


def test_a_judged_folder_gives_its_pairs(tmp_path):
    assert [case.pair.answer_a for case in cases_of(judged_folder(tmp_path))] == [
        f"long answer {i}" for i in range(4)
    ]


def test_a_folder_without_pairs_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="There is no folder"):
        cases_of(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"holds no pairs .* 'handpicked judge A B -o FOLDER'"):
        cases_of(tmp_path)
    folder = run_folder(tmp_path / "run")
    (folder / "answers" / RIVAL / "answers.jsonl").unlink()
    with pytest.raises(PoolError, match="no such answers"):
        cases_of(folder)
    (folder / "prompts.jsonl").unlink()
    with pytest.raises(PoolError, match=r"prompts.jsonl is missing"):
        cases_of(folder)


def test_people_who_vote_as_the_judge_agree_wholly_and_strangers_by_chance(tmp_path):
    inspected = inspection(run_folder(tmp_path / "run", 200), 200)
    vote_all(inspected, "echo", lambda case: case.verdicts[0].strict)
    rng = random.Random(0)
    vote_all(inspected, "chance", lambda case: rng.choice(["win", "tie", "lose"]))
    summary = inspected.summary()
    echo, chance = (agreement(summary, f"{JUDGE} (strict)", who) for who in ("echo", "chance"))
    assert (echo.agreement.value, echo.kappa.value, echo.kappa.n) == (1.0, 1.0, 200)
    assert chance.kappa.low < 0 < chance.kappa.high
    between = agreement(summary, "echo", "chance")
    assert between.kappa.value == pytest.approx(chance.kappa.value)
    (line,) = [line for line in text_of(summary).splitlines() if line.split()[1:3] == ["(strict)", "echo"]]
    assert line.split()[0] == JUDGE and line.split()[3] == "1.00"


def test_kappa_of_a_table_known_by_hand(tmp_path):
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: kappa 0.4, the usual example of Cohen's coefficient."""
    inspected = inspection(run_folder(tmp_path / "run", 50), 50)
    tables = iter(
        [("win", "win")] * 20 + [("win", "lose")] * 5 + [("lose", "win")] * 10 + [("lose", "lose")] * 15
    )
    labels = {case.id: next(tables) for case in inspected.session.cases}
    vote_all(inspected, "ann", lambda case: labels[case.id][0])
    vote_all(inspected, "bob", lambda case: labels[case.id][1])
    found = agreement(inspected.summary(), "ann", "bob")
    assert found.agreement.value == pytest.approx(0.7)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.kappa.low < 0.4 < found.kappa.high


def test_all_people_together_are_the_sign_of_their_summed_votes():
    raters = [
        {"1": "win", "2": "win", "3": "lose", "4": "tie"},
        {"1": "win", "2": "lose", "3": "tie"},
        {"1": "lose"},
    ]
    assert together(raters) == {"1": "win", "2": "tie", "3": "lose", "4": "tie"}


def test_a_vote_on_answers_that_have_changed_is_counted_and_left_out(tmp_path):
    folder = run_folder(tmp_path / "run", 4)
    vote_all(inspection(folder), "ann", lambda case: "win")
    write(folder / "answers" / RIVAL / "answers.jsonl", [
        json.dumps({"arm": RIVAL, "prompt_id": f"{i:032x}", "text": "generated again", "tokens": None, "finished": True})
        for i in range(4)
    ])  # fmt: skip
    summary = inspection(folder).summary()
    assert (summary.votes, summary.stale, summary.agreement) == (0, 4, ())
    assert "4 votes left out" in text_of(summary)


def test_people_who_always_prefer_the_longer_answer_are_seen_to(tmp_path):
    inspected = inspection(run_folder(tmp_path / "run", 30), 30)
    vote_all(inspected, "ann", lambda case: {"a": "win", "b": "lose", None: "tie"}[case.longer])
    longer = inspected.summary().longer
    assert (
        longer.value == 1.0
        and longer.n == sum(case.longer is not None for case in inspected.session.cases) > 10
    )


def test_exports_hold_every_vote_that_counts(tmp_path):
    folder = run_folder(tmp_path / "run", 4, judges=(JUDGE, "other"))
    inspected = inspection(folder)
    vote_all(inspected, "ann", lambda case: "win")
    case = inspected.session.cases[0]
    inspected.session.file.retract("ann", case.id)
    formula = '=HYPERLINK("http://x")'
    kept = next(iter(inspected.session.file.standing().votes.values()))
    inspected.session.file.cast(replace(kept, note=formula))
    export_to(inspected, tmp_path / "votes.csv")
    export_to(inspected, tmp_path / "votes.json")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "votes.csv").read_text())))
    exported = json.loads((tmp_path / "votes.json").read_text())
    assert len(rows) == len(exported["votes"]) == exported["summary"]["votes"] == 3
    assert rows[-1]["note"] == "'" + formula and exported["votes"][-1]["note"] == formula
    assert rows[0]["more detail"] == "1" and rows[0]["other"] == "0"
    assert rows[0][f"{JUDGE} (strict)"] in ("win", "tie", "lose") and "other (summed)" in rows[0]
    assert (
        exported["votes"][0]["answer_a"]
        == inspected.session.known[exported["votes"][0]["case"]].pair.answer_a
    )
    with pytest.raises(ConfigError, match=r"must end in .json or .csv"):
        export_to(inspected, tmp_path / "votes.xlsx")


def test_votes_become_part_of_the_results_of_their_run(tmp_path):
    folder = run_folder(tmp_path / "run", 8)
    assert with_votes(usual(), folder) == usual()
    inspected = inspection(folder)
    vote_all(inspected, "ann", lambda case: case.verdicts[0].strict)
    results = with_votes(usual(), folder)
    assert results == replace(usual(), people=inspected.summary())
    (folder / "votes.jsonl").write_text("no vote\n")
    with pytest.raises(PoolError, match=r"votes\.jsonl, line 1 is not a vote"):
        with_votes(results, folder)


def test_stored_reviews_that_come_with_answers_can_be_voted_on_and_replayed_with_the_votes(tmp_path):
    rows = [
        {"text": f"question {i}", "Answer1": "yes " * (i + 1), "Answer2": "no", "review": "8 7", "review_reverse": "6 9"}
        for i in range(6)
    ]  # fmt: skip
    write(tmp_path / "reviews.jsonl", [json.dumps(row) for row in rows])
    out = tmp_path / "out"
    assert replay_file(tmp_path / "reviews.jsonl", out).results.people is None
    inspected = inspection(out)
    assert len(inspected.session.cases) == 6
    vote_all(inspected, "ann", lambda case: "win")
    results = replay_file(tmp_path / "reviews.jsonl", out).results
    assert (results.people.pairs, results.people.stale) == (6, 0)
    assert results.people.agreement[0].agreement.value == 1.0
    assert "6 votes on 6 pairs by 1 annotators" in judgements_text(results)


def test_the_summary_costs_in_proportion_to_the_annotators(tmp_path):
    """Every two of 33 people would be 528 comparisons; each with all others together are 33."""
    inspected = inspection(run_folder(tmp_path / "run", n=30))
    cases = list(inspected.session.known.values())
    standing = Standing()
    for who in range(33):
        for number, case in enumerate(cases):
            outcome = ("win", "lose")[who == 0 or number % 2]
            vote = Vote(f"p{who}", case.id, case.pair.prompt_id, case.pair.a, case.pair.b, outcome, "a")
            standing.votes[vote.annotator, case.id] = vote
    summary = inspected.session.summary(standing)
    assert len(summary.agreement) == 2 * (1 + 33) + 33
    # p0 always says lose; the others say win on every second pair.
    assert agreement(summary, "p0", "all others").agreement.value == 0.5
    assert agreement(summary, "p7", "all others").agreement.value == 1.0
    assert agreement(summary, "p7", "all others").kappa.n == len(cases)
