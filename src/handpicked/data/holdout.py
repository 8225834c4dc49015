"""Holds rows out of a pool before selection, as evaluation prompts with references."""

from __future__ import annotations

import hashlib

from handpicked.errors import PoolError
from handpicked.records import Pool


def hold_out(pool: Pool, count: int, max_words: int | None, seed: int = 0) -> tuple[list[int], list[int]]:
    """(rows held out, rows that remain), both ascending; every readable row is in one of them or
    repeats a held-out prompt.

    ``count`` rows are drawn by a hash of (seed, id), so the draw does not depend on the order of the pool,
    among the rows whose response has at most ``max_words`` words. A remaining row that asks the same prompt
    as a held-out one would leak its answer, so it is in neither list. Raises PoolError when too few rows
    qualify.
    """
    drawn: dict[str, tuple[bytes, int]] = {}
    prompts: list[tuple[int, str]] = []
    for example in pool.examples():
        prompts.append((example.row, example.prompt))
        if max_words is None or len(example.response.split()) <= max_words:
            priority = hashlib.blake2b(f"{seed} {example.id}".encode(), digest_size=16).digest()
            drawn.setdefault(example.prompt, (priority, example.row))
    if len(drawn) < count:
        rule = f" with a response of at most {max_words} words" if max_words is not None else ""
        raise PoolError(
            f"pool.hold_out asks for {count} rows, but the pool has only "
            f"{len(drawn)} distinct prompts{rule}. "
            "Lower pool.hold_out or raise pool.hold_out_max_words."
        )
    chosen = sorted(drawn.items(), key=lambda item: item[1])[:count]
    held_prompts = {prompt for prompt, _ in chosen}
    held = sorted(row for _, (_, row) in chosen)
    return held, [row for row, prompt in prompts if prompt not in held_prompts]
