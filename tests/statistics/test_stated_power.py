"""What the report says is found four times out of five is found four times out of five, by
the very rule that decides.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from test_decisions import decisions
from worlds import Judged, judged, verdict

from handpicked.statistics.crossed import Crossed, of_mean
from handpicked.statistics.power import LEVEL, power, win_rate_power

FAST, FULL = 400, 1200
POINTS = 0.03


def near(found: float, said: float, n: int) -> None:
    """Within 3 points, up to 3.3 standard errors of ``n`` made runs."""
    assert abs(found - said) <= POINTS + 3.3 * math.sqrt(said * (1 - said) / n), (
        f"{found:.3f} where {said:.3f} is said"
    )


def world_at(distance: float, prompts: int, ties: float, **others: float) -> Judged:
    """A world whose win rate lies this far above 0.5, all prompts alike."""
    won = 0.5 + distance / (1 - ties)
    return Judged(prompts, lead=math.log(won / (1 - won)), prompt_sd=0.0, ties=ties, **others)


def found_in(world: Judged, rivals: int, n: int) -> float:
    """How often the first rival is beaten while the others are even."""
    rng, even = np.random.default_rng(40_000), replace(world, lead=0.0)
    return sum(decisions(judged(world, rivals, rng, even))["rival0"] == "beaten" for _ in range(n)) / n


def stated(prompts: int, ties: float, rivals: int, lead: float = 0.0) -> tuple[float, int]:
    """What is said of so many prompts, of which the share of ties is as expected: the detectable
    distance and those needed.
    """
    tied = round(prompts * ties)
    won = round((prompts - tied) * (0.5 + lead / (1 - ties)))
    outcomes = ["tie"] * tied + ["win"] * won + ["lose"] * (prompts - tied - won)
    found = power([verdict(p, 0, outcome) for p, outcome in enumerate(outcomes)], comparisons=rivals)
    return found.detectable, found.needed


@pytest.mark.parametrize(("prompts", "ties", "rivals"), [(40, 0.0, 1), (100, 0.3, 4), (300, 0.8, 2)])
def test_the_detectable_win_rate_is_found_four_times_of_five(prompts, ties, rivals):
    detectable, _ = stated(prompts, ties, rivals)
    near(found_in(world_at(detectable, prompts, ties), rivals, FAST // rivals), 0.8, FAST // rivals)


def test_so_many_prompts_as_are_needed_find_the_rate_that_was_seen():
    _, needed = stated(100, 0.2, 2, lead=0.1)
    near(found_in(world_at(0.1, needed, 0.2), 2, FAST // 2), 0.8, FAST // 2)


def expected(world: Judged) -> Crossed:
    """The variances that such a world shows on average."""
    rng = np.random.default_rng(50_000)
    prompts = np.repeat(np.arange(world.prompts), world.seeds).tolist()
    numbers = np.tile(np.arange(world.seeds), world.prompts).tolist()
    seen = [of_mean(prompts, world.worths(rng).ravel().tolist(), numbers) for _ in range(300)]
    means = {
        name: float(np.mean([getattr(one, name) for one in seen]))
        for name in ("over_prompts", "over_seeds", "rest")
    }
    return Crossed(world.prompts, world.seeds, **means)


def check_over_seeds(world: Judged, rivals: int, n: int) -> None:
    distance = world.truth() - 0.5
    said = win_rate_power(expected(world), distance, LEVEL / rivals)(world.prompts, distance)
    near(found_in(world, rivals, n), said, n)


@pytest.mark.parametrize(("count", "luck", "lead", "rivals"), [(3, 0.0, 0.5, 1), (5, 0.2, 0.9, 2)])
def test_over_seeds_the_chance_is_the_stated_one(count, luck, lead, rivals):
    check_over_seeds(Judged(100, count, lead, seed_sd=luck), rivals, FAST // 2)


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [30, 100, 500])
@pytest.mark.parametrize("ties", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("rivals", [1, 2, 5])
def test_every_detectable_win_rate(prompts, ties, rivals):
    detectable, _ = stated(prompts, ties, rivals)
    near(found_in(world_at(detectable, prompts, ties), rivals, FULL), 0.8, FULL)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize(("luck", "lead"), [(0.0, 0.3), (0.1, 0.8), (0.4, 1.5)])
@pytest.mark.parametrize("rivals", [1, 3])
def test_over_seeds_every_chance_is_the_stated_one(count, luck, lead, rivals):
    check_over_seeds(Judged(100, count, lead, seed_sd=luck), rivals, FULL // 2)
