"""Ranks three or more arms by their pairwise verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from handpicked.records import Estimate, Verdict
from handpicked.statistics.crossed import crossed
from handpicked.statistics.estimates import over
from handpicked.statistics.seeds import numbered
from handpicked.statistics.win_rate import worth

PRIOR = 0.5
STEPS = 10_000
CLOSE = 1e-9


def bradley_terry(
    verdicts: Sequence[Verdict], arm_of: Mapping[str, str] | None = None
) -> dict[str, Estimate]:
    """Strength of each arm in natural-log units, mean 0, strongest first, with
    intervals over prompts and seeds.

    Bradley and Terry (1952): arm i beats arm j with probability 1 / (1 + exp(s_j - s_i)). Fitted by Hunter's
    (2004) minorisation-maximisation. A tie is half a win for each. Every pair of arms get one virtual
    tie, so that an unbeaten arm keeps a finite strength. With no verdicts between two groups of arms their
    strengths cannot be compared: then every estimate has no value. ``arm_of`` says of which arm each model is
    a seed (``None``: models are arms). The variance is a sandwich, as the model is a logistic regression
    (``crossed``).
    """
    name_of = {model: model for v in verdicts for model in (v.a, v.b)} if arm_of is None else arm_of
    arms = list(dict.fromkeys(name_of[model] for v in verdicts for model in (v.a, v.b)))
    known = [(v, value) for v in verdicts if (value := worth(v, "strict")) is not None]
    missing = len(verdicts) - len(known)
    if not known:
        return {arm: Estimate(None, None, None, 0, missing, "no verdicts") for arm in arms}
    place = {arm: i for i, arm in enumerate(arms)}
    a, b = (np.array([place[name_of[getattr(v, side)]] for v, _ in known]) for side in ("a", "b"))
    worths = np.array([value for _, value in known])
    wins = np.zeros((len(arms), len(arms)))
    np.add.at(wins, (a, b), worths)
    np.add.at(wins, (b, a), 1 - worths)
    met = (wins + wins.T) > 0
    if not _connected(met):
        why = "arms that were never compared, even through others"
        return {arm: Estimate(None, None, None, len(known), missing, why) for arm in arms}
    strength = _fit(wins + PRIOR * met)
    parts = _influences(strength, a, b, worths, wins + wins.T + 2 * PRIOR * met)
    models = {model for v in verdicts for model in (v.a, v.b)}
    seeds = numbered([(v.a, v.b) for v, _ in known], _only_trainings(models, name_of))
    prompts = [v.prompt_id for v, _ in known]
    found = {}
    for i in np.argsort(-strength):
        variance, value = crossed(parts[:, i], prompts, seeds), float(strength[i])
        low, high = None, None
        if variance.prompts > 1:
            low, high = value - variance.half(), value + variance.half()
        method = f"Bradley-Terry, sandwich interval over {over(variance)}"
        found[arms[i]] = Estimate(value, low, high, len(known), missing, method)
    return found


def _only_trainings(models: Collection[str], arm_of: Mapping[str, str]) -> set[str]:
    """Models that are the only one of their arm."""
    trainings = Counter(arm_of[model] for model in models)
    return {model for model in models if trainings[arm_of[model]] == 1}


def _fit(wins: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log strengths [k] of a win matrix [k, k]."""
    games, won = wins + wins.T, wins.sum(axis=1)
    strength = np.ones(len(wins))
    for _ in range(STEPS):
        new = won / (games / (strength[:, None] + strength[None, :])).sum(axis=1)
        new /= np.exp(np.log(new).mean())
        moved = np.abs(np.log(new / strength)).max()
        strength = new
        if moved < CLOSE:
            break
    return np.asarray(np.log(strength))


def _influences(
    strength: npt.NDArray[np.float64],
    a: npt.NDArray[np.float64],
    b: npt.NDArray[np.float64],
    worths: npt.NDArray[np.float64],
    games: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """What each verdict contributes to the strengths, [verdicts, arms]: its score
    times the inverse information.
    """
    chance = 1 / (1 + np.exp(strength[None, :] - strength[:, None]))
    information = -games * chance * (1 - chance)
    np.fill_diagonal(information, 0.0)
    np.fill_diagonal(information, -information.sum(axis=1))
    inverse = np.linalg.pinv(information)
    return np.asarray((worths - chance[a, b])[:, None] * (inverse[a] - inverse[b]))


def _connected(met: npt.NDArray[np.float64]) -> bool:
    reached = np.zeros(len(met), dtype=bool)
    reached[0] = True
    for _ in range(len(met)):
        reached |= met[reached].any(axis=0)
    return bool(reached.all())
