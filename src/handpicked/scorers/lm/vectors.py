"""A vector for each row, computed in batches into a memory-mapped file, so that a kill loses little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handpicked.models.threads import side_by_side
from handpicked.progress import Progress
from handpicked.store import writing
from handpicked.store.journal import append, recover

VECTORS = "vectors.npy"
DONE = "batches.jsonl"
BLOCK = 8192
"""Vectors looked at together."""


@dataclass(frozen=True)
class Done:
    """A line of the journal: places whose vectors are in the file."""

    places: Sequence[int]


Embed = Callable[[Sequence[int]], "np.ndarray"]
"""The vectors of the rows at these places, float32 [len, width]. Where the model's passes may run side
by side, so may its calls.
"""


def compute_vectors(
    work: Path,
    plan: Sequence[Sequence[int]],
    costs: Sequence[int],
    load: Callable[[], tuple[Any, Embed]],
    progress: Progress,
    label: str,
) -> np.ndarray | None:
    """float32 [rows, width], memory-mapped: one vector for each place that ``plan``
    names. ``None``: it names none.

    ``costs`` are the units of progress of each place, such as tokens; ``load`` gives the model and what
    embeds with it. What an earlier attempt finished in ``work`` is not computed again, even where its batches
    were others.
    """
    done = {place for line in recover(work / DONE) for place in line["places"]}
    todo = [left for batch in plan if (left := [place for place in batch if place not in done])]
    file = work / VECTORS
    found = np.lib.format.open_memmap(file, mode="r+") if done else None
    with progress(label, total=sum(costs[place] for batch in plan for place in batch)) as step, writing(work):
        step(sum(costs[place] for place in done))
        if not todo:
            return found
        model, embed = load()
        with closing(side_by_side(embed, todo, model)) as made:
            for batch, vectors in zip(todo, made, strict=True):
                if found is None:
                    shape = (len(costs), vectors.shape[1])
                    found = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
                found[batch] = vectors
                found.flush()
                append(work / DONE, [Done(batch)])
                step(sum(costs[place] for place in batch))
    return found


def forget_vectors(work: Path) -> None:
    """Remove what ``compute_vectors`` keeps, once the scores are written."""
    (work / DONE).unlink(missing_ok=True)
    (work / VECTORS).unlink(missing_ok=True)


NO_DIRECTION = "the model gave no vector with a direction: it is zero, or not of finite numbers"
"""Why a row has no value that is a cosine."""


def directed(vectors: np.ndarray) -> np.ndarray:
    """Which vectors [n, width] have a direction, so that there is a cosine: those that are finite
    and not zero. Booleans [n].
    """
    found = np.empty(len(vectors), bool)
    for first in range(0, len(vectors), BLOCK):
        block = vectors[first : first + BLOCK]
        found[first : first + BLOCK] = np.isfinite(block).all(axis=1) & (block != 0).any(axis=1)
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each vector, which must be ``directed``, divided by its length, float32."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    scaled: np.ndarray = (vectors / lengths).astype(np.float32)
    return scaled
