"""``handpicked explore``: a page to look at data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from handpicked.cli import options
from handpicked.cli.bars import bars
from handpicked.cli.terminal import say

What = Annotated[
    list[str],
    typer.Argument(
        metavar="POOL|FOLDER|RUN",
        help="Files of a pool, a folder of 'select', 'score' or 'judge', or a run.",
        show_default=False,
    ),
]
PoolOf = Annotated[list[str] | None, typer.Option("--pool", help="The pool of a folder, if it has moved.")]
Projection = Annotated[
    Literal["pca", "umap"], typer.Option(help="How embeddings are mapped; umap needs umap-learn.")
]


def explore(
    what: What,
    *,
    pool: PoolOf = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: a free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    notes: Annotated[Path | None, typer.Option(help="File to keep notes in; else one in the folder.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write all notes to a .jsonl file, and stop.")] = None,
    projection: Projection = "pca",
    reading: options.ReadingOptions,
    as_json: options.Json = False,
) -> None:
    """Look at the rows of a pool, at what was selected and why, and at judged pairs."""
    from handpicked.explore import Wanted, open_wanted, serve
    from handpicked.explore.index import Reading
    from handpicked.store import write_text

    read_as = Reading(
        reading.pool_format, reading.fields, reading.turns, reading.max_row_mb, reading.split,
        reading.config, reading.encoding,
    )  # fmt: skip
    wanted = Wanted(tuple(what), tuple(pool or ()), read_as, notes, projection)
    with bars() as progress:
        opened = open_wanted(wanted, progress, say)
    if export is not None:
        write_text(export, opened.notes.export())
        notes_written = len(opened.notes.standing())
        print(
            json.dumps({"export": str(export), "notes": notes_written})
            if as_json
            else f"{export}: {notes_written} notes"
        )
        return
    opened.notes.standing()  # a damaged file must be reported before anyone writes a note
    for remark in opened.remarks:
        say(remark)

    def ready(address: str) -> None:
        if as_json:
            print(json.dumps({"address": address, "kind": opened.kind}), flush=True)

    serve(opened, port, open_, say, ready)
