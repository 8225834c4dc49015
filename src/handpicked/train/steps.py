"""Which rows every forward pass of every process sees, so that a step is the same on any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handpicked.config import TrainSettings
from handpicked.models.head import IGNORED
from handpicked.train.plan import micro_batch
from handpicked.train.prepare import Prepared
from handpicked.train.rows import Places

BLANK = -1
"""A padding place without a row: one token that is not learned."""


@dataclass(frozen=True)
class Dealt:
    """The places of a training in the order in which they are dealt out to the processes.

    ``rows`` of them make a forward pass of one process, ``passes`` of those its part of a step. ``places``
    are numbers of rows (of sequences where they are packed), or ``BLANK``: filled up with these, all
    processes have equally many forward passes, since they would otherwise wait for each other for ever or see
    rows twice. A step's loss is the mean over its learned tokens, so blank ones do not weigh.
    """

    places: Places
    rows: int
    passes: int
    processes: int

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return -(-len(self.places) // (self.rows * self.passes * self.processes))


def deal(prepared: Prepared, settings: TrainSettings, processes: int, most_rows: int) -> Dealt:
    """Deal the places of a training out to ``processes`` processes, in steps that hold the same rows on any number.

    ``most_rows``: packed sequences in a forward pass. Raises TrainingError when the batch size cannot be
    shared evenly between the processes.
    """
    if prepared.packed is None:
        rows, passes = micro_batch(settings, processes)
        return Dealt(_filled(prepared.planned.order, rows * processes), rows, passes, processes)
    sequences, placed = len(prepared.packed.sequences), len(prepared.planned.order)
    a_step = max(
        1, round(settings.batch_size * sequences / placed)
    )  # they hold ``batch_size`` rows on average
    rows = min(most_rows, a_step)
    a_step = rows * max(1, round(a_step / rows))  # whole forward passes of one process
    rows = min(rows, -(-a_step // processes))
    passes = -(-a_step // (rows * processes))
    capacity = rows * passes * processes
    steps = [range(at, min(at + a_step, sequences)) for at in range(0, sequences, a_step)]
    full = [_filled(step, capacity) for step in steps[:-1]]
    return Dealt(np.concatenate([*full, _filled(steps[-1], rows * processes)]), rows, passes, processes)


def _filled(places: Sequence[int] | Places, multiple: int) -> Places:
    blanks = -len(places) % multiple
    return np.concatenate([np.asarray(places, np.int64), np.full(blanks, BLANK, np.int64)])


class DealtRows:
    """The places as a data set for torch: token ids and labels of each, read from the mapped rows."""

    def __init__(self, prepared: Prepared, dealt: Dealt) -> None:
        self._prepared = prepared
        self._places = dealt.places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, at: int) -> dict[str, object]:
        place, packed = int(self._places[at]), self._prepared.packed
        if place == BLANK:
            blank: dict[str, object] = {"input_ids": [0], "labels": [IGNORED]}
            return blank if packed is None else {**blank, "seq_lengths": [1]}
        row = (self._prepared.rows.rows if packed is None else packed.sequences)[place]
        found: dict[str, object] = {"input_ids": row.ids, "labels": row.labels}
        return found if packed is None else {**found, "seq_lengths": packed.lengths(place)}
