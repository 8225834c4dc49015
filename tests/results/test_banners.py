"""Each failure signature: raised by results that show it, and not by results that do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import made_run
from handpicked.records import Completion, Estimate
from handpicked.results.banners import banners
from handpicked.results.schema import Results
from handpicked.results.sections.arms import RefinedRows
from handpicked.results.sections.benchmarks import BenchmarkCell, BenchmarkRow
from handpicked.results.short_answers import holds, short_answers, words
from made_run import CANDIDATE, made, unhealthy, usual

SHORT = "Short answers grow while accuracy falls"


def titles(results: Results) -> set[str]:
    return {banner.title for banner in results.banners}


def short_prompts() -> list[Any]:
    """The prompts of the made-up run, all but eight of them answered by one word."""
    return [
        replace(prompt, reference=f"Word{i}." if i < 40 else prompt.reference)
        for i, prompt in enumerate(made_run.prompts())
    ]


def answered(arm: str, right: int, filler: int) -> list[Completion]:
    """Answers of which the first ``right`` hold the reference, each with so many words beside it."""
    texts = [(f"word{i} " if i < right else "nothing ") + "blah " * filler for i in range(48)]
    return [Completion(arm, f"{i:032x}", text, len(text.split()), True) for i, text in enumerate(texts)]


def of(**arms: tuple[int, int]) -> Results:
    given = {name.replace("_", "-"): answered(name.replace("_", "-"), *how) for name, how in arms.items()}
    kept = [c for c in made_run.completions() if c.arm not in given]
    return made(
        prompts=short_prompts(), completions=[*kept, *(c for listed in given.values() for c in listed)]
    )


def test_short_answers_that_grow_while_fewer_are_right_are_reported_with_their_numbers():
    results = of(base=(36, 1), longest=(15, 30))
    text = next(banner.text for banner in results.banners if banner.title == SHORT)
    assert "On 40 prompts" in text and "longest: +29 words, -52 points right" in text


@pytest.mark.parametrize(
    "arms",
    [
        {"base": (36, 1), "longest": (36, 30)},
        {"base": (36, 30), "longest": (15, 30)},
        {"base": (36, 30), "longest": (15, 1)},
    ],
    ids=["longer and as right", "as long and less right", "shorter and less right"],
)
def test_short_answers_that_do_not_both_grow_and_fail_are_not(arms):
    others = dict.fromkeys(("random_1", "random_2", "length_matched"), (36, 1))
    assert SHORT not in titles(of(**{**others, **arms}))


def test_a_benchmark_that_falls_counts_where_there_are_benchmarks():
    results = of(base=(36, 1), longest=(36, 30), random_1=(36, 1), random_2=(36, 1), length_matched=(36, 1))
    assert SHORT not in titles(results)
    for high, raised in ((-0.05, True), (0.01, False)):
        fallen = Estimate(-0.1, -0.15, high, 99, 0, "m")
        cell = BenchmarkCell(CANDIDATE, fallen, fallen, None, None, None, {}, {}, None, False)
        row = BenchmarkRow("gsm8k", "acc", True, 5, False, True, (), (), (cell,))
        found = banners(replace(results, benchmarks=(row,)))
        assert (SHORT in {banner.title for banner in found}) is raised


def test_short_answers_need_enough_prompts_with_short_references():
    groups = {"base": made_run.arms()[:1]}
    assert short_answers(groups, made_run.prompts(), []) == ()
    assert short_answers(groups, short_prompts()[:19], []) == ()
    assert short_answers(groups, short_prompts()[:20], answered("base", 5, 0))[0].right.value == 0.25


def test_an_answer_holds_a_reference_as_squad_normalises_it():
    assert holds(words("It was The Eiffel-Tower, of course!"), words("Eiffel Tower"))
    assert not holds(words("Tower of Eiffel"), words("Eiffel Tower"))
    assert not holds(words("12345"), words("234"))


def test_an_unhealthy_judge_stops_and_a_healthy_one_does_not():
    assert [banner.title for banner in unhealthy().banners if banner.level == "stop"] == [
        "The judge first-answer cannot be trusted"
    ]
    assert not [banner for banner in usual().banners if banner.level == "stop"]


def test_training_that_cut_what_was_selected_is_reported_and_training_that_did_not_is_not():
    title = "Training cut the responses it was given"
    assert title in titles(usual())
    whole = [
        replace(arm, training=replace(arm.training, truncated=3) if arm.training else None)
        for arm in made_run.arms()
    ]
    assert title not in titles(made(arms=whole)), "3 of 64 rows are below the share that is worth a warning"


def trained(steps: int, name: str = CANDIDATE, **changes: Any) -> list[Any]:
    """The arms of the made-up run, one of them trained for so many steps."""
    return [
        replace(arm, training=replace(arm.training, steps=steps, **changes)) if arm.name == name else arm
        for arm in made_run.arms()
    ]


def test_few_optimizer_steps_are_reported_with_what_they_changed_and_ten_are_not():
    results = made(arms=trained(9))
    text = next(banner.text for banner in results.banners if banner.title == "Trained for few steps")
    assert "longest took 9, which changed its weights by 0.063% of their norm (1.2)" in text
    assert "random" not in text
    assert "Trained for few steps" not in titles(made(arms=trained(10))) | titles(usual())


def test_a_change_that_was_not_measured_is_not_invented():
    results = made(arms=trained(1, weight_change=None, weight_change_relative=None))
    text = next(banner.text for banner in results.banners if banner.title == "Trained for few steps")
    assert "longest took 1. Such an arm" in text


def test_answers_at_the_limit_are_reported_and_finished_ones_are_not():
    title = "Answers stop at the token limit"
    assert title in titles(usual())
    assert title not in titles(made(completions=[replace(c, finished=True) for c in made_run.completions()]))


def test_a_rewriting_that_lost_rows_is_reported_with_its_reasons_and_one_that_did_not_is_not():
    def refined(lost: int) -> Results:
        facts = RefinedRows(64, 64 - lost, 0, {"an empty reply": lost})
        return made(arms=[replace(a, refined=facts) if a.name == CANDIDATE else a for a in made_run.arms()])

    text = next(b.text for b in refined(8).banners if b.title == "Rewriting left rows out")
    assert "longest 12% (8 an empty reply)" in text
    assert "Rewriting left rows out" not in titles(refined(2))


def test_a_random_arm_of_several_seeds_is_one_arm_in_the_honest_headline():
    """Two seeds of one random arm: the headline names the arm, and its seeds are shown beside it."""
    arms = [replace(a, arm="random") if a.name.startswith("random") else a for a in made_run.arms()]
    outcomes: dict[str, Any] = {
        "random-1": ["win"] * 24 + ["lose"] * 24,
        "random-2": ["win"] * 26 + ["lose"] * 22,
    }
    verdicts = []
    for v in made_run.verdicts():
        wanted = outcomes.get(v.b, ["win"] * 48)[int(v.prompt_id, 16)]
        verdicts.append(replace(v, strict=wanted, summed=wanted))
    results = made(arms=arms, verdicts=verdicts)
    banner = next(b for b in results.banners if b.title.startswith("A random subset is as good"))
    assert banner.text.startswith("longest is not shown to beat random, chosen blindly and of the same size.")
    pooled = next(c for c in results.comparisons if c.b == "random")
    assert pooled.strict.win_rate.value == pytest.approx(50 / 96)
    assert [one.b for one in pooled.seeds] == ["random-1", "random-2"]
    assert "training seeds of random (2 seeds)" in results.answer.certainty
    random = next(arm for arm in results.arms if arm.name == "random")
    assert random.training.tokens == 8011 and random.lengths.n == 128
    assert results.candidates == (CANDIDATE,)
