"""Checks what this machine can run: devices, installed parts, versions, hub, keys, disk, experiments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from handpicked.errors import HandpickedError, first_line
from handpicked.experiment.doctor.devices import devices, machine_here
from handpicked.experiment.doctor.experiments import runnable
from handpicked.experiment.doctor.finding import Finding
from handpicked.experiment.doctor.libraries import clashes, parts
from handpicked.experiment.doctor.places import keys_and_hub, places
from handpicked.experiment.places import shipped_experiments
from handpicked.pages.table import table, text
from handpicked.workers.machine import Machine

__all__ = ["Finding", "examine", "text_of"]

WIDTH = 1000
"""Letters in a line: sentences are left to the terminal to wrap."""


def examine(folder: Path, assume: str | None = None) -> list[Finding]:
    """Everything a user may need to know before a run whose results go below ``folder``, on this machine or
    on one that ``assume`` writes as ``8xH100-80GB``. Reads no pool, asks no hub, and never shows a key.

    Raises ConfigError where ``assume`` is no machine.
    """
    machine = machine_here(assume)
    return [
        *devices(machine),
        *parts(),
        *clashes(),
        *keys_and_hub(),
        *places(folder),
        *_experiments(machine),
    ]


def _experiments(machine: Machine) -> Iterator[Finding]:
    """Every experiment that comes with handpicked: whether the machine can run it."""
    for name in shipped_experiments():
        try:
            one = runnable(name, machine)
        except HandpickedError as error:
            yield Finding("Experiments", name, "wrong", first_line(error))
            continue
        fetched = f"; fetches {', '.join(one.to_fetch)}" if one.to_fetch else ""
        said = f"{one.starts}{fetched}" if one.can else "\n".join(one.missing)
        yield Finding("Experiments", name, "ok" if one.can else "missing", said)


def text_of(findings: Sequence[Finding]) -> str:
    """The findings for a terminal, a table for each section."""
    sections = dict.fromkeys(one.section for one in findings)
    head = ["What", "", "Found"]
    return "\n\n".join(
        text(
            table(
                section, head, [row for one in findings if one.section == section for row in _rows(one)], 3
            ),
            WIDTH,
        )
        for section in sections
    )


def _rows(one: Finding) -> list[list[str]]:
    first, *more = one.detail.splitlines() or [""]
    return [[one.what, one.state, first], *(["", "", line] for line in more)]
