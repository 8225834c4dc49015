"""Exact and near duplicates that are found by parts, on disk, are those that a loop over all pairs finds."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from handpicked.guards import near_duplicates as near
from handpicked.guards.drop import Listed
from handpicked.guards.duplicates import exact_copies
from handpicked.guards.near_duplicates import BANDS, WIDTH, near_copies
from handpicked.selectors.selector import Scores
from handpicked.store import spilled


def made(seed):
    """Scores of up to 150 rows, many of them like others, some without a signature, in batches of any size."""
    draw = np.random.default_rng(seed)
    count = int(draw.integers(0, 150))
    bases = draw.integers(0, 2**32, (int(draw.integers(1, 12)), 128), np.uint32)
    signatures = bases[draw.integers(0, len(bases), count)]
    changed = draw.random(signatures.shape) < draw.choice([0, 0.02, 0.05, 0.1])
    signatures[changed] = draw.integers(0, 2**32, changed.sum(), np.uint32)
    names = draw.integers(0, max(1, count // 2), count) if seed % 2 else np.arange(count)
    table = pa.table(
        {
            "row": np.sort(draw.choice(10 * count + 1, count, replace=False)),
            "id": pa.array([hashlib.md5(b"%d" % name).hexdigest() for name in names], pa.string()),
            "minhash": pa.array(
                [one.tobytes() if draw.random() < 0.95 else None for one in signatures], pa.binary(512)
            ),
            "chars": draw.integers(1, draw.choice([2, 10, 1000]), count),
        }
    )
    size = int(draw.integers(1, 60))
    return pa.concat_tables([table.slice(at, size) for at in range(0, count, size)] or [table])


def by_pairs(table, threshold, most):
    """The rule row by row: band by band, the nearest ``most`` better rows of a row's hash, the nearest first."""
    rows = [one for one in table.to_pylist() if one["minhash"] is not None]
    signed = [np.frombuffer(one["minhash"], "<u4") for one in rows]
    best_first = sorted(
        range(len(rows)), key=lambda at: (-rows[at]["chars"], rows[at]["id"], rows[at]["row"])
    )
    like = {}
    for band in range(BANDS):
        groups = {}
        for at in best_first:
            group = groups.setdefault(signed[at][band * WIDTH : (band + 1) * WIDTH].tobytes(), [])
            if at not in like:
                for better in reversed(group[-most:]):
                    if (signed[at] == signed[better]).mean() >= threshold:
                        like[at] = better
                        break
            group.append(at)
    return [(rows[at]["row"], rows[like[at]]["row"]) for at in sorted(like)]


@pytest.mark.parametrize("most", [2, 64])
@pytest.mark.parametrize(("run", "piece"), [(20, 1), (40, 16), (1 << 19, 1 << 14)])
def test_near_duplicates_are_those_of_all_pairs_however_they_are_cut(monkeypatch, tmp_path, run, piece, most):
    for module, name, value in [
        (spilled, "RUN", run), (near, "RUN", run), (near, "PIECE", piece), (near, "NEIGHBOURS", most),
    ]:  # fmt: skip
        monkeypatch.setattr(module, name, value)
    found = 0
    for seed in range(6):
        table, threshold = made(seed), (0.5, 0.8, 0.95)[seed % 3]
        scores = Scores(Scores.of(table).batches, len(table), tmp_path)
        pairs = [
            tuple(pair)
            for pair in zip(*(one.tolist() for one in near_copies(scores, threshold)), strict=True)
        ]
        assert pairs == by_pairs(table, threshold, most)
        found += len(pairs)
    assert found > 100
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("run", [7, 40, 1 << 19])
def test_exact_duplicates_repeat_the_first_row_with_their_id_however_they_are_cut(monkeypatch, run):
    monkeypatch.setattr(spilled, "RUN", run)
    found = 0
    for seed in range(20):
        table, first, expected = made(seed), {}, []
        for row, one in zip(table["row"].to_pylist(), table["id"].to_pylist(), strict=True):
            if first.setdefault(one, row) != row:
                expected.append((row, first[one]))
        pairs = list(zip(*(one.tolist() for one in exact_copies(Scores.of(table))), strict=True))
        assert pairs == expected
        found += len(pairs)
    assert found > 100


def test_only_listed_rows_are_dropped():
    batch = pa.record_batch({"row": [0, 3, 4, 9, 12]})
    assert Listed("x", np.array([3, 9]), "").drops(batch).tolist() == [False, True, False, True, False]
    assert not Listed("x", np.empty(0, np.int64), "").drops(batch).any()
