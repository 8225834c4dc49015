"""An instruction with a list of its instances, each an input and an output (Self-Instruct)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handpicked.data.formats.cells import BadRow, Row
from handpicked.data.formats.field_names import by_name
from handpicked.data.formats.row_format import Pairs, RowFormat
from handpicked.records import Message

INSTRUCTION, INSTANCES, INPUT, OUTPUT = "instruction", "instances", "input", "output"


@dataclass(frozen=True)
class Instances(RowFormat):
    """An instruction with its instances, of which the first is read."""

    instruction: str
    instances: str

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.instruction, self.instances, *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.instruction, self.instances)

    def messages(self, row: Row) -> list[Message]:
        listed = row.get(self.instances)
        first = listed[0] if isinstance(listed, list) and listed else None
        if not isinstance(first, Mapping):
            raise BadRow(f"field '{self.instances}' is no list of objects with an input and an output")
        flat = {**row, INPUT: first.get(INPUT), OUTPUT: first.get(OUTPUT)}
        return Pairs(self.name, self.instruction, OUTPUT, INPUT, beside=self.beside).messages(flat)


def instances(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The format of Self-Instruct's tasks."""
    real = by_name(fields)
    if INSTRUCTION not in real or INSTANCES not in real:
        return None
    for row in rows:
        listed = row.get(real[INSTANCES])
        if isinstance(listed, list) and listed and isinstance(listed[0], Mapping) and OUTPUT in listed[0]:
            why = f"'{real[INSTANCES]}' holds inputs and outputs of '{real[INSTRUCTION]}'; the first of a row is read"
            return Instances("self-instruct", real[INSTRUCTION], real[INSTANCES]), why
    return None
