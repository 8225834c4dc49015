"""95% intervals hold the truth in about 95 of 100 made worlds: shares, means, differences, regressions.

``BANDS`` says what holds for how many seeds. With one training an arm coverage is 93 to 97%. With few seeds
no interval can have that for every size of the luck of seeds; the ends of a band are its worst cases, a luck
of nothing and a luck of a few standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from worlds import Judged, Longer, Preferring, valued

from handpicked.records import Verdict
from handpicked.statistics import estimates, seeds
from handpicked.statistics.agreement import agree
from handpicked.statistics.bradley_terry import bradley_terry
from handpicked.statistics.length_control import by_length, length_controlled
from handpicked.statistics.preference import preference

BANDS = {1: (0.93, 0.97), 2: (0.91, 0.99), 3: (0.925, 0.985), 4: (0.93, 0.98), 5: (0.93, 0.98)}
FAST, FULL = 300, 2400


def holds(covered: Callable[[np.random.Generator], bool], n: int, band: tuple[float, float]) -> None:
    """Coverage in ``n`` worlds lies in ``band``, up to 3.3 standard errors of so many: one
    false alarm in a thousand.
    """
    rng = np.random.default_rng(20_000)
    found = sum(covered(rng) for _ in range(n)) / n
    below, above = (3.3 * math.sqrt(end * (1 - end) / n) for end in band)
    assert band[0] - below <= found <= band[1] + above, f"covers {found:.3f}"


def share_covered(world: Judged) -> Callable[[np.random.Generator], bool]:
    prompts = np.repeat(np.arange(world.prompts), world.seeds).tolist()
    numbers = np.tile(np.arange(world.seeds), world.prompts).tolist()
    truth = world.truth()

    def covered(rng: np.random.Generator) -> bool:
        found = estimates.share(prompts, world.worths(rng).ravel().tolist(), seeds=numbers)
        return bool(found.low <= truth <= found.high)

    return covered


def mean_covered(prompts: int, count: int, luck: float, tail: str) -> Callable[[np.random.Generator], bool]:
    def covered(rng: np.random.Generator) -> bool:
        values, truth = valued(rng, prompts, count, seed_sd=luck, tail=tail)
        found = seeds.mean([{f"p{p}": float(v) for p, v in enumerate(column)} for column in values.T])
        return bool(found.low <= truth <= found.high)

    return covered


def difference_covered(
    prompts: int, mine: int, theirs: int, luck: float
) -> Callable[[np.random.Generator], bool]:
    def covered(rng: np.random.Generator) -> bool:
        sides = []
        for count in (mine, theirs):
            values, _ = valued(rng, prompts, count, seed_sd=luck if count > 1 else 0.0, tail="normal")
            sides.append([{f"p{p}": float(v) for p, v in enumerate(column)} for column in values.T])
        found = seeds.difference(*sides)
        return bool(found.low <= 0 <= found.high)

    return covered


def controlled_covered(world: Longer) -> Callable[[np.random.Generator], bool]:
    """The rate at equal length against what the same regression finds with 60,000 prompts,
    each of a seed of its own.
    """
    spread = math.hypot(world.prompt_sd, world.seed_sd)
    whole = replace(world, prompts=60_000, seeds=1, prompt_sd=spread, seed_sd=0.0)
    truth = length_controlled(whole.verdicts(np.random.default_rng(0))).win_rate.value

    def covered(rng: np.random.Generator) -> bool:
        found = length_controlled(world.verdicts(rng)).win_rate
        return bool(found.low <= truth <= found.high)

    return covered


def longer_covered(world: Longer) -> Callable[[np.random.Generator], bool]:
    """The win rate on the prompts where the arm wrote more."""
    spread = math.hypot(world.prompt_sd, world.seed_sd)
    whole = replace(world, prompts=60_000, seeds=1, prompt_sd=spread, seed_sd=0.0)
    truth = by_length(whole.verdicts(np.random.default_rng(0)))["longer"].value

    def covered(rng: np.random.Generator) -> bool:
        found = by_length(world.verdicts(rng))["longer"]
        return bool(found.low <= truth <= found.high)

    return covered


def effect_covered(world: Preferring) -> Callable[[np.random.Generator], bool]:
    whole = replace(
        world, prompts=40_000, seeds=1, prompt_sd=math.hypot(world.prompt_sd, world.seed_sd), seed_sd=0
    )
    truth = preference(*whole.judged(np.random.default_rng(0)), ("used",)).rows[0].effect.value

    def covered(rng: np.random.Generator) -> bool:
        found = preference(*world.judged(rng), ("used",), fixed={"rival"}).rows[0].effect
        return bool(found.low <= truth <= found.high)

    return covered


@pytest.mark.parametrize(
    ("prompts", "ties", "lead"), [(30, 0.0, 0.0), (30, 0.5, 1.0), (100, 0.2, 3.0), (500, 0.9, 1.0)]
)
def test_a_win_rate_of_one_training(prompts, ties, lead):
    holds(share_covered(Judged(prompts, 1, lead, ties=ties)), FAST, BANDS[1])


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("luck", [0.0, 0.2, 0.8])
def test_a_win_rate_over_seeds(count, luck):
    holds(share_covered(Judged(100, count, 0.3, seed_sd=luck)), FAST, BANDS[count])


@pytest.mark.parametrize("tail", ["normal", "t3", "exponential", "lognormal"])
@pytest.mark.parametrize(("count", "luck"), [(1, 0.0), (3, 1.0)])
def test_a_mean(count, luck, tail):
    holds(mean_covered(60, count, luck, tail), FAST, BANDS[count])


@pytest.mark.parametrize(("mine", "theirs"), [(3, 1), (3, 3), (4, 3)])
def test_a_difference_of_arms_with_seeds(mine, theirs):
    holds(difference_covered(80, mine, theirs, 1.0), FAST, BANDS[min(mine, theirs) if theirs > 1 else mine])


@pytest.mark.parametrize(("count", "luck"), [(1, 0.0), (3, 0.3)])
def test_the_win_rate_at_equal_length(count, luck):
    holds(controlled_covered(Longer(100, count, seed_sd=luck)), FAST // 2, BANDS[count])


@pytest.mark.parametrize(("count", "luck"), [(1, 0.0), (3, 0.3)])
def test_the_win_rate_where_longer(count, luck):
    holds(longer_covered(Longer(100, count, seed_sd=luck)), FAST // 2, BANDS[count])


@pytest.mark.parametrize(("count", "luck"), [(1, 0.0), (3, 0.3)])
def test_the_effect_of_a_feature(count, luck):
    holds(effect_covered(Preferring(100, count, seed_sd=luck)), FAST // 2, BANDS[count])


@pytest.mark.parametrize(("items", "same"), [(30, 0.9), (100, 0.3)])
def test_cohens_kappa(items, same):
    """Two raters of whom the second repeats the first with probability ``same`` and else guesses."""
    labels, shares = np.array(["win", "tie", "lose"]), np.array([0.5, 0.2, 0.3])

    def covered(rng: np.random.Generator) -> bool:
        one = rng.choice(3, items, p=shares)
        other = np.where(rng.random(items) < same, one, rng.choice(3, items, p=shares))
        found = agree(dict(enumerate(labels[one])), dict(enumerate(labels[other]))).kappa
        return bool(found.low <= same <= found.high)

    holds(covered, FAST, BANDS[1])


def test_bradley_terry_strengths_over_seeds():
    """The candidate's luck is the same against both rivals; the rivals were trained once."""
    truth = {"mine": 0.5, "one": 0.0, "two": -0.5}

    def covered(rng: np.random.Generator) -> bool:
        luck, verdicts, arm_of = rng.normal(0, 0.3, 4), [], {"one": "one", "two": "two"}
        for k in range(4):
            arm_of[f"mine-{k}"] = "mine"
            for a, b in ((f"mine-{k}", "one"), (f"mine-{k}", "two"), ("one", "two"))[: 3 if k == 0 else 2]:
                lead = truth[arm_of[a]] - truth[b] + (luck[k] if a != "one" else 0)
                won = rng.random(60) < 1 / (1 + np.exp(-lead))
                verdicts += [
                    Verdict(f"p{p}", a, b, "judge", (), outcome, outcome)
                    for p, outcome in enumerate(np.where(won, "win", "lose").tolist())
                ]
        found = bradley_terry(verdicts, arm_of=arm_of)["mine"]
        return bool(found.low <= 0.5 <= found.high)

    holds(covered, FAST // 3, (0.9, 0.985))


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [30, 100, 500])
@pytest.mark.parametrize("ties", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("lead", [0.0, 1.0, 3.0])
def test_every_win_rate_of_one_training(prompts, ties, lead):
    """At 30 prompts with so many ties that fewer than one loss is expected, any interval is
    as good as its last step.
    """
    world = Judged(prompts, 1, lead, ties=ties)
    losses = prompts * (1 - ties) * (1 - (world.truth() - ties / 2) / (1 - ties))
    holds(share_covered(world), FULL, BANDS[1] if losses >= 2 else (0.92, 0.995))


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [30, 100, 500])
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("luck", [0.0, 0.1, 0.2, 0.4, 0.8])
@pytest.mark.parametrize("prompt_sd", [0.0, 1.5])
def test_every_win_rate_over_seeds(prompts, count, luck, prompt_sd):
    holds(share_covered(Judged(prompts, count, 0.3, prompt_sd, luck)), FULL, BANDS[count])


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [30, 100, 500])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("tail", ["normal", "t3", "exponential", "lognormal"])
@pytest.mark.parametrize("luck", [0.0, 1.0, 4.0])
def test_every_mean(prompts, count, tail, luck):
    holds(mean_covered(prompts, count, luck if count > 1 else 0.0, tail), FULL // 2, BANDS[count])


@pytest.mark.slow
@pytest.mark.parametrize(("mine", "theirs"), [(1, 1), (2, 2), (5, 1), (5, 5), (3, 2), (5, 3)])
@pytest.mark.parametrize("luck", [0.0, 1.0, 4.0])
def test_every_difference(mine, theirs, luck):
    few = min(mine, theirs) if theirs > 1 else mine
    holds(difference_covered(100, mine, theirs, luck if few > 1 else 0.0), FULL // 2, BANDS[few])


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [60, 300])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("luck", [0.0, 0.15, 0.4])
@pytest.mark.parametrize("covered", [controlled_covered, longer_covered])
def test_every_rate_by_length(prompts, count, luck, covered):
    holds(covered(Longer(prompts, count, seed_sd=luck if count > 1 else 0.0)), FULL // 6, BANDS[count])


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [60, 300])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("luck", [0.0, 0.4])
def test_every_effect(prompts, count, luck):
    holds(
        effect_covered(Preferring(prompts, count, seed_sd=luck if count > 1 else 0.0)),
        FULL // 6,
        BANDS[count],
    )
