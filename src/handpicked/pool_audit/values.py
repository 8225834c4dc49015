"""Values and roles as they are counted while batches pass."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from handpicked.pool_audit.lengths import LengthTally
from handpicked.pool_audit.record import Conversations, Role, Value, Values

TOP = 12
"""Values that are named."""
MOST = 100_000
"""Different values that are counted separately; any further ones are counted together."""
TURNS = 6
"""Turns of an order of roles that are named."""


class ValueTally:
    """Counts the values (texts) of ``column``."""

    def __init__(self, of: str, column: str = "") -> None:
        self.of, self.column = of, column
        self._counts: Counter[str] = Counter()
        self._beyond = self._none = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the values of a batch."""
        for found in batch[self.column].value_counts().to_pylist():
            self.count(found["values"], found["counts"])

    def count(self, value: str | None, rows: int) -> None:
        """Count a value that ``rows`` rows have."""
        if value is None:
            self._none += rows
        elif value in self._counts or len(self._counts) < MOST:
            self._counts[value] += rows
        else:
            self._beyond += rows

    def result(self) -> Values:
        """The most common values; of equally common ones the first by name."""
        ordered = sorted(self._counts.items(), key=lambda one: (-one[1], one[0]))
        top = tuple(Value(value, rows) for value, rows in ordered[:TOP])
        others = len(ordered) - len(top) + bool(self._beyond)
        rest = sum(rows for _, rows in ordered[TOP:]) + self._beyond
        return Values(self.of, top, others, rest, self._none)


class RoleTally:
    """Counts the turns of conversations by their roles (the pool's column ``turn_roles``)."""

    column = "turn_roles"

    def __init__(self) -> None:
        self._turns = LengthTally("turns")
        self._messages: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()
        self._orders = ValueTally("order of roles")

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the turns of a batch."""
        for found in batch[self.column].value_counts().to_pylist():
            roles, rows = (found["values"] or "").split(), found["counts"]
            self._turns.count([len(roles)] * rows)
            for role, messages in Counter(roles).items():
                self._messages[role] += messages * rows
                self._rows[role] += rows
            cut = [*roles[:TURNS], "..."] if len(roles) > TURNS else roles
            self._orders.count(" ".join(cut), rows)

    def result(self) -> Conversations:
        """What was counted; the most common role first."""
        roles = tuple(
            Role(role, messages, self._rows[role]) for role, messages in self._messages.most_common()
        )
        return Conversations(self._turns.result(), roles, self._orders.result())
