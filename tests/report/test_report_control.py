"""Length and style held equal, groups, and people's votes, as the page and report.md tell them."""

from __future__ import annotations

import re
from dataclasses import replace

from handpicked.analyze.compared import judged_pairs
from handpicked.inspect import Standing, Vote
from handpicked.inspect.case import Case
from handpicked.people import summarize
from handpicked.report import render
from handpicked.report.control import control_rows
from handpicked.report.markdown import render_markdown
from made_run import CANDIDATE, completions, made, prompts, usual, verdicts


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def voted(**changes):
    """The usual run after two people have voted on a dozen pairs."""
    told = verdicts()[:12]
    pairs = judged_pairs(told, prompts(), completions())
    known = {(case := Case(pair, (verdict,))).id: case for pair, verdict in zip(pairs, told, strict=True)}
    votes = {
        (who, case.id): Vote(
            who,
            case.id,
            case.pair.prompt_id,
            case.pair.a,
            case.pair.b,
            case.verdicts[0].strict if who == "ann" else "win",
            "a",
            ("more detail",),
        )
        for who in ("ann", "bob")
        for case in known.values()
    }
    return made(people=summarize(Standing(votes), known), **changes)


def test_a_run_without_votes_says_nothing_of_people():
    assert usual()["people"] is None
    assert "Do people agree" not in render(usual())
    assert "People and judge" not in render_markdown(usual())


def test_votes_are_told_with_agreement_of_judge_and_people_and_of_people_among_themselves():
    results = voted()
    page, short = text_of(render(results)), render_markdown(results)
    assert "Do people agree with the judge?" in page
    assert "24 blind votes on 12 pairs by 2 people." in page
    assert "reference-similarity (strict) and ann" in page
    assert "ann and bob" in page
    assert "Reasons they gave: more detail 24." in page
    assert "| reference-similarity (strict) | ann | 1.00 |" in short
    assert "24 votes on 12 pairs by 2 people. Reasons: more detail 24." in short


def test_a_hostile_annotator_stays_text():
    results = voted()
    results["people"]["agreement"][0]["other"] = "<img src=x onerror=alert(1)>|`x`"
    assert "<img" not in render(results)
    assert "<img" not in render_markdown(results).replace("\\<", "")


def test_every_headline_comparison_is_told_at_equal_length_and_style_and_by_which_answer_is_longer():
    page = text_of(render(usual()))
    rivals = [c for c in usual()["comparisons"] if c["a"] == CANDIDATE]
    for comparison in rivals:
        labels = [label for label, _ in control_rows(comparison)]
        assert labels[:3] == ["as judged", "at equal length", "at equal length and style"]
        assert {"where its answer is longer", "where its answer is shorter"} & set(labels)
        assert comparison["by_length"]["longer"]["n"] + comparison["by_length"]["shorter"]["n"] <= 48
    assert page.count("at equal length and style") >= len(rivals)
    assert "What the judge rewards" in page


def test_test_sets_and_categories_are_told_apart_where_there_are_several():
    told = [
        replace(v, test_set=("koala", "vicuna")[i % 2], category=("coding", "writing", "coding")[i % 3])
        for i, v in enumerate(verdicts())
    ]
    results = made(verdicts=told)
    headline = results["comparisons"][0]
    assert sorted(headline["categories"]) == ["coding", "writing"]
    n = {name: group["strict"]["win_rate"]["n"] for name, group in headline["categories"].items()}
    assert n == {"coding": 32, "writing": 16}
    page, short = text_of(render(results)), render_markdown(results)
    assert "By test set and category" in page
    for name in ("test set koala", "category writing"):
        assert name in page
        assert f"| {name} | at equal length and style |" in short
    assert "By test set and category" not in render(usual())


def test_results_of_before_these_figures_still_make_a_page():
    results = made()
    del results["people"]
    for comparison in results["comparisons"]:
        for name in ("style_controlled", "style_effects", "by_length", "categories"):
            comparison.pop(name)
    assert "at equal length" in render(results)
    assert "at equal length" in render_markdown(results)
