"""Every guard that can be audited, and what it would drop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from handpicked.catalogue import GUARDS
from handpicked.errors import ConfigError, MissingPart
from handpicked.guards.guard import Guard
from handpicked.method import settings_of
from handpicked.pool_audit.places import Gallery
from handpicked.pool_audit.record import GuardFound, NotAudited
from handpicked.pool_audit.values import ValueTally
from handpicked.selection.audit import AUDITED
from handpicked.selection.guards import plan_guards
from handpicked.selectors.selector import Scores

SHOWN = 3
"""Rows of each kind that are shown."""


def plan_audited(
    given: Sequence[str], prompts: Sequence[str], tokenizer: str | None
) -> tuple[tuple[Guard, ...], tuple[NotAudited, ...]]:
    """The guards that look at the rows: every audited one with its usual limit, or as it is ``given``
    (``name=value``), and others that are given; and those that this machine lacks a part for.

    Raises:
        ConfigError: a guard that is given is unknown, or takes no such value. MissingPart: it cannot be had.
    """
    named = {name: name for name in AUDITED} | {text.partition("=")[0]: text for text in given}
    plans: list[Guard] = []
    lacking: list[NotAudited] = []
    mistakes: list[str] = []
    for name, text in named.items():
        try:
            if not prompts and _takes_prompts(name):
                raise ConfigError(f"--guard {text}: it needs evaluation prompts. Give them with --against.")
            plans += plan_guards([text], prompts, tokenizer)
        except MissingPart as error:
            if text in given:
                raise
            lacking.append(NotAudited(name, str(error)))
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(*mistakes)
    return tuple(plans), tuple(lacking)


def _takes_prompts(name: str) -> bool:
    return any(one.name == "prompts" for one in settings_of(GUARDS.find(name, "guards")))


class GuardTally:
    """Counts the rows that a guard would drop, and the values of its scores that are texts."""

    def __init__(self, plan: Guard, scores: Scores, schema: pa.Schema) -> None:
        self.plan = plan
        self._guard = plan.make(scores)
        self._values = [
            ValueTally(one.name, one.name) for one in plan.scorers if _is_text(schema.field(one.name).type)
        ]
        self._rows = 0
        self.first: list[int] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Count those of a batch."""
        dropped = self._guard.drops(batch)
        self._rows += int(np.count_nonzero(dropped))
        if len(self.first) < SHOWN:
            found = batch["row"].to_numpy()[np.flatnonzero(dropped)[: SHOWN - len(self.first)]]
            self.first += found.tolist()
        for tally in self._values:
            tally.add(batch)

    def result(self, gallery: Gallery) -> GuardFound:
        """What was counted."""
        return GuardFound(
            self.plan.name,
            self.plan.rule,
            self._rows,
            tuple(gallery.shown(row) for row in self.first),
            tuple(tally.result() for tally in self._values),
        )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))
