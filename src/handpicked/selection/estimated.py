"""What scoring a pool will take, before any of it is done."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.config import ScoreSettings
from handpicked.records import Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.selection.kept_scores import Content, check_enough, rows_to_score
from handpicked.selection.methods import scorers_for
from handpicked.selection.scoring import check_names


def score_estimates(
    pool: Pool, names: Sequence[str], settings: ScoreSettings, tokenizer: str | None = None
) -> dict[str, Forecast]:
    """For each scorer what it will take. Reads the pool; loads no model, sends nothing, writes
    nothing.

    Raises:
        ConfigError: an unknown scorer, one named twice, a setting that none takes, or nothing to score.
        MissingPart: a scorer's model, key or library is not there.
    """
    check_names(names)
    scorers = scorers_for(names, settings, tokenizer)
    by_models = [one for one in scorers if isinstance(one, PoolScorer)]
    by_text = Forecast(f"{pool.rows:,} rows, by their text alone: seconds to minutes, no cost")
    takes = dict.fromkeys(names, by_text)
    if by_models:
        chosen = rows_to_score(pool, settings, tokenizer, Content.of(pool))
        check_enough([one.name for one in by_models], settings, chosen, 0)
        takes |= {one.name: one.estimate(pool, chosen.rows) for one in by_models}
    return takes
