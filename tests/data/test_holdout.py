"""Held-out rows: the same whatever the pool's order, never asked in what remains,
and never silently fewer.
"""

from __future__ import annotations

import json
import random

import pytest

from handpicked.data import read
from handpicked.data.holdout import hold_out
from handpicked.errors import PoolError


def pool_of(tmp_path, rows, name="pool.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps({"prompt": p, "response": r}) + "\n" for p, r in rows))
    return read(path)


ROWS = [(f"question {i}", "word " * (i + 1)) for i in range(40)]


def test_held_out_rows_do_not_depend_on_the_order_of_the_pool(tmp_path):
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    held = []
    for name, rows in (("a.jsonl", ROWS), ("b.jsonl", shuffled)):
        pool = pool_of(tmp_path, rows, name)
        taken, rest = hold_out(pool, 7, 20)
        assert len(taken) == 7 and len(rest) == 33 and not set(taken) & set(rest)
        held.append({example.prompt for example in pool.examples(taken)})
    assert held[0] == held[1]
    assert all(int(prompt.split()[1]) < 20 for prompt in held[0])


def test_a_held_out_prompt_is_not_asked_again_in_what_remains(tmp_path):
    pool = pool_of(tmp_path, [(prompt, response) for prompt, response in ROWS for _ in range(2)])
    taken, rest = hold_out(pool, 5, None)
    held = {example.prompt for example in pool.examples(taken)}
    assert len(held) == 5 and len(rest) == 70
    assert not held & {example.prompt for example in pool.examples(rest)}


def test_too_few_rows_is_an_error_with_both_numbers(tmp_path):
    with pytest.raises(PoolError, match=r"asks for 41 rows, but the pool has only 40"):
        hold_out(pool_of(tmp_path, ROWS), 41, None)


def test_holding_out_nothing_leaves_everything(tmp_path):
    assert hold_out(pool_of(tmp_path, ROWS), 0, None) == ([], list(range(40)))
