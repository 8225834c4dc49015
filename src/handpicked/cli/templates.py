"""``handpicked init``: the first experiment file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli.options import Json
from handpicked.cli.terminal import next_step

Template = Annotated[
    str,
    typer.Argument(help="quickstart, compare, sizes, domain, or another shipped experiment."),
]
File = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="The file to write; else TEMPLATE.yaml.", show_default=False),
]


def init(template: Template = "quickstart", out: File = None, as_json: Json = False) -> None:
    """Write a commented experiment file to start from, and its schema for editors."""
    from handpicked.experiment.first_file import write_first

    written = write_first(template, out or Path(f"{template}.yaml"))
    if as_json:
        print(json.dumps({"files": [str(file) for file in written]}))
        return
    for file in written:
        print(file)
    next_step(f"change it to your data, then: handpicked run {written[0]} --dry-run")
