"""``handpicked explore``: a page to look at data."""

from __future__ import annotations

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
    Literal["pca", "umap"], typer.Option(help="The map of embeddings; umap needs umap-learn.")
]


def explore(
    what: What,
    pool: PoolOf = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    notes: Annotated[Path | None, typer.Option(help="The file of notes; else in the folder.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write all notes to a .jsonl file, and stop.")] = None,
    projection: Projection = "pca",
    split: options.SplitName = None,
    config: options.ConfigName = None,
    encoding: options.Encoding = None,
    pool_format: options.PoolFormat = None,
    map_: options.FieldMap = None,
    turns: options.ResponseTurns = "last",
    max_row_mb: options.MaxRow = 256,
) -> None:
    """Look at the rows of a pool, at what was selected and why, and at judged pairs."""
    from handpicked.explore import Wanted, open_wanted, serve
    from handpicked.explore.index import Reading
    from handpicked.settings import mapping_of
    from handpicked.store import write_text

    reading = Reading(pool_format, mapping_of("--map", map_), turns, max_row_mb, split, config, encoding)
    wanted = Wanted(tuple(what), tuple(pool or ()), reading, notes, projection)
    with bars() as progress:
        opened = open_wanted(wanted, progress, say)
    if export is not None:
        write_text(export, opened.notes.export())
        print(f"{export}: {len(opened.notes.standing())} notes")
        return
    opened.notes.standing()  # a damaged file must be reported before anyone writes a note
    for remark in opened.remarks:
        say(remark)
    serve(opened, port, open_, say)
