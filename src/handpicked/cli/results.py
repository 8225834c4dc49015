"""``handpicked report`` and ``handpicked inspect``: the report of a run, and people's votes on its pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli.options import Json, Out
from handpicked.cli.terminal import next_step, say


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="One run to render again, or several to compare.", show_default=False)
    ],
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Render a run's report again from its results and votes, or compare several runs on one page."""
    from handpicked.experiment.rendering import render

    page = render(runs, out).page
    print(json.dumps({"report": str(page)}) if as_json else page)
    if not as_json:
        next_step("open the page above")


def inspect(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run, or a folder of 'judge -o'.")],
    limit: Annotated[int, typer.Option(help="Pairs to show; earlier votes on other pairs count too.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the sample and of which answer is first.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: a free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    export: Annotated[Path | None, typer.Option(help="Write all votes to a .json or .csv, and stop.")] = None,
    as_json: Json = False,
) -> None:
    """Vote blind on pairs of answers, then see where people and judge agree."""
    from handpicked.records import LINE
    from handpicked.votes.open import export_to, inspection, serve
    from handpicked.votes.summary import text_of

    inspected = inspection(folder, limit, seed)
    if export is not None:
        export_to(inspected, export)
    else:
        serve(inspected, port, open_, say)
    summary = inspected.summary()
    print(json.dumps(summary, default=LINE.default) if as_json else text_of(summary))
    if not as_json and (folder / "results.json").is_file():
        next_step(f"add the votes to the report: handpicked report {folder}")
