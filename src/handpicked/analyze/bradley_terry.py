"""A ranking of three or more arms from their pairwise verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handpicked.analyze import bootstrap
from handpicked.analyze.win_rate import Rule, worth
from handpicked.records import Estimate, Verdict

if TYPE_CHECKING:
    import numpy as np

PRIOR = 0.5
STEPS = 10_000
CLOSE = 1e-9


def bradley_terry(
    verdicts: Sequence[Verdict], rule: Rule = "strict", *, resamples: int = 1000, seed: int = 0
) -> dict[str, Estimate]:
    """Strength of each arm in natural-log units, mean 0, strongest first, with intervals over prompts.

    Bradley and Terry (1952): arm i beats arm j with probability 1 / (1 + exp(s_j - s_i)). Fitted by Hunter's
    (2004) minorisation-maximisation. A tie is half a win for each. Every two arms that met get one virtual
    tie, so that an unbeaten arm keeps a finite strength. With no verdicts between two groups of arms their
    strengths cannot be compared: then every estimate has no value.
    """
    import numpy as np

    arms = list(dict.fromkeys(arm for v in verdicts for arm in (v.a, v.b)))
    place = {arm: i for i, arm in enumerate(arms)}
    k = len(arms)
    prompts, rows = [], []
    for v in verdicts:
        value = worth(v, rule)
        if value is not None:
            row = np.zeros((k, k))
            row[place[v.a], place[v.b]] += value
            row[place[v.b], place[v.a]] += 1 - value
            prompts.append(v.prompt_id)
            rows.append(row.ravel())
    missing = len(verdicts) - len(rows)
    if not rows:
        return {arm: Estimate(None, None, None, 0, missing, "no verdicts") for arm in arms}
    totals = bootstrap.totals_by_prompt(prompts, np.stack(rows))
    wins = totals.sum(axis=0).reshape(1, k, k)
    met = (wins + wins.transpose(0, 2, 1)) > 0
    if not _connected(met[0]):
        return {
            a: Estimate(None, None, None, len(rows), missing, "arms that never met, even through others")
            for a in arms
        }
    drawn = bootstrap.resampled_totals(totals, resamples, seed).reshape(-1, k, k)
    strength, draws = _fit(wins + PRIOR * met), _fit(drawn + PRIOR * met)
    method = f"Bradley-Terry, bootstrap over {len(totals)} prompts, {resamples} resamples, seed {seed}"
    found = {}
    for i in np.argsort(-strength[0]):
        low, high = bootstrap.interval(draws[:, i])
        found[arms[i]] = Estimate(float(strength[0, i]), low, high, len(rows), missing, method)
    return found


def _fit(wins: np.ndarray) -> np.ndarray:
    """Log strengths [m, k] of win matrices [m, k, k], all at once."""
    import numpy as np

    games = wins + wins.transpose(0, 2, 1)
    won = wins.sum(axis=2)
    strength = np.ones(won.shape)
    for _ in range(STEPS):
        new = won / (games / (strength[:, :, None] + strength[:, None, :])).sum(axis=2)
        new /= np.exp(np.log(new).mean(axis=1, keepdims=True))
        moved = np.abs(np.log(new / strength)).max()
        strength = new
        if moved < CLOSE:
            break
    logs: np.ndarray = np.log(strength)
    return logs


def _connected(met: np.ndarray) -> bool:
    import numpy as np

    reached = np.zeros(len(met), dtype=bool)
    reached[0] = True
    for _ in range(len(met)):
        reached |= met[reached].any(axis=0)
    return bool(reached.all())
