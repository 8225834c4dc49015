"""Made worlds of which the truth is known: prompts, training seeds, verdicts and values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)


@dataclass(frozen=True)
class Judged:
    """Arms whose verdicts stray with the prompt and with the seed, both normal in log-odds.

    ``lead`` is the log-odds of winning on the usual prompt with the usual seed; ``ties`` the share of pairs that tie.
    """

    prompts: int
    seeds: int = 1
    lead: float = 0.0
    prompt_sd: float = 1.0
    seed_sd: float = 0.0
    ties: float = 0.2

    def worths(self, rng: np.random.Generator) -> Array:
        """1, 0.5 or 0 for each prompt and seed, [prompts, seeds]."""
        logit = (
            self.lead
            + rng.normal(0, self.prompt_sd, (self.prompts, 1))
            + rng.normal(0, self.seed_sd, (1, self.seeds))
        )
        shape = logit.shape
        won = rng.random(shape) < 1 / (1 + np.exp(-logit))
        return np.where(rng.random(shape) < self.ties, 0.5, won)

    def truth(self) -> float:
        """The mean worth over all prompts and all seeds; over all prompts with the one seed's own luck where it is one."""
        spread = math.hypot(self.prompt_sd, self.seed_sd)
        won = float((WEIGHTS / (1 + np.exp(-(self.lead + spread * NODES)))).sum() / WEIGHTS.sum())
        return self.ties * 0.5 + (1 - self.ties) * won


def tails(name: str) -> tuple[Callable[[np.random.Generator, tuple[int, ...]], Array], float]:
    """A distribution of values by name, and its mean."""
    return {
        "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
        "t3": (lambda rng, shape: rng.standard_t(3, shape), 0.0),
        "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
        "lognormal": (lambda rng, shape: rng.lognormal(0, 1, shape), math.exp(0.5)),
    }[name]


def valued(
    rng: np.random.Generator, prompts: int, seeds: int, *, seed_sd: float, tail: str, alike: float = 0.5
) -> tuple[Array, float]:
    """Values [prompts, seeds] and their true mean. ``seed_sd`` is in standard errors of the mean over prompts;
    ``alike`` the share of a prompt's variance that its seeds have in common."""
    draw, mean = tails(tail)
    common, own = draw(rng, (prompts, 1)) - mean, draw(rng, (prompts, seeds)) - mean
    luck = rng.normal(0, seed_sd / math.sqrt(prompts), (1, seeds))
    return mean + math.sqrt(alike) * common + math.sqrt(1 - alike) * own + luck, mean
