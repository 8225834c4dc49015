"""What a run's results say: the answer, when it is refused, the warnings, and that nothing
depends on the order of arrival.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

import made_run
from handpicked.records import Verdict
from handpicked.results.answer import MIN_PAIRS
from handpicked.results.banners import banners
from handpicked.results.schema import Results, to_json
from handpicked.statistics.win_rate import Counts
from made_run import CANDIDATE, made, plain, round_robin, unhealthy, usual

FLIP: dict[str, Any] = {"win": "lose", "lose": "win", "tie": "tie", "unparsed": "unparsed"}


def judged(outcomes: dict[str, list[Any]]) -> list[Verdict]:
    """The made-up run's verdicts with the outcomes of each rival replaced by these, as many as there are."""
    kept = []
    for rival, wanted in outcomes.items():
        mine = [v for v in made_run.verdicts() if v.b == rival]
        kept += [replace(v, strict=o, summed=o) for v, o in zip(mine, wanted, strict=False)]
    return kept


def rivals() -> list[str]:
    return [name for name in made_run.ARMS if name != CANDIDATE]


def estimates(node: Any) -> list[dict[str, Any]]:
    """Every Estimate below a node of results."""
    if isinstance(node, dict):
        if set(node) == {"value", "low", "high", "n", "missing", "method"}:
            return [node]
        return [found for value in node.values() for found in estimates(value)]
    return [found for value in node for found in estimates(value)] if isinstance(node, list | tuple) else []


def test_results_are_plain_json_and_every_number_has_its_n() -> None:
    assert to_json(usual()) == to_json(made())
    found = estimates(plain(usual()))
    assert len(found) > 30
    for estimate in found:
        assert estimate["method"]
        assert (estimate["value"] is None) == (estimate["n"] == 0)
        if estimate["low"] is not None:
            assert estimate["low"] - 1e-12 <= estimate["value"] <= estimate["high"] + 1e-12


def test_the_order_of_arrival_and_the_side_of_the_telling_change_nothing() -> None:
    rng = random.Random(0)
    shuffled = {name: list(getattr(made_run, name)()) for name in ("completions", "verdicts")}
    for records in shuffled.values():
        rng.shuffle(records)
    shuffled["verdicts"] = [from_b(v) if rng.random() < 0.5 else v for v in shuffled["verdicts"]]
    losses = {
        arm: dict(rng.sample(list(values.items()), len(values))) for arm, values in made_run.losses().items()
    }
    assert made(**shuffled, losses=losses) == usual()


def from_b(verdict: Verdict) -> Verdict:
    """The same judgement from the other side."""
    ab, ba = verdict.reviews
    return replace(
        verdict,
        a=verdict.b,
        b=verdict.a,
        reviews=(replace(ba, order="ab"), replace(ab, order="ba")),
        strict=FLIP[verdict.strict],
        summed=FLIP[verdict.summed],
        length_a=verdict.length_b,
        length_b=verdict.length_a,
    )


def test_the_counts_are_those_of_the_verdicts() -> None:
    for comparison in usual().comparisons:
        mine = [v.strict for v in made_run.verdicts() if v.b == comparison.b]
        counts = comparison.strict.counts
        assert counts == Counts(*(mine.count(outcome) for outcome in ("win", "tie", "lose", "unparsed")))
        rate = comparison.strict.win_rate
        assert rate.value == pytest.approx((counts.win + counts.tie / 2) / rate.n)


@pytest.mark.parametrize(
    ("outcomes", "kind", "words"),
    [
        (
            ["win"] * 40 + ["lose"] * 8,
            "clear",
            "longest beats the base model, random-1, random-2 and length-matched.",
        ),
        (
            ["lose"] * 40 + ["win"] * 8,
            "lost",
            "longest loses to the base model, random-1, random-2 and length-matched.",
        ),
        (["lose"] * 24 + ["win"] * 24, "undecided", "longest is not shown to differ from"),
        (["tie"] * 48, "undecided", "longest is not shown to differ from"),
        (["win"] * (MIN_PAIRS - 1), "refused", "No winner is named: 19 judged pairs cannot decide it."),
    ],
)
def test_the_headline_says_what_the_intervals_say(outcomes: list[str], kind: str, words: str) -> None:
    answer = made(verdicts=judged(dict.fromkeys(rivals(), outcomes))).answer
    assert answer.kind == kind
    assert answer.headline.startswith(words)


