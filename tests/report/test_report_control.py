"""Length and style held equal, groups, and people's votes, as the page and report.md show them."""

from __future__ import annotations

import re
from dataclasses import replace

from handpicked.report import render
from handpicked.report.control import control_rows
from handpicked.report.markdown import render_markdown
from handpicked.results.compared import judged_pairs
from handpicked.results.schema import from_json
from handpicked.statistics.length_forms import FORMS
from handpicked.votes import Standing, Vote
from handpicked.votes.case import Case
from handpicked.votes.summary import summarize
from made_run import CANDIDATE, completions, made, plain, prompts, usual, verdicts


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def voted(**changes):
    """The usual run after two people have voted on a dozen pairs."""
    found = verdicts()[:12]
    pairs = judged_pairs(found, prompts(), completions())
    known = {(case := Case(pair, (verdict,))).id: case for pair, verdict in zip(pairs, found, strict=True)}
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
    assert usual().people is None
    assert "Do people agree" not in render(usual())
    assert "People and judge" not in render_markdown(usual())


def test_votes_are_reported_with_agreement_of_judge_and_people_and_of_people_among_themselves():
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
    found = plain(voted())
    found["people"]["agreement"][0]["other"] = "<img src=x onerror=alert(1)>|`x`"
    results = from_json(found)
    assert "<img" not in render(results)
    assert "<img" not in render_markdown(results).replace("\\<", "")


def test_every_headline_comparison_is_reported_at_equal_length_and_style_and_by_which_answer_is_longer():
    page = text_of(render(usual()))
    rivals = [c for c in usual().comparisons if c.a == CANDIDATE]
    for comparison in rivals:
        labels = [label for label, _ in control_rows(comparison)]
        assert labels[:3] == ["as judged", "at equal length", "at equal length and style"]
        assert {"where its answer is longer", "where its answer is shorter"} & set(labels)
        assert comparison.by_length["longer"].n + comparison.by_length["shorter"].n <= 48
    assert page.count("at equal length and style") >= len(rivals)
    assert "What the judge rewards" in page


def test_test_sets_and_categories_are_separate_where_there_are_several():
    found = [
        replace(v, test_set=("koala", "vicuna")[i % 2], category=("coding", "writing", "coding")[i % 3])
        for i, v in enumerate(verdicts())
    ]
    results = made(verdicts=found)
    headline = results.comparisons[0]
    assert sorted(headline.categories) == ["coding", "writing"]
    n = {name: group.strict.win_rate.n for name, group in headline.categories.items()}
    assert n == {"coding": 32, "writing": 16}
    page, short = text_of(render(results)), render_markdown(results)
    assert "By test set and category" in page
    for name in ("test set koala", "category writing"):
        assert name in page
        assert f"| {name} | at equal length and style |" in short
    assert "By test set and category" not in render(usual())


def with_lengths(*lengths: tuple[int, int]):
    """The made-up run with these lengths of the candidate's and its rivals' answers, in turn."""
    found = [
        replace(v, length_a=lengths[i % len(lengths)][0], length_b=lengths[i % len(lengths)][1])
        for i, v in enumerate(verdicts())
    ]
    return made(verdicts=found)


def test_the_range_over_forms_and_the_share_near_equal_length_are_shown():
    results = with_lengths((100, 100), (150, 100), (90, 100), (100, 160))
    page, short = text_of(render(results)), render_markdown(results)
    for comparison in results.comparisons:
        controlled = comparison.length_controlled
        assert controlled.reason is None
        low, high = controlled.range
        assert list(controlled.forms) == list(FORMS)
        assert low <= controlled.value <= high
        said = f"{low:.0%} to {high:.0%} over 4 forms of control"
        assert said in page and said in short
    assert "24 of 48 pairs (50%) are within 20% of equal length" in page
    assert "24 of 48 pairs (50%) are within 20% of equal length" in short
    assert "within 20% of equal length" in [label for label, _ in control_rows(results.comparisons[0])]


def test_a_rate_that_cannot_be_estimated_is_a_reason_in_the_tables():
    results = with_lengths((300, 100), (310, 100))
    why = "the first model's answer is longer in 100% of 48 pairs"
    assert all(c.length_controlled.value is None for c in results.comparisons)
    page, short = text_of(render(results)), render_markdown(results)
    for shown in (page.replace("&#39;", "'"), short):
        assert f"no value: {why}" in shown
    row = next(line for line in short.splitlines() if line.startswith("| longest vs base | reference"))
    assert "| no value |" in row


def test_forms_on_both_sides_of_a_half_are_reported_beside_the_value():
    results = usual()
    controlled = replace(
        results.comparisons[0].length_controlled,
        both_sides=True,
        value=0.51,
        low=0.4,
        high=0.6,
        reason="length cannot be separated from the answer: forms of control give 48.0% to 52.0%",
    )
    first = replace(results.comparisons[0], length_controlled=controlled)
    results = replace(results, comparisons=(first, *results.comparisons[1:]))
    page, short = text_of(render(results)), render_markdown(results)
    assert "51%, inconclusive" in page and "51%, inconclusive" in short
    assert controlled.reason in page and controlled.reason in short
