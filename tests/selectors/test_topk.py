"""TopK against a plain sort."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.selectors import topk
from handpicked.selectors.topk import TopK, id_numbers

ids = st.integers(0, 20).map(lambda number: hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest())
entries = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5), ids), max_size=60)


@settings(deadline=None)
@given(entries, st.lists(st.integers(0, 12), min_size=4, max_size=4), st.integers(1, 17), st.integers(0, 3))
def test_keeps_what_a_sort_of_each_group_keeps_whatever_the_batches(rows, quotas, batch, slack):
    before, topk.SLACK = topk.SLACK, slack  # so that the buffer is pruned all the time
    try:
        best = TopK(np.array(quotas))
        for begin in range(0, len(rows), batch):
            part = rows[begin : begin + batch]
            best.add(
                np.array([group for group, _, _ in part]),
                np.array([float(key) for _, key, _ in part]),
                id_numbers(pa.array([one for _, _, one in part])),
                np.arange(begin, begin + len(part)),
            )
    finally:
        topk.SLACK = before
    expected = []
    for group, quota in enumerate(quotas):
        members = [(-key, one, row) for row, (g, key, one) in enumerate(rows) if g == group]
        expected += [row for _, _, row in sorted(members)[:quota]]
    assert best.rows().tolist() == sorted(expected)


@given(st.lists(ids, min_size=1, max_size=20))
def test_id_numbers_sort_as_the_ids_do(texts):
    high, low = id_numbers(pa.array(texts))
    assert [f"{int(one):016x}{int(other):016x}" for one, other in zip(high, low, strict=True)] == texts


def test_a_sliced_array_gives_its_own_ids():
    texts = [hashlib.blake2b(bytes([n]), digest_size=16).hexdigest() for n in range(5)]
    high, _ = id_numbers(pa.array(texts).slice(2, 2))
    assert [f"{int(h):016x}" for h in high] == [text[:16] for text in texts[2:4]]