def test_no_winner_is_named_by_an_unhealthy_judge_however_clear_its_verdicts() -> None:
    assert unhealthy().answer.kind == "refused"
    assert "first-answer" in unhealthy().answer.sentence
    assert "beats" not in unhealthy().answer.headline
    assert unhealthy().banners[0].level == "stop"


def test_without_verdicts_the_losses_speak_and_say_what_they_are() -> None:
    answer = made(verdicts=[]).answer
    assert answer.headline.startswith("By loss, longest predicts the references better than the base model")
    assert "not which answers people prefer" in answer.certainty


def titles(results: Results) -> set[str]:
    return {banner.title for banner in results.banners}


def test_a_random_arm_that_is_not_beaten_is_the_honest_headline() -> None:
    even, won = ["win"] * 24 + ["lose"] * 24, ["win"] * 48
    title = "A random subset is as good, as far as this run can tell"
    assert title in titles(made(verdicts=judged({"random-1": even, "random-2": won, "base": won})))
    assert title not in titles(made(verdicts=judged({"random-1": won, "random-2": won, "base": even})))


def test_truncated_training_and_unfinished_answers_are_reported_with_their_shares() -> None:
    texts = {banner.title: banner.text for banner in usual().banners}
    assert "longest 33%" in texts["Training cut the responses it was given"]
    share = sum(not c.finished for c in made_run.completions() if c.arm == CANDIDATE) / 48
    assert f"longest {share:.0%}" in texts["Answers stop at the token limit"]


def test_what_training_changed_is_reported_next_to_the_finished_answers() -> None:
    base, longest, *_ = usual().arms
    assert base.training is None and base.finished.value is not None
    found = longest.training
    assert (found.token_accuracy, found.token_accuracy_last_pass) == (0.412, 0.437)
    assert (found.weight_change, found.weight_change_relative, found.rate_sum) == (
        1.25,
        0.00063,
        0.0031,
    )
    assert longest.finished.value == pytest.approx(1 - longest.unfinished.value)
    assert longest.finished.low == pytest.approx(1 - longest.unfinished.high)


def test_of_several_seeds_the_mean_of_their_trainings_is_reported() -> None:
    found = {"random-1": (0.4, 1.0), "random-2": (0.6, None)}
    seeds = made_run.arms()
    for place, arm in enumerate(seeds):
        if arm.name in found and arm.training is not None:
            share, norm = found[arm.name]
            training = replace(arm.training, token_accuracy=share, weight_change=norm)
            seeds[place] = replace(arm, arm="random", training=training)
    (pooled,) = [arm for arm in made(arms=seeds).arms if arm.name == "random"]
    assert pooled.training.token_accuracy == pytest.approx(0.5)
    assert pooled.training.weight_change is None, "one seed has no value"
    assert pooled.training.rate_origin == "default for lora"


def test_several_test_sets_are_reported_together_and_apart() -> None:
    sets = {f"{i:032x}": "koala" if i % 3 else "vicuna" for i in range(48)}
    results = made(
        prompts=[replace(p, test_set=sets[p.prompt_id]) for p in made_run.prompts()],
        verdicts=[replace(v, test_set=sets[v.prompt_id]) for v in made_run.verdicts()],
    )
    n = {(c.b, c.test_set): c.strict.win_rate.n for c in results.comparisons}
    for rival in rivals():
        assert n[rival, "all"] == n[rival, "koala"] + n[rival, "vicuna"] == 48


def test_unparsed_verdicts_are_missing_and_never_ties() -> None:
    outcomes = ["win"] * 40 + ["unparsed"] * 8
    rate = made(verdicts=judged({"base": outcomes})).comparisons[0].strict.win_rate
    assert (rate.value, rate.n, rate.missing) == (1.0, 40, 8)


def test_samples_do_not_depend_on_the_outcomes() -> None:
    turned = [from_b(replace(v, a=v.b, b=v.a)) for v in made_run.verdicts()]
    ids = [sample.prompt_id for sample in made(verdicts=turned).samples]
    assert ids == [sample.prompt_id for sample in usual().samples]
    assert len(set(ids)) == 48


