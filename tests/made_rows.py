"""Rows of random words, for pools of any size."""

from __future__ import annotations

import random

WORDS = [
    "the", "a", "cat", "dog", "sat", "on", "mat", "and", "ran", "over", "under", "hill", "river", "stone",
    "moon", "sun", "wind",
]  # fmt: skip


def rows_of(count, seed=0):
    draw = random.Random(seed)
    return [
        {
            "prompt": f"Question {number}",
            "response": " ".join(draw.choices(WORDS, k=draw.randint(1, 60))) + ".",
            "quality": draw.random(),
            "kind": draw.choice("abc"),
        }
        for number in range(count)
    ]
