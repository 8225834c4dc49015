"""A pool in memory for tests of scorers: any Examples, and nothing to read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from handpicked.records import Example, Message, messages_id

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "thought",
    "of",
    "rain",
    "while",
    "seven",
    "dogs",
    "ran",
    "past",
    "it",
    "twice",
]


@dataclass(frozen=True)
class MadePool:
    """As much of a pool as a pool scorer reads."""

    found: tuple[Example, ...]
    format: str = "made"
    why: str = "made by a test"
    shards: tuple = ()

    @property
    def rows(self) -> int:
        return max((example.row for example in self.found), default=-1) + 1

    def examples(self, rows: Sequence[int] | None = None) -> Iterator[Example]:
        wanted = None if rows is None else set(rows)
        return (example for example in self.found if wanted is None or example.row in wanted)

    def shuffled(self) -> MadePool:
        """The same conversations at other rows; ``id`` distinguishes them."""
        again = random.Random(1).sample(self.found, len(self.found))
        moved = (
            Example(row, one.id, one.messages, one.prompt, one.response, one.source, {})
            for row, one in enumerate(again)
        )
        return MadePool(tuple(moved))


def example(row: int, prompt: str, response: str, source: str = "made") -> Example:
    messages = (Message("user", prompt), Message("assistant", response))
    return Example(row, messages_id(messages), messages, prompt, response, source, {})


def made_pool(rows: int = 12, *, seed: int = 0, longest: int = 30) -> MadePool:
    """Rows of one to ``longest`` words."""
    draw = random.Random(seed)
    texts = [
        (" ".join(draw.choices(WORDS, k=draw.randint(1, 8))), " ".join(draw.choices(WORDS, k=draw.randint(1, longest))))
        for _ in range(rows)
    ]  # fmt: skip
    return MadePool(tuple(example(row, *text) for row, text in enumerate(texts)))


def dying(after: int):
    """A progress whose step number ``after`` is never reached: the process is stopped there."""
    left = iter(range(after))

    @contextmanager
    def progress(label, total):
        def step(_):
            if next(left, None) is None:
                raise KeyboardInterrupt

        yield step

    return progress


def stopped(scorer, pool, work, after: int) -> None:
    """An attempt that is stopped after some steps, in the middle of writing a part."""
    work.mkdir(parents=True, exist_ok=True)
    with pytest.raises(KeyboardInterrupt):
        scorer.score(pool, None, work, dying(after))
    done = parts(work)
    assert done, "something was done"
    done[-1].with_name(".000099.1").write_bytes(done[-1].read_bytes()[:100])


def parts(work) -> list[Path]:
    """The files of the parts that are done below ``work``."""
    return sorted(work.rglob("parts-of-*/*.arrow"))


def scores(work, *names):
    """What a scorer left in ``work``: the column of each name as a list, then the reasons."""
    import pyarrow as pa

    from handpicked.scorers.pool_scorer import SCORES

    with pa.memory_map(str(work / SCORES)) as source:
        table = pa.ipc.open_file(source).read_all()
    return tuple(table[name].to_pylist() for name in (*names, "reason"))