def longer_wins(tied: int = 8) -> list[Any]:
    """The candidate is mostly longer, and the longer answer wins nine times of ten, whosever it is.

    Of ``tied`` pairs the lengths are equal, and half of these are won.
    """
    outcomes: list[Any] = ["win"] * 30 + ["lose"] * 3 + ["win"] + ["lose"] * 6 + ["win", "lose"] * 4
    lengths = [(400, 250)] * 33 + [(100, 250)] * 7 + [(250, 250)] * tied + [(400, 250)] * (8 - tied)
    verdicts = [v for v in judged({"random-1": outcomes}) if v.b == "random-1"]
    return [replace(v, length_a=a, length_b=b) for v, (a, b) in zip(verdicts, lengths, strict=True)]


def test_a_win_that_vanishes_at_equal_length_is_reported() -> None:
    equal = [replace(v, length_a=200, length_b=200) for v in longer_wins()]
    title = "The win vanishes at equal length"
    assert title in titles(made(verdicts=longer_wins()))
    assert title not in titles(made(verdicts=equal))


def test_a_win_whose_length_cannot_be_distinguished_is_reported_with_the_reason() -> None:
    results = made(verdicts=longer_wins(tied=0))
    text = next(b.text for b in results.banners if b.title == "Length cannot be separated from the answer")
    assert text.startswith("Against random-1, only 0 of 48 pairs (0%) are within 20% of equal length")
    assert "The win vanishes at equal length" not in titles(results)
    (comparison,) = (c for c in results.comparisons if c.b == "random-1")
    assert comparison.length_controlled.value is None
    assert "only 0 of 48 pairs" in comparison.length_controlled.reason


def test_a_win_whose_forms_of_control_fall_on_both_sides_is_reported() -> None:
    results = made(verdicts=longer_wins())
    reason = "length cannot be separated from the answer: forms"
    comparisons = tuple(
        replace(
            c,
            length_controlled=replace(
                c.length_controlled, value=0.52, low=0.4, high=0.6, both_sides=True, reason=reason
            ),
        )
        for c in results.comparisons
    )
    found = {banner.title for banner in banners(replace(results, comparisons=comparisons))}
    assert "Length cannot be separated from the answer" in found
    assert "The win vanishes at equal length" not in found


def test_what_several_comparisons_at_once_take_away_is_not_decided() -> None:
    clear, close = ["win"] * 46 + ["lose"] * 2, ["win"] * 32 + ["lose"] * 16
    both = made(verdicts=judged({"base": clear, "random-1": clear, "random-2": clear})).answer
    assert "are corrected for making 3 comparisons" in both.certainty
    assert both.headline.startswith("longest beats the base model, random-1 and random-2")
    one = made(verdicts=judged({"base": close, "random-1": close, "random-2": clear})).answer
    assert (
        one.headline == "longest beats random-2; it is not shown to differ from the base model or random-1."
    )
    assert "Alone, the interval against the base model and random-1 excludes 50%" in one.certainty
    alone = made(verdicts=judged({"base": close})).answer
    assert alone.headline == "longest beats the base model."


def test_arms_are_ranked_only_where_others_than_the_candidate_met() -> None:
    assert usual().rankings == ()
    (ranking,) = round_robin().rankings
    strengths = [row.strength.value for row in ranking.arms]
    assert strengths == sorted(strengths, reverse=True)
    assert {row.arm for row in ranking.arms} == set(made_run.ARMS)
    assert round_robin().answer.headline == usual().answer.headline


def test_verdicts_of_one_review_are_turned_and_shown_too() -> None:
    single = [replace(v, reviews=(replace(v.reviews[0], order="unknown"),)) for v in made_run.verdicts()]
    turned = [replace(from_b(v), reviews=single[i].reviews) for i, v in enumerate(made_run.verdicts())]
    assert made(verdicts=turned).comparisons == made(verdicts=single).comparisons
    assert made(verdicts=turned).samples[0].rivals[0].verdicts[0].reviews[0].order == "unknown"


def test_the_first_judge_of_the_experiment_file_answers() -> None:
    settings = made_run.experiment()
    settings["evaluate"]["judges"] = [{"name": "my/zebra", "model": "big"}, {"name": "apple"}]
    results = made(experiment=settings, verdicts=made_run.verdicts(judges=("apple", "zebra/big")))
    assert [judge.name for judge in results.judges] == ["zebra/big", "apple"]
    assert "judged by zebra/big" in results.answer.certainty
