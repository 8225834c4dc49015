"""Made worlds of which the truth is known: prompts, training seeds, verdicts and values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from handpicked.records import Outcome, Verdict

Array = np.ndarray
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)


@dataclass(frozen=True)
class Judged:
    """Arms whose verdicts stray with the prompt and with the seed, both normal in log-odds.

    ``lead`` is the log-odds of winning on the usual prompt with the usual seed; ``ties``
    the share of pairs that tie.
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
        """The mean worth over all prompts and all seeds; over all prompts with the one seed's
        own luck where it is one.
        """
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
    """Values [prompts, seeds] and their true mean. ``seed_sd`` is in standard errors of the mean over
    prompts; ``alike`` the share of a prompt's variance that its seeds have in common.
    """
    draw, mean = tails(tail)
    common, own = draw(rng, (prompts, 1)) - mean, draw(rng, (prompts, seeds)) - mean
    luck = rng.normal(0, seed_sd / math.sqrt(prompts), (1, seeds))
    return mean + math.sqrt(alike) * common + math.sqrt(1 - alike) * own + luck, mean


@dataclass(frozen=True)
class Longer:
    """A judge that prefers length and the arm: log-odds ``lead + by_length * difference``, the
    difference in log length.

    ``side`` is the mean difference, so that one arm is usually longer where it is not 0; ``loops`` the share
    of answers that repeat themselves to ten times their length.
    """

    prompts: int
    seeds: int = 1
    lead: float = 0.3
    by_length: float = 1.0
    side: float = 0.3
    prompt_sd: float = 0.7
    seed_sd: float = 0.0
    ties: float = 0.15
    loops: float = 0.0

    def verdicts(self, rng: np.random.Generator) -> list[Verdict]:
        """One verdict for each prompt and seed; the models of the longer arm are
        ``mine-0``, ``mine-1`` and so on.
        """
        shape = (self.prompts, self.seeds)
        difference = rng.normal(self.side, 0.6, shape)
        theirs = np.exp(rng.normal(6.5, 0.5, shape))
        mine = theirs * np.exp(difference) * np.where(rng.random(shape) < self.loops, 10.0, 1.0)
        logit = self.lead + self.by_length * difference + rng.normal(0, self.prompt_sd, (self.prompts, 1))
        logit = logit + rng.normal(0, self.seed_sd, (1, self.seeds))
        won = rng.random(shape) < 1 / (1 + np.exp(-logit))
        outcomes = np.where(rng.random(shape) < self.ties, 1, np.where(won, 2, 0))
        return [
            verdict(p, s, OUTCOMES[outcomes[p, s]], int(mine[p, s]), int(theirs[p, s]))
            for p in range(self.prompts)
            for s in range(self.seeds)
        ]


OUTCOMES: tuple[Outcome, ...] = ("lose", "tie", "win")


def verdict(
    prompt: int, seed: int, outcome: Outcome, mine: int = 10, theirs: int = 10, rival: str = "rival"
) -> Verdict:
    """A verdict on one training of the arm ``mine``."""
    return Verdict(
        f"p{prompt}", f"mine-{seed}", rival, "judge", (), outcome, outcome, "s", None, mine, theirs
    )


@dataclass(frozen=True)
class Preferring:
    """A judge that prefers answers with more of the feature ``used``, whose slope strays from
    seed to seed by ``seed_sd``.
    """

    prompts: int
    seeds: int = 1
    effect: float = 0.5
    prompt_sd: float = 0.5
    seed_sd: float = 0.0

    def judged(
        self, rng: np.random.Generator
    ) -> tuple[list[Verdict], dict[tuple[str, str], dict[str, float | None]]]:
        """One verdict for each prompt and seed, and the feature of every answer; the
        rival uses it not at all.
        """
        slopes = self.effect + rng.normal(0, self.seed_sd, self.seeds)
        hard = rng.normal(0, self.prompt_sd, self.prompts)
        used = rng.normal(0, 1, (self.prompts, self.seeds))
        lengths = rng.integers(100, 1000, (self.prompts, self.seeds))
        logit = 0.2 + slopes * used + hard[:, None] + (lengths - 550) / 500
        won = rng.random(logit.shape) < 1 / (1 + np.exp(-logit))
        verdicts = [
            verdict(p, s, "win" if won[p, s] else "lose", int(lengths[p, s]), 550)
            for p in range(self.prompts)
            for s in range(self.seeds)
        ]
        answers: dict[tuple[str, str], dict[str, float | None]] = {
            (f"mine-{s}", f"p{p}"): {"used": float(used[p, s])}
            for p in range(self.prompts)
            for s in range(self.seeds)
        }
        answers.update({("rival", f"p{p}"): {"used": 0.0} for p in range(self.prompts)})
        return verdicts, answers


def judged(
    world: Judged, rivals: int, rng: np.random.Generator, others: Judged | None = None
) -> list[Verdict]:
    """Verdicts on the seeds of ``mine`` and as many rivals as are wanted, the first of
    ``world``, the rest of ``others``.

    Each rival has as many seeds; the prompts are the same for all.
    """
    found = []
    for r in range(rivals):
        worths = (world if r == 0 or others is None else others).worths(rng)
        found += [
            verdict(
                p,
                s,
                OUTCOMES[round(2 * worths[p, s])],
                rival=f"rival{r}-{s}" if world.seeds > 1 else f"rival{r}",
            )
            for p in range(world.prompts)
            for s in range(world.seeds)
        ]
    return found
