"""With real rows and real models: rows of the target's kind score higher than others."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from handpicked.config import ModelSettings
from handpicked.errors import MissingPart
from handpicked.models.load import identity
from handpicked.progress import SILENT
from handpicked.records import Message, Prompt
from handpicked.scorers.lm.target import TargetSet
from handpicked.scorers.model.rds import Rds
from handpicked.scorers.model.target_similarity import TargetSimilarity
from made_examples import scores
from memory_pool import MemoryPool

pytestmark = [pytest.mark.slow, pytest.mark.data, pytest.mark.models]
pytest.importorskip("torch", reason="needs the lm extra")


@pytest.fixture(scope="module")
def mixed(real_data: Path) -> tuple[MemoryPool, TargetSet]:
    """40 rows of GSM8K, then 40 of Alpaca; and six more rows of GSM8K."""
    draw = random.Random(0)
    math, other = (
        draw.sample(pq.read_table(real_data / "sft" / name).to_pylist(), 46)
        for name in ("gsm8k_train_alpaca_format.parquet", "alpaca_52k.parquet")
    )
    rows = [*math[6:], *[row for row in other if row["output"]][:40]]
    pool = MemoryPool([{"prompt": row["instruction"], "response": row["output"]} for row in rows])
    target = (
        Prompt(str(place), (Message("user", row["instruction"]),), "target", reference=row["output"])
        for place, row in enumerate(math[:6])
    )
    return pool, TargetSet("gsm8k", tuple(target))


@pytest.mark.parametrize("kind", ["rds", "target-similarity"])
def test_rows_of_the_targets_kind_score_higher(mixed, tmp_path, kind):
    pool, target = mixed
    scorer = Rds(target, ModelSettings()) if kind == "rds" else TargetSimilarity(target)
    try:
        scorer.identity()
        identity(ModelSettings())
    except MissingPart as missing:
        pytest.skip(str(missing))
    scorer.score(pool, None, tmp_path, SILENT)
    (values, _) = scores(tmp_path, kind)
    wins = [(a > b) + 0.5 * (a == b) for a in values[:40] for b in values[40:]]
    assert sum(wins) / len(wins) > 0.9
