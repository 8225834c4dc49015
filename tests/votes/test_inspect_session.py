"""What the page may know and when: blind until a vote is final."""

from __future__ import annotations

import json

import pytest

from handpicked.errors import ConfigError
from handpicked.votes.open import inspection
from made_folder import CANDIDATE, JUDGE, RIVAL, events, run_folder


@pytest.fixture
def folder(tmp_path):
    return run_folder(tmp_path / "alpaca-small", 12)


@pytest.fixture
def session(folder):
    return inspection(folder, 5, 0).session


def cast(session, who, choice, **more):
    case = session.state(who)["pair"]["case"]
    return session.vote({"annotator": who, "case": case, "choice": choice, **more})


def test_nothing_before_the_unveiling_names_an_arm_or_a_verdict(session):
    seen = [
        session.about(),
        session.state("ann"),
        cast(session, "ann", "first"),
        session.undo({"annotator": "ann"}),
    ]
    text = json.dumps(seen)
    for secret in (CANDIDATE, RIVAL, JUDGE, "verdict", "outcome"):
        assert secret not in text
    assert session.results("ann")["cases"] == []


def test_choices_between_positions_become_outcomes_between_arms(session, folder):
    outcomes = {}
    for _ in range(5):
        pair = session.state("ann")["pair"]
        case = session.known[pair["case"]].pair
        longest_first = pair["first"] == case.answer_a
        assert {pair["first"], pair["second"]} == {case.answer_a, case.answer_b}
        cast(session, "ann", "first")
        outcomes[pair["case"]] = "win" if longest_first else "lose"
    assert {event["case"]: event["outcome"] for event in events(folder)} == outcomes
    assert set(outcomes.values()) == {"win", "lose"}, "every side the same: the coin is no coin"
    assert session.state("ann")["pair"] is None


def test_undo_brings_the_pair_back_with_its_reasons_until_it_is_final(session):
    first = session.state("ann")["pair"]["case"]
    cast(session, "ann", "tie", tags=["other", "more detail"], note=" both say the same ")
    back = session.undo({"annotator": "ann"})
    assert (back["pair"]["case"], back["done"]) == (first, 0)
    assert back["before"] == {"tags": ("more detail", "other"), "note": "both say the same"}
    cast(session, "ann", "first")
    session.unveil({"annotator": "ann"})
    with pytest.raises(ConfigError, match="no vote to take back"):
        session.undo({"annotator": "ann"})
    with pytest.raises(ConfigError, match="final"):
        session.vote({"annotator": "ann", "case": first, "choice": "second"})


def test_unveiling_shows_the_pairs_voted_on_and_no_others(session):
    voted = [session.state("ann")["pair"]["prompt"]]
    cast(session, "ann", "first")
    results = session.unveil({"annotator": "ann"})
    assert [case["prompt"] for case in results["cases"]] == voted
    case = results["cases"][0]
    assert (case["a"], case["b"], case["verdicts"][0]["judge"]) == (CANDIDATE, RIVAL, JUDGE)
    assert [review["order"] for review in case["verdicts"][0]["reviews"]] == ["ab", "ba"]
    assert session.state("ann")["done"] == 1


def test_annotators_see_the_same_pairs_and_neither_sees_the_others_votes(session):
    for _ in range(3):
        cast(session, "ann", "first")
    assert session.state("bob")["done"] == 0
    cast(session, "bob", "tie")
    assert session.about()["annotators"] == ["ann", "bob"]
    assert len(session.unveil({"annotator": "bob"})["cases"]) == 1
    assert session.state("ann")["open"] == 3


def test_a_name_is_one_name_however_it_is_typed(session):
    cast(session, "  Zoe\u0308  B ", "first")
    assert session.state("Zo\u00eb B")["done"] == 1


@pytest.mark.parametrize("name", ["", "   ", None, 3, "x" * 61, "a\x00b", "a‮b"])
def test_what_is_no_name_is_refused(session, name):
    with pytest.raises(ConfigError, match="name of 1 to 60"):
        session.state(name)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"choice": "left"}, "one of first, tie, second"),
        ({"choice": None}, "one of first"),
        ({"case": "nowhere"}, "not in the sample"),
        ({"case": ["x"]}, "not in the sample"),
        ({"tags": ["more detial"]}, "Did you mean 'more detail'"),
        ({"tags": "other"}, "list"),
        ({"note": 4}, "note is text"),
        ({"note": "x" * 10_001}, "note is text"),
    ],
)
def test_a_vote_that_is_none_is_refused_and_not_kept(session, folder, change, match):
    body = {"annotator": "ann", "case": session.cases[0].id, "choice": "first", **change}
    with pytest.raises(ConfigError, match=match):
        session.vote(body)
    assert not (folder / "votes.jsonl").exists()


def test_seconds_that_are_none_are_none(session, folder):
    for seconds in (float("nan"), -1, "3", True, 4.26):
        cast(session, "ann", "tie", seconds=seconds)
    assert [event["seconds"] for event in events(folder)] == [None, None, None, None, 4.3]
