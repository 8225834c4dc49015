"""DEITA's filter against an example made by hand and against one row at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded import clustered, table, unit
from handpicked.errors import ConfigError
from handpicked.selectors import deita
from handpicked.selectors.deita import Deita


def one_by_one(vectors, quality, size, threshold):
    """Algorithm 1 of the paper, as it is written. Qualities must differ."""
    taken = []
    for row in sorted(range(len(vectors)), key=lambda row: -quality[row]):
        if len(taken) < size and all(float(vectors[row] @ vectors[t]) <= threshold for t in taken):
            taken.append(row)
    return sorted(taken)


def test_the_best_first_and_none_too_similar_to_a_better_one():
    # By quality: 0, 1 (a twin of 0), 2, 3 (a twin of 1 and so of 0), 4.
    vectors = unit([[1, 0], [1, 0.1], [0, 1], [1, 0.2], [-1, 0]])
    scores, embeddings = table(vectors, quality=[9.0, 8.0, 7.0, 6.0, 5.0])
    assert Deita("quality", embeddings=embeddings).select(scores, 3).tolist() == [0, 2, 4]
    assert Deita("quality", highest=False, embeddings=embeddings).select(scores, 3).tolist() == [2, 3, 4]
    assert Deita("quality", threshold=1, embeddings=embeddings).select(scores, 4).tolist() == [0, 1, 2, 3]


def test_a_row_that_was_refused_refuses_no_other():
    """The chain 0 - 10 - 20 degrees: 1 is too similar to 0, 2 is too similar to 1 only, so 2 stays."""
    angles = np.radians([0, 10, 20])
    scores, embeddings = table(unit([[np.cos(a), np.sin(a)] for a in angles]), quality=[3.0, 2.0, 1.0])
    rows = Deita("quality", threshold=np.cos(np.radians(15)), embeddings=embeddings).select(scores, 2)
    assert rows.tolist() == [0, 2]


@given(st.integers(0, 2**32), st.floats(0.2, 0.99), st.sampled_from([1, 5, 64]))
@settings(max_examples=40, deadline=None)
def test_it_is_the_papers_loop_whatever_the_batch(seed, threshold, at_once):
    vectors = clustered(60, groups=5, dimensions=4, seed=seed)
    quality = np.random.default_rng(seed).permutation(60).astype(float)
    scores, embeddings = table(vectors, quality=quality)
    expected = one_by_one(vectors, quality, 10, threshold)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deita, "AT_ONCE", at_once)
        if len(expected) < 10:
            with pytest.raises(ConfigError, match=f"only {len(expected)} of 60"):
                Deita("quality", threshold=threshold, embeddings=embeddings).select(scores, 10)
        else:
            rows = Deita("quality", threshold=threshold, embeddings=embeddings).select(scores, 10)
            assert rows.tolist() == expected
