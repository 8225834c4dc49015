"""Work on prompts in parts whose results are records: one line of JSON each in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from handpicked.progress import Progress
from handpicked.records import to_json
from handpicked.store import write_text
from handpicked.store.journal import recover
from handpicked.workers.parts import PartFiles, Task
from handpicked.workers.run import Workers, run_parts

PROMPTS = 64
"""Prompts of a part, about: whole batches."""


def part_size(batch: int) -> int:
    """The largest number of prompts up to ``PROMPTS`` that is whole batches: batches are the same whether
    there are parts or not.
    """
    return batch * max(1, PROMPTS // batch)


def records_of(
    task: Task,
    ids: Sequence[str],
    batch: int,
    kind: type[Any],
    out_file: Path,
    workers: Workers,
    progress: Progress,
) -> list[Any]:
    """The records (of the dataclass ``kind``, with a ``prompt_id``) that ``task`` makes of the prompts
    ``ids``, in the order of their parts; ``out_file`` has them when all are there.

    ``out_file`` may hold some already, as versions before 0.2.0 left it: parts of which it has all are done.
    Raises as ``run_parts`` does.
    """
    known = {record["prompt_id"]: record for record in recover(out_file)}
    if all(name in known for name in ids):
        return [kind(**known[name]) for name in ids]
    files = PartFiles.of(out_file.parent, [len(ids)], part_size(batch), f".{out_file.stem}-parts")
    for part in files.missing():
        names = ids[part.first : part.end]
        if names and all(name in known for name in names):
            files.write(part, pa.Table.from_pylist([known[name] for name in names]))
    run_parts(task, files, workers, progress)
    found = [kind(**line) for table in files.tables() for line in table.to_pylist()]
    write_text(out_file, "".join(to_json(record) + "\n" for record in found))
    files.remove()
    return found
