"""What a selection may not depend on: row order, shards, batches, the runner."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.selection import select
from handpicked.selectors.balanced import Balanced
from handpicked.selectors.full import Full
from handpicked.selectors.length_matched import LengthMatched
from handpicked.selectors.power_law import PowerLaw
from handpicked.selectors.random import Random
from handpicked.selectors.ranked import Bottom, Longest, Shortest, Top
from handpicked.selectors.window import Window
from memory_pool import MemoryPool

SELECTORS = [
    Longest("chars"), Shortest("words"), Random(3), Top("quality"), Bottom("quality"), Window("chars", 0.1, 0.9, 2),
    Balanced("kind"), Balanced("kind", "chars"), PowerLaw("kind", "chars", 1), LengthMatched((3, 3, 5), "chars"), Full(),
]  # fmt: skip

row = st.fixed_dictionaries(
    {
        "prompt": st.sampled_from(["p", "q", "r"]),
        "response": st.text("ab ", min_size=1, max_size=6),
        "quality": st.one_of(st.none(), st.integers(0, 3).map(float)),
        "kind": st.sampled_from(["x", "y", None]),
    }
)
pools = st.lists(st.one_of(row, row, row, st.none()), min_size=1, max_size=30)


def choose(rows, selector, size, shards, batch, guards=()):
    pool = MemoryPool(rows, shards, batch)
    if isinstance(selector, Full | LengthMatched):
        size = None
    return select(pool, selector, size=size, guards=guards)


def possible(rows, selector, wanted):
    """How many rows may be asked for."""
    valued = [one for one in rows if one and all(one.get(name, 0) is not None for name in selector.columns)]
    if isinstance(selector, Window):
        return 0
    return min(wanted, len(valued))


@settings(deadline=None, max_examples=40)
@given(
    pools, st.sampled_from(SELECTORS), st.integers(0, 8), st.integers(1, 5), st.integers(1, 7), st.randoms()
)
def test_the_choice_is_the_same_for_any_cut_and_any_order(rows, selector, wanted, shards, batch, shuffle):
    if isinstance(selector, LengthMatched) and sum(one is not None for one in rows) < 3:
        return
    size = possible(rows, selector, wanted)
    once = choose(rows, selector, size, 1, 1000)
    cut = choose(rows, selector, size, shards, batch)
    assert cut.rows.tolist() == once.rows.tolist()
    assert cut.summary == once.summary

    mixed = list(rows)
    shuffle.shuffle(mixed)
    moved = choose(mixed, selector, size, shards, batch)

    # Rows of one id are interchangeable but for fields that are not part of the messages; compare what
    # decides.
    def content(pool_rows, chosen):
        return sorted((pool_rows[one]["prompt"], pool_rows[one]["response"]) for one in chosen.rows.tolist())

    if not isinstance(selector, Balanced | PowerLaw):
        assert content(mixed, moved) == content(rows, once)


@settings(deadline=None, max_examples=40)
@given(pools, st.sampled_from(SELECTORS), st.integers(0, 8), st.lists(st.sampled_from(
    ["duplicates", "cut-off", "repetition=0.1", "token-window=1:3"]), unique=True))  # fmt: skip
def test_rows_in_are_kept_plus_dropped_plus_rejected(rows, selector, wanted, guards):
    from handpicked.errors import ConfigError

    try:
        selection = choose(rows, selector, possible(rows, selector, wanted), 2, 3, guards)
    except ConfigError as error:
        assert "are requested" in str(error)
        return
    summary = selection.summary  # asserts the sum itself
    table = [one for batch in selection.table() for one in batch.to_pylist()]
    assert [one["row"] for one in table] == list(range(len(rows)))
    assert sum(one["kept"] for one in table) == summary.kept == len(selection.rows)
    assert all((one["reason"] is None) == one["kept"] for one in table)
    assert summary.rejected == sum(one is None for one in rows)


@settings(deadline=None, max_examples=25)
@given(st.lists(row, min_size=1, max_size=20), st.integers(0, 10**6))
def test_a_fraction_is_rounded_down(rows, parts):
    fraction = parts / 10**6
    selection = select(MemoryPool(rows), Longest("chars"), fraction=fraction)
    assert len(selection.rows) == int(fraction * len(rows) + 1e-9)


RUN = """
import sys
sys.path.insert(0, {tests!r})
import ray
from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.selection import pick
from handpicked.selection.execution import Execution
from handpicked.workers import Workers
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
on_ray = Execution(Workers("ray"))
pick(read({files!r}), SelectSettings(by="longest", size=500, guards=("repetition",)), {out!r}, execution=on_ray)
ray.shutdown()
"""


@pytest.mark.slow
def test_two_ray_workers_choose_the_same_rows_as_this_process(tmp_path):
    pytest.importorskip("ray")
    from handpicked.config import SelectSettings
    from handpicked.data import read
    from handpicked.selection import pick

    draw = random.Random(0)
    files = []
    for part in range(4):
        files.append(str(tmp_path / f"part-{part}.jsonl"))
        lines = [
            json.dumps(
                {
                    "instruction": f"{part} {n}",
                    "output": " ".join(draw.choices("abcdefgh", k=draw.randint(1, 80))),
                }
            )
            for n in range(5000)
        ]
        Path(files[-1]).write_text("\n".join(lines))
    pick(read(files), SelectSettings(by="longest", size=500, guards=("repetition",)), tmp_path / "native")
    code = RUN.format(tests=str(Path(__file__).parents[1]), files=files, out=str(tmp_path / "ray"))
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in ("selected.jsonl", "scores.parquet", "rejected.jsonl", "report.html", "manifest.json"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "native" / name).read_bytes()
