"""Work cut into fixed parts, one file a part: the file is the note that the part is done.

Parts depend on the work alone, not on who does it, and everything that may move a value (batches, padding, a
shared prefix) is planned inside a part. So the same bytes come of one worker or of many, and of a task that
was killed in between.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from handpicked.errors import StoreError
from handpicked.store import writing

log = logging.getLogger(__name__)

FACTS = b"facts"
"""The key of the table's schema metadata that holds additional facts, as JSON."""


@dataclass(frozen=True, slots=True)
class Part:
    """Items ``first`` up to ``end`` (exclusive) of a task's section number ``section``."""

    number: int
    section: int
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first


def cut(sections: Sequence[int], size: int) -> list[Part]:
    """Parts of ``size`` items, the last of each section smaller. ``sections`` are their numbers of items. An
    empty section is one empty part.
    """
    spans = [
        (section, first, min(first + size, count))
        for section, count in enumerate(sections)
        for first in range(0, max(count, 1), size)
    ]
    return [Part(number, *span) for number, span in enumerate(spans)]


class Work(Protocol):
    """A task as one worker does it, with the model that it has loaded."""

    def read(self, part: Part) -> Any:
        """What the part needs: its items read and tokenised. Called in a thread, ahead of ``compute``."""
        ...

    def compute(self, ready: Any, step: Callable[[float], None]) -> pa.Table:
        """The part's table, of what ``read`` gave. ``step`` counts items that are done. It loads its model
        when it is called for the first time.
        """
        ...


class Task(Protocol):
    """Work in parts. Picklable: it travels to the processes and hosts that do it."""

    @property
    def name(self) -> str:
        """What progress and errors call it."""
        ...

    @property
    def items(self) -> str:
        """What it counts, such as ``rows``."""
        ...

    @property
    def libraries(self) -> Sequence[str]:
        """The packages that must be of one release wherever it is worked on."""
        ...

    def open(self) -> Work:
        """Made once in each worker."""
        ...


@dataclass(frozen=True)
class PartFiles:
    """The parts of one task in ``folder``, which is made for it and removed when their result is written."""

    folder: Path
    parts: Sequence[Part]

    @staticmethod
    def of(work: Path, sections: Sequence[int], size: int, name: str = "parts") -> PartFiles:
        """Those below the folder ``work`` of a stage, in a folder of this ``name`` and their size: parts of
        another size are others.
        """
        return PartFiles(work / f"{name}-of-{size}", cut(sections, size))

    def file(self, part: Part) -> Path:
        """Where the table of a part is, once it is done."""
        return self.folder / f"{part.number:06}.arrow"

    def missing(self) -> list[Part]:
        """The parts that are yet to be done. Files that a kill left half-written are removed; a damaged file
        is reported and its part done again.
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            there = {path.name for path in self.folder.iterdir()}
            for name in there:
                if name.startswith("."):
                    (self.folder / name).unlink(missing_ok=True)
            return [part for part in self.parts if not (self.file(part).name in there and self._whole(part))]

    def _whole(self, part: Part) -> bool:
        """Whether the file has its end, where Arrow keeps its index."""
        file = self.file(part)
        try:
            with pa.OSFile(str(file)) as source:
                pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            log.warning("%s is damaged; its part is done again", file)
            file.unlink()
            return False
        return True

    def write(self, part: Part, table: pa.Table) -> None:
        """Write the table of a part: it is there whole, and on the disk, or not at all."""
        aside = self.folder / f".{part.number:06}.{os.getpid()}"
        try:
            with writing(self.folder):
                with aside.open("wb") as file:
                    with pa.ipc.new_file(file, table.schema) as writer:
                        writer.write_table(table)
                    file.flush()
                    os.fsync(file.fileno())
                aside.replace(self.file(part))
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)

    def read(self, part: Part) -> pa.Table:
        """The table of a part, memory-mapped. Raises StoreError where the file is damaged."""
        file = self.file(part)
        try:
            with pa.memory_map(str(file)) as source:
                return pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid as error:
            raise StoreError(
                f"{file} is damaged ({error}). Run the same command again: this part is computed again, "
                "the others are kept."
            ) from error

    def tables(self, section: int = 0) -> Iterator[pa.Table]:
        """The tables of a section's parts in their order, one in memory at a time."""
        return (self.read(part) for part in self.parts if part.section == section)

    def facts(self, section: int = 0) -> list[dict[str, Any]]:
        """What each part of a section noted beside its table."""
        return [facts_of(table) for table in self.tables(section)]

    def remove(self) -> None:
        """Remove all parts, once what they were for is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def with_facts(table: pa.Table, facts: Mapping[str, Any]) -> pa.Table:
    """The table with ``facts`` noted beside it."""
    return table.replace_schema_metadata({FACTS: json.dumps(facts).encode()})


def facts_of(table: pa.Table) -> dict[str, Any]:
    """What ``with_facts`` noted."""
    found: dict[str, Any] = json.loads((table.schema.metadata or {}).get(FACTS, b"{}"))
    return found


def runs(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    """Ascending parts as runs of parts that follow one another."""
    for _, run in itertools.groupby(enumerate(parts), lambda placed: placed[1].number - placed[0]):
        yield [part for _, part in run]
