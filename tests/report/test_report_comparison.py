"""Several runs on one page."""

from __future__ import annotations

from dataclasses import replace

from test_report_page import HOSTILE, Tags, hostile

from handpicked.report import render_comparison
from handpicked.results.schema import Results, from_json
from made_run import plain, unhealthy, usual


def slower() -> Results:
    run = plain(usual())
    run["settings"]["train"]["learning_rate"] = 1e-5
    return from_json(run)


def test_runs_that_say_the_same_are_named_and_only_what_differs_is_listed() -> None:
    text = Tags(render_comparison([usual(), slower()])).text
    assert f"All 2 runs agree: {usual().answer.headline}" in text
    assert "train.learning_rate" in text
    assert "budget_tokens" not in text
    assert "quickstart (1)" in text and "quickstart (2)" in text


def test_different_judges_and_prompts_are_reported_before_any_number() -> None:
    prompts = replace(unhealthy().prompts[0], digest="of other prompts")
    other = replace(unhealthy(), prompts=(prompts,))
    text = Tags(render_comparison([usual(), other])).text
    first_number = text.index("How do the win rates compare?")
    assert text.index("judged by different judges") < first_number
    assert text.index("answered different prompts") < first_number
    assert "do not agree" in text


def test_hostile_text_stays_text_and_the_bytes_are_the_same() -> None:
    runs = [hostile(HOSTILE[0]), hostile(HOSTILE[2])]
    page = render_comparison(runs)
    assert page == render_comparison(runs)
    assert not {tag for tag, _ in Tags(page).tags} & {"script", "iframe", "img"}
